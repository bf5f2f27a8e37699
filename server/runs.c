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
    size_t next; /* where the next one goes: the oldest stands there */
};

struct record *record_new(struct result *result, struct snapshot *snapshot,
                          const struct snapshot_target *target, enum phase stop_after)
{
    struct record *r = mem_alloc(sizeof *r);

    r->references = 1;
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
    r->references++;
    return r;
}

void record_unref(struct record *r)
{
    if (r == NULL || --r->references > 0)
        return;
    result_unref(r->result);
    snapshot_unref(r->snapshot);
    free(r);
}

struct runs *runs_new(void)
{
    return mem_alloc(sizeof(struct runs));
}

void runs_free(struct runs *runs)
{
    for (size_t i = 0; runs != NULL && i < RUNS_KEPT; i++)
        record_unref(runs->ring[i]);
    free(runs);
}

struct record *runs_add(struct runs *runs, struct record *record)
{
    struct record *oldest = runs->ring[runs->next];

    runs->ring[runs->next] = record_ref(record);
    runs->next = (runs->next + 1) % RUNS_KEPT;
    return oldest;
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
