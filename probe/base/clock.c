/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks, read directly: a loop's cached time would be late by the turn. */
#include "probe/base/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * CLOCK_US_PER_S + t.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_wall_of(int64_t mono_us)
{
    return mono_us == CLOCK_NONE ? CLOCK_NONE : clock_wall_us() - (clock_mono_us() - mono_us);
}

int64_t clock_mono_of(int64_t wall_us)
{
    int64_t ago_us = clock_wall_us() - wall_us;

    if (wall_us == CLOCK_NONE)
        return CLOCK_NONE;
    int64_t us = clock_mono_us() - (ago_us > 0 ? ago_us : 0);
    return us == CLOCK_NONE ? us - 1 : us;
}
