/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan for one ask. The snapshot holds a plan that is ready to run for each target; an ask can only make
 * it go less far.
 */
#include "config/route.h"

void route_plan(const struct snapshot_target *target, const struct route_ask *ask, struct plan *plan_r)
{
    *plan_r = target->plan;
    if (ask->stop_after < plan_r->stop_after)
        plan_r->stop_after = ask->stop_after;
}
