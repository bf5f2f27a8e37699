/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gauge that is read every now and then would miss what was late in between, so the worst is kept for a
 * while: of the present half minute and of the one before it.
 */
#include "server/lag.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"

#include <stdlib.h>

#define LAG_LOOK_US (1 * CLOCK_US_PER_S)
#define LAG_KEEP_US (30 * CLOCK_US_PER_S)
/* What a timer may be late by itself (handle_at). */
#define LAG_TIMER_US (2 * CLOCK_US_PER_MS)

struct lag {
    uv_timer_t *timer;
    int64_t due_us;
    int64_t since_us; /* when the present half minute began */
    int64_t worst_us;
    int64_t before_us; /* the worst of the half minute before */
    const struct lag *beside;
};

static void look_again(struct lag *lag, int64_t now_us);

static void note(struct lag *lag, int64_t late_us, int64_t now_us)
{
    if (now_us - lag->since_us >= LAG_KEEP_US) {
        lag->before_us = lag->worst_us;
        lag->worst_us = 0;
        lag->since_us = now_us;
    }
    if (late_us > lag->worst_us)
        lag->worst_us = late_us;
}

static void on_look(uv_timer_t *timer)
{
    struct lag *lag = timer->data;
    int64_t now_us = clock_mono_us();

    note(lag, now_us - lag->due_us - LAG_TIMER_US, now_us);
    look_again(lag, now_us);
}

static void look_again(struct lag *lag, int64_t now_us)
{
    lag->due_us = now_us + LAG_LOOK_US;
    handle_at(lag->timer, on_look, lag->due_us);
}

struct lag *lag_new(uv_loop_t *loop, struct lag *beside)
{
    struct lag *lag = mem_alloc(sizeof *lag);
    int64_t now_us = clock_mono_us();

    lag->beside = beside;
    lag->timer = handle_timer(loop, lag);
    lag->since_us = now_us;
    uv_unref((uv_handle_t *)lag->timer);
    look_again(lag, now_us);
    return lag;
}

void lag_free(struct lag *lag)
{
    if (lag == NULL)
        return;
    handle_close_timer(lag->timer);
    free(lag);
}

static int64_t worst_of(const struct lag *lag)
{
    int64_t late_us = clock_mono_us() - lag->due_us - LAG_TIMER_US; /* of the look that is due now */
    int64_t worst_us = lag->worst_us > lag->before_us ? lag->worst_us : lag->before_us;

    return late_us > worst_us ? late_us : worst_us;
}

int64_t lag_worst_us(const struct lag *lag)
{
    int64_t worst_us = 0;

    for (; lag != NULL; lag = lag->beside)
        if (worst_of(lag) > worst_us)
            worst_us = worst_of(lag);
    return worst_us;
}
