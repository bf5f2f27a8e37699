/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_CONCLUDE_DELIVERY_H
#define PROBE_CONCLUDE_DELIVERY_H

#include "probe/conclude.h"

/* The part of conclude.c that is about one message. Private to it. */

/* Whether the message is one that this run sent. */
bool conclude_is_own(const struct result *draft, const struct delivery *d);

/* The route shows the delivery that counts, and the draft's failure and flags say what it means. Texts are
 * the arena's. */
void conclude_merge(struct result *draft, struct result_route *route, const struct plan_route *plan,
                    const struct conclude_delivery *news, struct arena *arena);

#endif
