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
#include <string.h>

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

/* ---- seats ---- */

static unsigned count_of(const struct callers *c, const struct address *from, bool reserved)
{
    unsigned count = 0;

    for (const struct caller *one = c->first; one != NULL; one = one->next)
        if (one->reserved == reserved && address_same_site(&one->from, from))
            count++;
    return count;
}

/* Whether so many of these seats are the origin's already; looked for only where they can be. */
static bool has_enough(const struct callers *c, const struct address *from, bool reserved)
{
    unsigned most = reserved ? (c->order.reserve + 1) / 2 : c->order.per_address;

    if (c->order.per_address == 0 || address_is_local(from) || (reserved ? c->reserved : c->seated) < most)
        return false;
    return count_of(c, from, reserved) >= most;
}

enum callers_seat callers_seat(const struct callers *c, const struct address *from)
{
    if (!callers_are_many(c) && !has_enough(c, from, false))
        return CALLERS_SEAT;
    if (c->reserved < c->order.reserve && !has_enough(c, from, true))
        return CALLERS_RESERVE;
    return CALLERS_NONE;
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

bool callers_has_left(const struct caller *caller)
{
    struct pollfd one = {.fd = caller->fd};

    return poll(&one, 1, 0) > 0 && (one.revents & (POLLHUP | POLLERR)) != 0;
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

void callers_enter(struct callers *c, struct caller *caller, int fd, const struct address *from)
{
    enum callers_seat seat = callers_seat(c, from);

    assert(seat != CALLERS_NONE);
    caller->fd = fd;
    caller->from = address_is_local(from) ? (struct address){0} : *from;
    caller->reserved = seat == CALLERS_RESERVE;
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
}

void callers_promote(struct callers *c, struct caller *caller)
{
    if (!caller->reserved || callers_are_many(c) || has_enough(c, &caller->from, false))
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
