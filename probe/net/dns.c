/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to resolvers with c-ares 1.18 on a libuv loop (RFC 1035, RFC 3596). A query cannot be taken back:
 * its cookie (struct dns_query) stays until c-ares has done with it and then finds nobody. Channels are
 * destroyed from our timer or from outside, never from inside a callback. What an answer means is
 * dns_answer.c's.
 * Limits: the hosts file is read anew each time; nsswitch.conf is not looked at; the aliases in an answer
 * must stand in their order, as c-ares reads them.
 */
#include "probe/net/dns.h"

#include "probe/base/buffer.h"
#include "probe/base/mem.h"
#include "probe/net/dns_answer.h"
#include "probe/net/handle.h"
#include "probe/net/watches.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESOLV_CONF "/etc/resolv.conf"

/* The first repetition comes after one second, not after five: the usual limit of a lookup is five. */
enum { REPEAT_MS = 1000, TRIES = 4, TICK_MS = 200 };

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
    bool is_mx;
    dns_answered *answered; /* both null: nobody waits any more */
    dns_mx_answered *mx_answered;
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

/* ---- questions ---- */

static void query_send(struct dns_query *q);

/* One more try, in another way, at a question that was not really answered. */
static bool ask_otherwise(struct dns_query *q, int status)
{
    if (!q->closer && (status == ARES_ECONNREFUSED || status == ARES_ETIMEOUT)) {
        q->closer = true;
        return true;
    }
    /* With what resolv.conf wants to append it is none; that is not the name's fault. */
    if (!q->bare && status == ARES_EBADNAME) {
        q->bare = true;
        return true;
    }
    return false;
}

static void tell(const struct dns_query *q, int status, const unsigned char *packet, int len)
{
    struct dns_reply reply = {.name = q->host,
                              .servers = q->resolver->servers,
                              .status = status,
                              .packet = packet,
                              .len = len,
                              .closer = q->closer};
    struct dns_answer answer;
    struct dns_mx_answer mx;

    if (q->mx_answered) {
        dns_answer_read_mx(&reply, &mx);
        q->mx_answered(q->context, &mx);
    } else if (q->answered) {
        dns_answer_read(&reply, q->type, &answer);
        q->answered(q->context, q->type, &answer);
    }
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *packet, int len)
{
    struct dns_query *q = arg;

    (void)timeouts;
    q->resolver->pending--;
    if ((q->answered || q->mx_answered) && ask_otherwise(q, status)) {
        query_send(q);
        return;
    }
    tell(q, status, packet, len);
    q->over = true;
    if (!q->inside)
        free(q);
}

static int wire_type(const struct dns_query *q)
{
    if (q->is_mx)
        return ns_t_mx;
    return q->type == DNS_A ? ns_t_a : ns_t_aaaa;
}

static void query_send(struct dns_query *q)
{
    struct resolver *r = q->resolver;
    ares_channel channel = r->channels[q->closer ? CLOSER_LOOK : NORMAL].ares;
    int type = wire_type(q);

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

static struct dns_query *query_new(struct dns *dns, const char *name)
{
    size_t size = strlen(name) + 1;
    struct dns_query *q = mem_alloc(sizeof *q + size);

    q->resolver = resolver_get(dns);
    memcpy(q->host, name, size);
    return q;
}

/* Null when it is over already. */
static struct dns_query *query_begin(struct dns_query *q)
{
    q->inside = true;
    query_send(q);
    q->inside = false;
    if (!q->over)
        return q;
    free(q);
    return NULL;
}

struct dns_query *dns_ask(struct dns *dns, const char *host, bool absolute, enum dns_type type,
                          dns_answered *answered, void *context)
{
    struct dns_query *q = query_new(dns, host);

    q->type = type;
    q->bare = absolute;
    q->answered = answered;
    q->context = context;
    return query_begin(q);
}

struct dns_query *dns_ask_mx(struct dns *dns, const char *domain, dns_mx_answered *answered, void *context)
{
    struct dns_query *q = query_new(dns, domain);

    q->is_mx = true;
    q->bare = true;
    q->mx_answered = answered;
    q->context = context;
    return query_begin(q);
}

void dns_forget(struct dns_query *query)
{
    if (!query)
        return;
    query->answered = NULL;
    query->mx_answered = NULL;
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
            dns_answer_keep(h->answer, family, &((struct sockaddr_in *)n->ai_addr)->sin_addr);
        else
            dns_answer_keep(h->answer, family, &((struct sockaddr_in6 *)n->ai_addr)->sin6_addr);
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
    answer.operators = true;
    if (!answer.count) {
        answer.reason = REASON_NO_ADDRESS;
        snprintf(answer.message, sizeof answer.message, "%s stands in the hosts file without an %s address",
                 host, type == DNS_A ? "IPv4" : "IPv6");
    }
    *answer_r = answer;
    return true;
}

/* On this system it never fails. */
void dns_prepare(void)
{
    (void)ares_library_init(ARES_LIB_INIT_ALL);
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
