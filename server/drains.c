/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list, as few targets are out of service at a time. A drain ends by the monotonic clock; the wall clock
 * tells people when, and a later process how much of it is left. The result that balancers get is made once
 * for each config. When a target comes back, what was known of it from before is outdated: a server that was
 * worked on may not be what it was.
 */
#include "server/drains.h"

#include "probe/base/mem.h"
#include "probe/base/text.h"
#include "probe/net/handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    struct drain is; /* its texts are copies */
    int64_t due_us;  /* monotonic: in force it ends, else it is forgotten; CLOCK_NEVER */
    struct result *result;
};

struct drains {
    struct log *log;
    struct snapshot *snapshot;
    struct jobs *jobs;
    struct entry *first;
    uv_timer_t *timer; /* for the next that is due */
    drains_keep *keep;
    void *keep_context;
};

static bool is_in_force(const struct entry *e)
{
    return e->is.ended_us == CLOCK_NONE;
}

static struct entry *find(const struct drains *d, const char *target)
{
    for (struct entry *e = d->first; e != NULL; e = e->next)
        if (strcmp(e->is.target, target) == 0)
            return e;
    return NULL;
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

    e->is.target = mem_dup(target);
    e->is.reason = mem_dup("");
    e->next = d->first;
    d->first = e;
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
    size_t count = 0;

    if (d->keep == NULL)
        return;
    for (struct entry *e = d->first; e != NULL; e = e->next)
        count++;
    struct drain *list = mem_alloc((count + 1) * sizeof *list);
    count = 0;
    for (struct entry *e = d->first; e != NULL; e = e->next)
        list[count++] = e->is;
    d->keep(d->keep_context, list, count);
    free(list);
}

static void on_due(uv_timer_t *timer);

static void set_timer(struct drains *d)
{
    int64_t due_us = CLOCK_NEVER;

    for (struct entry *e = d->first; e != NULL; e = e->next)
        if (e->due_us < due_us)
            due_us = e->due_us;
    handle_at(d->timer, on_due, due_us);
}

static void outdate(struct drains *d, const char *target)
{
    const struct snapshot_target *t = snapshot_target(d->snapshot, target);

    if (t != NULL)
        jobs_outdate(d->jobs, t);
}

static void end(struct drains *d, struct entry *e, const char *how)
{
    e->is.ended_us = clock_wall_us();
    e->due_us = clock_mono_us() + DRAINS_AFTER_US;
    outdate(d, e->is.target);
    log_event(d->log, LOG_LEVEL_INFO, "target is back in service", "target", e->is.target, "why", how, NULL);
}

/* Those for which the call says so. */
static void forget(struct drains *d, bool (*is_gone)(const struct drains *d, const struct entry *e))
{
    for (struct entry **at = &d->first; *at != NULL;) {
        struct entry *e = *at;
        if (!is_gone(d, e)) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        free_entry(e);
    }
}

static bool is_past(const struct drains *d, const struct entry *e)
{
    (void)d;
    return !is_in_force(e) && e->due_us <= clock_mono_us();
}

static void on_due(uv_timer_t *timer)
{
    struct drains *d = timer->data;
    int64_t now_us = clock_mono_us();

    forget(d, is_past);
    for (struct entry *e = d->first; e != NULL; e = e->next)
        if (is_in_force(e) && e->due_us <= now_us)
            end(d, e, "its time was over");
    set_timer(d);
    keep(d);
}

/* ---- what others see ---- */

void drains_begin(struct drains *d, const char *target, int64_t for_us, const char *reason)
{
    struct entry *e = find(d, target);
    int64_t now_us = clock_wall_us();
    char until[TEXT_TIME_SIZE] = "";

    if (e == NULL)
        e = add(d, target);
    else if (is_in_force(e))
        now_us = e->is.since_us;
    e->is.since_us = now_us;
    e->is.ended_us = CLOCK_NONE;
    e->is.until_us = for_us == CLOCK_NONE ? CLOCK_NONE : clock_wall_us() + for_us;
    e->due_us = for_us == CLOCK_NONE ? CLOCK_NEVER : clock_mono_us() + for_us;
    set_reason(e, reason);
    if (for_us != CLOCK_NONE)
        text_time(e->is.until_us, until);
    log_event(d->log, LOG_LEVEL_INFO, "target is out of service", "target", target, "reason",
              *reason != '\0' ? reason : NULL, "until", *until != '\0' ? until : NULL, NULL);
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

/* One that is due is over, however late the loop is. */
const struct drain *drains_find(const struct drains *d, const char *target)
{
    const struct entry *e = d != NULL ? find(d, target) : NULL;

    return e != NULL && is_in_force(e) && e->due_us > clock_mono_us() ? &e->is : NULL;
}

bool drains_was(const struct drains *d, const char *target)
{
    return d != NULL && find(d, target) != NULL && drains_find(d, target) == NULL;
}

static struct result *make_result(struct drains *d, const struct snapshot_target *target,
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
    struct result *result = jobs_drained(d->jobs, target, text);
    arena_free(&arena);
    return result;
}

struct result *drains_result(struct drains *d, const struct snapshot_target *target)
{
    if (d == NULL || drains_find(d, target->name) == NULL)
        return NULL;
    struct entry *e = find(d, target->name);
    if (e->result == NULL)
        e->result = make_result(d, target, &e->is);
    return result_ref(e->result);
}

/* ---- over restarts and reloads ---- */

static bool makes_sense(const struct drains *d, const struct drain *drain)
{
    return snapshot_target(d->snapshot, drain->target) != NULL && find(d, drain->target) == NULL &&
           strlen(drain->reason) <= DRAIN_MAX_REASON && text_is_clean(span_of(drain->reason)) &&
           drain->since_us >= 0;
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
    e->is.since_us = is.since_us;
    e->is.until_us = is.until_us;
    e->is.ended_us = is.ended_us;
    e->due_us = left_us == CLOCK_NEVER ? CLOCK_NEVER : clock_mono_us() + left_us;
    set_reason(e, is.reason);
    set_timer(d);
}

void drains_set_keeper(struct drains *d, drains_keep *call, void *context)
{
    d->keep = call;
    d->keep_context = context;
}

static bool has_no_target(const struct drains *d, const struct entry *e)
{
    return snapshot_target(d->snapshot, e->is.target) == NULL;
}

void drains_reload(struct drains *d, struct snapshot *snapshot)
{
    struct snapshot *old = d->snapshot;

    d->snapshot = snapshot_ref(snapshot);
    snapshot_unref(old);
    forget(d, has_no_target);
    for (struct entry *e = d->first; e != NULL; e = e->next) {
        result_unref(e->result);
        e->result = NULL;
    }
    set_timer(d);
    keep(d);
}

/* ---- life ---- */

struct drains *drains_new(uv_loop_t *loop, struct log *log, struct snapshot *snapshot, struct jobs *jobs)
{
    struct drains *d = mem_alloc(sizeof *d);

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
    handle_close_timer(d->timer);
    snapshot_unref(d->snapshot);
    free(d);
}
