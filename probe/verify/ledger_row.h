/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_LEDGER_ROW_H
#define PROBE_VERIFY_LEDGER_ROW_H

#include "probe/base/span.h"
#include "probe/evidence.h"
#include "probe/verdict.h"

/*
 * One message as it outlives a restart: plain values that whoever keeps them need not understand. Times are
 * wall-clock microseconds since 1970 (a monotonic clock ends with the machine); CLOCK_NONE = never. Texts are
 * null where absent; spans are bytes as they are.
 */
struct ledger_row {
    const char *token; /* its key */
    uint64_t serial;   /* of this save: the next one's is higher. Need not be kept. */
    const char *target;
    const char *route;
    const char *run;
    const char *mailbox;
    const char *bounce_mailbox;
    uint64_t wish;        /* what the route wanted (letters.c) */
    int64_t opened_us;    /* from then on it might be sent */
    int64_t data_us;      /* DATA was said */
    int64_t sent_us;      /* the dot was written */
    int64_t within_us;    /* a duration */
    size_t recipients;    /* it was sent to; 0 = not known yet */
    bool closed;          /* nobody asks for its run any more */
    struct span seen;     /* the copies that were found (ledger.c's own form) */
    struct span original; /* what was sent (proto/original.h's own form) */

    enum route_state state;
    bool ok;
    enum phase phase;
    enum reason reason;
    int64_t settled_us;
    int64_t latency_us; /* a duration */
    uint64_t flags;
    const char *why;

    const char *found;        /* the place */
    struct span found_header; /* of the message as it was found */
    size_t found_size;
    int64_t found_us;
    const char *changes;  /* one a line */
    struct bounce bounce; /* action null = none */
};

/* Keeps them, and tells ledger_saved later which save is safe. One that a later save of the same token has
 * overtaken need not be told. */
struct ledger_keeper {
    /* The row is as it says from now on; it is copied. */
    void (*save)(void *context, const struct ledger_row *row);
    /* Nobody needs it any more. */
    void (*drop)(void *context, const char *token);
};

#endif
