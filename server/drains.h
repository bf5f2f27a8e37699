/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_DRAINS_H
#define SERVER_DRAINS_H

#include "probe/base/clock.h"
#include "server/drain.h"
#include "server/hold.h"
#include "server/jobs.h"

#include <uv.h>

/*
 * Which targets are out of service: because somebody said so, until somebody says otherwise or a time is
 * over. Balancers are told; the mail server is left alone. Why it is so and since when is known for each.
 */
struct drains;

#define DRAINS_MAX_US (30 * 24 * 3600 * CLOCK_US_PER_S)
/* A drain that has ended is known for so long: HAProxy is told to take the server back. */
#define DRAINS_AFTER_US (600 * CLOCK_US_PER_S)

/* All there are, as they are now, to be kept over a restart. */
typedef void drains_keep(void *context, const struct drain *list, size_t count);

/* Belongs to that loop; other threads may only look. Who changes anything holds them all; so do the drains
 * themselves, with that seat, when the time of one is over. */
struct drains *drains_new(uv_loop_t *loop, struct log *log, struct snapshot *snapshot, struct jobs *jobs,
                          struct hold_seat *seat);

/* A target was taken out of service, or is back in it: what its run under way shows is no news any more. */
typedef void drains_told(void *context, const char *target);

/* What was kept by a service before; before anybody keeps them. What is over since, or makes no sense, is
 * passed over. */
void drains_restore(struct drains *drains, const struct drain *drain);
void drains_set_keeper(struct drains *drains, drains_keep *keep, void *context);
void drains_set_told(struct drains *drains, drains_told *told, void *context);

/* Out of service from now on, in that mode, for so long (CLOCK_NONE: until drains_end), for that reason. A
 * drain that is in force is replaced, but for its beginning. */
void drains_begin(struct drains *drains, const char *target, enum drain_mode mode, int64_t for_us,
                  const char *reason);

/* Back in service, if it was out. */
void drains_end(struct drains *drains, const char *target);

/* In force; or null. Lives until the loop's next turn. */
const struct drain *drains_find(const struct drains *drains, const char *target);

/* Not in force, but it was a short time ago. */
bool drains_was(const struct drains *drains, const char *target);

/* What a caller gets instead of a run, one reference of it his; null: the target is in service. Drains may be
 * null. The jobs are those of the caller's loop. */
struct result *drains_result(struct drains *drains, struct jobs *jobs, const struct snapshot_target *target);

/* Right after jobs_reload. Drains of targets that are gone go on, and are forgotten a day later. */
void drains_reload(struct drains *drains, struct snapshot *snapshot);

/* Memory follows from the loop. */
void drains_free(struct drains *drains); /* null is fine */

#endif
