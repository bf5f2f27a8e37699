/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of those who wait for one of a limited number of places (see line.h). A place that becomes free is
 * handed to the first who waits, so that nobody who comes in between can take it. When, and for how long, is
 * the caller's business.
 */
#include "probe/base/line.h"

#include <assert.h>
#include <stddef.h>

/* Nobody waits then: whoever could have come in was called at once. */
bool line_has_room(const struct line *l)
{
    return l->limit == 0 || l->inside < l->limit;
}

static void append(struct line *l, struct line_place *place)
{
    place->prev = l->last;
    place->next = NULL;
    if (l->last)
        l->last->next = place;
    else
        l->first = place;
    l->last = place;
    l->waiting++;
}

static void take_out(struct line *l, struct line_place *place)
{
    if (place->prev)
        place->prev->next = place->next;
    else
        l->first = place->next;
    if (place->next)
        place->next->prev = place->prev;
    else
        l->last = place->prev;
    place->next = place->prev = NULL;
    l->waiting--;
}

static void call(struct line *l)
{
    while (l->first && line_has_room(l)) {
        struct line_place *place = l->first;

        take_out(l, place);
        place->where = LINE_INSIDE;
        l->inside++;
        place->called(place->context);
    }
}

bool line_enter(struct line *l, struct line_place *place)
{
    assert(place->where == LINE_OUTSIDE);
    if (line_has_room(l)) {
        place->where = LINE_INSIDE;
        l->inside++;
        return true;
    }
    place->where = LINE_WAITING;
    append(l, place);
    return false;
}

void line_leave(struct line *l, struct line_place *place)
{
    if (place->where == LINE_WAITING)
        take_out(l, place);
    else if (place->where == LINE_INSIDE)
        l->inside--;
    place->where = LINE_OUTSIDE;
    call(l);
}

void line_set_limit(struct line *l, unsigned limit)
{
    l->limit = limit;
    call(l);
}
