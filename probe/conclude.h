/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_CONCLUDE_H
#define PROBE_CONCLUDE_H

#include "probe/base/arena.h"
#include "probe/plan.h"
#include "probe/result.h"

/*
 * The last word on a run, however it ended: the draft has everything that was seen (failure, routes, times);
 * this adds what it means: flag slow, status, summary, and on a failure the last run that passed (last_ok,
 * null = none is known). Texts go into the arena or belong to last_ok.
 */
void conclude(struct result *draft, const struct plan *plan, const struct result *last_ok,
              struct arena *arena);

#endif
