/* SPDX-License-Identifier: Apache-2.0 */
/* A table of what is watched. What comes is told in the loop, so it may come at any time. */
#include "server/signals.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define WATCHED 3

struct signals {
    struct signals_order order;
    uv_signal_t watched[WATCHED];
    size_t open;
};

static const int hangup[] = {SIGHUP};
static const int all_of_ours[WATCHED] = {SIGTERM, SIGINT, SIGHUP};

static void mask(int how, const int *numbers, size_t count)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, numbers[i]);
    int masked = pthread_sigmask(how, &set, NULL);
    assert(masked == 0);
}

void signals_hold_hangup(void)
{
    mask(SIG_BLOCK, hangup, 1);
}

static void on_signal(uv_signal_t *handle, int number)
{
    const struct signals_order *order = &((struct signals *)handle->data)->order;

    if (number == SIGHUP)
        order->hangup(order->context);
    else
        order->stop(order->context, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

struct signals *signals_new(const struct signals_order *order)
{
    struct signals *s = mem_alloc(sizeof *s);

    s->order = *order;
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < WATCHED; i++) {
        uv_signal_init(order->loop, &s->watched[i]);
        s->watched[i].data = s;
        uv_signal_start(&s->watched[i], on_signal, all_of_ours[i]);
        s->open++;
    }
    mask(SIG_UNBLOCK, hangup, 1);
    return s;
}

static void on_closed(uv_handle_t *handle)
{
    struct signals *s = handle->data;

    if (--s->open == 0)
        free(s);
}

void signals_free(struct signals *s)
{
    mask(SIG_BLOCK, all_of_ours, WATCHED);
    for (size_t i = 0; i < WATCHED; i++)
        uv_close((uv_handle_t *)&s->watched[i], on_closed);
}
