/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is given out of what is kept: with its deliveries as they stand, or an older verdict in its stead
 * while ehlod itself cannot tell; and what is said of runs that never were.
 */
#include "config/alike.h"
#include "probe/base/clock.h"
#include "probe/conclude.h"
#include "probe/proto/client.h"
#include "server/job.h"

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

struct result *jobs_show_none(struct jobs *jobs, const struct place *place, const struct jobs_ask *ask,
                              const struct plan *plan)
{
    return or_stand_in(jobs, place, jobs_snapshot(jobs, ask), ask->target,
                       refuse(jobs, plan, REASON_LOCAL_RESOURCE, ask->at_hand));
}

struct result *jobs_drained(struct jobs *jobs, const struct snapshot_target *target, const char *message)
{
    return refuse(jobs, &target->plan, REASON_DRAINED, message);
}
