/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sharing of runs. Within one snapshot a plan is told by its target, by where it stops and by whether it was
 * asked for afresh, so every target has one place for each kind. A run without waiters goes on to its end and
 * is kept. Everything belongs to one loop. What a run does is probe/run's, what becomes of its messages
 * server/letters.c's; how it begins and ends is in job.c, those who wait are in waiter.c, and what they are
 * shown is in jobs_show.c.
 */
#include "server/jobs.h"

#include "config/alike.h"
#include "config/route.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "server/job.h"

#include <stdlib.h>

/* So many runs may wait in line for each that may be under way. */
#define JOBS_WAITING_PER_RUN 4u

/* All runs that asking for every target begins at once, at the most. */
static unsigned most_runs(const struct snapshot *snapshot)
{
    unsigned runs = 0;

    for (size_t i = 0; i < snapshot->target_count; i++)
        runs += plan_is_several(&snapshot->targets[i].plan) ? PLAN_MAX_ADDRESSES : 1;
    return runs;
}

static struct run_net_order net_order(const struct jobs_order *order)
{
    unsigned max_runs = order->max_runs > 0 ? order->max_runs : order->snapshot->max_runs;
    unsigned max_waiting = max_runs * JOBS_WAITING_PER_RUN;

    if (max_waiting < most_runs(order->snapshot)) /* as /check does */
        max_waiting = most_runs(order->snapshot);
    return (struct run_net_order){.loop = order->loop,
                                  .gates = order->gates,
                                  .loops = order->crew != NULL ? order->crew->count : 0,
                                  .max_runs = max_runs,
                                  .max_waiting = max_waiting,
                                  .max_per_address = order->snapshot->max_per_address};
}

struct run_gates *jobs_gates_new(const struct jobs_order *order)
{
    struct run_net_order net = net_order(order);

    return run_gates_new(&net);
}

struct jobs *jobs_new(const struct jobs_order *order)
{
    struct jobs *jobs = mem_alloc(sizeof *jobs);
    struct run_net_order net = net_order(order);

    jobs->order = *order;
    snapshot_ref(order->snapshot);
    jobs->shelves = order->crew != NULL ? order->crew->shelves : shelves_new(1);
    shelves_follow(jobs->shelves, order->snapshot);
    jobs->net = run_net_new(&net);
    jobs->settle = handle_timer(order->loop, jobs);
    jobs->letters = letters_new(order->loop, &order->key, waiter_settled, jobs);
    if (!order->keep_leftovers)
        jobs_follow_mail(jobs, NULL, order->snapshot);
    jobs->runs = runs_new(order->crew != NULL ? &order->crew->runs : NULL);
    jobs->stale = told_new(order->crew != NULL ? order->crew->count : 1);
    jobs->guests = guests_new(order->crew != NULL ? order->crew->count : 1);
    jobs->metrics = metrics_new();
    metrics_follow(jobs->metrics, order->snapshot);
    uv_timer_init(order->loop, &jobs->grace);
    jobs->grace.data = jobs;
    if (order->crew != NULL) {
        order->crew->all[order->index] = jobs;
        jobs_keep_pruning(jobs);
    }
    return jobs;
}

void jobs_reload(struct jobs *jobs, struct snapshot *snapshot, unsigned max_runs)
{
    struct snapshot *old = jobs->order.snapshot;

    jobs_follow_mail(jobs, old, snapshot);
    shelves_follow(jobs->shelves, snapshot);
    jobs->order.snapshot = snapshot_ref(snapshot);
    guests_forget(jobs->guests);
    metrics_follow(jobs->metrics, snapshot);
    jobs->order.max_runs = max_runs;
    if (jobs->order.index == 0) { /* they are those of all */
        struct run_net_order net = net_order(&jobs->order);
        run_net_set_limits(jobs->net, &net);
    }
    snapshot_unref(old);
}

/* ---- what is kept ---- */

static struct shelf *shelf_of_ask(const struct jobs *jobs, const struct jobs_ask *ask)
{
    return ask->guest != NULL ? ask->guest->shelf : jobs_shelf(jobs, ask->target);
}

struct snapshot *jobs_snapshot(const struct jobs *jobs, const struct jobs_ask *ask)
{
    return ask->guest != NULL ? ask->guest->snapshot : jobs->order.snapshot;
}

static void plan_of_ask(const struct jobs_ask *ask, struct plan *plan_r)
{
    struct route_ask route = {.stop_after = ask->stop_after};

    route_plan(ask->target, &route, plan_r);
}

/* The plan that the ask comes to, and its place. */
static struct place *place_of_ask(const struct jobs *jobs, const struct jobs_ask *ask, struct plan *plan_r)
{
    plan_of_ask(ask, plan_r);
    return shelf_place(shelf_of_ask(jobs, ask), plan_r->stop_after, ask->fresh);
}

/* Whether runs of that kind come by themselves. */
static bool is_regular(const struct place *place, const struct jobs_ask *ask)
{
    return ask->guest == NULL && ask->target->interval_us > 0 && !place->fresh &&
           place->stop_after == ask->target->plan.stop_after;
}

static int64_t wait_of(const struct place *place, const struct jobs_ask *ask)
{
    if (ask->wait_us != CLOCK_NONE)
        return ask->wait_us;
    return is_regular(place, ask) ? 0 : ask->target->wait_us;
}

/* What the target says. A run that comes by itself takes its timeout at the most, so the result of the one
 * before may stand for that long and the interval. */
static int64_t usual_age_of(const struct place *place, const struct jobs_ask *ask)
{
    const struct snapshot_target *target = ask->target;
    int64_t regular_us = target->interval_us + target->plan.limits_us[LIMIT_RUN];

    return is_regular(place, ask) && regular_us > target->cache_ttl_us ? regular_us : target->cache_ttl_us;
}

/* How old a result may be that answers the ask. Each run of a dialogue with a message sends it: then nobody
 * may ask for a younger one than the target says. */
static int64_t max_age_of(const struct place *place, const struct jobs_ask *ask)
{
    const struct snapshot_target *target = ask->target;
    bool sends =
        target->dialogue != NULL && dialogue_sends(target->dialogue) && place->stop_after >= PHASE_FINAL;

    if (ask->max_age_us == CLOCK_NONE)
        return usual_age_of(place, ask);
    return sends && ask->max_age_us < target->cache_ttl_us ? target->cache_ttl_us : ask->max_age_us;
}

/* Whether a run of that target answers the ask: one of the present config. Where runs come by themselves, so
 * that nobody has to wait, also one of another config in which the target had the same plan. */
static bool is_of_plan(const struct jobs *jobs, const struct place *place, const struct jobs_ask *ask,
                       const struct snapshot *snapshot, const struct snapshot_target *target)
{
    const struct snapshot *present = jobs_snapshot(jobs, ask);

    return snapshot == present ||
           (is_regular(place, ask) && alike_plan(snapshot, target, present, ask->target));
}

/* The kept result that answers the ask; or null. */
static struct record *recall(const struct jobs *jobs, const struct place *place, const struct jobs_ask *ask)
{
    struct record *latest = place->latest;
    int64_t max_age_us = max_age_of(place, ask);

    if (latest == NULL || ask->fresh || !is_of_plan(jobs, place, ask, latest->snapshot, latest->target) ||
        latest->result->started_mono_us < shelf_of_ask(jobs, ask)->outdated_us ||
        clock_mono_us() - latest->result->ended_mono_us >= max_age_us)
        return NULL;
    return latest;
}

/* Whoever gets it counts once, by how it was had. */
static struct result *show_cached(const struct jobs *jobs, const struct place *place,
                                  const struct record *record)
{
    struct result *shown = jobs_show(jobs, place, record);

    if ((shown->flags & UINT64_C(1) << FLAG_STALE) == 0)
        metrics_share(jobs->metrics, METRICS_CACHED);
    return shown;
}

bool jobs_knows(const struct jobs *jobs, const struct jobs_ask *ask)
{
    struct plan plan;
    const struct place *place = place_of_ask(jobs, ask, &plan);

    return recall(jobs, place, ask) != NULL;
}

static struct result *recall_at(const struct jobs *jobs, const struct place *place,
                                const struct jobs_ask *ask)
{
    struct record *record = recall(jobs, place, ask);

    if (record == NULL || jobs_is_worth_waiting(jobs, record, wait_of(place, ask)))
        return NULL;
    return show_cached(jobs, place, record);
}

struct result *jobs_recall(const struct jobs *jobs, const struct jobs_ask *ask)
{
    struct place seen;
    struct plan plan;

    if (jobs_own_ask(jobs, ask))
        return recall_at(jobs, place_of_ask(jobs, ask, &plan), ask);
    plan_of_ask(ask, &plan);
    (void)jobs_look(jobs, ask, plan.stop_after, &seen);
    struct result *result = recall_at(jobs, &seen, ask);
    shelf_look_away(&seen);
    return result;
}

static struct result *at_hand(struct jobs *jobs, const struct place *place, const struct jobs_ask *ask,
                              const struct plan *plan)
{
    struct record *record = recall(jobs, place, ask);

    if (record != NULL)
        return show_cached(jobs, place, record);
    return jobs_show_none(jobs, place, ask, plan);
}

struct result *jobs_at_hand(struct jobs *jobs, const struct jobs_ask *ask)
{
    struct place seen;
    struct plan plan;

    if (jobs_own_ask(jobs, ask))
        return at_hand(jobs, place_of_ask(jobs, ask, &plan), ask, &plan);
    plan_of_ask(ask, &plan);
    bool known = jobs_look(jobs, ask, plan.stop_after, &seen);
    struct result *result = known ? at_hand(jobs, &seen, ask, &plan) : NULL;
    shelf_look_away(&seen);
    return result;
}

void jobs_outdate(struct jobs *jobs, const struct snapshot_target *target)
{
    shelf_outdate(jobs_shelf(jobs, target));
}

/* The run to join; or null. */
static struct job *job_under_way(const struct jobs *jobs, const struct place *place,
                                 const struct jobs_ask *ask)
{
    struct job *job = place->job;

    return job != NULL && is_of_plan(jobs, place, ask, job->snapshot, job->target) ? job : NULL;
}

static struct jobs_waiter *wait_here(struct jobs *jobs, const struct jobs_ask *ask, jobs_done *done,
                                     void *context)
{
    struct plan plan;
    struct shelf *shelf = shelf_of_ask(jobs, ask);
    struct place *place = place_of_ask(jobs, ask, &plan);
    struct record *record = recall(jobs, place, ask);
    struct job *job = job_under_way(jobs, place, ask);
    struct waiter *w = waiter_new(jobs, shelf, place, ask, wait_of(place, ask), done, context);

    if (record != NULL && jobs_is_worth_waiting(jobs, record, w->wait_us)) {
        metrics_share(jobs->metrics, METRICS_CACHED);
        waiter_wait_for_deliveries(w, record);
        return &w->hand;
    }
    if (job != NULL)
        metrics_share(jobs->metrics, METRICS_JOINED);
    waiter_wait_for_run(w, job != NULL ? job : job_begin(jobs, shelf, place, ask, &plan));
    return &w->hand;
}

struct jobs_waiter *jobs_wait(struct jobs *jobs, const struct jobs_ask *ask, jobs_done *done, void *context)
{
    return jobs_own_ask(jobs, ask) ? wait_here(jobs, ask, done, context)
                                   : errand_begin(jobs, ask, done, context);
}

/* ---- the end ---- */

static void tell_stopped(struct jobs *jobs)
{
    jobs_stopped *stopped = jobs->stopped;

    if (stopped == NULL)
        return;
    jobs->stopped = NULL;
    uv_timer_stop(&jobs->grace);
    stopped(jobs->stopped_context);
}

static void on_grace_closed(uv_handle_t *timer)
{
    struct jobs *jobs = timer->data;

    snapshot_unref(jobs->order.snapshot);
    free(jobs);
}

/* Asked for by jobs_free and by the end of the last run, which may come from inside one another. */
static void close_handles(struct jobs *jobs)
{
    if (uv_is_closing((uv_handle_t *)&jobs->grace))
        return;
    if (jobs->order.crew != NULL)
        jobs->order.crew->all[jobs->order.index] = NULL;
    run_net_free(jobs->net);
    shelves_leave(jobs->shelves, jobs->order.index);
    if (jobs->order.crew == NULL)
        shelves_free(jobs->shelves);
    runs_free(jobs->runs);
    told_free(jobs->stale);
    guests_free(jobs->guests);
    metrics_free(jobs->metrics);
    letters_free(jobs->letters);
    handle_close_timer(jobs->settle);
    handle_close_timer(jobs->prune);
    uv_close((uv_handle_t *)&jobs->grace, on_grace_closed);
}

void jobs_over(struct jobs *jobs)
{
    if (jobs->stopping)
        tell_stopped(jobs);
    if (jobs->freeing)
        close_handles(jobs);
}

static void on_grace_over(uv_timer_t *timer)
{
    struct jobs *jobs = timer->data;

    if (jobs->first == NULL)
        tell_stopped(jobs);
    job_stop_all(jobs);
}

void jobs_stop(struct jobs *jobs, unsigned grace_ms, jobs_stopped *stopped, void *context)
{
    jobs->stopping = true;
    jobs->stopped = stopped;
    jobs->stopped_context = context;
    while (jobs->settling.first != NULL)
        waiter_answer(jobs->settling.first);
    uv_timer_start(&jobs->grace, on_grace_over, jobs->first != NULL ? grace_ms : 0, 0);
}

void jobs_free(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    jobs->freeing = true;
    jobs->stopped = NULL;
    if (jobs->first == NULL && !jobs->telling)
        close_handles(jobs);
    job_stop_all(jobs);
}
