/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_DNS_H
#define PROBE_NET_DNS_H

#include "probe/base/address.h"
#include "probe/plan.h"
#include "probe/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/*
 * Single questions to the hosts file and to the resolvers of resolv.conf, which is read anew when it has
 * changed. One for each loop. Which families a run needs, and how long it waits, is lookup.h's.
 */
struct dns;
struct dns_query;

enum dns_type { DNS_A, DNS_AAAA, DNS_TYPES };

/* servers: whom to ask instead of those of resolv.conf, "127.0.0.1:5353" or several with commas; null = those
 * of resolv.conf. (For tests; users have resolv.conf.) Never null: when there can be no resolver, each
 * question ends as local_resource. */
struct dns *dns_new(uv_loop_t *loop, const char *servers);

/* Nobody may wait for an answer any more. Its handles are gone after the loop has run once more. */
void dns_free(struct dns *dns);

/* The resolvers that are asked, for people: "192.0.2.53, 192.0.2.54 port 5353". Valid until the next call. */
const char *dns_servers(struct dns *dns);

/* Once for the process, before there are threads. */
void dns_prepare(void);

/* Of c-ares, as it is linked: "1.18.1". */
const char *dns_version(void);

#define DNS_MESSAGE_SIZE 384

struct dns_answer {
    struct address addresses[PLAN_MAX_ADDRESSES]; /* ports are 0, each once */
    size_t count;
    bool many;      /* there were more */
    bool alias;     /* the name is an alias of another (CNAME) */
    bool operators; /* from the hosts file: the word of who runs this machine */
    /* REASON_NONE when there are addresses; else nxdomain, no_address, servfail, refused, malformed,
     * local_resource, or timeout: no resolver could be talked to. */
    enum reason reason;
    char message[DNS_MESSAGE_SIZE]; /* one sentence without its full stop; "" when there are addresses */
};

/* The answer is the callee's only while it is called. */
typedef void dns_answered(void *context, enum dns_type type, const struct dns_answer *answer);

/* Asks the resolvers, with the search domains of resolv.conf unless the name is absolute. The callback comes
 * once, at some time (c-ares gives up after half a minute), and may come from inside: then null is returned.
 * It must not free the dns. */
struct dns_query *dns_ask(struct dns *dns, const char *host, bool absolute, enum dns_type type,
                          dns_answered *answered, void *context);

/* A mail exchanger, as an answer names it: "" is the root, and it may be no host name at all. One that is
 * too long for any is cut, and ends with "...". */
#define DNS_NAME_SIZE 256
struct dns_mx {
    unsigned preference;
    char host[DNS_NAME_SIZE];
};

struct dns_mx_answer {
    struct dns_mx hosts[PLAN_MAX_ADDRESSES]; /* the most preferred first, each host once */
    size_t count;
    bool many; /* there were more */
    /* As in dns_answer; no_address: the domain is there, but has no MX record. */
    enum reason reason;
    char message[DNS_MESSAGE_SIZE];
};

typedef void dns_mx_answered(void *context, const struct dns_mx_answer *answer);

/* The same for the mail exchangers of a domain, which is absolute. */
struct dns_query *dns_ask_mx(struct dns *dns, const char *domain, dns_mx_answered *answered, void *context);

/* The answer, when it comes, finds nobody. Null is fine. */
void dns_forget(struct dns_query *query);

/* What the hosts file has for that name and type, "localhost" always; false when the name is not in it. A
 * name that is there only with the other type is there: reason no_address. */
bool dns_hosts(struct dns *dns, const char *host, enum dns_type type, struct dns_answer *answer_r);

#endif
