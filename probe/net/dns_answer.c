/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a resolver's answer means: addresses, mail exchangers (RFC 1035 section 3.3.9), or a reason and its
 * sentence. The packet is hostile: c-ares parses it, what it gives is bounded here, and each name is taken
 * only if it is one. Whom to ask, and when to give up, is dns.c's.
 */
#include "probe/net/dns_answer.h"

#include "probe/base/text.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_ALIASES = 16, CUT_NAME = 64 };

/* Why there is no answer. */
struct why {
    enum reason reason;
    char message[DNS_MESSAGE_SIZE];
};

__attribute__((format(printf, 3, 4))) static void say(struct why *a, enum reason reason, const char *format,
                                                      ...)
{
    va_list list;

    a->reason = reason;
    va_start(list, format);
    vsnprintf(a->message, sizeof a->message, format, list);
    va_end(list);
}

void dns_answer_keep(struct dns_answer *answer, int family, const void *bytes)
{
    struct address a = {0};

    a.any.sa_family = (sa_family_t)family;
    if (family == AF_INET)
        memcpy(&a.v4.sin_addr, bytes, sizeof a.v4.sin_addr);
    else
        memcpy(&a.v6.sin6_addr, bytes, sizeof a.v6.sin6_addr);
    for (size_t i = 0; i < answer->count; i++)
        if (address_same_host(&answer->addresses[i], &a))
            return;
    if (answer->count < PLAN_MAX_ADDRESSES)
        answer->addresses[answer->count++] = a;
    else
        answer->many = true;
}

/* The owners of the aliases in an answer that has been parsed before, and where the last one leads. All are
 * to be freed. */
static size_t read_aliases(const unsigned char *packet, int len, char *owners[MAX_ALIASES + 1],
                           char **target_r)
{
    const unsigned char *at = packet + NS_HFIXEDSZ, *end = packet + len;
    size_t count = 0;
    char *name;
    long used;

    *target_r = NULL;
    if (ares_expand_name(at, packet, len, &name, &used))
        return 0;
    ares_free_string(name);
    at += used + NS_QFIXEDSZ;
    for (int left = packet[6] << 8 | packet[7]; left > 0 && count <= MAX_ALIASES; left--) {
        if (at >= end || ares_expand_name(at, packet, len, &name, &used))
            break;
        at += used;
        if (end - at < NS_RRFIXEDSZ || (at[0] << 8 | at[1]) != ns_t_cname) {
            ares_free_string(name);
            break;
        }
        owners[count++] = name;
        ares_free_string(*target_r);
        *target_r = NULL;
        (void)ares_expand_name(at + NS_RRFIXEDSZ, packet, len, target_r, &used);
        at += NS_RRFIXEDSZ + (at[8] << 8 | at[9]);
    }
    return count;
}

/* Whether the aliases bite their own tail, or are too many to follow. */
static bool aliases_loop(const unsigned char *packet, int len, size_t *count_r)
{
    char *owners[MAX_ALIASES + 1], *target;
    size_t count = read_aliases(packet, len, owners, &target);
    bool loop = count > MAX_ALIASES;

    *count_r = count;
    for (size_t i = 0; i < count; i++) {
        loop = loop || (target && !strcasecmp(owners[i], target));
        ares_free_string(owners[i]);
    }
    ares_free_string(target);
    return loop;
}

/* A good answer in which nothing of that type is. */
static void say_empty(const struct dns_reply *r, const char *type, struct why *why)
{
    size_t aliases;

    if (aliases_loop(r->packet, r->len, &aliases))
        say(why, REASON_MALFORMED,
            "the aliases (CNAME) of %s lead nowhere: they go round in a circle, or on and on", r->name);
    else
        say(why, REASON_NO_ADDRESS, "%s has no %s record", r->name, type);
}

/* What c-ares made of a packet that came as a good answer. */
static void say_parsed(const struct dns_reply *r, int status, const char *type, struct why *why)
{
    if (status == ARES_ENOMEM)
        say(why, REASON_LOCAL_RESOURCE, "no memory to look up %s", r->name);
    else if (status != ARES_SUCCESS && status != ARES_ENODATA)
        say(why, REASON_MALFORMED, "the resolver's answer for %s cannot be read", r->name);
    else
        say_empty(r, type, why);
}

/* No resolver could be talked to. c-ares does not say why; but that no socket is to be had can be seen. */
static void say_nobody(const struct dns_reply *q, struct why *a)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        say(a, REASON_LOCAL_RESOURCE, "cannot look up %s: %s", q->name, strerrordesc_np(errno));
        return;
    }
    close(fd);
    say(a, REASON_TIMEOUT, "cannot look up %s: no resolver could be reached (%s)", q->name, q->servers);
}

static void say_status(const struct dns_reply *q, const char *type, struct why *a)
{
    const char *by = q->servers;
    int status = q->status;

    switch (status) {
    case ARES_ENOTFOUND:
        say(a, REASON_NXDOMAIN, "there is no host named %s (NXDOMAIN)", q->name);
        break;
    case ARES_ENODATA:
        say(a, REASON_NO_ADDRESS, "%s has no %s record", q->name, type);
        break;
    case ARES_ESERVFAIL:
        say(a, REASON_SERVFAIL,
            "the resolver (%s) failed to look up %s (SERVFAIL): it is ill, or the domain's "
            "servers or DNSSEC signatures are",
            by, q->name);
        break;
    case ARES_EREFUSED:
    case ARES_ENOTIMP:
    case ARES_EFORMERR:
        say(a, REASON_REFUSED, "the resolver (%s) refused to look up %s (%s)", by, q->name,
            status == ARES_EREFUSED  ? "REFUSED"
            : status == ARES_ENOTIMP ? "NOTIMP"
                                     : "FORMERR");
        break;
    case ARES_EBADRESP:
        say(a, REASON_MALFORMED, "the resolver's answer for %s cannot be read", q->name);
        break;
    case ARES_EBADNAME:
    case ARES_EBADSTR:
        say(a, REASON_MALFORMED, "\"%s\" cannot be looked up: it is no valid host name", q->name);
        break;
    case ARES_ETIMEOUT:
        say(a, REASON_TIMEOUT, "cannot look up %s: no answer from the resolver (%s)", q->name, by);
        break;
    case ARES_ECONNREFUSED:
    case ARES_ENOTINITIALIZED: /* there is no channel */
        say_nobody(q, a);
        break;
    default: /* no memory, no file, the end of the program */
        say(a, REASON_LOCAL_RESOURCE, "cannot look up %s: %s", q->name, ares_strerror(status));
    }
}

/* Whether there is a good answer to read; if not, why. */
static bool is_readable(const struct dns_reply *r, const char *type, struct why *why)
{
    if (r->closer && r->packet && r->len >= NS_HFIXEDSZ && (r->packet[2] & 0x02)) {
        say(why, REASON_MALFORMED,
            "the resolver's answer for %s is truncated, and it gives no other over TCP", r->name);
        return false;
    }
    if (r->status == ARES_SUCCESS)
        return true;
    say_status(r, type, why);
    return false;
}

/* Of a packet that was parsed. One that c-ares made of a DNAME stands behind it. */
static bool is_alias(const struct dns_reply *r, const struct hostent *host)
{
    size_t aliases;

    (void)aliases_loop(r->packet, r->len, &aliases);
    return aliases > 0 || (host && host->h_aliases && host->h_aliases[0]);
}

static void read_addresses(const struct dns_reply *r, bool v4, struct dns_answer *answer, struct why *why)
{
    struct hostent *host = NULL;
    int status = v4 ? ares_parse_a_reply(r->packet, r->len, &host, NULL, NULL)
                    : ares_parse_aaaa_reply(r->packet, r->len, &host, NULL, NULL);

    for (char **at = host ? host->h_addr_list : NULL; at && *at; at++)
        dns_answer_keep(answer, v4 ? AF_INET : AF_INET6, *at);
    answer->alias = (status == ARES_SUCCESS || status == ARES_ENODATA) && is_alias(r, host);
    if (host)
        ares_free_hostent(host);
    if (!answer->count)
        say_parsed(r, status, v4 ? "A" : "AAAA", why);
}

void dns_answer_read(const struct dns_reply *reply, enum dns_type type, struct dns_answer *answer_r)
{
    struct dns_answer answer = {0};
    struct why why = {.reason = REASON_NONE};

    if (is_readable(reply, type == DNS_A ? "A" : "AAAA", &why))
        read_addresses(reply, type == DNS_A, &answer, &why);
    answer.reason = why.reason;
    memcpy(answer.message, why.message, sizeof answer.message);
    *answer_r = answer;
}

/* ---- mail exchangers ---- */

static void drop_mx(struct dns_mx_answer *answer, size_t i)
{
    answer->count--;
    memmove(&answer->hosts[i], &answer->hosts[i + 1], (answer->count - i) * sizeof answer->hosts[0]);
}

/* The place of that host, in whatever case it is written; count when it is not there. */
static size_t place_of(const struct dns_mx_answer *answer, const char *host)
{
    size_t i = 0;

    while (i < answer->count && strcasecmp(answer->hosts[i].host, host) != 0)
        i++;
    return i;
}

/* The most preferred ones (the lowest numbers), each host once, equal ones in the order of the answer. */
static void keep_mx(struct dns_mx_answer *answer, const struct dns_mx *mx)
{
    size_t i = place_of(answer, mx->host);

    if (i < answer->count && answer->hosts[i].preference <= mx->preference)
        return;
    if (i < answer->count)
        drop_mx(answer, i);
    for (i = answer->count; i > 0 && answer->hosts[i - 1].preference > mx->preference; i--)
        ;
    if (answer->count == PLAN_MAX_ADDRESSES) {
        answer->many = true;
        if (i == answer->count)
            return;
        answer->count--;
    }
    memmove(&answer->hosts[i + 1], &answer->hosts[i], (answer->count - i) * sizeof answer->hosts[0]);
    answer->hosts[i] = *mx;
    answer->count++;
}

/* c-ares escapes what is not printable; what it might miss is none of a host's characters either. */
static void set_name(struct dns_mx *mx, const char *name)
{
    struct arena arena = {0};
    const char *clean = text_is_clean(span_of(name)) ? name : text_escape(&arena, span_of(name));
    bool fits = strlen(clean) < sizeof mx->host;

    snprintf(mx->host, sizeof mx->host, "%.*s%s", fits ? DNS_NAME_SIZE : CUT_NAME, clean, fits ? "" : "...");
    arena_free(&arena);
}

static void read_mx(const struct dns_reply *r, struct dns_mx_answer *answer, struct why *why)
{
    struct ares_mx_reply *list = NULL;
    int status = ares_parse_mx_reply(r->packet, r->len, &list);

    for (const struct ares_mx_reply *at = list; at; at = at->next) {
        struct dns_mx mx = {.preference = at->priority};
        set_name(&mx, at->host);
        keep_mx(answer, &mx);
    }
    ares_free_data(list);
    if (!answer->count)
        say_parsed(r, status, "MX", why);
}

void dns_answer_read_mx(const struct dns_reply *reply, struct dns_mx_answer *answer_r)
{
    struct dns_mx_answer answer = {.count = 0};
    struct why why = {.reason = REASON_NONE};

    if (is_readable(reply, "MX", &why))
        read_mx(reply, &answer, &why);
    answer.reason = why.reason;
    memcpy(answer.message, why.message, sizeof answer.message);
    *answer_r = answer;
}
