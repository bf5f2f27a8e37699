/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_RUN_NET_H
#define PROBE_RUN_NET_H

#include "probe/net/dns.h"
#include "probe/net/sockets.h"
#include "probe/run.h"
#include "probe/run_gates.h"

/* What the runs of one loop share. Private to run*.c; how it is made and freed is in run.h. */
struct run_net {
    uv_loop_t *loop;
    struct dns *dns;
    struct sockets *sockets;
    int stamps; /* see socket_keep_stamps; -1 = could not be had */
    struct run_gates *gates;
    struct run_gates *own_gates; /* the same, or null: they are shared */
    struct post *post;           /* null: its gates are its own, and nobody else calls */
    unsigned inside;             /* its runs in the line of the gates */
    unsigned waiting;
    size_t runs; /* that are not over, waiting or not */
    size_t most; /* of them at once since memory was given back last */
    size_t rush; /* so many at once leave memory to give back */
    uv_timer_t *lull;
};

/* Where a run stands in line. Zeroed at first; it must not move. */
struct run_place {
    line_called *called;
    void *context;
    struct run_net *net;
    struct gate_place place;
};

/* A run is there. 1 = it may begin; 0 = it waits until called, where it may only take note; -1 = the line is
 * full, with how many: it must end. */
int run_net_enter(struct run_net *net, struct run_place *place, line_called *called, void *context,
                  struct run_gates_count *count_r);

/* It wants its turn no longer, and is not over yet. */
void run_net_forgo(struct run_net *net, struct run_place *place);

/* A run is over. */
void run_net_leave(struct run_net *net, struct run_place *place);

#endif
