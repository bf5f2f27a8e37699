/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_DIAL_H
#define PROBE_NET_DIAL_H

#include "probe/base/arena.h"
#include "probe/net/dial_lines.h"
#include "probe/net/socket.h"
#include "probe/plan.h"
#include "probe/result.h"

/*
 * Connects to one of several addresses: one after another in the order given, never side by side, each with
 * an equal share of the time that is left. Where there are too many connections to an address already, it
 * waits until one is closed; the time for dialling stands still then. Every attempt is written down.
 */
struct dial_order {
    const struct plan *plan; /* its source, what may be dialled, and our own listeners, which must not */
    const struct address *addresses; /* with ports; at least one */
    size_t count;
    struct dial_lines *lines;
    struct sockets *sockets; /* where they are watched */
    struct post *post;       /* of the loop, where others share the lines; else null */
    int64_t limit_us;        /* for dialling all of them, without waiting */
    int64_t ends_us;         /* the run's end: by then waiting and dialling are over */
};

/* Called once, from the loop, never from inside: socket is connected, or no attempt succeeded. */
typedef void dial_done(void *context);

struct dial {
    struct dial_order order;
    uv_loop_t *loop;
    struct arena *arena;
    dial_done *done;
    void *context;
    uv_timer_t *timer;
    struct dial_place place; /* in the line before the present address, or inside */
    int64_t start_us;
    int64_t begun_us; /* the present attempt, or the waiting for it */
    int64_t share_us; /* its part of the time */
    int64_t waited_us;
    int64_t asked_us;    /* when the present address was */
    int64_t prepared_us; /* until it was: no time of the server's, where the first one answers */
    bool waiting;
    bool knocking; /* too many wait at the Unix socket: it is asked again and again until the share is over */
    bool dialled;  /* at least one attempt was begun */
    bool clipped;  /* the present attempt's time ends with the run */

    /* What comes of it. */
    struct socket socket; /* fd -1: not connected */
    struct address peer;
    struct result_attempt *attempts; /* in the arena; the last one succeeded when socket is connected */
    size_t attempt_count;
    bool gave_up; /* the last attempt waited until the run's end and was not begun; there may be more
                     addresses */
};

/* What order and arena point to must stay until done; the struct must not move until dial_clear. */
void dial_start(struct dial *d, uv_loop_t *loop, struct arena *arena, const struct dial_order *order,
                dial_done *done, void *context);

/* The address that is being dialled, or waited for, now. */
const struct address *dial_present(const struct dial *d);

/* How long, until now, it has waited for others' connections to be closed (0 for a zeroed one), and how long
 * it has been dialling (CLOCK_NONE: it never did). The second is asked before done has returned. */
int64_t dial_waited_us(const struct dial *d, int64_t now_us);
int64_t dial_took_us(const struct dial *d, int64_t now_us);

/* While it is waiting: for how long, and what for. */
const char *dial_say_waiting(const struct dial *d, struct arena *arena, int64_t now_us);

/* Closes what is open, and lets the next one dial; done will not be called any more. Once after dial_start;
 * fine for one with fd -1 that never started. */
void dial_clear(struct dial *d);

/* "192.0.2.1:25", "[2001:db8::1]:25", "unix:/run/lmtp" */
#define DIAL_TEXT_SIZE (ADDRESS_TEXT_SIZE + 8)
void dial_text(const struct address *a, char out_r[DIAL_TEXT_SIZE]);

#endif
