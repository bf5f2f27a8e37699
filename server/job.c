/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs, from their beginning to their record. What a run needs of the config, of its place and of its letters
 * is held until it is over, whatever is reloaded meanwhile. The last good run is remembered for each place,
 * not for each target: a run cut short before RCPT is no evidence that RCPT worked.
 */
#include "server/job.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/script.h"

#include <stdio.h>
#include <stdlib.h>

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

/* One of several runs. */
static void log_part(struct log *log, const struct result *r)
{
    bool failed = r->failure.reason != REASON_NONE;
    char address[ADDRESS_TEXT_SIZE];

    address_text(&r->peer, address);
    log_event(log, LOG_LEVEL_INFO, "part ended", "target", r->target, "host", r->host, "address", address,
              "status", status_name(r->status), "phase", failed ? phase_name(r->failure.phase) : NULL,
              "reason", failed ? reason_name(r->failure.reason) : NULL, "id", r->id, NULL);
}

static void unlink_job(struct job *job)
{
    if (job->prev != NULL)
        job->prev->next = job->next;
    else
        job->jobs->first = job->next;
    if (job->next != NULL)
        job->next->prev = job->prev;
    if (job->place->job == job) /* not one of a newer config */
        job->place->job = NULL;
}

static void free_job(struct job *job)
{
    result_unref(job->last_ok);
    arena_free(&job->letters);
    shelf_unref(job->shelf);
    snapshot_unref(job->snapshot);
    free(job);
}

/* Keeps what the run showed, for one who asks by its id. */
static struct record *keep_record(struct job *job, struct result *result)
{
    struct jobs *jobs = job->jobs;
    struct record *record =
        record_new(jobs->letters, result, job->snapshot, job->target, job->plan.stop_after);

    runs_add(jobs->runs, record);
    return record;
}

/* As if it had never been asked for. */
static void forget_job(struct job *job, struct result *result)
{
    struct jobs *jobs = job->jobs;

    unlink_job(job);
    letters_sent(jobs->letters, &job->plan, result); /* that is: not */
    result_unref(result);
    free_job(job);
    if (jobs->first == NULL)
        jobs_over(jobs);
}

static void on_run_done(void *context, struct result *result)
{
    struct job *job = context;
    struct jobs *jobs = job->jobs;

    if (job->forsaken) {
        forget_job(job, result);
        return;
    }
    log_run(jobs->order.log, result);
    metrics_run(jobs->metrics, job->guest ? NULL : jobs_known_name(jobs, result->target), result);
    struct record *record = keep_record(job, result);
    shelf_keep(job->shelf, job->place, record);
    if (!job->guest)
        jobs_share(jobs, job->shelf, job->place, job->target);
    /* From here on a waiter that is answered may ask again, and begins another run. */
    unlink_job(job);
    jobs->telling = true;
    letters_sent(jobs->letters, &job->plan, result);
    while (job->waiters.first != NULL)
        waiter_run_over(job->waiters.first, record);
    record_unref(record);
    result_unref(result);
    free_job(job);
    jobs->telling = false;
    if (jobs->first == NULL)
        jobs_over(jobs);
}

static void on_part_over(void *context, struct result *result)
{
    struct job *job = context;

    log_part(job->jobs->order.log, result);
    record_unref(keep_record(job, result));
}

static const char *name_part(void *context)
{
    struct job *job = context;

    ulid_next(&job->jobs->ulid, clock_wall_us(), job->part_id);
    return job->part_id;
}

static struct job *new_job(struct jobs *jobs, struct shelf *shelf, struct place *place,
                           const struct jobs_ask *ask, const struct plan *plan)
{
    struct job *job = mem_alloc(sizeof *job);

    job->jobs = jobs;
    job->shelf = shelf_ref(shelf);
    job->place = place;
    job->snapshot = snapshot_ref(jobs_snapshot(jobs, ask));
    job->target = ask->target;
    job->guest = ask->guest != NULL;
    job->plan = *plan;
    job->last_ok = place->last_ok != NULL ? result_ref(place->last_ok) : NULL;
    job->next = jobs->first;
    if (job->next != NULL)
        job->next->prev = job;
    jobs->first = job;
    place->job = job;
    return job;
}

static void stop(struct job *job)
{
    if (job->each != NULL)
        run_each_stop(job->each);
    else
        run_stop(job->run);
}

struct job *job_begin(struct jobs *jobs, struct shelf *shelf, struct place *place, const struct jobs_ask *ask,
                      const struct plan *plan)
{
    struct job *job = new_job(jobs, shelf, place, ask, plan);
    char id[ULID_SIZE];

    ulid_next(&jobs->ulid, clock_wall_us(), id);
    if (ask->target->dialogue != NULL)
        job->plan.script = script_write(&job->letters, &jobs->order.key, ask->target->dialogue,
                                        &ask->target->dialogue_order);
    job->plan.letters = letters_write(jobs->letters, &job->letters, &job->plan, id, ask->fresh);
    struct run_order order = {
        .plan = &job->plan,
        .id = id,
        .vantage = jobs->order.snapshot->server_name,
        .last_ok = job->last_ok,
    };
    if (plan_is_several(&job->plan))
        job->each = run_each_start(
            jobs->net, &(struct run_each_order){.run = order, .name = name_part, .part_over = on_part_over},
            on_run_done, job);
    else
        job->run = run_start(jobs->net, &order, on_run_done, job);
    if (jobs->stopping)
        stop(job);
    return job;
}

void job_forsake(struct job *job)
{
    if (job->run == NULL || job->forsaken || !run_is_waiting(job->run))
        return;
    job->forsaken = true;
    if (job->place->job == job)
        job->place->job = NULL;
    run_stop(job->run);
}

struct result *job_peek(const struct job *job, int64_t limit_us)
{
    return job->each != NULL ? run_each_peek(job->each, limit_us) : run_peek(job->run, limit_us);
}

void job_stop_all(struct jobs *jobs)
{
    for (struct job *job = jobs->first; job != NULL; job = job->next)
        stop(job);
}
