/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include "config/snapshot.h"
#include "server/log.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/*
 * Loading the config again while the service runs. The file is read in a thread that lives as long as that
 * takes; what comes of it is put into force on the loop, or the old config stands. Who asks while one is
 * being loaded gets the next one, which begins after that, and which all who ask meanwhile share: a change
 * made before asking is always seen.
 */
struct reload;

/* Puts the config into force, taking a reference of its own; null, or a sentence why it cannot be, and then
 * nothing has changed. */
typedef const char *reload_apply(void *context, struct snapshot *snapshot);

/* One begins; or it is over, and whether it was a good one. */
typedef void reload_tell(void *context, bool begins, bool good);

struct reload_order {
    uv_loop_t *loop;
    struct log *log;                      /* kept */
    const struct snapshot_source *source; /* kept */
    reload_apply *apply;
    reload_tell *tell; /* null: nobody wants to know */
    void *context;
};

struct reload *reload_new(const struct reload_order *order);

/* What became of it. Lives as long as the call. */
struct reload_outcome {
    bool good;
    const char *const *mistakes; /* why not: at least one line; of a good one none */
    size_t mistake_count;
    size_t target_count;
};

/* Called once, from the loop, never from inside reload_ask. */
typedef void reload_done(void *context, const struct reload_outcome *outcome);

/* Begins, or joins the next one. Every outcome is logged, so done may be null; then there is no waiter. */
struct reload_waiter;
struct reload_waiter *reload_ask(struct reload *reload, reload_done *done, void *context);

/* Done is not called. The reload goes on. */
void reload_leave(struct reload_waiter *waiter);

/* How it stands; the start of the service counts as a good one. */
struct reload_state {
    bool good;            /* the last one */
    int64_t good_wall_us; /* when the last good one was put into force */
};
struct reload_state reload_state(const struct reload *reload);

/* Nothing is put into force any more and nobody may wait. A thread that still reads is waited for by the
 * loop. Memory follows from the loop. */
void reload_free(struct reload *reload); /* null is fine */

#endif
