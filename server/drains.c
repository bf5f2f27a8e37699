/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list, sorted by name. A drain ends by the monotonic clock; the wall clock tells people when, and a later
 * process how much of it is left. The result that balancers get is made once for each config. When a target
 * comes back, what was known of it from before is outdated: a server that was worked on may not be what it
 * was. A drain outlives its target for a day: only who has taken a server out can say that it is back, and a
 * config that lacks it may be a mistake.
 */
#include "server/drains.h"

#include "config/load.h"
#include "probe/base/mem.h"
#include "probe/base/text.h"
#include "probe/net/handle.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GONE_US (24 * 3600 * CLOCK_US_PER_S)

struct entry {
    struct drain is; /* its texts are copies */
    int64_t due_us;  /* monotonic: in force it ends, else it is forgotten; CLOCK_NEVER */
    int64_t gone_us; /* likewise: since then there has been no such target; CLOCK_NEVER: there is one */
    struct result *result;
};

struct drains {
    struct log *log;
    struct snapshot *snapshot;
    struct jobs *jobs;
    struct entry **list; /* by name */
    size_t count;
    struct hold_seat *seat;
    uv_mutex_t making; /* for results: any thread may be the first to want one */
    uv_timer_t *timer; /* for the next that is due */
    drains_keep *keep;
    void *keep_context;
    drains_told *told;
    void *told_context;
};

static bool is_in_force(const struct entry *e)
{
    return e->is.ended_us == CLOCK_NONE;
}

/* Where the target's stands, or would stand. */
static size_t place_of(const struct drains *d, const char *target)
{
    size_t low = 0, high = d->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(d->list[middle]->is.target, target) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct entry *find(const struct drains *d, const char *target)
{
    size_t at = place_of(d, target);

    return at < d->count && strcmp(d->list[at]->is.target, target) == 0 ? d->list[at] : NULL;
}

static void free_entry(struct entry *e)
{
    result_unref(e->result);
    free((char *)e->is.target);
    free((char *)e->is.reason);
    free(e);
}

static struct entry *add(struct drains *d, const char *target)
{
    struct entry *e = mem_alloc(sizeof *e);
    size_t at = place_of(d, target);

    e->is.target = mem_dup(target);
    e->is.reason = mem_dup("");
    e->gone_us = CLOCK_NEVER;
    d->list = mem_resize(d->list, (d->count + 1) * sizeof(struct entry *));
    memmove(d->list + at + 1, d->list + at, (d->count - at) * sizeof(struct entry *));
    d->list[at] = e;
    d->count++;
    return e;
}

static void set_reason(struct entry *e, const char *reason)
{
    free((char *)e->is.reason);
    e->is.reason = mem_dup(reason);
    result_unref(e->result);
    e->result = NULL;
}

/* ---- what is kept, and what is due ---- */

static void keep(struct drains *d)
{
    if (d->keep == NULL)
        return;
    struct drain *list = mem_alloc((d->count + 1) * sizeof *list);
    for (size_t i = 0; i < d->count; i++)
        list[i] = d->list[i]->is;
    d->keep(d->keep_context, list, d->count);
    free(list);
}

static void on_due(uv_timer_t *timer);

static void set_timer(struct drains *d)
{
    int64_t due_us = CLOCK_NEVER;

    for (size_t i = 0; i < d->count; i++)
        if (d->list[i]->due_us < due_us)
            due_us = d->list[i]->due_us;
    handle_at(d->timer, on_due, due_us);
}

static void outdate(struct drains *d, const char *target)
{
    const struct snapshot_target *t = snapshot_target(d->snapshot, target);

    if (t != NULL)
        jobs_outdate(d->jobs, t);
}

/* How long it is known from now on: HAProxy cannot be told of a target that is not there. */
static void set_after(struct entry *e)
{
    e->due_us = e->gone_us == CLOCK_NEVER ? clock_mono_us() + DRAINS_AFTER_US : CLOCK_NEVER;
}

static void tell(const struct drains *d, const struct entry *e)
{
    if (d->told != NULL)
        d->told(d->told_context, e->is.target);
}

static void end(struct drains *d, struct entry *e, const char *how)
{
    e->is.ended_us = clock_wall_us();
    set_after(e);
    outdate(d, e->is.target);
    log_event(d->log, LOG_LEVEL_INFO, "target is back in service", "target", e->is.target, "why", how, NULL);
    tell(d, e);
}

/* Those for which the call says so. */
static void forget(struct drains *d, bool (*is_gone)(const struct drains *d, const struct entry *e))
{
    size_t kept = 0;

    for (size_t i = 0; i < d->count; i++)
        if (is_gone(d, d->list[i]))
            free_entry(d->list[i]);
        else
            d->list[kept++] = d->list[i];
    d->count = kept;
}

static bool is_past(const struct drains *d, const struct entry *e)
{
    (void)d;
    return !is_in_force(e) && e->due_us <= clock_mono_us();
}

static void end_due(struct drains *d)
{
    int64_t now_us = clock_mono_us();

    forget(d, is_past);
    for (size_t i = 0; i < d->count; i++)
        if (is_in_force(d->list[i]) && d->list[i]->due_us <= now_us)
            end(d, d->list[i], "its time was over");
    set_timer(d);
    keep(d);
}

static void on_due(uv_timer_t *timer)
{
    struct drains *d = timer->data;

    hold_begin(d->seat);
    end_due(d);
    hold_end(d->seat);
}

/* ---- what others see ---- */

void drains_begin(struct drains *d, const char *target, enum drain_mode mode, int64_t for_us,
                  const char *reason)
{
    struct entry *e = find(d, target);
    int64_t now_us = clock_wall_us();
    char until[TEXT_TIME_SIZE] = "";

    if (e == NULL)
        e = add(d, target);
    else if (is_in_force(e))
        now_us = e->is.since_us;
    e->is.mode = mode;
    e->is.since_us = now_us;
    e->is.ended_us = CLOCK_NONE;
    e->is.until_us = for_us == CLOCK_NONE ? CLOCK_NONE : clock_wall_us() + for_us;
    e->due_us = for_us == CLOCK_NONE ? CLOCK_NEVER : clock_mono_us() + for_us;
    set_reason(e, reason);
    if (for_us != CLOCK_NONE)
        text_time(e->is.until_us, until);
    log_event(d->log, LOG_LEVEL_INFO, "target is out of service", "target", target, "mode",
              drain_mode_name(mode), "reason", *reason != '\0' ? reason : NULL, "until",
              *until != '\0' ? until : NULL, NULL);
    tell(d, e);
    set_timer(d);
    keep(d);
}

void drains_end(struct drains *d, const char *target)
{
    struct entry *e = find(d, target);

    if (e == NULL || !is_in_force(e))
        return;
    end(d, e, "somebody said so");
    set_timer(d);
    keep(d);
}

/* One that is due is over, however late the loop is. But of several loops it is in force until its timer has
 * told them all: what was known before is no answer any more, and only that timer can see to it. */
static bool is_over(const struct drains *d, const struct entry *e)
{
    return d->seat == NULL && e->due_us <= clock_mono_us();
}

const struct drain *drains_find(const struct drains *d, const char *target)
{
    const struct entry *e = d != NULL ? find(d, target) : NULL;

    return e != NULL && is_in_force(e) && !is_over(d, e) ? &e->is : NULL;
}

bool drains_was(const struct drains *d, const char *target)
{
    return d != NULL && find(d, target) != NULL && drains_find(d, target) == NULL;
}

static struct result *make_result(struct jobs *jobs, const struct snapshot_target *target,
                                  const struct drain *drain)
{
    struct arena arena = {0};
    char since[TEXT_TIME_SIZE], until[TEXT_TIME_SIZE];

    text_time(drain->since_us, since);
    const char *text = arena_printf(&arena, "out of service since %s", since);
    if (drain->until_us != CLOCK_NONE) {
        text_time(drain->until_us, until);
        text = arena_printf(&arena, "%s, until %s", text, until);
    }
    if (*drain->reason != '\0')
        text = arena_printf(&arena, "%s: %s", text, drain->reason);
    struct result *result = jobs_drained(jobs, target, text);
    arena_free(&arena);
    return result;
}

struct result *drains_result(struct drains *d, struct jobs *jobs, const struct snapshot_target *target)
{
    struct entry *e = d != NULL ? find(d, target->name) : NULL;

    if (e == NULL || !is_in_force(e))
        return NULL;
    if (is_over(d, e)) { /* before its timer was told: what was known is outdated as of now */
        end_due(d);
        return NULL;
    }
    uv_mutex_lock(&d->making);
    if (e->result == NULL)
        e->result = make_result(jobs, target, &e->is);
    uv_mutex_unlock(&d->making);
    return result_ref(e->result);
}

/* ---- over restarts and reloads ---- */

/* No time is so far away that it could not be reckoned with. */
static bool is_time(int64_t us)
{
    return us == CLOCK_NONE || (us >= 0 && us < CLOCK_NEVER - DRAINS_MAX_US);
}

static bool makes_sense(const struct drains *d, const struct drain *drain)
{
    return load_name_is_good(drain->target) && find(d, drain->target) == NULL &&
           drain->mode < DRAIN_MODE_COUNT && strlen(drain->reason) <= DRAIN_MAX_REASON &&
           text_is_clean(span_of(drain->reason)) && drain->since_us >= 0 && is_time(drain->since_us) &&
           is_time(drain->until_us) && is_time(drain->ended_us);
}

/* How long it goes on. Whatever has happened to the clock meanwhile, no longer than is allowed. */
static int64_t left_of(const struct drain *drain, int64_t now_us)
{
    int64_t end_us = drain->ended_us != CLOCK_NONE ? drain->ended_us + DRAINS_AFTER_US : drain->until_us;
    int64_t most_us = drain->ended_us != CLOCK_NONE ? DRAINS_AFTER_US : DRAINS_MAX_US;

    if (drain->ended_us == CLOCK_NONE && drain->until_us == CLOCK_NONE)
        return CLOCK_NEVER;
    return end_us - now_us < most_us ? end_us - now_us : most_us;
}

static void note_target(const struct drains *d, struct entry *e)
{
    bool was_gone = e->gone_us != CLOCK_NEVER, is_gone = snapshot_target(d->snapshot, e->is.target) == NULL;

    if (is_gone == was_gone)
        return;
    e->gone_us = is_gone ? clock_mono_us() : CLOCK_NEVER;
    if (!is_in_force(e))
        set_after(e);
}

void drains_restore(struct drains *d, const struct drain *drain)
{
    struct drain is = *drain;
    int64_t now_us = clock_wall_us();

    if (!makes_sense(d, drain))
        return;
    if (is.ended_us == CLOCK_NONE && left_of(&is, now_us) <= 0)
        is.ended_us = is.until_us; /* while nobody was there */
    int64_t left_us = left_of(&is, now_us);
    if (left_us <= 0)
        return;
    struct entry *e = add(d, is.target);
    e->is.mode = is.mode;
    e->is.since_us = is.since_us;
    e->is.until_us = is.until_us;
    e->is.ended_us = is.ended_us;
    e->due_us = left_us == CLOCK_NEVER ? CLOCK_NEVER : clock_mono_us() + left_us;
    set_reason(e, is.reason);
    note_target(d, e);
    set_timer(d);
}

void drains_set_keeper(struct drains *d, drains_keep *call, void *context)
{
    d->keep = call;
    d->keep_context = context;
}

void drains_set_told(struct drains *d, drains_told *call, void *context)
{
    d->told = call;
    d->told_context = context;
}

static bool is_long_gone(const struct drains *d, const struct entry *e)
{
    (void)d;
    return e->gone_us != CLOCK_NEVER && clock_mono_us() - e->gone_us >= GONE_US;
}

void drains_reload(struct drains *d, struct snapshot *snapshot)
{
    struct snapshot *old = d->snapshot;

    d->snapshot = snapshot_ref(snapshot);
    snapshot_unref(old);
    for (size_t i = 0; i < d->count; i++) {
        note_target(d, d->list[i]);
        result_unref(d->list[i]->result);
        d->list[i]->result = NULL;
    }
    forget(d, is_long_gone);
    set_timer(d);
    keep(d);
}

/* ---- life ---- */

struct drains *drains_new(uv_loop_t *loop, struct log *log, struct snapshot *snapshot, struct jobs *jobs,
                          struct hold_seat *seat)
{
    struct drains *d = mem_alloc(sizeof *d);
    int failed = uv_mutex_init(&d->making);

    assert(!failed);
    d->seat = seat;
    d->log = log;
    d->snapshot = snapshot_ref(snapshot);
    d->jobs = jobs;
    d->timer = handle_timer(loop, d);
    return d;
}

static bool always(const struct drains *d, const struct entry *e)
{
    (void)d;
    (void)e;
    return true;
}

void drains_free(struct drains *d)
{
    if (d == NULL)
        return;
    forget(d, always);
    free(d->list);
    handle_close_timer(d->timer);
    uv_mutex_destroy(&d->making);
    snapshot_unref(d->snapshot);
    free(d);
}
