/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_IMAP_PARSE_H
#define PROBE_PROTO_IMAP_PARSE_H

#include "probe/base/arena.h"
#include "probe/base/span.h"

#include <stdbool.h>
#include <stdint.h>

/* What stands in one response of an IMAP server (RFC 9051 section 9), as imap_line.h hands it over. */

enum imap_status { IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH, IMAP_NO_STATUS };

/* OK, NO, BAD, BYE or PREAUTH with its text; IMAP_NO_STATUS is all else. Spans point into the response. */
struct imap_reply {
    struct span tag;  /* "*", "+", or a command's */
    struct span rest; /* behind the tag */
    enum imap_status status;
    struct span code; /* "UIDVALIDITY 7", without brackets; empty = there is none */
    uint32_t number;  /* "* 12 EXISTS": 12, and rest begins behind it; else 0 */
    bool has_number;
};

/* 0, or -1: no tag, so it is no response. */
int imap_parse_reply(struct span response, struct imap_reply *reply_r);

/* Whether the text begins with that word (case aside), which ends there; then *rest_r is what follows. */
bool imap_parse_word(struct span text, const char *word, struct span *rest_r);

/* The number at the beginning of the text, which ends there: 1 to 4294967295. 0, or -1. */
int imap_parse_number(struct span text, uint32_t *number_r);

/* "(UID 4 RFC822.SIZE 44827 BODY[...] {342} ...)", of which is kept what is wanted here. */
struct imap_fetch {
    uint32_t uid; /* 0 = it does not say */
    uint64_t size;
    bool has_size;
    struct span header; /* BODY[HEADER.FIELDS ...]; data null = absent, or NIL */
    struct span body;   /* BODY[] */
};

/* 0, or -1: it is none. */
int imap_parse_fetch(struct span text, struct imap_fetch *fetch_r);

/* "(\HasNoChildren \Junk) "/" "Spam"": 0 and the name as it came, if it has that attribute (with its
 * backslash); else -1. */
int imap_parse_list(struct arena *a, struct span text, const char *attribute, const char **name_r);

#endif
