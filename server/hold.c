/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mutex and one condition for all: this happens seldom. Who stands still waits for the condition, so a
 * holder waits no longer than the longest callback of the others. A seat that stands still already, be it for
 * the holder before or because it wants to hold next, is not sent a note.
 */
#include "server/hold.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct hold {
    uv_mutex_t lock; /* over all that follows, and the seats */
    uv_cond_t changed;
    struct hold_seat *seats;
    struct hold_seat *holder; /* null: everybody goes on */
};

struct hold *hold_new(void)
{
    struct hold *hold = mem_alloc(sizeof *hold);
    int failed = uv_mutex_init(&hold->lock);

    assert(!failed);
    failed = uv_cond_init(&hold->changed);
    assert(!failed);
    return hold;
}

void hold_free(struct hold *hold)
{
    if (hold == NULL)
        return;
    assert(hold->seats == NULL);
    uv_cond_destroy(&hold->changed);
    uv_mutex_destroy(&hold->lock);
    free(hold);
}

/* With the lock. */
static void stand_still(struct hold_seat *seat)
{
    struct hold *hold = seat->hold;

    seat->parked = true;
    uv_cond_broadcast(&hold->changed);
    while (hold->holder != NULL)
        uv_cond_wait(&hold->changed, &hold->lock);
    seat->parked = false;
}

static void on_note(void *context)
{
    struct hold_seat *seat = context;

    uv_mutex_lock(&seat->hold->lock);
    seat->asked = false;
    if (seat->hold->holder != NULL)
        stand_still(seat);
    uv_mutex_unlock(&seat->hold->lock);
}

void hold_join(struct hold *hold, struct hold_seat *seat, struct post *post)
{
    *seat = (struct hold_seat){.hold = hold, .post = post, .note = {.called = on_note, .context = seat}};
    uv_mutex_lock(&hold->lock);
    assert(hold->holder == NULL);
    seat->next = hold->seats;
    hold->seats = seat;
    uv_mutex_unlock(&hold->lock);
}

void hold_leave(struct hold_seat *seat)
{
    struct hold *hold = seat->hold;

    if (hold == NULL)
        return;
    uv_mutex_lock(&hold->lock);
    assert(hold->holder != seat);
    struct hold_seat **at = &hold->seats;
    while (*at != seat)
        at = &(*at)->next;
    *at = seat->next;
    uv_cond_broadcast(&hold->changed);
    uv_mutex_unlock(&hold->lock);
    if (seat->asked)
        (void)post_cancel(seat->post, &seat->note);
    seat->hold = NULL;
}

/* With the lock: whether all others stand still; who does not yet is asked to. */
static bool has_all(const struct hold *hold)
{
    bool all = true;

    for (struct hold_seat *seat = hold->seats; seat != NULL; seat = seat->next) {
        if (seat == hold->holder || seat->parked)
            continue;
        all = false;
        if (!seat->asked) {
            seat->asked = true;
            post_send(seat->post, &seat->note);
        }
    }
    return all;
}

void hold_begin(struct hold_seat *seat)
{
    if (seat == NULL)
        return;
    struct hold *hold = seat->hold;
    uv_mutex_lock(&hold->lock);
    assert(hold->holder != seat);
    if (hold->holder != NULL)
        stand_still(seat);
    hold->holder = seat;
    while (!has_all(hold))
        uv_cond_wait(&hold->changed, &hold->lock);
    uv_mutex_unlock(&hold->lock);
}

void hold_end(struct hold_seat *seat)
{
    if (seat == NULL)
        return;
    uv_mutex_lock(&seat->hold->lock);
    assert(seat->hold->holder == seat);
    seat->hold->holder = NULL;
    uv_cond_broadcast(&seat->hold->changed);
    uv_mutex_unlock(&seat->hold->lock);
}
