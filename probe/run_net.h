/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_RUN_NET_H
#define PROBE_RUN_NET_H

#include "probe/net/dns.h"
#include "probe/run.h"

/* What the runs of one loop share. Private to run.c; how it is made and freed is in run.h. */
struct run_net {
    uv_loop_t *loop;
    struct dns *dns;
    int stamps; /* see socket_keep_stamps; -1 = could not be had */
    size_t running;
    size_t most; /* runs at once since memory was given back last */
    uv_timer_t *lull;
};

/* A run begins, and is over. */
void run_net_begin(struct run_net *net);
void run_net_end(struct run_net *net);

#endif
