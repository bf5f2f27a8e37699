/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ours are blocked in all threads, which are begun after this, and read from a descriptor. So one that comes
 * when nobody reads any more changes nothing, and kills nobody: libuv's own way ends while the threads of its
 * pool are still there, and a signal that has no handler any more ends the process when it is given to one.
 */
#include "server/signals.h"

#include "probe/base/mem.h"
#include "probe/net/handle.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct signals {
    struct signals_order order;
    int fd;
    uv_poll_t *poll;
};

static const int hangup[] = {SIGHUP};
static const int all_of_ours[] = {SIGTERM, SIGINT, SIGHUP};

static sigset_t block(const int *numbers, size_t count)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, numbers[i]);
    int blocked = pthread_sigmask(SIG_BLOCK, &set, NULL);
    assert(blocked == 0);
    return set;
}

void signals_hold_hangup(void)
{
    block(hangup, 1);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    const struct signals *s = poll->data;
    struct signalfd_siginfo info;

    (void)status, (void)events;
    if (read(s->fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGHUP)
        s->order.hangup(s->order.context);
    else
        s->order.stop(s->order.context, info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
}

struct signals *signals_new(const struct signals_order *order)
{
    sigset_t set = block(all_of_ours, sizeof all_of_ours / sizeof all_of_ours[0]);
    struct signals *s = mem_alloc(sizeof *s);

    signal(SIGPIPE, SIG_IGN);
    s->order = *order;
    s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    s->poll = s->fd >= 0 ? handle_poll(order->loop, s->fd, s) : NULL;
    if (s->poll != NULL && uv_poll_start(s->poll, UV_READABLE, on_readable) == 0)
        return s;
    signals_free(s);
    return NULL;
}

void signals_free(struct signals *s)
{
    if (s == NULL)
        return;
    handle_close_poll(s->poll);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}
