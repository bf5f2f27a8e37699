/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A timer for each target that has an interval. A turn is a moment of the monotonic clock that leaves a
 * certain rest when it is divided by the interval; the rest is made of the name. So nothing has to be
 * remembered over a reload but the run that is under way. What a run shows is kept by the jobs, where callers
 * find it; where they would find nothing, and so would have to wait, or nothing that is known, a turn comes
 * early.
 */
#include "server/rounds.h"

#include "config/alike.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"

#include <stdlib.h>

struct round {
    struct rounds *rounds;
    const struct snapshot_target *target;
    uv_timer_t *timer;
    bool first;                 /* the next turn comes early, as there is nothing to answer with */
    bool unsure;                /* the last run of ours could not tell, for a reason that is ehlod's */
    struct jobs_waiter *waiter; /* null: no run of ours is under way */
};

/* Of a target that has an interval, and is of this loop. */
struct slot {
    const struct snapshot_target *target;
    struct round *round; /* null: it was taken out */
};

struct rounds {
    struct rounds_order order;
    struct slot *slots; /* in the order of the snapshot's targets */
    size_t count;
};

/* FNV-1a, 64 bits. */
static uint64_t hash_of(const char *name)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (const char *c = name; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    return hash ^ hash >> 32;
}

int64_t rounds_next_us(const char *name, int64_t interval_us, int64_t now_us)
{
    int64_t rest_us = (int64_t)(hash_of(name) % (uint64_t)interval_us);
    int64_t since_us = (now_us - rest_us) % interval_us;

    return now_us + interval_us - (since_us < 0 ? since_us + interval_us : since_us);
}

static struct jobs_ask ask_of(const struct round *r, int64_t max_age_us)
{
    return (struct jobs_ask){.target = r->target,
                             .stop_after = PHASE_COUNT,
                             .max_age_us = max_age_us,
                             .timeout_us = CLOCK_NEVER,
                             .wait_us = 0};
}

/* Whether callers have an answer without waiting. */
static bool has_answer(const struct round *r)
{
    struct jobs_ask ask = ask_of(r, CLOCK_NONE);

    return jobs_knows(r->rounds->order.jobs, &ask);
}

static bool is_drained(const struct round *r)
{
    return drains_find(r->rounds->order.drains, r->target->name) != NULL;
}

static void set_timer(struct round *r);

/* Nobody is to live with an unknown for a whole interval, nor with an older verdict in its place. */
static void on_result(void *context, struct result *result)
{
    struct round *r = context;

    r->waiter = NULL;
    r->unsure = result->status == STATUS_UNKNOWN || (result->flags & UINT64_C(1) << FLAG_STALE) != 0;
    result_unref(result);
    set_timer(r);
}

/* A run that somebody else has asked for will do as well; so does what a dialogue that sends a message has
 * kept, which is not to be sent more often than its target says. */
static void run(struct round *r)
{
    struct jobs_ask ask = ask_of(r, 0);

    if (!jobs_knows(r->rounds->order.jobs, &ask))
        r->waiter = jobs_wait(r->rounds->order.jobs, &ask, on_result, r);
}

static void on_turn(uv_timer_t *timer);

/* Turns of a shorter interval are spread as well: where nobody has an answer yet, one of those comes first.
 */
static void set_timer(struct round *r)
{
    int64_t now_us = clock_mono_us();
    int64_t turn_us = rounds_next_us(r->target->name, r->target->interval_us, now_us);
    int64_t early_us = rounds_next_us(r->target->name, ROUNDS_FIRST_US, now_us);

    r->first = early_us < turn_us && r->waiter == NULL && !is_drained(r) && (r->unsure || !has_answer(r));
    handle_at(r->timer, on_turn, r->first ? early_us : turn_us);
}

/* Before the first turn somebody may have asked. */
static void on_turn(uv_timer_t *timer)
{
    struct round *r = timer->data;

    if (r->waiter == NULL && !is_drained(r) && !(r->first && !r->unsure && has_answer(r)))
        run(r);
    set_timer(r);
}

/* What the run under way will show is no news. */
static void forsake(struct round *r)
{
    if (r->waiter != NULL)
        jobs_leave(r->waiter);
    r->waiter = NULL;
    r->unsure = false;
}

static int compare_slots(const void *a, const void *b)
{
    const struct slot *one = a, *other = b;

    return (one->target > other->target) - (one->target < other->target);
}

/* That of the target of that name; or null. */
static struct slot *find(const struct rounds *rounds, const struct snapshot *snapshot, const char *name)
{
    const struct slot key = {.target = snapshot_target(snapshot, name)};

    if (key.target == NULL || rounds->count == 0)
        return NULL;
    return bsearch(&key, rounds->slots, rounds->count, sizeof key, compare_slots);
}

void rounds_again(struct rounds *rounds, const char *target)
{
    const struct slot *slot = rounds != NULL ? find(rounds, rounds->order.snapshot, target) : NULL;

    if (slot == NULL)
        return;
    forsake(slot->round);
    set_timer(slot->round);
}

/* ---- life ---- */

static void drop(struct round *r)
{
    forsake(r);
    handle_close_timer(r->timer);
    free(r);
}

static void drop_all(struct slot *slots, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slots[i].round != NULL)
            drop(slots[i].round);
    free(slots);
}

static struct round *new_round(struct rounds *rounds)
{
    struct round *r = mem_alloc(sizeof *r);

    r->rounds = rounds;
    r->timer = handle_timer(rounds->order.loop, r);
    return r;
}

/* That of the same target before the reload, taken out of its slot; or null. A run of another plan is not
 * ours any more. */
static struct round *take(const struct rounds *before, const struct snapshot *snapshot,
                          const struct snapshot_target *target)
{
    struct slot *slot = find(before, before->order.snapshot, target->name);

    if (slot == NULL)
        return NULL;
    struct round *r = slot->round;
    slot->round = NULL;
    if (!alike_plan(before->order.snapshot, slot->target, snapshot, target))
        forsake(r);
    return r;
}

static void add(struct rounds *rounds, const struct rounds *before, const struct snapshot_target *target)
{
    struct round *r = before != NULL ? take(before, rounds->order.snapshot, target) : NULL;

    if (r == NULL)
        r = new_round(rounds);
    r->target = target;
    rounds->slots[rounds->count++] = (struct slot){target, r};
    set_timer(r);
}

static bool is_ours(const struct rounds *rounds, const struct snapshot_target *target)
{
    return target->interval_us > 0 && jobs_own(rounds->order.jobs, target);
}

/* What they were before may be null. */
static void fill(struct rounds *rounds, const struct rounds *before)
{
    const struct snapshot *snapshot = rounds->order.snapshot;
    size_t count = 0;

    for (size_t i = 0; i < snapshot->target_count; i++)
        count += is_ours(rounds, &snapshot->targets[i]);
    rounds->slots = mem_alloc((count + 1) * sizeof *rounds->slots);
    rounds->count = 0;
    for (size_t i = 0; i < snapshot->target_count; i++)
        if (is_ours(rounds, &snapshot->targets[i]))
            add(rounds, before, &snapshot->targets[i]);
}

struct rounds *rounds_new(const struct rounds_order *order)
{
    struct rounds *rounds = mem_alloc(sizeof *rounds);

    rounds->order = *order;
    snapshot_ref(order->snapshot);
    fill(rounds, NULL);
    return rounds;
}

void rounds_reload(struct rounds *rounds, struct snapshot *snapshot)
{
    const struct rounds before = *rounds;

    rounds->order.snapshot = snapshot_ref(snapshot);
    fill(rounds, &before);
    drop_all(before.slots, before.count);
    snapshot_unref(before.order.snapshot);
}

void rounds_free(struct rounds *rounds)
{
    if (rounds == NULL)
        return;
    drop_all(rounds->slots, rounds->count);
    snapshot_unref(rounds->order.snapshot);
    free(rounds);
}
