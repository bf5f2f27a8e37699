/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_GATE_H
#define PROBE_NET_GATE_H

#include "probe/base/line.h"
#include "probe/net/post.h"

/*
 * A line (probe/base/line.h) before which places of several loops stand, each loop in a thread of its own.
 * First come, first served, whichever loop they are of. It locks nothing: whoever owns it holds a lock of his
 * own around each call. A place is touched by its own loop's thread alone, but for what stands in the line.
 */
struct gate {
    struct line line;
    const struct post *caller; /* of the loop that is at it now */
};

/* The caller sets the first three; zeroed besides. */
struct gate_place {
    struct post *post; /* of its own loop; null where only one loop uses the gate */
    /* It is inside now. Told once, by its own loop's thread: by a note, or, where it is its own loop that has
     * made room, from inside gate_leave and gate_set_limit. It may only take note. */
    line_called *called;
    void *context;
    enum line_where where; /* as far as its own loop knows */
    struct gate *gate;
    struct line_place place;
    struct post_note note;
};

/* Inside at once (true), or waiting until called. The place is outside before. */
bool gate_enter(struct gate *gate, struct gate_place *place);

/* From wherever the place is; outside is fine. It is not called any more, but whoever may come in for it. */
void gate_leave(struct gate *gate, struct gate_place *place);

/* As line_set_limit; the post is that of the loop that calls, as in gate_place. */
void gate_set_limit(struct gate *gate, unsigned limit, const struct post *caller);

#endif
