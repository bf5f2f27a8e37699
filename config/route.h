/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_ROUTE_H
#define CONFIG_ROUTE_H

#include "config/snapshot.h"

/* An ask and a target make a plan. */
struct route_ask {
    enum phase stop_after; /* only lowers what the target says; PHASE_COUNT = as the target says */
};

/* The plan points into the snapshot, which must be kept while the plan is in use. */
void route_plan(const struct snapshot_target *target, const struct route_ask *ask, struct plan *plan_r);

#endif
