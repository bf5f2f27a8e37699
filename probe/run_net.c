/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runs of one loop share: the resolver, the kernel's receive stamps, the line in which they wait for
 * their turn, the lines before addresses, and the giving back of memory after a rush. Many runs at once leave
 * holes between the results that are kept, and the C library returns none of it to the system by itself but
 * what lies at the very end of its heap.
 */
#include "probe/run_net.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "probe/net/socket.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

enum { RUSH = 100, LULL_MS = 1000, AFTER_MS = 5000 };

struct run_net *run_net_new(const struct run_net_order *order)
{
    struct run_net *net = mem_alloc(sizeof *net);

    net->loop = order->loop;
    net->dns = dns_new(order->loop, order->servers);
    net->stamps = socket_keep_stamps();
    net->line.limit = order->max_runs;
    net->max_waiting = order->max_waiting;
    net->addresses = dial_lines_new(order->max_per_address);
    net->lull = handle_timer(order->loop, net);
    uv_unref((uv_handle_t *)net->lull); /* no loop goes on for its sake */
    return net;
}

void run_net_free(struct run_net *net)
{
    if (!net)
        return;
    assert(net->runs == 0 && net->line.inside == 0 && net->line.waiting == 0);
    dial_lines_free(net->addresses);
    dns_free(net->dns);
    handle_close_timer(net->lull);
    if (net->stamps >= 0)
        close(net->stamps);
    free(net);
}

void run_net_set_limits(struct run_net *net, const struct run_net_order *order)
{
    net->max_waiting = order->max_waiting;
    line_set_limit(&net->line, order->max_runs);
    dial_lines_set_limit(net->addresses, order->max_per_address);
}

unsigned run_net_in_flight(const struct run_net *net)
{
    return net->line.inside;
}

unsigned run_net_waiting(const struct run_net *net)
{
    return net->line.waiting;
}

/* Once more a little later: on a busy machine the last runs, and who reads the answers, may still be at it.
 */
static void on_lull(uv_timer_t *timer)
{
    struct run_net *net = timer->data;
    bool rush = net->most >= RUSH;

    net->most = net->runs;
    (void)malloc_trim(0);
    if (rush)
        handle_at(net->lull, on_lull, clock_mono_us() + AFTER_MS * CLOCK_US_PER_MS);
}

int run_net_enter(struct run_net *net, struct line_place *place)
{
    if (++net->runs > net->most)
        net->most = net->runs;
    if (net->max_waiting && net->line.waiting >= net->max_waiting && !line_has_room(&net->line))
        return -1;
    return line_enter(&net->line, place);
}

/* Some time after most of a rush is over: whoever waited for it has then been answered. */
void run_net_leave(struct run_net *net, struct line_place *place)
{
    line_leave(&net->line, place);
    net->runs--;
    if (net->most >= RUSH && net->runs <= net->most / 4 && !uv_is_active((uv_handle_t *)net->lull))
        handle_at(net->lull, on_lull, clock_mono_us() + LULL_MS * CLOCK_US_PER_MS);
}
