/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_LINE_H
#define PROBE_BASE_LINE_H

#include <stdbool.h>

/*
 * So many may be inside at once, the others wait in line: who came first goes first, and nobody overtakes.
 * It allocates nothing: a place is part of whoever waits, and must not move until it was left.
 */

/* The place is inside now. Called from inside line_leave and line_set_limit: it may only take note. */
typedef void line_called(void *context);

enum line_where { LINE_OUTSIDE, LINE_WAITING, LINE_INSIDE };

/* The caller sets called and context; zeroed besides. */
struct line_place {
    line_called *called;
    void *context;
    enum line_where where;
    struct line_place *next;
    struct line_place *prev;
};

struct line {
    unsigned limit; /* that may be inside; 0 = as many as come */
    unsigned inside;
    unsigned waiting;
    struct line_place *first;
    struct line_place *last;
};

/* Whether who comes now need not wait. */
bool line_has_room(const struct line *l);

/* Inside at once (true), or waiting until called. The place is outside before. */
bool line_enter(struct line *l, struct line_place *place);

/* From wherever the place is; outside is fine. Calls who may come in for it. */
void line_leave(struct line *l, struct line_place *place);

/* A higher limit calls at once; with a lower one who is inside stays. */
void line_set_limit(struct line *l, unsigned limit);

#endif
