/* SPDX-License-Identifier: Apache-2.0 */
/* Names are spread over loops by a hash: FNV-1a, 64 bits, its halves folded. */
#include "server/owner.h"

unsigned owner_of_key(const char *key, unsigned loops)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    if (loops <= 1)
        return 0;
    for (const char *c = key; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    hash ^= hash >> 32;
    return (unsigned)(hash % loops);
}

bool owner_target_sends(const struct snapshot_target *target)
{
    if (target->dialogue != NULL && dialogue_sends(target->dialogue))
        return true;
    for (size_t i = 0; i < target->plan.route_count; i++)
        if (plan_route_sends(&target->plan.routes[i]))
            return true;
    return false;
}

unsigned owner_of_target(const struct snapshot_target *target, unsigned loops)
{
    return loops <= 1 || owner_target_sends(target) ? 0 : owner_of_key(target->name, loops);
}
