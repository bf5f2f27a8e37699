/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_REPLY_H
#define PROBE_PROTO_REPLY_H

#include "probe/base/arena.h"
#include "probe/base/buffer.h"
#include "probe/base/mask.h"
#include "probe/result.h"
#include "probe/verdict.h"

/*
 * Reads one SMTP reply (RFC 5321 section 4.2) from bytes as they come. Strict about what decides (codes,
 * separators, NUL, lengths), lenient with a flag about what does not (line ends, empty lines before it).
 */
#define REPLY_MAX_LINE  4096 /* octets, line end included */
#define REPLY_LONG_LINE 512  /* RFC 5321 section 4.5.3.1.5; longer is flagged */
#define REPLY_MAX_LINES 100
#define REPLY_MAX_BYTES (64 * 1024)
#define REPLY_MAX_STRAY 4    /* empty lines before the first line */
#define REPLY_MAX_TEXT  1024 /* octets of what reply_text() makes of it */

struct reply_parser {
    struct arena *arena;     /* where lines are kept */
    const struct mask *mask; /* what no line may show; null = nothing is hidden */
    bool banner;             /* the first line of all: no digits there means it is not SMTP */
    bool enhanced;           /* look for enhanced status codes (not in banner and EHLO, RFC 2034 section 3) */
    struct buffer line;      /* the line that is being read */
    size_t bytes;            /* of this reply so far */
    size_t stray;
    uint64_t flags;
    bool enhanced_differs;
    struct result_reply reply; /* as far as it came */
    const char **lines;        /* its lines with nothing hidden, for what decides; never shown */
    const char
        *challenge; /* of a whole 334: its (last) text as it came, unmasked, for probe/sasl alone; or null */
};

void reply_init(struct reply_parser *p, struct arena *arena);
void reply_free(struct reply_parser *p);

/* From now on no line that is kept shows what the mask hides. It is kept until the parser is freed, or given
 * another; null hides nothing. */
void reply_mask(struct reply_parser *p, const struct mask *mask);

/* Ready for the next reply; what the last one said stays in the arena. */
void reply_next(struct reply_parser *p, bool banner, bool enhanced);

/* 1 = the reply is whole (p->reply); 0 = more is needed; -1 = it is wrong, *reason_r says how, and the
 * offending line stands in p->reply. *used_r is how many bytes were eaten; on 1 the rest is not the
 * reply's. */
int reply_feed(struct reply_parser *p, struct span bytes, size_t *used_r, enum reason *reason_r);

/* The stream broke off: what stands unfinished in the line is shown as a line of its own. */
void reply_break(struct reply_parser *p);

/* Whether any byte of a reply came (stray empty lines aside). */
bool reply_begun(const struct reply_parser *p);

/* What the reply says, in one line: its lines joined by spaces, each without the enhanced code that the reply
 * has (where it has none, without the first line's). Cut with "..." where it is long. "" when there is none.
 */
const char *reply_text(struct arena *a, const struct result_reply *reply);

/* Whether any line of the reply that was read last has one of the words (a list that ends with a null), in
 * whatever case: what is hidden counts, too. */
bool reply_mentions(const struct reply_parser *p, const char *const *words);

/* What a line that is not SMTP looks like: "ssh", "http", "pop3", "imap", "tls" or null. */
const char *reply_looks_like(struct span line);

#endif
