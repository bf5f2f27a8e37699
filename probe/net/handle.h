/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_HANDLE_H
#define PROBE_NET_HANDLE_H

#include <stdint.h>
#include <uv.h>

/*
 * Handles of libuv that live on the heap and are freed by the loop after they were closed, so that their
 * owner may go at once. No callback comes after handle_close.
 */
uv_timer_t *handle_timer(uv_loop_t *loop, void *data);

/* Null when the system has no room for another watch. */
uv_poll_t *handle_poll(uv_loop_t *loop, int fd, void *data);

void handle_close_timer(uv_timer_t *timer); /* null is fine */
void handle_close_poll(uv_poll_t *poll);    /* null is fine; the descriptor may be closed right after */

/* Calls once, at that time or up to two milliseconds later, never before it; CLOCK_NEVER = not at all. A
 * time that is over calls in the loop's next turn, never from inside. */
void handle_at(uv_timer_t *timer, uv_timer_cb call, int64_t deadline_us);

#endif
