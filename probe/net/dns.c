/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to resolvers with c-ares 1.18 on a libuv loop (RFC 1035, RFC 3596). A query cannot be taken back:
 * its cookie (struct dns_query) stays until c-ares has done with it and then finds nobody. Channels are
 * destroyed from our timer or from outside, never from inside a callback.
 * Limits: the hosts file is read anew each time; nsswitch.conf is not looked at; the aliases in an answer
 * must stand in their order, as c-ares reads them.
 */
#include "probe/net/dns.h"

#include "probe/base/buffer.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "probe/net/watches.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESOLV_CONF "/etc/resolv.conf"

/* The first repetition comes after one second, not after five: the usual limit of a lookup is five. */
enum { REPEAT_MS = 1000, TRIES = 4, TICK_MS = 200, MAX_ALIASES = 16 };

/*
 * c-ares says "connection refused" of all that went wrong before a usable answer: a resolver that is not
 * there, that answers SERVFAIL or REFUSED, or whose answer is truncated and TCP refused. So what ends like
 * that is asked once more through a second channel that shows each answer as it came.
 */
enum { NORMAL, CLOSER_LOOK, CHANNELS };

struct channel {
    ares_channel ares; /* null: could not be made */
    struct watches watches;
};

/* One reading of resolv.conf. A newer one replaces it; it goes when its last query has ended. */
struct resolver {
    struct dns *dns;
    struct channel channels[CHANNELS];
    uv_timer_t *tick; /* runs while queries are under way */
    size_t pending;
    struct stat conf;
    char servers[128]; /* for people */
    struct resolver *next;
};

struct dns {
    uv_loop_t *loop;
    char *servers;
    struct resolver *resolvers; /* the current one first */
};

struct dns_query {
    struct resolver *resolver;
    enum dns_type type;
    bool closer; /* asked through CLOSER_LOOK */
    bool bare;   /* asked as it stands, without the search list */
    bool inside; /* dns_ask has not returned yet */
    bool over;
    dns_answered *answered; /* null: nobody waits any more */
    void *context;
    char host[];
};

/* ---- channels ---- */

static void on_ready(void *context, int fd, bool reading, bool writing)
{
    struct channel *c = context;

    ares_process_fd(c->ares, reading ? fd : ARES_SOCKET_BAD, writing ? fd : ARES_SOCKET_BAD);
}

static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
    struct channel *c = data;

    watches_set(&c->watches, fd, readable, writable);
}

static void channel_open(struct channel *c, struct resolver *r, int flags)
{
    char lookups[] = "f"; /* for ares_getaddrinfo, which is asked for the hosts file alone */
    struct ares_options options = {.flags = flags | ARES_FLAG_NOALIASES,
                                   .timeout = REPEAT_MS,
                                   .tries = TRIES,
                                   .lookups = lookups,
                                   .sock_state_cb = on_socket,
                                   .sock_state_cb_data = c};
    int set = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
              ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE;

    c->watches = (struct watches){.loop = r->dns->loop, .ready = on_ready, .context = c};
    if (ares_init_options(&c->ares, &options, set)) {
        c->ares = NULL;
    } else if (r->dns->servers && ares_set_servers_ports_csv(c->ares, r->dns->servers)) {
        ares_destroy(c->ares);
        c->ares = NULL;
    }
}

/* Whom it asks, as people would write it. */
static void name_servers(struct resolver *r)
{
    struct ares_addr_port_node *list = NULL;
    char text[ADDRESS_TEXT_SIZE];
    struct buffer b;

    if (!r->channels[NORMAL].ares || ares_get_servers_ports(r->channels[NORMAL].ares, &list))
        return;
    buffer_init(&b, sizeof r->servers - 1);
    for (struct ares_addr_port_node *n = list; n; n = n->next) {
        if (!ares_inet_ntop(n->family, &n->addr, text, sizeof text))
            continue;
        buffer_printf(&b, "%s%s", b.len ? ", " : "", text);
        if (n->udp_port && n->udp_port != NS_DEFAULTPORT)
            buffer_printf(&b, " port %d", n->udp_port);
    }
    if (b.len)
        memcpy(r->servers, b.data, b.len + 1);
    buffer_free(&b);
    ares_free_data(list);
}

static void resolver_free(struct resolver *r)
{
    for (int i = 0; i < CHANNELS; i++)
        if (r->channels[i].ares)
            ares_destroy(r->channels[i].ares);
    handle_close_timer(r->tick);
    free(r);
}

/* Ends those that were replaced and have nothing left to do. */
static void sweep(struct dns *dns)
{
    struct resolver **at = &dns->resolvers->next;

    while (*at) {
        struct resolver *r = *at;

        if (r->pending) {
            at = &r->next;
        } else {
            *at = r->next;
            resolver_free(r);
        }
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct resolver *r = timer->data;

    for (int i = 0; i < CHANNELS; i++)
        if (r->channels[i].ares)
            ares_process_fd(r->channels[i].ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    if (r->pending)
        return;
    uv_timer_stop(timer);
    sweep(r->dns);
}

static bool up_to_date(const struct resolver *r, const struct stat *conf)
{
    return r->channels[NORMAL].ares && r->channels[CLOSER_LOOK].ares && r->conf.st_ino == conf->st_ino &&
           r->conf.st_size == conf->st_size && r->conf.st_mtim.tv_sec == conf->st_mtim.tv_sec &&
           r->conf.st_mtim.tv_nsec == conf->st_mtim.tv_nsec;
}

/* Whether resolv.conf can be read, or is not there. Where it cannot be for want of descriptors, c-ares would
 * not say so, but ask 127.0.0.1 from then on. */
static bool conf_is_readable(const struct dns *dns)
{
    int fd = dns->servers ? -1 : open(RESOLV_CONF, O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0 || dns->servers || (errno != EMFILE && errno != ENFILE && errno != ENOMEM);
}

/* The current resolver; a new one when resolv.conf has changed, or the last could not be made. */
static struct resolver *resolver_get(struct dns *dns)
{
    struct stat conf = {0};
    struct resolver *r = dns->resolvers;

    if (!dns->servers && stat(RESOLV_CONF, &conf))
        memset(&conf, 0, sizeof conf);
    if (r && up_to_date(r, &conf))
        return r;
    bool readable = conf_is_readable(dns);
    if (r && !readable)
        return r;
    r = mem_alloc(sizeof *r);
    r->dns = dns;
    r->conf = conf;
    r->tick = handle_timer(dns->loop, r);
    if (readable) {
        channel_open(&r->channels[NORMAL], r, 0);
        channel_open(&r->channels[CLOSER_LOOK], r, ARES_FLAG_NOCHECKRESP | ARES_FLAG_IGNTC);
        name_servers(r);
    }
    r->next = dns->resolvers;
    dns->resolvers = r;
    return r;
}

/* ---- answers ---- */

__attribute__((format(printf, 3, 4))) static void say(struct dns_answer *a, enum reason reason,
                                                      const char *format, ...)
{
    va_list list;

    a->reason = reason;
    va_start(list, format);
    vsnprintf(a->message, sizeof a->message, format, list);
    va_end(list);
}

static void keep(struct dns_answer *answer, int family, const void *bytes)
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
static bool aliases_loop(const unsigned char *packet, int len)
{
    char *owners[MAX_ALIASES + 1], *target;
    size_t count = read_aliases(packet, len, owners, &target);
    bool loop = count > MAX_ALIASES;

    for (size_t i = 0; i < count; i++) {
        loop = loop || (target && !strcasecmp(owners[i], target));
        ares_free_string(owners[i]);
    }
    ares_free_string(target);
    return loop;
}

static void read_packet(const struct dns_query *q, const unsigned char *packet, int len, struct dns_answer *a)
{
    bool v4 = q->type == DNS_A;
    struct hostent *host = NULL;
    int status = v4 ? ares_parse_a_reply(packet, len, &host, NULL, NULL)
                    : ares_parse_aaaa_reply(packet, len, &host, NULL, NULL);

    for (char **at = host ? host->h_addr_list : NULL; at && *at; at++)
        keep(a, v4 ? AF_INET : AF_INET6, *at);
    if (host)
        ares_free_hostent(host);
    if (a->count)
        return;
    if (status == ARES_ENOMEM)
        say(a, REASON_LOCAL_RESOURCE, "no memory to look up %s", q->host);
    else if (status != ARES_SUCCESS && status != ARES_ENODATA)
        say(a, REASON_MALFORMED, "the resolver's answer for %s cannot be read", q->host);
    else if (aliases_loop(packet, len))
        say(a, REASON_MALFORMED,
            "the aliases (CNAME) of %s lead nowhere: they go round in a circle, or on and on", q->host);
    else
        say(a, REASON_NO_ADDRESS, "%s has no %s record", q->host, v4 ? "A" : "AAAA");
}

/* No resolver could be talked to. c-ares does not say why; but that no socket is to be had can be seen. */
static void say_nobody(const struct dns_query *q, struct dns_answer *a)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        say(a, REASON_LOCAL_RESOURCE, "cannot look up %s: %s", q->host, strerrordesc_np(errno));
        return;
    }
    close(fd);
    say(a, REASON_TIMEOUT, "cannot look up %s: no resolver could be reached (%s)", q->host,
        q->resolver->servers);
}

static void say_status(const struct dns_query *q, int status, struct dns_answer *a)
{
    const char *by = q->resolver->servers;

    switch (status) {
    case ARES_ENOTFOUND:
        say(a, REASON_NXDOMAIN, "there is no host named %s (NXDOMAIN)", q->host);
        break;
    case ARES_ENODATA:
        say(a, REASON_NO_ADDRESS, "%s has no %s record", q->host, q->type == DNS_A ? "A" : "AAAA");
        break;
    case ARES_ESERVFAIL:
        say(a, REASON_SERVFAIL,
            "the resolver (%s) failed to look up %s (SERVFAIL): it is ill, or the domain's "
            "servers or DNSSEC signatures are",
            by, q->host);
        break;
    case ARES_EREFUSED:
    case ARES_ENOTIMP:
    case ARES_EFORMERR:
        say(a, REASON_REFUSED, "the resolver (%s) refused to look up %s (%s)", by, q->host,
            status == ARES_EREFUSED  ? "REFUSED"
            : status == ARES_ENOTIMP ? "NOTIMP"
                                     : "FORMERR");
        break;
    case ARES_EBADRESP:
        say(a, REASON_MALFORMED, "the resolver's answer for %s cannot be read", q->host);
        break;
    case ARES_EBADNAME:
    case ARES_EBADSTR:
        say(a, REASON_MALFORMED, "\"%s\" cannot be looked up: it is no valid host name", q->host);
        break;
    case ARES_ETIMEOUT:
        say(a, REASON_TIMEOUT, "cannot look up %s: no answer from the resolver (%s)", q->host, by);
        break;
    case ARES_ECONNREFUSED:
    case ARES_ENOTINITIALIZED: /* there is no channel */
        say_nobody(q, a);
        break;
    default: /* no memory, no file, the end of the program */
        say(a, REASON_LOCAL_RESOURCE, "cannot look up %s: %s", q->host, ares_strerror(status));
    }
}

/* ---- questions ---- */

static void query_send(struct dns_query *q);

static void on_answer(void *arg, int status, int timeouts, unsigned char *packet, int len)
{
    struct dns_query *q = arg;
    struct dns_answer a = {0};

    (void)timeouts;
    q->resolver->pending--;
    if (q->answered && !q->closer && (status == ARES_ECONNREFUSED || status == ARES_ETIMEOUT)) {
        q->closer = true;
        query_send(q);
        return;
    }
    /* With what resolv.conf wants to append it is none; that is not the name's fault. */
    if (q->answered && !q->bare && status == ARES_EBADNAME) {
        q->bare = true;
        query_send(q);
        return;
    }
    if (q->answered) {
        if (q->closer && packet && len >= NS_HFIXEDSZ && (packet[2] & 0x02))
            say(&a, REASON_MALFORMED,
                "the resolver's answer for %s is truncated, and it gives no other over TCP", q->host);
        else if (status == ARES_SUCCESS)
            read_packet(q, packet, len, &a);
        else
            say_status(q, status, &a);
        q->answered(q->context, q->type, &a);
    }
    q->over = true;
    if (!q->inside)
        free(q);
}

static void query_send(struct dns_query *q)
{
    struct resolver *r = q->resolver;
    ares_channel channel = r->channels[q->closer ? CLOSER_LOOK : NORMAL].ares;
    int type = q->type == DNS_A ? ns_t_a : ns_t_aaaa;

    r->pending++;
    if (!uv_is_active((const uv_handle_t *)r->tick))
        uv_timer_start(r->tick, on_tick, TICK_MS, TICK_MS);
    if (!channel)
        on_answer(q, ARES_ENOTINITIALIZED, 0, NULL, 0);
    else if (q->bare)
        ares_query(channel, q->host, ns_c_in, type, on_answer, q);
    else
        ares_search(channel, q->host, ns_c_in, type, on_answer, q);
}

struct dns_query *dns_ask(struct dns *dns, const char *host, enum dns_type type, dns_answered *answered,
                          void *context)
{
    size_t size = strlen(host) + 1;
    struct dns_query *q = mem_alloc(sizeof *q + size);

    q->resolver = resolver_get(dns);
    q->type = type;
    q->answered = answered;
    q->context = context;
    memcpy(q->host, host, size);
    q->inside = true;
    query_send(q);
    q->inside = false;
    if (!q->over)
        return q;
    free(q);
    return NULL;
}

void dns_forget(struct dns_query *query)
{
    if (query)
        query->answered = NULL;
}

struct hosts {
    enum dns_type type;
    bool there;
    struct dns_answer *answer;
};

static void on_hosts(void *arg, int status, int timeouts, struct ares_addrinfo *list)
{
    struct hosts *h = arg;
    int family = h->type == DNS_A ? AF_INET : AF_INET6;

    (void)timeouts;
    if (status != ARES_SUCCESS)
        return;
    h->there = true;
    for (struct ares_addrinfo_node *n = list->nodes; n; n = n->ai_next) {
        if (n->ai_family != family)
            continue;
        if (family == AF_INET)
            keep(h->answer, family, &((struct sockaddr_in *)n->ai_addr)->sin_addr);
        else
            keep(h->answer, family, &((struct sockaddr_in6 *)n->ai_addr)->sin6_addr);
    }
    ares_freeaddrinfo(list);
}

bool dns_hosts(struct dns *dns, const char *host, enum dns_type type, struct dns_answer *answer_r)
{
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT};
    struct dns_answer answer = {0};
    struct hosts h = {.type = type, .answer = &answer};
    struct resolver *r = resolver_get(dns);

    /* The channel's lookups are the file alone, so the callback has come when this returns. */
    if (r->channels[NORMAL].ares)
        ares_getaddrinfo(r->channels[NORMAL].ares, host, NULL, &hints, on_hosts, &h);
    if (!h.there)
        return false;
    if (!answer.count)
        say(&answer, REASON_NO_ADDRESS, "%s stands in the hosts file without an %s address", host,
            type == DNS_A ? "IPv4" : "IPv6");
    *answer_r = answer;
    return true;
}

const char *dns_version(void)
{
    return ares_version(NULL);
}

const char *dns_servers(struct dns *dns)
{
    return resolver_get(dns)->servers;
}

struct dns *dns_new(uv_loop_t *loop, const char *servers)
{
    struct dns *dns = mem_alloc(sizeof *dns);

    dns->loop = loop;
    dns->servers = mem_dup(servers);
    return dns;
}

void dns_free(struct dns *dns)
{
    struct resolver *next;

    if (!dns)
        return;
    /* Cookies of forgotten questions come back here as EDESTRUCTION and are freed. */
    for (struct resolver *r = dns->resolvers; r; r = next) {
        next = r->next;
        resolver_free(r);
    }
    free(dns->servers);
    free(dns);
}
