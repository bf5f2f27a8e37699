/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line for each address and port that is in use, found in a tree. It is there as long as somebody is
 * inside or waits, so there are never more of them than runs. One lock is for the tree and all that stands in
 * it. Who dials, and when waiting is over, is dial.c's business.
 */
#include "probe/net/dial_lines.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>

struct dial_lines {
    uv_mutex_t lock;
    void *doors; /* a tree of tsearch(3) */
    unsigned limit;
};

struct new_limit {
    unsigned limit;
    const struct post *caller;
};

struct dial_door {
    struct address address; /* first: what the tree compares */
    struct dial_lines *lines;
    struct gate gate;
};

static int compare(const void *a, const void *b)
{
    return address_compare(a, b);
}

struct dial_lines *dial_lines_new(unsigned limit)
{
    struct dial_lines *lines = mem_alloc(sizeof *lines);
    int failed = uv_mutex_init(&lines->lock);

    assert(!failed);
    lines->limit = limit;
    return lines;
}

void dial_lines_free(struct dial_lines *lines)
{
    if (!lines)
        return;
    assert(!lines->doors);
    uv_mutex_destroy(&lines->lock);
    free(lines);
}

static void set_limit(const void *node, VISIT visit, void *context)
{
    struct dial_door *door = *(struct dial_door *const *)node;
    const struct new_limit *new = context;

    if (visit == postorder || visit == leaf) /* every door once */
        gate_set_limit(&door->gate, new->limit, new->caller);
}

void dial_lines_set_limit(struct dial_lines *lines, unsigned limit, const struct post *caller)
{
    struct new_limit new = {limit, caller};

    uv_mutex_lock(&lines->lock);
    lines->limit = limit;
    twalk_r(lines->doors, set_limit, &new);
    uv_mutex_unlock(&lines->lock);
}

static struct dial_door *door_of(struct dial_lines *lines, const struct address *to)
{
    struct dial_door *const *found = tfind(to, &lines->doors, compare);
    struct dial_door *door;

    if (found)
        return *found;
    door = mem_alloc(sizeof *door);
    door->address = *to;
    door->lines = lines;
    door->gate.line.limit = lines->limit;
    if (!tsearch(door, &lines->doors, compare))
        abort();
    return door;
}

bool dial_lines_enter(struct dial_lines *lines, struct dial_place *place, const struct address *to)
{
    bool inside;

    assert(!place->door);
    uv_mutex_lock(&lines->lock);
    place->door = door_of(lines, to);
    inside = gate_enter(&place->door->gate, &place->place);
    uv_mutex_unlock(&lines->lock);
    return inside;
}

static bool is_in_use(const struct dial_door *door)
{
    return door->gate.line.inside || door->gate.line.waiting;
}

void dial_lines_leave(struct dial_place *place)
{
    struct dial_door *door = place->door;

    if (!door)
        return;
    struct dial_lines *lines = door->lines;
    place->door = NULL;
    uv_mutex_lock(&lines->lock);
    gate_leave(&door->gate, &place->place);
    if (!is_in_use(door)) {
        tdelete(door, &lines->doors, compare);
        free(door);
    }
    uv_mutex_unlock(&lines->lock);
}

unsigned dial_lines_inside(const struct dial_place *place)
{
    unsigned inside;

    if (!place->door)
        return 0;
    uv_mutex_lock(&place->door->lines->lock);
    inside = place->door->gate.line.inside;
    uv_mutex_unlock(&place->door->lines->lock);
    return inside;
}
