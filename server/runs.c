/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of the newest runs. One is looked for from the newest back: there are few, and nobody asks often. Of
 * several parts each numbers its runs by the sum of all, and so knows which of its own are among the newest.
 */
#include "server/runs.h"

#include "probe/base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct runs {
    struct record *ring[RUNS_KEPT];
    unsigned long long number[RUNS_KEPT]; /* of each, among those of all parts */
    size_t next;                          /* where the next one goes */
    size_t count;
    size_t bytes;
    struct runs_sum *sum;
    struct runs_sum own;
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

struct runs *runs_new(struct runs_sum *sum)
{
    struct runs *runs = mem_alloc(sizeof *runs);

    runs->own.loops = 1;
    runs->sum = sum != NULL ? sum : &runs->own;
    return runs;
}

void runs_free(struct runs *runs)
{
    for (size_t i = 0; runs != NULL && i < RUNS_KEPT; i++)
        record_unref(runs->ring[i]);
    free(runs);
}

static size_t find_oldest(const struct runs *runs)
{
    return (runs->next + RUNS_KEPT - runs->count) % RUNS_KEPT;
}

static void drop_oldest(struct runs *runs)
{
    struct record **oldest = &runs->ring[find_oldest(runs)];
    size_t size = result_size((*oldest)->result);

    runs->bytes -= size;
    atomic_fetch_sub(&runs->sum->bytes, size);
    runs->count--;
    record_unref(*oldest);
    *oldest = NULL;
}

/* Whether so many have been added since that it is none of the newest any more. */
static bool is_old(unsigned long long number, unsigned long long newest)
{
    return newest - number >= RUNS_KEPT;
}

/* No part lets go of its share for what others have too much. */
static bool is_too_much(const struct runs *runs, size_t size)
{
    return atomic_load(&runs->sum->bytes) + size > RUNS_MAX_BYTES &&
           runs->bytes + size > RUNS_MAX_BYTES / runs->sum->loops;
}

void runs_add(struct runs *runs, struct record *record)
{
    size_t size = result_size(record->result);
    unsigned long long number = atomic_fetch_add(&runs->sum->added, 1);

    while (runs->count > 0 && (is_old(runs->number[find_oldest(runs)], number) || is_too_much(runs, size)))
        drop_oldest(runs);
    runs->ring[runs->next] = record_ref(record);
    runs->number[runs->next] = number;
    runs->next = (runs->next + 1) % RUNS_KEPT;
    runs->count++;
    runs->bytes += size;
    atomic_fetch_add(&runs->sum->bytes, size);
}

void runs_prune(struct runs *runs)
{
    unsigned long long next = atomic_load(&runs->sum->added);

    while (runs->count > 0 && is_old(runs->number[find_oldest(runs)] + 1, next))
        drop_oldest(runs);
    while (runs->count > 1 && is_too_much(runs, 0))
        drop_oldest(runs);
}

struct record *runs_find(const struct runs *runs, const char *id)
{
    unsigned long long next = atomic_load(&runs->sum->added);

    for (size_t i = 1; i <= runs->count; i++) {
        size_t at = (runs->next + RUNS_KEPT - i) % RUNS_KEPT;
        if (is_old(runs->number[at] + 1, next))
            break;
        if (strcmp(runs->ring[at]->result->id, id) == 0)
            return runs->ring[at];
    }
    return NULL;
}
