/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_CONCLUDE_H
#define PROBE_CONCLUDE_H

#include "probe/base/arena.h"
#include "probe/plan.h"
#include "probe/result.h"

struct conclude_delivery {
    struct delivery own;  /* of this run's message, or of an earlier run's that is still pending */
    struct delivery last; /* the last settled one of that target and route, of whatever run */
};

/*
 * The last word on a run, however it ended: the draft has everything that was seen (failure, routes, times);
 * this adds what it means: flag slow, status, summary, and on a failure the last run that passed (last_ok,
 * null = none is known). Texts go into the arena or belong to last_ok.
 */
void conclude(struct result *draft, const struct plan *plan, const struct result *last_ok,
              struct arena *arena);

/*
 * A result with its deliveries as they stand now, one a route of the plan (state ROUTE_NONE: there is none):
 * states, verdict, summary and flags are told anew. The result is as its run published it and stays as it is;
 * the caller gets one reference to the new one. Ages are counted to the run's end.
 *
 * A message that is pending decides nothing: its route counts as its last settled delivery says. So does a
 * route that sent none this time. What failed in the dialogue stays the failure: it was the first in time.
 */
struct result *conclude_delivered(const struct result *result, const struct plan *plan,
                                  const struct conclude_delivery *deliveries);

/* The same result with flag stale; one reference, the caller's. */
struct result *conclude_stale(const struct result *result);

#endif
