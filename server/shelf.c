/* SPDX-License-Identifier: Apache-2.0 */
/* Shelves and their places: few for each target, so a list will do. Who shares what is server/jobs.c's. */
#include "server/shelf.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <stdlib.h>

struct shelf *shelf_new(void)
{
    struct shelf *shelf = mem_alloc(sizeof *shelf);

    atomic_init(&shelf->references, 1);
    return shelf;
}

struct shelf *shelf_ref(struct shelf *shelf)
{
    atomic_fetch_add_explicit(&shelf->references, 1, memory_order_relaxed);
    return shelf;
}

static void place_free(struct place *place)
{
    record_unref(place->latest);
    record_unref(place->last_known);
    result_unref(place->last_ok);
    free(place);
}

void shelf_unref(struct shelf *shelf)
{
    if (shelf == NULL || atomic_fetch_sub_explicit(&shelf->references, 1, memory_order_acq_rel) > 1)
        return;
    for (struct place *p = shelf->places, *next; p != NULL; p = next) {
        next = p->next;
        place_free(p);
    }
    record_unref(shelf->front.latest);
    record_unref(shelf->front.last_known);
    free(shelf);
}

struct place *shelf_place(struct shelf *shelf, enum phase stop_after, bool fresh)
{
    for (struct place *p = shelf->places; p != NULL; p = p->next)
        if (p->stop_after == stop_after && p->fresh == fresh)
            return p;
    struct place *place = mem_alloc(sizeof *place);
    place->stop_after = stop_after;
    place->fresh = fresh;
    place->next = shelf->places;
    shelf->places = place;
    return place;
}

static void replace(struct record **slot, struct record *record)
{
    record_unref(*slot);
    *slot = record != NULL ? record_ref(record) : NULL;
}

/* Of an older config, or from before it was outdated, and another was quicker. */
static bool is_overtaken(const struct record *by, const struct record *record)
{
    return by != NULL && record->result->started_mono_us < by->result->started_mono_us;
}

void shelf_keep(const struct shelf *shelf, struct place *place, struct record *record)
{
    enum status status = record->result->status;

    /* What is known stays known, though one that told nothing has begun after it and ended before. */
    if (status != STATUS_UNKNOWN && record->result->started_mono_us >= shelf->outdated_us &&
        !is_overtaken(place->last_known, record))
        replace(&place->last_known, record);
    if (is_overtaken(place->latest, record))
        return;
    replace(&place->latest, record);
    if (status == STATUS_PASS || status == STATUS_WARN) {
        result_unref(place->last_ok);
        place->last_ok = result_ref(record->result);
    }
}

void shelf_outdate(struct shelf *shelf)
{
    shelf->outdated_us = clock_mono_us();
    for (struct place *p = shelf->places; p != NULL; p = p->next) {
        p->job = NULL;
        record_unref(p->last_known);
        p->last_known = NULL;
    }
    record_unref(shelf->front.last_known);
    shelf->front.last_known = NULL;
}

void shelf_set_front(struct shelf *shelf, const struct place *place)
{
    replace(&shelf->front.latest, place->latest);
    replace(&shelf->front.last_known, place->last_known);
}

void shelf_look(const struct shelf *shelf, struct place *seen_r)
{
    replace(&seen_r->latest, shelf->front.latest);
    replace(&seen_r->last_known, shelf->front.last_known);
}

void shelf_look_away(struct place *seen)
{
    record_unref(seen->latest);
    record_unref(seen->last_known);
}
