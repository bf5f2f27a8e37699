/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "config/snapshot.h"
#include "probe/base/arena.h"
#include "server/render/metrics.h"

/*
 * What a loop counts of its own doing, from its start on. Everything that could make series without end is a
 * name of the config: what is said of no target of the config counts without a target.
 */
struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m); /* null is fine */

/* From now on this is the config. What was counted for a target that is gone, or is not told apart any more
 * (server.metrics_by_target), counts without a target; so sums never fall. */
void metrics_follow(struct metrics *m, const struct snapshot *snapshot);

/* target: its name in the config; null = it has none there. */
void metrics_run(struct metrics *m, const char *target, const struct result *r);
void metrics_delivery(struct metrics *m, const char *target, int64_t latency_us);
void metrics_share(struct metrics *m, enum metrics_sharing how);

/* The handler is a text that lives as long as the program: the path of a row of the desk. */
void metrics_request(struct metrics *m, const char *handler, int code);

/* How many targets are told apart. */
size_t metrics_count(const struct metrics *m);

/*
 * What several loops have counted, together. To add one of them copies it, into the arena, which is all that
 * must not happen while that loop goes on; the rest takes longer, and is done when all is shown: each target
 * once, in the order of their names. They all follow the same config.
 */
struct metrics_sum;

struct metrics_sum *metrics_sum_new(struct arena *arena);
void metrics_sum_add(struct metrics_sum *sum, const struct metrics *m);

/* Once. Fills in what was counted, for as long as the arena is there. */
void metrics_sum_show(struct metrics_sum *sum, struct metrics_own *own);

#endif
