/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_MX_H
#define PROBE_NET_MX_H

#include "probe/net/lookup.h"

/*
 * A mail domain to the hosts that take its mail (RFC 5321 section 5.1, RFC 7505), inside a deadline; and
 * whether what they lead to can be meant.
 */
struct mx;

struct mx_answer {
    char hosts[PLAN_MAX_ADDRESSES]
              [DNS_NAME_SIZE]; /* by preference, as written, the root as "."; check each */
    size_t count;
    bool implicit; /* there is no MX record: the domain itself is the only host */
    bool many;     /* there were more */
    bool expired;  /* nothing was known at the deadline: reason is timeout */
    int64_t at_us; /* when it was known, monotonic */
    /* REASON_NONE when there are hosts; else what dns.h names, or null_mx. */
    enum reason reason;
    char message[DNS_MESSAGE_SIZE]; /* one sentence without its full stop; "" when there are hosts */
};

/* Called once, from the loop, never from inside mx_start. The question is gone after it returns. */
typedef void mx_done(void *context, const struct mx_answer *answer);

/* domain is copied, and complete: no search domain is tried. */
struct mx *mx_start(struct dns *dns, uv_loop_t *loop, const char *domain, int64_t deadline_us, mx_done *done,
                    void *context);

/* Done will not be called. Null is fine. */
void mx_cancel(struct mx *mx);

/* Whether an MX record may name that: a host, and not the root, an IP address or localhost. If not, the
 * answer says why, its time aside; of what the record names only clean text is in it. */
bool mx_check_host(const char *host, const char *domain, struct lookup_answer *answer_r);

/* What looking up a good name has found, as an MX host's: that it is an alias, or an address that means
 * whoever dials it, turns the answer into mx_invalid. The hosts file may say what it likes. An implicit host
 * may be an alias: it needs the second check alone. */
void mx_check_alias(const char *host, struct lookup_answer *answer_io);
void mx_check_addresses(const char *host, struct lookup_answer *answer_io);

#endif
