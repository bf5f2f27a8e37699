/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd 0.9.75 in external-epoll mode on our loop, without a listen socket: its turns, the
 * connections it is given, and their end. Learnt from its source: sockets are edge-triggered, so after every
 * turn and every resume its timeout must be asked; a suspended connection has no timeout and no disconnect
 * notice; nobody bounds the time a request head takes (server/callers.c does). TLS is its GnuTLS, with our
 * settings for each connection (server/https.c). Requests and answers are server/http_exchange.c's.
 */
#include "server/http_state.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/https.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define HTTP_CONNECTION_MEMORY ((size_t)16 * 1024)
#define HTTP_HEAD_US           (5 * CLOCK_US_PER_S) /* from accepting to the end of the first head */
#define HTTP_HASTE_US          (1 * CLOCK_US_PER_S) /* instead of either, when others want the place */
#define HTTP_SHAKE_MS          50                   /* between turns for the sake of handshakes alone */
#define HTTP_SHAKE_BUSY_MS     1                    /* the same while answers go out */
#define HTTP_INACTIVE_S        120u                 /* the library's own limit: a second line */
/* What a client that is connected when draining begins may have sent already has come by then. */
#define HTTP_LINGER_MS 500
/* At most one complaint in this time, however long every connection is taken. */
#define HTTP_COMPLAIN_US (60 * CLOCK_US_PER_S)

void http_version(char built_r[HTTP_VERSION_SIZE], const char **running_r)
{
    unsigned v = MHD_VERSION; /* 0x00097500 is 0.9.75 */

    snprintf(built_r, HTTP_VERSION_SIZE, "%x.%x.%x", v >> 24, v >> 16 & 0xff, v >> 8 & 0xff);
    *running_r = MHD_get_version();
}

static struct connection *connection_of_caller(struct caller *caller)
{
    return (struct connection *)(void *)((char *)caller - offsetof(struct connection, caller));
}

/* ---- turns of the library ---- */

static void on_turn(uv_timer_t *timer);

static void finish_drain(struct http *http)
{
    http_drained *done = http->drained;

    if (done == NULL)
        return;
    http->drained = NULL;
    uv_timer_stop(&http->drain);
    done(http->drained_context);
}

static void on_again(uv_idle_t *idle);

/* Once all have had their turn. While a handshake waits for its client the library asks for a turn at once,
 * over and over; but when the client goes on the socket tells. */
static void set_turn(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG wait_ms, least_ms = UINT64_MAX;

    for (int i = 0; i < KINDS; i++)
        if (http->sides[i].daemon != NULL && MHD_get_timeout(http->sides[i].daemon, &wait_ms) == MHD_YES &&
            wait_ms < least_ms)
            least_ms = wait_ms;
    if (least_ms == 0 && http->handshaking > 0 && !http->moved)
        least_ms = http->answering > 0 ? HTTP_SHAKE_BUSY_MS : HTTP_SHAKE_MS;
    uv_idle_stop(&http->again);
    uv_timer_stop(&http->turn);
    if (least_ms == 0)
        uv_idle_start(&http->again, on_again);
    else if (least_ms < UINT64_MAX)
        uv_timer_start(&http->turn, on_turn, least_ms, 0);
}

static void take_turn(struct http *http)
{
    http->moved = false;
    for (int i = 0; i < KINDS; i++)
        if (http->sides[i].daemon != NULL)
            MHD_run(http->sides[i].daemon);
    set_turn(http);
    if (http->draining && http->under_way == 0 &&
        (callers_are_gone(http->callers) || !uv_is_active((uv_handle_t *)&http->linger)))
        finish_drain(http);
}

static void on_turn(uv_timer_t *timer)
{
    take_turn(timer->data);
}

static void on_again(uv_idle_t *idle)
{
    take_turn(idle->data);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    take_turn(poll->data);
}

void http_turn_soon(struct http *http)
{
    uv_timer_start(&http->turn, on_turn, 0, 0);
}

/* ---- what the library tells of a connection ---- */

/* Who asks for nothing makes room, be it after an answer or from the beginning. */
static void hasten_idle(void *context, struct caller *caller)
{
    struct connection *c = connection_of_caller(caller);
    int64_t since_us = c->served_us != 0 ? c->served_us : c->opened_us;

    (void)context;
    if (c->state == CONNECTION_HEAD)
        caller->deadline_us = since_us + HTTP_HASTE_US;
}

static void complain_of_rush(struct http *http, const struct address *peer, int64_t now_us)
{
    bool many = callers_are_many(http->callers);
    char text[ADDRESS_TEXT_SIZE];

    if (http->complained_us != CLOCK_NONE && now_us - http->complained_us < HTTP_COMPLAIN_US)
        return;
    http->complained_us = now_us;
    address_text(peer, text);
    log_event(http->order.log, LOG_LEVEL_WARN,
              many ? "every connection but the reserve is taken: newcomers are answered on health alone"
                   : "one address has half of all connections: more of them are answered on health alone",
              "address", many ? NULL : text, NULL);
}

static void open_connection(struct http *http, struct MHD_Connection *mhd, void **socket_context)
{
    struct connection *c = mem_alloc(sizeof *c);
    int64_t now_us = clock_mono_us();

    c->http = http;
    c->mhd = mhd;
    c->opened_us = now_us;
    if (http->taking != NULL) {
        c->https = https_ref(http->taking);
        c->handshaking = true;
        http->handshaking++;
        https_begin(c->https, MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session);
    }
    c->local = address_is_local(http->peer);
    callers_enter(http->callers, &c->caller,
                  MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd, http->peer);
    c->caller.deadline_us = now_us + (c->caller.reserved ? HTTP_HASTE_US : HTTP_HEAD_US);
    if (c->caller.reserved) {
        if (callers_are_many(http->callers))
            callers_each(http->callers, hasten_idle, NULL);
        complain_of_rush(http, http->peer, now_us);
    }
    *socket_context = c;
    http->peer = NULL; /* taken */
}

static void tell_left(struct http *http)
{
    http->order.left(http->order.left_context);
}

static void close_connection(struct http *http, struct connection *c)
{
    http_exchange_shaken(c);
    callers_leave(http->callers, &c->caller);
    https_unref(c->https);
    free(c->target);
    free(c);
    tell_left(http);
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        open_connection(context, mhd, socket_context);
    else
        close_connection(context, *socket_context);
}

/* ---- callers ---- */

static void turn_away(int fd)
{
    static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
                               "Connection: close\r\n\r\n";
    ssize_t sent = send(fd, full, sizeof full - 1, MSG_DONTWAIT | MSG_NOSIGNAL);

    (void)sent;
}

static struct side *side_of(struct http *http, enum kind kind);

void http_take(struct http *http, int fd, const struct address *peer, struct https *https)
{
    bool room = callers_seat(http->callers, peer) != CALLERS_NONE;
    struct side *side = room ? side_of(http, https != NULL ? KIND_SECURE : KIND_PLAIN) : NULL;

    if (side == NULL) {
        if (https == NULL)
            turn_away(fd);
        close(fd);
        tell_left(http);
        return;
    }
    /* A socket that cannot be taken is closed by the library. */
    http->taking = https;
    http->peer = peer;
    MHD_add_connection(side->daemon, fd, &peer->any, address_len(peer));
    if (http->peer != NULL)
        tell_left(http);
    http->taking = NULL;
    http->peer = NULL;
    http_turn_soon(http);
}

static void give_up(void *context, struct caller *caller)
{
    struct http *http = context;
    struct connection *c = connection_of_caller(caller);

    http->order.gone(http->order.context, &c->request);
    c->state = CONNECTION_ANSWERED;
    c->given_up = true;
    caller->waiting = false;
    caller->deadline_us = CLOCK_NEVER;
    MHD_resume_connection(c->mhd);
    http_turn_soon(http);
}

static void cut_off(void *context, struct caller *caller)
{
    (void)context;
    const struct connection *c = connection_of_caller(caller);

    if (caller->reserved && c->state == CONNECTION_HEAD && c->https == NULL)
        turn_away(caller->fd);
    shutdown(caller->fd, SHUT_RDWR); /* the library sees it and closes */
}

/* ---- life ---- */

static struct MHD_Daemon *start_daemon(struct http *http, enum kind kind)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME;

    if (kind == KIND_SECURE)
        flags |= MHD_USE_TLS;
    /* Every connection has settings of its own from the beginning, but without any the library does not
     * begin. */
    return MHD_start_daemon(
        flags, 0, NULL, NULL, http_exchange_access, http, MHD_OPTION_CONNECTION_LIMIT,
        http->order.max_connections + http->order.reserve, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        HTTP_CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, HTTP_INACTIVE_S,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_URI_LOG_CALLBACK, http_exchange_target, http,
        MHD_OPTION_NOTIFY_COMPLETED, http_exchange_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, http, kind == KIND_SECURE ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END,
        https_nobody, MHD_OPTION_END);
}

/* Begins it if need be; null when it cannot be. */
static struct side *side_of(struct http *http, enum kind kind)
{
    struct side *side = &http->sides[kind];

    if (side->daemon != NULL)
        return side;
    side->daemon = start_daemon(http, kind);
    if (side->daemon == NULL)
        return NULL;
    int started = uv_poll_init(http->order.loop, &side->poll,
                               MHD_get_daemon_info(side->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    assert(started == 0);
    side->poll.data = http;
    http->open_handles++;
    uv_poll_start(&side->poll, UV_READABLE, on_ready);
    return side;
}

struct http *http_new(const struct http_order *order)
{
    struct http *http = mem_alloc(sizeof *http);

    http->order = *order;
    if (side_of(http, order->secure ? KIND_SECURE : KIND_PLAIN) == NULL) {
        free(http);
        return NULL;
    }
    http->complained_us = CLOCK_NONE;
    http->callers = callers_new(&(struct callers_order){.loop = order->loop,
                                                        .seats = order->max_connections,
                                                        .reserve = order->reserve,
                                                        .per_address = (order->max_connections + 1) / 2,
                                                        .late = cut_off,
                                                        .gone = give_up,
                                                        .context = http});
    uv_timer_init(order->loop, &http->turn);
    uv_idle_init(order->loop, &http->again);
    uv_timer_init(order->loop, &http->drain);
    uv_timer_init(order->loop, &http->linger);
    http->turn.data = http->again.data = http->drain.data = http->linger.data = http;
    http->open_handles += 4;
    return http;
}

static void on_drain_limit(uv_timer_t *timer)
{
    finish_drain(timer->data);
}

void http_drain(struct http *http, unsigned limit_ms, http_drained *done, void *context)
{
    if (!http->draining)
        uv_timer_start(&http->linger, on_turn, HTTP_LINGER_MS, 0);
    http->draining = true;
    http->drained = done;
    http->drained_context = context;
    uv_timer_start(&http->drain, on_drain_limit, limit_ms, 0);
    http_turn_soon(http);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http *http = handle->data;

    if (--http->open_handles == 0)
        free(http);
}

static void give_up_waiting(void *context, struct caller *caller)
{
    if (caller->waiting)
        give_up(context, caller);
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    callers_each(http->callers, give_up_waiting, http);
    for (int i = 0; i < KINDS; i++) {
        if (http->sides[i].daemon == NULL)
            continue;
        uv_close((uv_handle_t *)&http->sides[i].poll, on_handle_closed);
        MHD_stop_daemon(http->sides[i].daemon);
    }
    callers_free(http->callers);
    uv_close((uv_handle_t *)&http->turn, on_handle_closed);
    uv_close((uv_handle_t *)&http->again, on_handle_closed);
    uv_close((uv_handle_t *)&http->drain, on_handle_closed);
    uv_close((uv_handle_t *)&http->linger, on_handle_closed);
}
