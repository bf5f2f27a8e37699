/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets on the loop. At most LISTEN_TURN connections are taken at a time, so that a storm of
 * them does not hold up the runs. When the process is out of descriptors, accepting pauses for a moment:
 * the socket stays readable and would spin the loop. What becomes of a connection is its taker's affair.
 */
#include "server/listen.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/render/render.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTEN_BACKLOG  1024
#define LISTEN_TURN     10
#define LISTEN_PAUSE_MS 100
/* At most one complaint in this time, however long the shortage lasts. */
#define LISTEN_COMPLAIN_US (60 * CLOCK_US_PER_S)

struct listen_socket {
    uv_poll_t poll;
    struct listen *listen;
    int fd;
};

struct listen {
    uv_timer_t pause;
    struct log *log;
    listen_take *take;
    void *context;
    int64_t complained_us;
    size_t open_handles;
    size_t count;
    struct listen_socket sockets[];
};

/* A bound and listening socket or -1 with errno. */
static int open_socket(const struct address *address)
{
    int on = 1;
    int family = address_family(address);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        bind(fd, &address->any, address_len(address)) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        int cause = errno;
        close(fd);
        errno = cause;
        return -1;
    }
    return fd;
}

/* Nothing about the connection that could be said again: it came and went, or the network hiccuped. */
static bool is_passing(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM ||
           error == ENETDOWN || error == EHOSTUNREACH || error == ENETUNREACH || error == EOPNOTSUPP;
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void resume(uv_timer_t *timer)
{
    struct listen *listen = timer->data;

    for (size_t i = 0; i < listen->count; i++)
        uv_poll_start(&listen->sockets[i].poll, UV_READABLE, on_connection);
}

static void pause_for(struct listen *listen, int error)
{
    int64_t now_us = clock_mono_us();

    for (size_t i = 0; i < listen->count; i++)
        uv_poll_stop(&listen->sockets[i].poll);
    uv_timer_start(&listen->pause, resume, LISTEN_PAUSE_MS, 0);
    if (listen->complained_us != CLOCK_NONE && now_us - listen->complained_us < LISTEN_COMPLAIN_US)
        return;
    listen->complained_us = now_us;
    log_event(listen->log, LOG_LEVEL_WARN, "connections wait: accepting one failed", "cause", strerror(error),
              NULL);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct listen_socket *s = poll->data;
    struct listen *listen = s->listen;

    (void)status;
    (void)events;
    for (int i = 0; i < LISTEN_TURN; i++) {
        struct address peer = {0};
        socklen_t len = sizeof peer;
        int fd = accept4(s->fd, &peer.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            listen->take(listen->context, fd, &peer);
        } else if (errno == EAGAIN) {
            return;
        } else if (!is_passing(errno)) {
            pause_for(listen, errno);
            return;
        }
    }
}

static int open_all(struct listen *listen, const struct listen_order *order, char error_r[LISTEN_ERROR_SIZE])
{
    for (size_t i = 0; i < order->count; i++) {
        struct listen_socket *s = &listen->sockets[i];
        s->fd = open_socket(&order->addresses[i]);
        if (s->fd < 0) {
            char name[RENDER_HOST_SIZE];
            int cause = errno;
            render_address(&order->addresses[i], name);
            snprintf(error_r, LISTEN_ERROR_SIZE, "cannot listen on %s (%s): %s", name, order->key,
                     strerror(cause));
            return -1;
        }
        listen->count++;
    }
    return 0;
}

struct listen *listen_new(const struct listen_order *order, char error_r[LISTEN_ERROR_SIZE])
{
    struct listen *listen = mem_alloc(sizeof *listen + order->count * sizeof listen->sockets[0]);

    listen->log = order->log;
    listen->take = order->take;
    listen->context = order->context;
    listen->complained_us = CLOCK_NONE;
    if (open_all(listen, order, error_r) != 0) {
        for (size_t i = 0; i < listen->count; i++)
            close(listen->sockets[i].fd);
        free(listen);
        return NULL;
    }
    uv_timer_init(order->loop, &listen->pause);
    listen->pause.data = listen;
    for (size_t i = 0; i < listen->count; i++) {
        struct listen_socket *s = &listen->sockets[i];
        int started = uv_poll_init(order->loop, &s->poll, s->fd);
        assert(started == 0);
        s->listen = listen;
        s->poll.data = s;
        uv_poll_start(&s->poll, UV_READABLE, on_connection);
    }
    listen->open_handles = listen->count + 1;
    return listen;
}

static void release(struct listen *listen)
{
    if (--listen->open_handles == 0)
        free(listen);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct listen_socket *s = handle->data;

    release(s->listen);
}

void listen_free(struct listen *listen)
{
    if (listen == NULL)
        return;
    uv_close((uv_handle_t *)&listen->pause, on_timer_closed);
    for (size_t i = 0; i < listen->count; i++) {
        struct listen_socket *s = &listen->sockets[i];
        uv_close((uv_handle_t *)&s->poll, on_poll_closed);
        close(s->fd);
    }
}
