/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line for each address and port that is in use, found in a tree. It is there as long as somebody is
 * inside or waits, so there are never more of them than runs. Who dials, and when waiting is over, is
 * dial.c's business.
 */
#include "probe/net/dial_lines.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>

struct dial_lines {
    void *doors; /* a tree of tsearch(3) */
    unsigned limit;
};

struct dial_door {
    struct address address; /* first: what the tree compares */
    struct dial_lines *lines;
    struct line line;
};

static int compare(const void *a, const void *b)
{
    return address_compare(a, b);
}

struct dial_lines *dial_lines_new(unsigned limit)
{
    struct dial_lines *lines = mem_alloc(sizeof *lines);

    lines->limit = limit;
    return lines;
}

void dial_lines_free(struct dial_lines *lines)
{
    assert(!lines || !lines->doors);
    free(lines);
}

static void set_limit(const void *node, VISIT visit, void *lines)
{
    struct dial_door *door = *(struct dial_door *const *)node;

    if (visit == postorder || visit == leaf) /* every door once */
        line_set_limit(&door->line, ((const struct dial_lines *)lines)->limit);
}

void dial_lines_set_limit(struct dial_lines *lines, unsigned limit)
{
    lines->limit = limit;
    twalk_r(lines->doors, set_limit, lines);
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
    door->line.limit = lines->limit;
    if (!tsearch(door, &lines->doors, compare))
        abort();
    return door;
}

bool dial_lines_enter(struct dial_lines *lines, struct dial_place *place, const struct address *to)
{
    assert(!place->door);
    place->door = door_of(lines, to);
    return line_enter(&place->door->line, &place->place);
}

void dial_lines_leave(struct dial_place *place)
{
    struct dial_door *door = place->door;

    if (!door)
        return;
    place->door = NULL;
    line_leave(&door->line, &place->place);
    if (door->line.inside || door->line.waiting)
        return;
    tdelete(door, &door->lines->doors, compare);
    free(door);
}

unsigned dial_lines_inside(const struct dial_place *place)
{
    return place->door ? place->door->line.inside : 0;
}
