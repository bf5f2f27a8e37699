/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks, read directly: a loop's cached time would be late by the turn. */
#include "probe/base/clock.h"

#include <time.h>

enum { NS_PER_US = 1000, LOOKS = 4, NARROW_NS = 5000 };

static int64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return ((int64_t)t.tv_sec * CLOCK_US_PER_S) * NS_PER_US + t.tv_nsec;
}

int64_t clock_mono_us(void)
{
    return read_ns(CLOCK_MONOTONIC) / NS_PER_US;
}

int64_t clock_wall_us(void)
{
    return read_ns(CLOCK_REALTIME) / NS_PER_US;
}

/* By how much the wall clock is ahead, and the monotonic time of the last look. Who is put aside by the
 * system between reading the one and the other has two times that do not belong together. So the monotonic
 * one is read before and after, and of a few looks the narrowest counts, which is wrong by half its width at
 * most. */
static int64_t wall_ahead_us(int64_t *now_us_r)
{
    int64_t ahead_ns = 0, narrowest_ns = INT64_MAX, after_ns = 0;

    for (int i = 0; i < LOOKS && narrowest_ns > NARROW_NS; i++) {
        int64_t before_ns = read_ns(CLOCK_MONOTONIC), wall_ns = read_ns(CLOCK_REALTIME);
        after_ns = read_ns(CLOCK_MONOTONIC);
        int64_t width_ns = after_ns - before_ns;

        if (width_ns < narrowest_ns) {
            narrowest_ns = width_ns;
            ahead_ns = wall_ns - before_ns - width_ns / 2;
        }
    }
    *now_us_r = after_ns / NS_PER_US;
    return ahead_ns / NS_PER_US;
}

int64_t clock_wall_of(int64_t mono_us)
{
    int64_t now_us;

    return mono_us == CLOCK_NONE ? CLOCK_NONE : mono_us + wall_ahead_us(&now_us);
}

int64_t clock_mono_of(int64_t wall_us)
{
    int64_t us, now_us;

    if (wall_us == CLOCK_NONE)
        return CLOCK_NONE;
    us = wall_us - wall_ahead_us(&now_us);
    if (us > now_us)
        us = now_us;
    return us == CLOCK_NONE ? us - 1 : us;
}
