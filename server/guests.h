/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_GUESTS_H
#define SERVER_GUESTS_H

#include "config/snapshot.h"
#include "server/shelf.h"

/*
 * Targets that a caller has named himself (/probe with a module): each has a small config of its own, and a
 * shelf, so that it shares runs as any target does. The newest are remembered.
 */
#define GUESTS_KEPT  512
#define GUESTS_LEAST 64

struct guest {
    const char *key;
    struct snapshot *snapshot; /* its targets[0] is the guest */
    struct shelf *shelf;
    struct guest *next; /* less lately asked for */
};

struct guests;

/* Of so many loops that share the guests: each has its part, and beside it what its own callers have named,
 * whosever it is. */
struct guests *guests_new(unsigned loops);
void guests_free(struct guests *guests); /* null is fine */

/* By what the caller has said of it; null when it is not there (any more). What is answered lives until the
 * next guest is added. */
const struct guest *guests_find(struct guests *guests, const char *key);

/* Takes the reference. The one that was not asked for the longest makes room. */
const struct guest *guests_add(struct guests *guests, const char *key, struct snapshot *snapshot);

void guests_forget(struct guests *guests);

#endif
