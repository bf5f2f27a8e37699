/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_RUN_NET_H
#define PROBE_RUN_NET_H

#include "probe/base/line.h"
#include "probe/net/dial_lines.h"
#include "probe/net/dns.h"
#include "probe/run.h"

/* What the runs of one loop share. Private to run*.c; how it is made and freed is in run.h. */
struct run_net {
    uv_loop_t *loop;
    struct dns *dns;
    int stamps; /* see socket_keep_stamps; -1 = could not be had */
    struct line line;
    unsigned max_waiting;
    struct dial_lines *addresses;
    size_t runs; /* that are not over, waiting or not */
    size_t most; /* of them at once since memory was given back last */
    uv_timer_t *lull;
};

/* A run is there. 1 = it may begin; 0 = it waits until place is called; -1 = the line is full: it must end,
 * and its place is outside. */
int run_net_enter(struct run_net *net, struct line_place *place);

/* A run is over. */
void run_net_leave(struct run_net *net, struct line_place *place);

#endif
