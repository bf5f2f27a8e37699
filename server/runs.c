/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of the newest runs. One is looked for from the newest back: there are few, and nobody asks often.
 */
#include "server/runs.h"

#include "probe/base/mem.h"

#include <stdlib.h>
#include <string.h>

struct runs {
    struct record *ring[RUNS_KEPT];
    size_t next; /* where the next one goes */
    size_t count;
    size_t bytes;
    size_t max_bytes;
};

struct record *record_new(struct letters *letters, struct result *result, struct snapshot *snapshot,
                          const struct snapshot_target *target, enum phase stop_after)
{
    struct record *r = mem_alloc(sizeof *r);

    atomic_init(&r->references, 1);
    r->letters = letters;
    r->result = result_ref(result);
    r->snapshot = snapshot_ref(snapshot);
    r->target = target;
    r->stop_after = stop_after;
    return r;
}

struct plan record_plan(const struct record *record)
{
    struct plan plan = record->target->plan;

    plan.stop_after = record->stop_after;
    return plan;
}

struct record *record_ref(struct record *r)
{
    atomic_fetch_add_explicit(&r->references, 1, memory_order_relaxed);
    return r;
}

void record_unref(struct record *r)
{
    if (r == NULL || atomic_fetch_sub_explicit(&r->references, 1, memory_order_acq_rel) > 1)
        return;
    letters_forget(r->letters, r->result);
    result_unref(r->result);
    snapshot_unref(r->snapshot);
    free(r);
}

struct runs *runs_new(unsigned loops)
{
    struct runs *runs = mem_alloc(sizeof *runs);

    runs->max_bytes = RUNS_MAX_BYTES / loops;
    return runs;
}

void runs_free(struct runs *runs)
{
    for (size_t i = 0; runs != NULL && i < RUNS_KEPT; i++)
        record_unref(runs->ring[i]);
    free(runs);
}

static void drop_oldest(struct runs *runs)
{
    struct record **oldest = &runs->ring[(runs->next + RUNS_KEPT - runs->count) % RUNS_KEPT];

    runs->bytes -= result_size((*oldest)->result);
    runs->count--;
    record_unref(*oldest);
    *oldest = NULL;
}

void runs_add(struct runs *runs, struct record *record)
{
    size_t size = result_size(record->result);

    while (runs->count > 0 && (runs->count == RUNS_KEPT || runs->bytes + size > runs->max_bytes))
        drop_oldest(runs);
    runs->ring[runs->next] = record_ref(record);
    runs->next = (runs->next + 1) % RUNS_KEPT;
    runs->count++;
    runs->bytes += size;
}

struct record *runs_find(const struct runs *runs, const char *id)
{
    for (size_t i = 1; i <= RUNS_KEPT; i++) {
        struct record *r = runs->ring[(runs->next + RUNS_KEPT - i) % RUNS_KEPT];
        if (r != NULL && strcmp(r->result->id, id) == 0)
            return r;
    }
    return NULL;
}
