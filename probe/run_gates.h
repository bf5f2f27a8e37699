/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_RUN_GATES_H
#define PROBE_RUN_GATES_H

#include "probe/net/dial_lines.h"
#include "probe/net/gate.h"
#include "probe/run.h"

/* The lines of one loop, or of several: see run.h, where they are made. Private to run_net.c. */

/* The lines before addresses, which have a lock of their own. */
struct dial_lines *run_gates_addresses(const struct run_gates *gates);

unsigned run_gates_inside(struct run_gates *gates); /* runs, of all loops */

/* Who is in the line for runs, of all loops. */
struct run_gates_count {
    unsigned inside;
    unsigned waiting;
};

/* 1 = inside; 0 = waiting until called; -1 = outside, for the line is as long as it may be: with count. */
int run_gates_enter(struct run_gates *gates, struct gate_place *place, struct run_gates_count *count_r);
void run_gates_leave(struct run_gates *gates, struct gate_place *place); /* as gate_leave */

void run_gates_set_limits(struct run_gates *gates, const struct run_net_order *order,
                          const struct post *caller);

#endif
