/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runs of one loop share: the resolver, the kernel's receive stamps, and the giving back of memory
 * after a rush. Many runs at once leave holes between the results that are kept, and the C library returns
 * none of it to the system by itself but what lies at the very end of its heap.
 */
#include "probe/run_net.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "probe/net/socket.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

enum { RUSH = 100, LULL_MS = 1000 };

struct run_net *run_net_new_with(uv_loop_t *loop, const char *servers)
{
    struct run_net *net = mem_alloc(sizeof *net);

    net->loop = loop;
    net->dns = dns_new(loop, servers);
    net->stamps = socket_keep_stamps();
    net->lull = handle_timer(loop, net);
    uv_unref((uv_handle_t *)net->lull); /* no loop goes on for its sake */
    return net;
}

struct run_net *run_net_new(uv_loop_t *loop)
{
    return run_net_new_with(loop, NULL);
}

void run_net_free(struct run_net *net)
{
    if (!net)
        return;
    dns_free(net->dns);
    handle_close_timer(net->lull);
    if (net->stamps >= 0)
        close(net->stamps);
    free(net);
}

static void on_lull(uv_timer_t *timer)
{
    struct run_net *net = timer->data;

    net->most = net->running;
    (void)malloc_trim(0);
}

void run_net_begin(struct run_net *net)
{
    if (++net->running > net->most)
        net->most = net->running;
}

/* Some time after most of a rush is over: whoever waited for it has then been answered. */
void run_net_end(struct run_net *net)
{
    net->running--;
    if (net->most >= RUSH && net->running <= net->most / 4 && !uv_is_active((uv_handle_t *)net->lull))
        handle_at(net->lull, on_lull, clock_mono_us() + LULL_MS * CLOCK_US_PER_MS);
}
