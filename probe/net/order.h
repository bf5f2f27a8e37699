/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_ORDER_H
#define PROBE_NET_ORDER_H

#include "probe/base/address.h"

#include <stdbool.h>
#include <stddef.h>

/* Which address of a host is dialled first (RFC 6724 section 6). */
struct order_candidate {
    struct address address;
    struct address source; /* what the system would dial it from */
    bool reachable;        /* there is a route and a source at all */
    size_t position;       /* as the resolver gave it */
};

/* Below 0: a goes before b. Pure; never 0 for two positions. */
int order_compare(const struct order_candidate *a, const struct order_candidate *b);

/* Asks the system for the source of each (no packet is sent) and sorts in place. source: dialled from in
 * any case, AF_UNSPEC = as the system chooses. At most ORDER_MAX; more are left as they are. */
#define ORDER_MAX 32
void order_sort(struct address *addresses, size_t count, const struct address *source);

#endif
