/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_SINK_H
#define PROBE_PROTO_SINK_H

#include "probe/base/arena.h"
#include "probe/base/buffer.h"
#include "probe/base/fingerprint.h"
#include "probe/base/span.h"
#include "probe/plan.h"
#include "probe/proto/seam.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The built-in receiver: one session of an SMTP server (RFC 5321), or of one that speaks LMTP (RFC 2033), on
 * the seam of seam.h. It takes mail for
 * its own domains, never relays, and never passes anything on. It offers PIPELINING (RFC 2920), SIZE (1870),
 * 8BITMIME (6152), SMTPUTF8 (6531), ENHANCEDSTATUSCODES (2034), and STARTTLS (3207) if there is a
 * certificate. Strict where leniency lets one message be read as two: a command ends with CRLF, and a message
 * with CRLF.CRLF alone. In LMTP a message gets a reply for each recipient that was accepted.
 */
#define SINK_MAX_LINE       1024 /* octets of a command, line end included (512 and room for parameters) */
#define SINK_MAX_FLOOD      (64 * 1024) /* octets of a line that does not end: then it is over */
#define SINK_MAX_OUTPUT     (64 * 1024) /* octets of replies that nobody reads: likewise */
#define SINK_MAX_RECIPIENTS 100         /* RFC 5321 section 4.5.3.1.8 */
#define SINK_MAX_MESSAGE    (10 * 1024 * 1024)
#define SINK_MAX_KEPT       (64 * 1024) /* octets that are kept of a message: its header is there */
#define SINK_MAX_ERRORS     20          /* commands that are none, or come out of order, in a session */
#define SINK_MAX_IDLE       100         /* commands since the last message, recipients of ours aside */

/* How long it waits, in microseconds, however slowly the peer drips. */
#define SINK_COMMAND_US INT64_C(60000000)  /* for a sender, recipient or message, whatever is said between */
#define SINK_MESSAGE_US INT64_C(300000000) /* for a whole message */
#define SINK_CLOSING_US INT64_C(10000000)  /* for its last words to be taken */

/* A message that has come in whole. Lives as long as the call that shows it. */
struct sink_message {
    const char *from; /* "" is the null sender */
    const char *const *to;
    size_t to_count;
    struct span kept; /* its first SINK_MAX_KEPT octets, as sent, without the stuffed dots */
    size_t size;      /* octets of all of it */
    uint64_t body;    /* the fingerprint of the body, all of it */
    int64_t at_us;    /* when its last byte came */
};

/* What all sessions of a receiver share. Whoever makes it keeps it while a session lives. */
struct sink_policy {
    const char *name;           /* how it calls itself */
    const char *const *domains; /* lower case; of an international one each form that is ours */
    size_t domain_count;
    /* Of sessions that begin from now on: */
    enum protocol protocol;
    bool offers_tls; /* there is a certificate */
    /* Where messages go; null: they are accepted and forgotten. */
    void (*take)(void *context, const struct sink_message *message);
    void *context;
};

enum sink_data { SINK_LINE_START, SINK_DOT, SINK_DOT_CR, SINK_TEXT, SINK_CR };

struct sink {
    const struct sink_policy *policy;
    struct buffer line; /* the command that is being read */
    size_t line_octets; /* of it, also what was too much to keep */
    struct buffer output;
    enum protocol protocol;
    bool offers_tls; /* STARTTLS (RFC 3207) */
    bool wants_tls;  /* it was taken */
    bool secured;    /* and done */
    bool hello;      /* EHLO, HELO or LHLO was taken */
    bool extended;   /* it was not HELO */
    bool must_wait;  /* a reply that changes everything is not out yet: the peer may not talk */
    bool in_message;
    bool closing; /* when the output is out, it is over */
    bool over;
    unsigned errors;
    unsigned idle; /* commands since the last message */
    int64_t now_us;
    int64_t deadline_us;

    /* the transaction */
    struct arena arena;
    const char *from; /* null = there is none */
    bool utf8;        /* SMTPUTF8 was asked for */
    const char **to;
    size_t to_count;
    struct buffer kept;
    size_t size;
    struct fingerprint body;
    enum sink_data data;
};

/* Begins a session with a greeting. The struct must not move until sink_free. */
void sink_init(struct sink *s, const struct sink_policy *policy, int64_t now_us);
void sink_free(struct sink *s);

extern const struct seam sink_seam;

#endif
