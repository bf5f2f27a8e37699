/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list, two counts and a sweep that looks at everybody while anybody is there. A deadline is therefore kept
 * to within CALLERS_SWEEP_MS. What is too late, and what is then done about it, the owner decides.
 */
#include "server/callers.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>

#define CALLERS_SWEEP_MS 500

struct callers {
    struct callers_order order;
    uv_timer_t *sweep;
    struct caller *first;
    unsigned seated;
    unsigned reserved;
    struct pollfd *watched; /* room for the sweep: one a seat */
    struct caller **watched_of;
};

struct callers *callers_new(const struct callers_order *order)
{
    struct callers *c = mem_alloc(sizeof *c);
    size_t most = (size_t)order->seats + order->reserve;

    c->order = *order;
    c->watched = mem_alloc(most * sizeof *c->watched);
    c->watched_of = mem_alloc(most * sizeof(struct caller *));
    c->sweep = handle_timer(order->loop, c);
    return c;
}

void callers_free(struct callers *c)
{
    if (c == NULL)
        return;
    assert(c->first == NULL);
    handle_close_timer(c->sweep);
    free(c->watched);
    free(c->watched_of);
    free(c);
}

bool callers_are_gone(const struct callers *c)
{
    return c->first == NULL;
}

bool callers_are_many(const struct callers *c)
{
    return c->seated == c->order.seats;
}

bool callers_are_full(const struct callers *c)
{
    return callers_are_many(c) && c->reserved == c->order.reserve;
}

/* ---- the sweep ---- */

/* A client that closed both directions, or reset, waits for nothing any more. One that only closed its own
 * may well read the answer. */
static void look_for_gone(struct callers *c)
{
    nfds_t count = 0;

    for (struct caller *one = c->first; one != NULL; one = one->next) {
        if (!one->waiting)
            continue;
        c->watched[count] = (struct pollfd){.fd = one->fd};
        c->watched_of[count++] = one;
    }
    if (count == 0 || poll(c->watched, count, 0) <= 0)
        return;
    for (nfds_t i = 0; i < count; i++)
        if ((c->watched[i].revents & (POLLHUP | POLLERR)) != 0)
            c->order.gone(c->order.context, c->watched_of[i]);
}

static void on_sweep(uv_timer_t *timer)
{
    struct callers *c = timer->data;
    int64_t now_us = clock_mono_us();

    for (struct caller *one = c->first; one != NULL; one = one->next) {
        if (now_us < one->deadline_us)
            continue;
        one->deadline_us = CLOCK_NEVER;
        c->order.late(c->order.context, one);
    }
    look_for_gone(c);
}

/* ---- who is there ---- */

void callers_enter(struct callers *c, struct caller *caller, int fd)
{
    assert(!callers_are_full(c));
    caller->fd = fd;
    caller->reserved = callers_are_many(c);
    if (caller->reserved)
        c->reserved++;
    else
        c->seated++;
    caller->prev = NULL;
    caller->next = c->first;
    if (c->first != NULL)
        c->first->prev = caller;
    else
        uv_timer_start(c->sweep, on_sweep, CALLERS_SWEEP_MS, CALLERS_SWEEP_MS);
    c->first = caller;
}

void callers_leave(struct callers *c, struct caller *caller)
{
    bool full = callers_are_full(c);

    if (caller->next != NULL)
        caller->next->prev = caller->prev;
    if (caller->prev != NULL)
        caller->prev->next = caller->next;
    else
        c->first = caller->next;
    if (caller->reserved)
        c->reserved--;
    else
        c->seated--;
    if (c->first == NULL)
        uv_timer_stop(c->sweep);
    if (full)
        c->order.room(c->order.context);
}

void callers_promote(struct callers *c, struct caller *caller)
{
    if (!caller->reserved || callers_are_many(c))
        return;
    caller->reserved = false;
    c->reserved--;
    c->seated++;
}

void callers_each(struct callers *c, callers_tell *call, void *context)
{
    for (struct caller *one = c->first; one != NULL; one = one->next)
        call(context, one);
}
