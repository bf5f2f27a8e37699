/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_LOOKUP_H
#define PROBE_NET_LOOKUP_H

#include "probe/net/dns.h"

/*
 * A host's name to its addresses, as the system would do it: the hosts file first, then A and AAAA side by
 * side, as far as the family asks for them.
 */
struct lookup;

#define LOOKUP_MAX_ADDRESSES (DNS_TYPES * PLAN_MAX_ADDRESSES)

struct lookup_answer {
    struct address addresses[LOOKUP_MAX_ADDRESSES]; /* ports are 0; in no particular order */
    size_t count;
    bool partial;   /* one of A and AAAA could not be had (it is not just empty); the other is here */
    bool many;      /* there are more than a run tries */
    bool alias;     /* the name is an alias of another (CNAME) */
    bool operators; /* all this stands in the hosts file */
    bool expired;   /* nothing was known at the deadline: reason is timeout */
    int64_t at_us;  /* when it was known, monotonic */
    /* REASON_NONE when there are addresses; else what dns.h names, or no_address_for_family: the host has
     * addresses of the other family alone. */
    enum reason reason;
    char message[DNS_MESSAGE_SIZE]; /* one sentence without its full stop; "" when there are addresses */
};

/* Called once, from the loop, never from inside lookup_start. The lookup is gone after it returns. */
typedef void lookup_done(void *context, const struct lookup_answer *answer);

/* host is no literal, and is copied. Ends at the deadline at the latest. When one family is there and the
 * other is not, that one gets half of the time that is left: it must not use up all of a run. */
struct lookup *lookup_start(struct dns *dns, uv_loop_t *loop, const char *host, enum family family,
                            int64_t deadline_us, lookup_done *done, void *context);

/* The same for a name that is complete: no search domain is tried. */
struct lookup *lookup_start_absolute(struct dns *dns, uv_loop_t *loop, const char *host, enum family family,
                                     int64_t deadline_us, lookup_done *done, void *context);

/* Done will not be called. */
void lookup_cancel(struct lookup *lookup);

#endif
