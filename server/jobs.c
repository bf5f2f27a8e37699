/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sharing of runs. Within one snapshot a plan is told by its target and by where it stops, so every target
 * has one place for each phase. A run without waiters goes on; a waiter's timeout ends its waiting and
 * nothing else. The last good run is remembered for each place, not for each target: a run cut short before
 * RCPT is no evidence that RCPT worked. Everything belongs to one loop. What a run does is probe/run's.
 */
#include "server/jobs.h"

#include "config/route.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/run.h"
#include "server/ulid.h"

#include <stdio.h>
#include <stdlib.h>

struct jobs_waiter {
    struct jobs_waiter *next;
    struct jobs_waiter *prev;
    struct job *job;
    jobs_done *done;
    void *context;
    int64_t timeout_us;
    uv_timer_t timer;
};

/* A run under way. */
struct job {
    struct job *next;
    struct job *prev;
    struct jobs *jobs;
    struct place *place;
    struct plan plan;
    struct run *run;
    struct result *last_ok; /* lent to the run */
    struct jobs_waiter *first;
    struct jobs_waiter *last;
};

/* All about one plan. */
struct place {
    struct job *job;        /* under way, or null */
    struct result *latest;  /* or null */
    struct result *last_ok; /* or null */
};

/* A target's places, by the phase its plan stops after; PHASE_COUNT is the whole way. */
struct shelf {
    struct place places[PHASE_COUNT + 1];
};

struct jobs {
    struct jobs_order order;
    struct run_net *net;
    struct ulid ulid;
    struct job *first;
    uv_timer_t grace;
    bool stopping;
    bool freeing;
    jobs_stopped *stopped; /* null: not stopping, or told already */
    void *stopped_context;
    struct shelf *shelves; /* one a target, in the snapshot's order */
};

struct jobs *jobs_new(const struct jobs_order *order)
{
    struct jobs *jobs = mem_alloc(sizeof *jobs);

    jobs->order = *order;
    snapshot_ref(order->snapshot);
    jobs->shelves = mem_alloc((order->snapshot->target_count + 1) * sizeof *jobs->shelves);
    jobs->net = run_net_new(order->loop);
    uv_timer_init(order->loop, &jobs->grace);
    jobs->grace.data = jobs;
    return jobs;
}

static struct place *place_of(const struct jobs *jobs, const struct snapshot_target *target,
                              enum phase stop_after)
{
    return &jobs->shelves[target - jobs->order.snapshot->targets].places[stop_after];
}

/* The plan that the ask comes to, and its place. */
static struct place *place_of_ask(const struct jobs *jobs, const struct jobs_ask *ask, struct plan *plan_r)
{
    struct route_ask route = {.stop_after = ask->stop_after};

    route_plan(ask->target, &route, plan_r);
    return place_of(jobs, ask->target, plan_r->stop_after);
}

struct result *jobs_recall(const struct jobs *jobs, const struct jobs_ask *ask)
{
    struct plan plan;
    struct result *latest = place_of_ask(jobs, ask, &plan)->latest;
    int64_t max_age_us = ask->max_age_us == CLOCK_NONE ? ask->target->cache_ttl_us : ask->max_age_us;

    if (latest == NULL || clock_mono_us() - latest->ended_mono_us >= max_age_us)
        return NULL;
    return result_ref(latest);
}

const struct result *jobs_latest(const struct jobs *jobs, const struct snapshot_target *target)
{
    return place_of(jobs, target, target->plan.stop_after)->latest;
}

/* ---- waiters ---- */

static void free_waiter(uv_handle_t *timer)
{
    free(timer->data);
}

void jobs_leave(struct jobs_waiter *w)
{
    struct job *job = w->job;

    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        job->first = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    else
        job->last = w->prev;
    uv_close((uv_handle_t *)&w->timer, free_waiter);
}

/* The waiter's memory lives until the loop closed its timer, so it may be read after leaving. */
static void answer(struct jobs_waiter *w, struct result *result)
{
    jobs_leave(w);
    w->done(w->context, result);
}

static void on_timeout(uv_timer_t *timer)
{
    struct jobs_waiter *w = timer->data;

    answer(w, run_peek(w->job->run, w->timeout_us));
}

static struct jobs_waiter *add_waiter(struct job *job, int64_t timeout_us, jobs_done *done, void *context)
{
    uv_loop_t *loop = job->jobs->order.loop;
    struct jobs_waiter *w = mem_alloc(sizeof *w);

    w->job = job;
    w->done = done;
    w->context = context;
    w->timeout_us = timeout_us;
    w->prev = job->last;
    if (w->prev != NULL)
        w->prev->next = w;
    else
        job->first = w;
    job->last = w;
    uv_timer_init(loop, &w->timer);
    w->timer.data = w;
    /* A run ends by its own limit; only who waits less than that needs a clock. */
    if (timeout_us < job->plan.limits_us[LIMIT_RUN]) {
        uv_update_time(loop);
        uv_timer_start(&w->timer, on_timeout,
                       (uint64_t)((timeout_us + CLOCK_US_PER_MS - 1) / CLOCK_US_PER_MS), 0);
    }
    return w;
}

/* ---- runs ---- */

static void tell_stopped(struct jobs *jobs)
{
    jobs_stopped *stopped = jobs->stopped;

    if (stopped == NULL)
        return;
    jobs->stopped = NULL;
    uv_timer_stop(&jobs->grace);
    stopped(jobs->stopped_context);
}

static void log_run(struct log *log, const struct result *r)
{
    bool failed = r->failure.reason != REASON_NONE;
    char ms[32];

    snprintf(ms, sizeof ms, "%.3f", (double)(r->ended_mono_us - r->started_mono_us) / CLOCK_US_PER_MS);
    log_event(log, r->status == STATUS_UNKNOWN ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "run ended", "target",
              r->target, "status", status_name(r->status), "phase",
              failed ? phase_name(r->failure.phase) : NULL, "reason",
              failed ? reason_name(r->failure.reason) : NULL, "ms", ms, "id", r->id, "message",
              failed ? r->failure.message : NULL, NULL);
}

static void keep(struct result **slot, struct result *result)
{
    result_unref(*slot);
    *slot = result_ref(result);
}

static void unlink_job(struct job *job)
{
    if (job->prev != NULL)
        job->prev->next = job->next;
    else
        job->jobs->first = job->next;
    if (job->next != NULL)
        job->next->prev = job->prev;
    job->place->job = NULL;
}

static void on_grace_closed(uv_handle_t *timer)
{
    struct jobs *jobs = timer->data;

    for (size_t i = 0; i < jobs->order.snapshot->target_count; i++) {
        for (size_t p = 0; p <= PHASE_COUNT; p++) {
            result_unref(jobs->shelves[i].places[p].latest);
            result_unref(jobs->shelves[i].places[p].last_ok);
        }
    }
    free(jobs->shelves);
    snapshot_unref(jobs->order.snapshot);
    free(jobs);
}

/* Asked for by jobs_free and by the end of the last run, which may come from inside one another. */
static void close_handles(struct jobs *jobs)
{
    if (uv_is_closing((uv_handle_t *)&jobs->grace))
        return;
    run_net_free(jobs->net);
    uv_close((uv_handle_t *)&jobs->grace, on_grace_closed);
}

static void on_run_done(void *context, struct result *result)
{
    struct job *job = context;
    struct jobs *jobs = job->jobs;

    log_run(jobs->order.log, result);
    keep(&job->place->latest, result);
    if (result->status == STATUS_PASS || result->status == STATUS_WARN)
        keep(&job->place->last_ok, result);
    /* From here on a waiter that is answered may ask again, and begins another run. */
    unlink_job(job);
    while (job->first != NULL)
        answer(job->first, result_ref(result));
    result_unref(result);
    result_unref(job->last_ok);
    free(job);
    if (jobs->first != NULL)
        return;
    if (jobs->stopping)
        tell_stopped(jobs);
    if (jobs->freeing)
        close_handles(jobs);
}

static void begin(struct jobs *jobs, struct place *place, const struct plan *plan)
{
    struct job *job = mem_alloc(sizeof *job);
    char id[ULID_SIZE];

    job->jobs = jobs;
    job->place = place;
    job->plan = *plan;
    job->last_ok = place->last_ok != NULL ? result_ref(place->last_ok) : NULL;
    job->next = jobs->first;
    if (job->next != NULL)
        job->next->prev = job;
    jobs->first = job;
    place->job = job;
    ulid_next(&jobs->ulid, clock_wall_us(), id);
    struct run_order order = {
        .plan = &job->plan,
        .id = id,
        .vantage = jobs->order.snapshot->server_name,
        .last_ok = job->last_ok,
    };
    job->run = run_start(jobs->net, &order, on_run_done, job);
    if (jobs->stopping)
        run_stop(job->run);
}

struct jobs_waiter *jobs_wait(struct jobs *jobs, const struct jobs_ask *ask, jobs_done *done, void *context)
{
    struct plan plan;
    struct place *place = place_of_ask(jobs, ask, &plan);

    if (place->job == NULL)
        begin(jobs, place, &plan);
    return add_waiter(place->job, ask->timeout_us, done, context);
}

/* ---- the end ---- */

static void stop_runs(struct jobs *jobs)
{
    for (struct job *job = jobs->first; job != NULL; job = job->next)
        run_stop(job->run);
}

static void on_grace_over(uv_timer_t *timer)
{
    struct jobs *jobs = timer->data;

    if (jobs->first == NULL)
        tell_stopped(jobs);
    stop_runs(jobs);
}

void jobs_stop(struct jobs *jobs, unsigned grace_ms, jobs_stopped *stopped, void *context)
{
    jobs->stopping = true;
    jobs->stopped = stopped;
    jobs->stopped_context = context;
    uv_timer_start(&jobs->grace, on_grace_over, jobs->first != NULL ? grace_ms : 0, 0);
}

void jobs_free(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    jobs->freeing = true;
    jobs->stopped = NULL;
    if (jobs->first == NULL)
        close_handles(jobs);
    stop_runs(jobs);
}
