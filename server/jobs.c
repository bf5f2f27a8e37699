/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sharing of runs. Within one snapshot a plan is told by its target, by where it stops and by whether it was
 * asked for afresh, so every target has one place for each kind. A run without waiters goes on to its end and
 * is kept. Everything belongs to one loop. What a run does is probe/run's, what becomes of its messages
 * server/letters.c's; how it begins and ends is in job.c, and those who wait are in waiter.c.
 */
#include "server/jobs.h"

#include "config/alike.h"
#include "config/route.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/conclude.h"
#include "probe/net/handle.h"
#include "probe/proto/client.h"
#include "server/job.h"
#include "server/listen.h"

#include <stdlib.h>
#include <string.h>

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

static int64_t longest_delivery_us(const struct snapshot *snapshot)
{
    int64_t longest_us = 0;

    for (size_t i = 0; i < snapshot->target_count; i++) {
        const struct plan *plan = &snapshot->targets[i].plan;
        for (size_t k = 0; k < plan->route_count; k++)
            if (plan->routes[k].deliver_within_us > longest_us)
                longest_us = plan->routes[k].deliver_within_us;
    }
    return longest_us;
}

static struct shelf **shelves_for(const struct jobs *jobs, const struct snapshot *snapshot,
                                  const struct snapshot *old)
{
    const struct shelf_loop loop = {jobs->order.index,
                                    jobs->order.crew != NULL ? jobs->order.crew->count : 1};

    return shelf_for_targets(snapshot, &loop, old, jobs->shelves);
}

struct jobs *jobs_new(const struct jobs_order *order)
{
    struct jobs *jobs = mem_alloc(sizeof *jobs);
    struct run_net_order net = net_order(order);

    jobs->order = *order;
    snapshot_ref(order->snapshot);
    jobs->shelves = shelves_for(jobs, order->snapshot, NULL);
    jobs->net = run_net_new(&net);
    jobs->settle = handle_timer(order->loop, jobs);
    jobs->letters = letters_new(order->loop, &order->key, waiter_settled, jobs);
    if (!order->keep_leftovers)
        letters_set_longest(jobs->letters, longest_delivery_us(order->snapshot));
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

/* Whether the receiver of that mailbox is there in the other config too. */
static bool has_sink(const struct snapshot *snapshot, const struct snapshot_sink *sink)
{
    for (size_t i = 0; i < snapshot->sink_count; i++)
        if (strcmp(snapshot->sinks[i].name, sink->name) == 0)
            return listen_is_same(&snapshot->sinks[i].listen, &sink->listen);
    return false;
}

static bool has_store(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->store_count; i++)
        if (strcmp(snapshot->stores[i].name, name) == 0)
            return true;
    return false;
}

/* What is under way to a receiver that is not there any more cannot be seen; what is sent from now on can,
 * where another receiver, or a store, has its name. */
static void blind_gone_mailboxes(struct jobs *jobs, const struct snapshot *old, const struct snapshot *new)
{
    for (size_t i = 0; i < old->sink_count; i++)
        if (!has_sink(new, &old->sinks[i]))
            letters_blind(jobs->letters, old->sinks[i].name, !has_store(new, old->sinks[i].name));
    for (size_t i = 0; i < new->sink_count; i++)
        if (!has_sink(old, &new->sinks[i]))
            letters_blind(jobs->letters, new->sinks[i].name, false);
}

/* Limits are of all loops, and letters of the first one alone. */
static void reload_what_one_has(struct jobs *jobs)
{
    letters_set_longest(jobs->letters, longest_delivery_us(jobs->order.snapshot));
    struct run_net_order net = net_order(&jobs->order);
    run_net_set_limits(jobs->net, &net);
}

void jobs_reload(struct jobs *jobs, struct snapshot *snapshot, unsigned max_runs)
{
    struct snapshot *old = jobs->order.snapshot;

    blind_gone_mailboxes(jobs, old, snapshot);
    jobs->shelves = shelves_for(jobs, snapshot, old);
    jobs->order.snapshot = snapshot_ref(snapshot);
    guests_forget(jobs->guests);
    metrics_follow(jobs->metrics, snapshot);
    jobs->order.max_runs = max_runs;
    if (jobs->order.index == 0)
        reload_what_one_has(jobs);
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

bool jobs_is_worth_waiting(const struct jobs *jobs, const struct record *record, int64_t wait_us)
{
    const struct result *r = record->result;

    return !jobs->stopping && r->failure.reason == REASON_NONE &&
           clock_mono_us() - r->ended_mono_us < wait_us && letters_is_pending(jobs->letters, r);
}

struct result *jobs_show_record(const struct jobs *jobs, const struct record *record)
{
    struct plan plan = record_plan(record);

    return letters_show(jobs->letters, &plan, record->result);
}

static struct result *stale_of(const struct jobs *jobs, struct result *shown)
{
    const struct span way = {0}; /* there is one */
    struct result *stale = told_recall(jobs->stale, shown, way);

    if (stale == NULL) {
        stale = conclude_stale(shown);
        told_keep(jobs->stale, shown, way, stale);
    }
    return stale;
}

/* An older verdict stands in while ehlod itself cannot tell; one that is unknown by now, since nobody could
 * look for its message, is no better. One of another plan, before or after a reload, is of another question,
 * or of another server. */
static struct result *stand_in(const struct jobs *jobs, const struct place *place,
                               const struct snapshot *snapshot, const struct snapshot_target *target)
{
    const struct record *known = place->last_known;
    int64_t now_us = clock_mono_us();

    if (known == NULL || now_us - known->result->ended_mono_us >= target->stale_if_error_us ||
        !alike_plan(known->snapshot, known->target, snapshot, target))
        return NULL;
    struct result *shown = jobs_show_record(jobs, known);
    struct result *stale = shown->status != STATUS_UNKNOWN ? stale_of(jobs, shown) : NULL;
    result_unref(shown);
    return stale;
}

/* A result that is to be given out, with its deliveries; takes its reference. */
static struct result *or_stand_in(const struct jobs *jobs, const struct place *place,
                                  const struct snapshot *snapshot, const struct snapshot_target *target,
                                  struct result *shown)
{
    struct result *stale = shown->status == STATUS_UNKNOWN ? stand_in(jobs, place, snapshot, target) : NULL;

    if (stale == NULL)
        return shown;
    metrics_share(jobs->metrics, METRICS_STALE);
    result_unref(shown);
    return stale;
}

struct result *jobs_show(const struct jobs *jobs, const struct place *place, const struct record *record)
{
    return or_stand_in(jobs, place, record->snapshot, record->target, jobs_show_record(jobs, record));
}

struct result *jobs_show_peek(const struct jobs *jobs, const struct job *job, struct result *peek)
{
    struct result *shown = letters_show(jobs->letters, &job->plan, peek);

    result_unref(peek);
    return or_stand_in(jobs, job->place, job->snapshot, job->target, shown);
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

/* The result of a run that never was. */
static struct result *refuse(struct jobs *jobs, const struct plan *plan, enum reason reason, const char *why)
{
    struct arena arena = {0};
    struct client client;
    char id[ULID_SIZE];
    int64_t now_us = clock_mono_us();
    struct result draft = {.id = id,
                           .vantage = jobs->order.snapshot->server_name,
                           .target = plan->target,
                           .host = plan->host,
                           .port = plan->port,
                           .started_wall_us = clock_wall_us(),
                           .started_mono_us = now_us,
                           .ended_mono_us = now_us};

    ulid_next(&jobs->ulid, draft.started_wall_us, id);
    client_init(&client, plan, &arena, &draft, now_us);
    draft.failure = (struct result_failure){.phase = PHASE_CONFIG,
                                            .reason = reason,
                                            .message = why,
                                            .limit_us = CLOCK_NONE,
                                            .elapsed_us = CLOCK_NONE};
    if (reason == REASON_DRAINED)
        draft.flags |= UINT64_C(1) << FLAG_DRAINED;
    client_finish(&client, &arena, &draft, now_us, CLOCK_NONE);
    conclude(&draft, plan, NULL, &arena);
    struct result *result = result_publish(&draft);
    client_free(&client);
    arena_free(&arena);
    return result;
}

static struct result *at_hand(struct jobs *jobs, const struct place *place, const struct jobs_ask *ask,
                              const struct plan *plan)
{
    struct record *record = recall(jobs, place, ask);

    if (record != NULL)
        return show_cached(jobs, place, record);
    return or_stand_in(jobs, place, jobs_snapshot(jobs, ask), ask->target,
                       refuse(jobs, plan, REASON_LOCAL_RESOURCE, ask->at_hand));
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

struct result *jobs_drained(struct jobs *jobs, const struct snapshot_target *target, const char *message)
{
    return refuse(jobs, &target->plan, REASON_DRAINED, message);
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
    struct jobs_waiter *w = waiter_new(jobs, shelf, place, ask, wait_of(place, ask), done, context);

    if (record != NULL && jobs_is_worth_waiting(jobs, record, w->wait_us)) {
        metrics_share(jobs->metrics, METRICS_CACHED);
        waiter_wait_for_deliveries(w, record);
        return w;
    }
    if (job != NULL)
        metrics_share(jobs->metrics, METRICS_JOINED);
    waiter_wait_for_run(w, job != NULL ? job : job_begin(jobs, shelf, place, ask, &plan));
    return w;
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
    shelf_free_all(jobs->shelves, jobs->order.snapshot->target_count);
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
