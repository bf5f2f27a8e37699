/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RUNS_H
#define SERVER_RUNS_H

#include "config/snapshot.h"
#include "probe/result.h"
#include "server/letters.h"

#include <stdatomic.h>

/*
 * Past runs: what each showed, with the plan it followed. A record is shared by count, in any thread, and
 * never changes; the deliveries of its messages are told beside it (server/letters.h). One with messages must
 * be left last in the thread that its letters are of.
 */
struct record {
    atomic_uint references;
    struct letters *letters; /* forget the result's messages when the record goes */
    struct result *result;
    struct snapshot *snapshot; /* that the target is of */
    const struct snapshot_target *target;
    enum phase stop_after; /* of the plan */
};

/* With one reference; takes one of result and snapshot. The letters must outlive it. */
struct record *record_new(struct letters *letters, struct result *result, struct snapshot *snapshot,
                          const struct snapshot_target *target, enum phase stop_after);

/* The plan that it followed, without its letters. */
struct plan record_plan(const struct record *record);

struct record *record_ref(struct record *record);
void record_unref(struct record *record); /* null is fine */

/* The newest of them, found by id: at most so many, of at most so many bytes in all. A server that floods has
 * its say in a result, so numbers alone would be no bound. */
struct runs;

#define RUNS_KEPT      1000
#define RUNS_MAX_BYTES ((size_t)64 * 1024 * 1024)

/* Several loops have a part each, and together no more than that, but for a while: a part lets go when
 * something is added to it, or in runs_prune. Made zeroed; null: there is but one. */
struct runs_sum {
    unsigned loops;
    atomic_ullong added;
    atomic_size_t bytes;
};

struct runs *runs_new(struct runs_sum *sum);
void runs_free(struct runs *runs); /* null is fine */

/* Keeps the record. The newest is always kept. */
void runs_add(struct runs *runs, struct record *record);

/* Because of what others have added: lets go of what is none of the newest any more, and where there are too
 * many bytes in all, of what is more than an equal share, though not of its newest. */
void runs_prune(struct runs *runs);

/* Borrowed; null when it is not there (any more). */
struct record *runs_find(const struct runs *runs, const char *id);

#endif
