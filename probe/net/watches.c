/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches a foreign library's sockets on our loop. What the events mean is the library's business; here is
 * only that an error is told as readiness for all (the library finds out by itself), and that a socket which
 * cannot be watched is left alone: the question it carries gets no answer, and its deadline says so.
 */
#include "probe/net/watches.h"

#include "probe/base/mem.h"
#include "probe/net/handle.h"

#include <stdlib.h>

struct watches_socket {
    struct watches *all;
    uv_poll_t *poll; /* null: the system has no room for it */
    int fd;
    int events;
    struct watches_socket *next;
};

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watches_socket *s = poll->data;
    struct watches *w = s->all;
    int fd = s->fd;

    /* libuv stops a poll that reports an error; it goes on if the library keeps the socket. */
    if (status < 0) {
        uv_poll_start(poll, s->events, on_ready);
        events = UV_READABLE | UV_WRITABLE;
    }
    w->ready(w->context, fd, events & UV_READABLE, events & UV_WRITABLE);
}

void watches_set(struct watches *w, int fd, bool reading, bool writing)
{
    struct watches_socket **at = &w->list, *s;

    while (*at && (*at)->fd != fd)
        at = &(*at)->next;
    s = *at;
    if (!reading && !writing) {
        if (s) {
            *at = s->next;
            handle_close_poll(s->poll);
            free(s);
        }
        return;
    }
    if (!s) {
        s = mem_alloc(sizeof *s);
        *s = (struct watches_socket){.all = w, .fd = fd, .poll = handle_poll(w->loop, fd, s)};
        *at = s;
    }
    s->events = (reading ? UV_READABLE : 0) | (writing ? UV_WRITABLE : 0);
    if (s->poll)
        uv_poll_start(s->poll, s->events, on_ready);
}
