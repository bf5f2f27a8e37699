/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who makes room calls the next one in, and that may be one of another loop: then it is inside at once, so
 * that nobody overtakes it, and gets to know by a note. On the same loop there is no note, as there is no
 * wall between them. A note is sent while the owner's lock is held, and so is one taken back: none can come
 * after gate_leave.
 */
#include "probe/net/gate.h"

#include <assert.h>
#include <stddef.h>

static void tell(void *context)
{
    struct gate_place *place = context;

    place->where = LINE_INSIDE;
    place->called(place->context);
}

static void on_called(void *context)
{
    struct gate_place *place = context;

    if (place->post == place->gate->caller)
        tell(place);
    else
        post_send(place->post, &place->note);
}

bool gate_enter(struct gate *gate, struct gate_place *place)
{
    assert(place->where == LINE_OUTSIDE);
    place->gate = gate;
    place->place = (struct line_place){.called = on_called, .context = place};
    place->note = (struct post_note){.called = tell, .context = place};
    place->where = line_enter(&gate->line, &place->place) ? LINE_INSIDE : LINE_WAITING;
    return place->where == LINE_INSIDE;
}

void gate_leave(struct gate *gate, struct gate_place *place)
{
    if (place->where == LINE_OUTSIDE)
        return;
    if (place->where == LINE_WAITING && place->post)
        post_cancel(place->post, &place->note);
    place->where = LINE_OUTSIDE;
    gate->caller = place->post;
    line_leave(&gate->line, &place->place);
}

void gate_set_limit(struct gate *gate, unsigned limit, const struct post *caller)
{
    gate->caller = caller;
    line_set_limit(&gate->line, limit);
}
