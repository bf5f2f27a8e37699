/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TALK_TALK_CLAIM_H
#define TESTS_TALK_TALK_CLAIM_H

#include "probe/base/arena.h"
#include "probe/plan.h"

/* Reads proxy="VERSION IP:port", proxy="VERSION local" or xclient="ATTRIBUTE=value ..." into the plan; false
 * when it is none of these. */
bool talk_claim_read(struct arena *a, struct plan *plan, const char *key, const char *value);

#endif
