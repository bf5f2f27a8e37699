/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan for one ask. The snapshot holds a plan that is ready to run for each target; an ask can only make
 * it go less far.
 */
#include "config/route.h"

void route_plan(const struct snapshot_target *target, const struct route_ask *ask, struct plan *plan_r)
{
    bool sends = target->dialogue && dialogue_sends(target->dialogue);

    *plan_r = target->plan;
    if (sends && ask->stop_after >= PHASE_FINAL) /* runs of their own would send more mail */
        return;
    if (ask->stop_after < plan_r->stop_after)
        plan_r->stop_after = ask->stop_after;
}
