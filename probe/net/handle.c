/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers and polls of libuv on the heap. libuv counts milliseconds from a time it caches once a turn;
 * deadlines here are microseconds and must not fire early, hence the rounding up.
 */
#include "probe/net/handle.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <stdlib.h>

static void closed(uv_handle_t *handle)
{
    free(handle);
}

uv_timer_t *handle_timer(uv_loop_t *loop, void *data)
{
    uv_timer_t *timer = mem_alloc(sizeof *timer);

    uv_timer_init(loop, timer);
    timer->data = data;
    return timer;
}

uv_poll_t *handle_poll(uv_loop_t *loop, int fd, void *data)
{
    uv_poll_t *poll = mem_alloc(sizeof *poll);

    /* A poll that was refused was never known to the loop. */
    if (uv_poll_init(loop, poll, fd)) {
        free(poll);
        return NULL;
    }
    poll->data = data;
    return poll;
}

void handle_close_timer(uv_timer_t *timer)
{
    if (timer)
        uv_close((uv_handle_t *)timer, closed);
}

void handle_close_poll(uv_poll_t *poll)
{
    if (poll)
        uv_close((uv_handle_t *)poll, closed);
}

void handle_at(uv_timer_t *timer, uv_timer_cb call, int64_t deadline_us)
{
    int64_t left_us;

    if (deadline_us == CLOCK_NEVER) {
        uv_timer_stop(timer);
        return;
    }
    uv_update_time(timer->loop);
    left_us = deadline_us - clock_mono_us();
    /* One more, because libuv's own now may stand up to a millisecond behind. */
    uv_timer_start(timer, call, left_us <= 0 ? 0 : (uint64_t)(left_us / CLOCK_US_PER_MS) + 2, 0);
}
