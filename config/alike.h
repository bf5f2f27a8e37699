/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_ALIKE_H
#define CONFIG_ALIKE_H

#include "config/load.h"
#include "config/node.h"

/*
 * Whether a reload has left a target's plan as it was, so that what its last run showed stays true.
 */

/* All that a target's plan is made of, as one number: what it and its module (null: it has none) say and the
 * mailboxes that they name, and the state of the files that any of these name. To be taken before those are
 * read: one that is written meanwhile is then another at the next load. Settings that only say when it runs
 * and who waits how long do not count. */
uint64_t alike_hash(struct load *l, const struct node *own, const struct node *module);

/* Whether the target of the one config has the plan that the target of the other has. What is the same but
 * written in another way (1m and 60s) is another plan. */
bool alike_plan(const struct snapshot *a, const struct snapshot_target *of_a, const struct snapshot *b,
                const struct snapshot_target *of_b);

#endif
