/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runs of one loop share: the resolver, where their sockets are watched, the kernel's receive
 * stamps, the way into the lines (which are run_gates.c's, and may be other loops' too), and the giving back
 * of memory after a rush. Many runs at once leave holes between the results that are kept, and the C library
 * returns none of it to the system by itself but what lies at the very end of its heap.
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

enum { RUSH = 100, LEAST_RUSH = 10, LULL_MS = 1000, AFTER_MS = 5000 };

struct run_net *run_net_new(const struct run_net_order *order)
{
    struct run_net *net = mem_alloc(sizeof *net);

    net->loop = order->loop;
    net->dns = dns_new(order->loop, order->servers);
    net->sockets = sockets_new(order->loop);
    net->stamps = socket_keep_stamps();
    if (order->gates)
        net->post = post_new(order->loop);
    else
        net->own_gates = run_gates_new(order);
    net->gates = order->gates ? order->gates : net->own_gates;
    net->rush = order->loops > 1 ? RUSH / order->loops : RUSH;
    if (net->rush < LEAST_RUSH)
        net->rush = LEAST_RUSH;
    net->lull = handle_timer(order->loop, net);
    uv_unref((uv_handle_t *)net->lull); /* no loop goes on for its sake */
    return net;
}

void run_net_free(struct run_net *net)
{
    if (!net)
        return;
    assert(net->runs == 0 && net->inside == 0 && net->waiting == 0);
    run_gates_free(net->own_gates);
    post_free(net->post);
    dns_free(net->dns);
    sockets_free(net->sockets);
    handle_close_timer(net->lull);
    if (net->stamps >= 0)
        close(net->stamps);
    free(net);
}

void run_net_set_limits(struct run_net *net, const struct run_net_order *order)
{
    run_gates_set_limits(net->gates, order, net->post);
}

unsigned run_net_in_flight(const struct run_net *net)
{
    return net->inside;
}

unsigned run_net_waiting(const struct run_net *net)
{
    return net->waiting;
}

/* Once more a little later: on a busy machine the last runs, and who reads the answers, may still be at it.
 */
static void on_lull(uv_timer_t *timer)
{
    struct run_net *net = timer->data;
    bool rush = net->most >= net->rush;

    net->most = net->runs;
    (void)malloc_trim(0);
    if (rush)
        handle_at(net->lull, on_lull, clock_mono_us() + AFTER_MS * CLOCK_US_PER_MS);
}

static void on_called(void *context)
{
    struct run_place *place = context;

    place->net->waiting--;
    place->net->inside++;
    place->called(place->context);
}

int run_net_enter(struct run_net *net, struct run_place *place, line_called *called, void *context,
                  struct run_gates_count *count_r)
{
    int entered;

    if (++net->runs > net->most)
        net->most = net->runs;
    *place = (struct run_place){.called = called, .context = context, .net = net};
    place->place = (struct gate_place){.post = net->post, .called = on_called, .context = place};
    entered = run_gates_enter(net->gates, &place->place, count_r);
    if (entered > 0)
        net->inside++;
    else if (entered == 0)
        net->waiting++;
    return entered;
}

void run_net_forgo(struct run_net *net, struct run_place *place)
{
    if (place->place.where == LINE_INSIDE)
        net->inside--;
    else if (place->place.where == LINE_WAITING)
        net->waiting--;
    run_gates_leave(net->gates, &place->place);
}

/* Some time after most of a rush is over: whoever waited for it has then been answered. */
void run_net_leave(struct run_net *net, struct run_place *place)
{
    run_net_forgo(net, place);
    net->runs--;
    if (net->most >= net->rush && net->runs <= net->most / 4 && !uv_is_active((uv_handle_t *)net->lull))
        handle_at(net->lull, on_lull, clock_mono_us() + LULL_MS * CLOCK_US_PER_MS);
}
