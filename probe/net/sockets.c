/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One epoll set for all sockets of a loop, inside the loop's own. libuv's polls are made for descriptors that
 * stay: a try on opening, and each change of interest as taking out and putting in, are seven system calls
 * for a dialogue. Here it is two: putting in, and no longer waiting for room to write; closing takes out.
 * Whom a descriptor belongs to is looked up when its turn comes, so whoever has gone meanwhile is not called.
 */
#include "probe/net/sockets.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { TURN = 128, PLACES_LEAST = 64 };

struct place {
    sockets_ready *ready; /* null: nobody watches any more, nor has anybody begun to since */
    void *context;
    uint32_t events; /* 0: not in the set */
};

struct sockets {
    uv_loop_t *loop;
    uv_poll_t poll;       /* once there is a set */
    int set;              /* -1: none yet */
    struct place *places; /* by descriptor */
    size_t size;
    size_t watched; /* in the set */
};

/* Of the set and of what it watches: while there is nothing, no loop goes on for its sake. */
static void count(struct sockets *all, struct place *p, uint32_t events)
{
    all->watched += (events != 0) - (size_t)(p->events != 0);
    p->events = events;
    if (all->watched > 0)
        uv_ref((uv_handle_t *)&all->poll);
    else
        uv_unref((uv_handle_t *)&all->poll);
}

static void tell(struct sockets *all, int fd)
{
    struct place *p = (size_t)fd < all->size ? &all->places[fd] : NULL;

    if (!p || !p->events)
        return;
    if (p->ready) {
        p->ready(p->context);
        return;
    }
    (void)epoll_ctl(all->set, EPOLL_CTL_DEL, fd, NULL);
    count(all, p, 0);
}

/* Those who have no turn this time have it in the loop's next one. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct sockets *all = poll->data;
    struct epoll_event came[TURN];
    int number = epoll_wait(all->set, came, TURN, 0);

    (void)status;
    (void)events;
    for (int i = 0; i < number; i++)
        tell(all, came[i].data.fd);
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

int sockets_prepare(struct sockets *all)
{
    int refused;

    if (all->set >= 0)
        return 0;
    all->set = epoll_create1(EPOLL_CLOEXEC);
    if (all->set < 0)
        return -1;
    refused = uv_poll_init(all->loop, &all->poll, all->set);
    if (refused) {
        close(all->set);
        all->set = -1;
        errno = -refused;
        return -1;
    }
    all->poll.data = all;
    uv_poll_start(&all->poll, UV_READABLE, on_poll);
    uv_unref((uv_handle_t *)&all->poll);
    return 0;
}

struct sockets *sockets_new(uv_loop_t *loop)
{
    struct sockets *all = mem_alloc(sizeof *all);

    all->loop = loop;
    all->set = -1;
    (void)sockets_prepare(all); /* or later, when it is needed */
    return all;
}

void sockets_free(struct sockets *all)
{
    if (!all)
        return;
    free(all->places);
    all->places = NULL;
    all->size = 0;
    if (all->set < 0) {
        free(all);
        return;
    }
    uv_close((uv_handle_t *)&all->poll, closed);
    close(all->set);
    all->set = -1;
}

static struct place *place_of(struct sockets *all, int fd)
{
    size_t size = all->size ? all->size : PLACES_LEAST;

    while (size <= (size_t)fd)
        size *= 2;
    if (size > all->size)
        all->places = mem_resize(all->places, size * sizeof *all->places);
    for (; all->size < size; all->size++)
        all->places[all->size] = (struct place){0};
    return &all->places[fd];
}

int sockets_watch(struct sockets *all, int fd, uint32_t events, sockets_ready *ready, void *context)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    struct place *p;

    if (sockets_prepare(all))
        return -1;
    p = place_of(all, fd);
    p->ready = ready;
    p->context = context;
    if (events == p->events)
        return 0;
    if (epoll_ctl(all->set, p->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event))
        return -1;
    count(all, p, events);
    return 0;
}

void sockets_unwatch(struct sockets *all, int fd)
{
    place_of(all, fd)->ready = NULL;
}

void sockets_forget(struct sockets *all, int fd)
{
    struct place *p = place_of(all, fd);

    if (p->events)
        count(all, p, 0);
    *p = (struct place){0};
}
