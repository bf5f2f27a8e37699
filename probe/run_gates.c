/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line in which runs wait for their turn, with a lock because it may be several loops' line, and beside
 * it the lines before addresses. The lock is held for a few instructions and never while somebody is waited
 * for; a loop that is alone finds it free.
 */
#include "probe/run_gates.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct run_gates {
    uv_mutex_t lock;
    struct gate gate;
    unsigned max_waiting;
    struct dial_lines *addresses;
};

struct run_gates *run_gates_new(const struct run_net_order *order)
{
    struct run_gates *gates = mem_alloc(sizeof *gates);
    int failed = uv_mutex_init(&gates->lock);

    assert(!failed);
    gates->gate.line.limit = order->max_runs;
    gates->max_waiting = order->max_waiting;
    gates->addresses = dial_lines_new(order->max_per_address);
    return gates;
}

void run_gates_free(struct run_gates *gates)
{
    if (!gates)
        return;
    assert(gates->gate.line.inside == 0 && gates->gate.line.waiting == 0);
    dial_lines_free(gates->addresses);
    uv_mutex_destroy(&gates->lock);
    free(gates);
}

struct dial_lines *run_gates_addresses(const struct run_gates *gates)
{
    return gates->addresses;
}

unsigned run_gates_inside(struct run_gates *gates)
{
    unsigned inside;

    uv_mutex_lock(&gates->lock);
    inside = gates->gate.line.inside;
    uv_mutex_unlock(&gates->lock);
    return inside;
}

static bool is_full(const struct run_gates *gates)
{
    const struct line *line = &gates->gate.line;

    return gates->max_waiting && line->waiting >= gates->max_waiting && !line_has_room(line);
}

int run_gates_enter(struct run_gates *gates, struct gate_place *place, struct run_gates_count *count_r)
{
    int entered = -1;

    uv_mutex_lock(&gates->lock);
    if (is_full(gates))
        *count_r = (struct run_gates_count){gates->gate.line.inside, gates->gate.line.waiting};
    else
        entered = gate_enter(&gates->gate, place);
    uv_mutex_unlock(&gates->lock);
    return entered;
}

void run_gates_leave(struct run_gates *gates, struct gate_place *place)
{
    uv_mutex_lock(&gates->lock);
    gate_leave(&gates->gate, place);
    uv_mutex_unlock(&gates->lock);
}

void run_gates_set_limits(struct run_gates *gates, const struct run_net_order *order,
                          const struct post *caller)
{
    uv_mutex_lock(&gates->lock);
    gates->max_waiting = order->max_waiting;
    gate_set_limit(&gates->gate, order->max_runs, caller);
    uv_mutex_unlock(&gates->lock);
    dial_lines_set_limit(gates->addresses, order->max_per_address, caller);
}
