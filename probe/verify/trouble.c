/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a mailbox that cannot be looked into: where, since when, why. */
#include "probe/verify/trouble.h"

#include "probe/base/clock.h"
#include "probe/base/text.h"

#include <string.h>

const char *trouble_say(struct trouble *t, struct arena *a, const char *place, const char *why)
{
    char since[TEXT_TIME_SIZE];

    if (t->since_wall_us == 0)
        t->since_wall_us = clock_wall_us();
    text_time(t->since_wall_us, since);
    return arena_printf(a, "%s: failing since %.8sZ: %s", place, since + strlen("2026-11-23T"), why);
}

void trouble_over(struct trouble *t)
{
    t->since_wall_us = 0;
}
