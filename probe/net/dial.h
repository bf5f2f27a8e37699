/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_DIAL_H
#define PROBE_NET_DIAL_H

#include "probe/base/arena.h"
#include "probe/net/socket.h"
#include "probe/plan.h"
#include "probe/result.h"

/*
 * Connects to one of several addresses: one after another in the order given, never side by side, each with
 * an equal share of the time that is left. Every attempt is written down.
 */
struct dial_order {
    const struct plan *plan;         /* its source, and our own listeners that must not be dialled */
    const struct address *addresses; /* with ports; at least one */
    size_t count;
    int64_t deadline_us;
    bool clipped; /* the deadline is the run's end, not timeouts.connect */
};

/* Called once, from the loop, never from inside: socket is connected, or every attempt has failed. */
typedef void dial_done(void *context);

struct dial {
    struct dial_order order;
    uv_loop_t *loop;
    struct arena *arena;
    dial_done *done;
    void *context;
    uv_timer_t *timer;
    int64_t begun_us; /* the present attempt */
    int64_t share_us; /* its part of the time */

    /* What comes of it. */
    struct socket socket; /* fd -1: not connected */
    struct address peer;
    struct result_attempt *attempts; /* in the arena; the last one succeeded when socket is connected */
    size_t attempt_count;
};

/* What order and arena point to must stay until done; the struct must not move until dial_clear. */
void dial_start(struct dial *d, uv_loop_t *loop, struct arena *arena, const struct dial_order *order,
                dial_done *done, void *context);

/* The address that is being dialled now. */
const struct address *dial_present(const struct dial *d);

/* Closes what is open; done will not be called any more. Only after dial_start, and once. */
void dial_clear(struct dial *d);

/* "192.0.2.1:25", "[2001:db8::1]:25" */
#define DIAL_TEXT_SIZE (ADDRESS_TEXT_SIZE + 8)
void dial_text(const struct address *a, char out_r[DIAL_TEXT_SIZE]);

#endif
