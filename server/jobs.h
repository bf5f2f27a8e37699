/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_JOBS_H
#define SERVER_JOBS_H

#include "config/snapshot.h"
#include "probe/result.h"
#include "server/log.h"

#include <uv.h>

/*
 * The runs of one loop: those under way, who waits for them, and what they showed last. Equal plans share:
 * a target asked for twice at once is dialled once. A run goes on to its own end whoever waits or leaves,
 * and its result is kept.
 */
struct jobs;

struct jobs_order {
    uv_loop_t *loop;
    struct log *log;           /* kept */
    struct snapshot *snapshot; /* the jobs take a reference of their own */
};

struct jobs *jobs_new(const struct jobs_order *order);

struct jobs_ask {
    const struct snapshot_target *target; /* of the jobs' snapshot */
    enum phase stop_after;                /* PHASE_COUNT: as the target says */
    int64_t max_age_us; /* how old a kept result may be; CLOCK_NONE: the target's cache_ttl */
    int64_t timeout_us; /* how long this caller waits; CLOCK_NEVER: as long as the run takes */
};

/* A kept result of an equal plan that is young enough (its age counts from the run's end), with one
 * reference for the caller; or null. */
struct result *jobs_recall(const struct jobs *jobs, const struct jobs_ask *ask);

/* The result, one reference of it the callee's. Called once, from the loop, never from inside jobs_wait. */
typedef void jobs_done(void *context, struct result *result);

/* Joins the run of an equal plan that is under way, or begins one; never recalls. When the caller's own
 * timeout fires first, it gets the dialogue as far as it came, with reason deadline. Never null: once
 * jobs_stop was called a run that would begin is stopped before it does, and so ends as unknown. */
struct jobs_waiter;
struct jobs_waiter *jobs_wait(struct jobs *jobs, const struct jobs_ask *ask, jobs_done *done, void *context);

/* The caller waits no longer; done is not called. */
void jobs_leave(struct jobs_waiter *waiter);

/* The last result of the target's whole plan (runs cut short by stop_after aside), borrowed; or null. */
const struct result *jobs_latest(const struct jobs *jobs, const struct snapshot_target *target);

/* No run gets any further than its beginning any more. Those under way have the grace to end, then they are
 * stopped. Stopped is called once, later, when the last is over and every waiter was answered. A second call
 * only changes the grace. */
typedef void jobs_stopped(void *context);
void jobs_stop(struct jobs *jobs, unsigned grace_ms, jobs_stopped *stopped, void *context);

/* Nobody may wait any more. Runs that are still under way are stopped. Memory follows from the loop. */
void jobs_free(struct jobs *jobs); /* null is fine */

#endif
