/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ROUNDS_H
#define SERVER_ROUNDS_H

#include "config/snapshot.h"
#include "probe/base/clock.h"
#include "server/drains.h"
#include "server/jobs.h"

#include <uv.h>

/*
 * Targets that run by themselves, each once in its interval. When in it follows from the target's name alone,
 * so they are spread over it, and a reload changes nothing. One run at a time: while the last one is under
 * way the next turn is left out. A target out of service is passed over. One that has no result yet, or none
 * any more, has its first turn early, unless somebody asks before: after a start, after a reload that has
 * changed its plan, when it is back in service. These are spread, too, so a start is no burst. Of several
 * loops each sees to its own targets.
 */
struct rounds;

#define ROUNDS_FIRST_US (10 * CLOCK_US_PER_S) /* the first turns are spread over this, or the interval */

struct rounds_order {
    uv_loop_t *loop;
    struct snapshot *snapshot; /* that of the jobs; takes a reference of its own */
    struct jobs *jobs;
    const struct drains *drains;
};

struct rounds *rounds_new(const struct rounds_order *order);

/* Right after jobs_reload. */
void rounds_reload(struct rounds *rounds, struct snapshot *snapshot);

/* The target was taken out of service, or is back in it. A run that is in line for it alone is not begun.
 * Rounds may be null. */
void rounds_again(struct rounds *rounds, const char *target);

/* The first turn that is later than now: monotonic times, pure. */
int64_t rounds_next_us(const char *name, int64_t interval_us, int64_t now_us);

/* Before jobs_stop. Runs that have begun go on. Memory follows from the loop. */
void rounds_free(struct rounds *rounds); /* null is fine */

#endif
