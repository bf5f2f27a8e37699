/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers and polls of libuv on the heap. libuv counts in whole milliseconds of the same clock as our
 * deadlines, which are microseconds and must not fire early, hence the rounding up.
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
    int64_t now_us, due_ms, loop_ms;

    if (deadline_us == CLOCK_NEVER) {
        uv_timer_stop(timer);
        return;
    }
    now_us = clock_mono_us();
    if (now_us / CLOCK_US_PER_MS != (int64_t)uv_now(timer->loop))
        uv_update_time(timer->loop); /* or the loop would wait for too long in this turn */
    loop_ms = (int64_t)uv_now(timer->loop);
    due_ms = deadline_us <= now_us ? loop_ms : (deadline_us - 1) / CLOCK_US_PER_MS + 1;
    uv_timer_start(timer, call, due_ms > loop_ms ? (uint64_t)(due_ms - loop_ms) : 0, 0);
}
