/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_WORKERS_H
#define SERVER_WORKERS_H

#include "server/drains.h"
#include "server/usher.h"
#include "server/worker.h"

/*
 * All workers, the first of which is whoever calls this: how they begin, how another config reaches them, and
 * how they end. Everything here is for the first one's thread.
 */
struct workers_order {
    unsigned count;
    struct log *log; /* kept */
    /* Of all of them, once each: no run and nobody who waits for one; no connection that has to be answered.
     * After workers_stop. */
    void (*stopped)(void *context);
    void (*drained)(void *context);
    usher_room *room; /* of workers_usher */
    /* Everything of them is gone but the first one's jobs, lag and loop. After workers_end. */
    void (*ended)(void *context);
    void *context;
};

struct workers *workers_new(const struct workers_order *order);

struct worker *workers_first(struct workers *workers);
unsigned workers_count(const struct workers *workers);

/* ---- up: in this order, before the first one's loop runs ---- */

/* Logins beside the first one's. */
void workers_open_logins(struct workers *workers, struct login *first);
void workers_open_jobs(struct workers *workers, const struct jobs_order *order);

/* The desks, with what they have in common. */
void workers_open_desks(struct workers *workers, const struct desk *common);

struct workers_http {
    unsigned connections; /* of all: at least one for each, here and below */
    unsigned reserve;
    bool secure; /* as in http_order */
};
/* 0, or -1 after it was logged why not; likewise workers_go, which begins their threads. */
int workers_open_http(struct workers *workers, const struct workers_http *order);
void workers_open_rounds(struct workers *workers, struct snapshot *snapshot, struct drains *drains);
int workers_go(struct workers *workers);

/* ---- meanwhile ---- */

/* The first one's, to hold all others with; null: there are none. */
struct hold_seat *workers_seat(struct workers *workers);

/* Desks and jobs, and then rounds, have that config from now on; all stand still. */
void workers_reload(struct workers *workers, struct snapshot *snapshot, unsigned max_runs);
void workers_reload_rounds(struct workers *workers, struct snapshot *snapshot);

/* As rounds_again; all stand still. */
void workers_again(struct workers *workers, const char *target);

/* The mailboxes, once they are there. */
void workers_set_mailboxes(struct workers *workers, struct mailboxes *mailboxes);

/* Through whom they get their connections. Borrowed, after workers_open_http. */
struct usher *workers_usher(struct workers *workers);

/* ---- down ---- */

/* At first; and once more, in a hurry: then without grace, and answers must leave at once. */
void workers_stop(struct workers *workers, bool hurry);

/* At any time, but before the first one's loop has ended. */
void workers_end(struct workers *workers);

/* The first one's jobs and lag go. */
void workers_end_first(struct workers *workers);

/* After its loop was run to its end. */
void workers_free(struct workers *workers);

#endif
