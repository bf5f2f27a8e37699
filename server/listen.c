/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets on the loop; how one is bound is server/listen_open.c's. At most LISTEN_TURN connections
 * are taken at a time, so that a storm of them does not hold up the runs. When the process is out of
 * descriptors, accepting pauses for a moment: the socket stays readable and would spin the loop. What becomes
 * of a connection is its taker's affair.
 */
#include "server/listen.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "server/listen_open.h"
#include "server/render/render.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTEN_TURN     10
#define LISTEN_PAUSE_MS 100
/* At most one complaint in this time, however long the shortage lasts. */
#define LISTEN_COMPLAIN_US (60 * CLOCK_US_PER_S)

struct listen_socket {
    struct listen *listen;
    struct listen_open open;
    uv_poll_t *poll;
};

struct places {
    size_t count;
    struct listen_socket **sockets;
};

struct listen {
    struct listen_order order;
    char *key;
    uv_timer_t *pause;
    bool held;
    int64_t complained_us;
    struct places now;
    struct places next; /* between listen_prepare and its end */
};

bool listen_is_same(const struct snapshot_listen *a, const struct snapshot_listen *b)
{
    if (a->inherited != 0 || b->inherited != 0)
        return a->inherited == b->inherited;
    if (a->path != NULL || b->path != NULL)
        return a->path != NULL && b->path != NULL && strcmp(a->path, b->path) == 0;
    return address_family(&a->address) == address_family(&b->address) &&
           address_port(&a->address) == address_port(&b->address) &&
           address_same_host(&a->address, &b->address);
}

/* Nothing about the connection that could be said again: it came and went, or the network hiccuped. */
static bool is_passing(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM ||
           error == ENETDOWN || error == EHOSTUNREACH || error == ENETUNREACH || error == EOPNOTSUPP;
}

void listen_name(const struct snapshot_listen *place, char name_r[LISTEN_NAME_SIZE])
{
    if (place->path != NULL)
        snprintf(name_r, LISTEN_NAME_SIZE, "unix:%s", place->path);
    else
        render_address(&place->address, name_r);
}

/* ---- taking connections ---- */

static void on_connection(uv_poll_t *poll, int status, int events);

static void watch(struct listen *l)
{
    for (size_t i = 0; i < l->now.count; i++)
        uv_poll_start(l->now.sockets[i]->poll, UV_READABLE, on_connection);
}

static void unwatch(struct listen *l)
{
    for (size_t i = 0; i < l->now.count; i++)
        uv_poll_stop(l->now.sockets[i]->poll);
}

static bool is_pausing(const struct listen *l)
{
    return l->held || uv_is_active((const uv_handle_t *)l->pause);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct listen *l = timer->data;

    if (!l->held)
        watch(l);
}

static void pause_for(struct listen *l, int error)
{
    int64_t now_us = clock_mono_us();

    unwatch(l);
    uv_timer_start(l->pause, on_pause_over, LISTEN_PAUSE_MS, 0);
    if (l->order.starved != NULL)
        l->order.starved(l->order.context);
    if (l->complained_us != CLOCK_NONE && now_us - l->complained_us < LISTEN_COMPLAIN_US)
        return;
    l->complained_us = now_us;
    log_event(l->order.log, LOG_LEVEL_WARN, "connections wait: accepting one failed", "cause",
              strerror(error), NULL);
}

/* Takes up to that many, until it is held unless these are the last; 0, or an errno that others would get
 * too. */
static int take_some(struct listen_socket *s, int most, bool last)
{
    struct listen *l = s->listen;

    for (int i = 0; i < most && (last || !l->held); i++) {
        struct address peer = {0};
        socklen_t len = sizeof peer;
        int fd = accept4(s->open.fd, s->open.place.path != NULL ? NULL : &peer.any,
                         s->open.place.path != NULL ? NULL : &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            l->order.take(l->order.context, fd, &peer);
        } else if (errno == EAGAIN) {
            return 0;
        } else if (!is_passing(errno)) {
            return errno;
        }
    }
    return 0;
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct listen_socket *s = poll->data;
    int error = take_some(s, LISTEN_TURN, false);

    (void)status;
    (void)events;
    if (error != 0)
        pause_for(s->listen, error);
}

void listen_hold(struct listen *l)
{
    l->held = true;
    unwatch(l);
}

void listen_go(struct listen *l)
{
    if (l == NULL || !l->held)
        return;
    l->held = false;
    if (!is_pausing(l))
        watch(l);
}

/* ---- places ---- */

static void close_socket(struct listen_socket *s)
{
    handle_close_poll(s->poll);
    listen_open_close(&s->open);
    free(s);
}

static bool has(const struct places *places, const struct listen_socket *s)
{
    for (size_t i = 0; i < places->count; i++)
        if (places->sockets[i] == s)
            return true;
    return false;
}

static const struct places none = {0};

/* Whoever is in the queue of a socket that is going to be closed is still taken. */
static void take_last(const struct places *places, const struct places *stay)
{
    for (size_t i = 0; i < places->count; i++)
        if (!has(stay, places->sockets[i]))
            (void)take_some(places->sockets[i], LISTEN_BACKLOG, true);
}

/* Closes what the one has and the other has not. */
static void drop(struct places *places, const struct places *stay)
{
    for (size_t i = 0; i < places->count; i++)
        if (!has(stay, places->sockets[i]))
            close_socket(places->sockets[i]);
    free(places->sockets);
    *places = (struct places){0};
}

static struct listen_socket *find(const struct listen *l, const struct snapshot_listen *place)
{
    for (size_t i = 0; i < l->now.count; i++)
        if (listen_open_is_at(&l->now.sockets[i]->open, place))
            return l->now.sockets[i];
    return NULL;
}

/* Those of ours that have the port which the place needs. */
static size_t collect_neighbours(const struct listen *l, const struct snapshot_listen *place, int fds_r[])
{
    size_t count = 0;

    for (size_t i = 0; place->path == NULL && place->inherited == 0 && i < l->now.count; i++) {
        const struct listen_open *open = &l->now.sockets[i]->open;
        if (open->place.path == NULL && open->place.inherited == 0 &&
            address_family(&open->place.address) == address_family(&place->address) &&
            address_port(&open->place.address) == address_port(&place->address))
            fds_r[count++] = open->fd;
    }
    return count;
}

/* Null, with errno. */
static struct listen_socket *open_one(struct listen *l, const struct snapshot_listen *place)
{
    struct listen_socket *s = mem_alloc(sizeof *s);
    int *fds = mem_alloc((l->now.count + 1) * sizeof *fds);
    int opened = listen_open_at(place, fds, collect_neighbours(l, place, fds), &s->open);

    free(fds);
    if (opened != 0) {
        int cause = errno;
        free(s);
        errno = cause;
        return NULL;
    }
    s->listen = l;
    s->poll = handle_poll(l->order.loop, s->open.fd, s);
    if (s->poll == NULL) {
        close_socket(s);
        errno = ENOSPC;
        return NULL;
    }
    return s;
}

int listen_prepare(struct listen *l, const struct snapshot_listen *places, size_t count,
                   char error_r[LISTEN_ERROR_SIZE])
{
    char name[LISTEN_NAME_SIZE];

    l->next.sockets = mem_alloc((count + 1) * sizeof(struct listen_socket *));
    for (size_t i = 0; i < count; i++) {
        struct listen_socket *s = find(l, &places[i]);
        if (s == NULL)
            s = open_one(l, &places[i]);
        if (s == NULL) {
            int cause = errno;
            listen_name(&places[i], name);
            snprintf(error_r, LISTEN_ERROR_SIZE, "cannot listen on %s (%s): %s", name, l->key,
                     strerror(cause));
            listen_abandon(l);
            return -1;
        }
        l->next.sockets[l->next.count++] = s;
    }
    return 0;
}

void listen_abandon(struct listen *l)
{
    drop(&l->next, &l->now);
}

void listen_commit(struct listen *l)
{
    take_last(&l->now, &l->next);
    drop(&l->now, &l->next);
    l->now = l->next;
    l->next = (struct places){0};
    if (!is_pausing(l))
        watch(l);
}

/* ---- life ---- */

struct listen *listen_new(const struct listen_order *order, char error_r[LISTEN_ERROR_SIZE])
{
    struct listen *l = mem_alloc(sizeof *l);

    l->order = *order;
    l->key = mem_dup(order->key);
    l->complained_us = CLOCK_NONE;
    l->pause = handle_timer(order->loop, l);
    if (listen_prepare(l, order->places, order->count, error_r) != 0) {
        listen_free(l);
        return NULL;
    }
    listen_commit(l);
    return l;
}

void listen_take_last(struct listen *l)
{
    if (l != NULL)
        take_last(&l->now, &none);
}

void listen_free(struct listen *l)
{
    if (l == NULL)
        return;
    drop(&l->now, &none);
    handle_close_timer(l->pause);
    free(l->key);
    free(l);
}
