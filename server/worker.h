/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include "server/away.h"
#include "server/desk.h"
#include "server/hold.h"
#include "server/http.h"
#include "server/jobs.h"
#include "server/metrics_apart.h"
#include "server/rounds.h"

#include <stdatomic.h>

/*
 * One loop, and what belongs to it: connections, the desk before them, runs, targets that run by themselves.
 * The first one is the main thread's, which has all else; each of the others has a thread. Private to
 * workers.c, usher.c, worker.c and serve.c.
 */
struct workers;

/* What is told of a worker: on the first one's thread. */
enum worker_news { WORKER_JOBS_STOPPED, WORKER_HTTP_DRAINED, WORKER_EMPTY, WORKER_NEWS };

struct worker {
    unsigned index;
    struct workers *all;
    uv_loop_t loop;
    uv_thread_t thread;
    bool has_thread;
    uv_async_t alive; /* as long as this is open the loop goes on; the first one has signals for that */
    struct post *post;
    struct away away;
    struct hold_seat seat;
    struct jobs *jobs;
    struct rounds *rounds;
    struct http *http;
    struct lag *lag;
    struct login *login; /* of the first one: the door's */
    struct desk desk;
    atomic_uint connections; /* that were handed to it, and have not left: the usher's count */
    bool stopping;
    struct post_note stop;
    struct post_note hurry;
    struct post_note empty_out;
    struct post_note end;
    struct post_note news[WORKER_NEWS];
    bool told[WORKER_NEWS];
};

/* Its loop, and what all the others need to reach it. */
void worker_init(struct worker *w, struct workers *all, unsigned index);

/* What is common to all desks is there already; the turn of those metrics that are written apart, which is
 * null where this is the only worker. */
void worker_open_desk(struct worker *w, const struct desk *common, struct lag *beside,
                      struct metrics_apart_turn *turn);

/* The part is over, once. Workers.c has it told. */
void worker_tell(struct worker *w, enum worker_news what);

/* On its own thread, one after the other. Each is told when it is done: no connection, no run; then nothing
 * of it is under way to other workers; the last one leaves nothing but handles that close. */
void worker_stop(struct worker *w, unsigned grace_ms, unsigned drain_ms);
void worker_empty(struct worker *w);
void worker_end(struct worker *w);

/* Until its last handle is closed, and then the loop, too. */
void worker_run(struct worker *w);

#endif
