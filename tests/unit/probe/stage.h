/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROBE_STAGE_H
#define TESTS_UNIT_PROBE_STAGE_H

/*
 * What tests of sockets stand on: a loop, limits that stretch, and the other end of a connection as a plain
 * descriptor in the test's own hands.
 */
#include "probe/base/address.h"
#include "probe/base/clock.h"

#include <dirent.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

static inline int64_t stage_scale_us(int64_t ms)
{
    const char *factor = getenv("EHLOD_TEST_SCALE");

    return (int64_t)((double)(ms * CLOCK_US_PER_MS) * (factor ? atof(factor) : 1));
}

static inline void stage_wake(uv_timer_t *timer)
{
    (void)timer;
}

/* Runs the loop until that is true; false when it was not within five seconds. */
static inline bool stage_run_until(uv_loop_t *loop, const bool *reached)
{
    int64_t end_us = clock_mono_us() + stage_scale_us(5000);
    uv_timer_t tick;

    uv_timer_init(loop, &tick);
    uv_timer_start(&tick, stage_wake, 10, 10);
    while (!*reached && clock_mono_us() < end_us)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
    return *reached;
}

static inline void stage_run_for(uv_loop_t *loop, int64_t us)
{
    int64_t end_us = clock_mono_us() + us;
    uv_timer_t tick;

    uv_timer_init(loop, &tick);
    uv_timer_start(&tick, stage_wake, 1, 1);
    while (clock_mono_us() < end_us)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
}

/* The loop does not turn for that long. */
static inline void stage_be_late(int64_t us)
{
    int64_t end_us = clock_mono_us() + us;

    while (clock_mono_us() < end_us)
        poll(NULL, 0, 1);
}

/* Closed handles and everything else must be gone, or the loop says that it is busy. */
static inline int stage_close(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    return uv_loop_close(loop);
}

static inline size_t stage_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* A listener on that address; the port is chosen. */
static inline int stage_listen(const char *host, int backlog, struct address *at_r)
{
    socklen_t len = sizeof *at_r;
    int fd;

    if (address_parse(host, 0, at_r))
        return -1;
    fd = socket(address_family(at_r), SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, &at_r->any, address_len(at_r)) || listen(fd, backlog) || getsockname(fd, &at_r->any, &len)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* An address where nobody listens: bound, so that nobody else can have it. Close the descriptor afterwards.
 */
static inline int stage_closed_port(const char *host, struct address *at_r)
{
    int fd = stage_listen(host, 1, at_r), bound;

    close(fd);
    bound = socket(address_family(at_r), SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(bound, &at_r->any, address_len(at_r))) {
        close(bound);
        return -1;
    }
    return bound;
}

/* A listener whose queue is full: the system drops what comes, as if nobody were there. */
struct stage_hole {
    int listener;
    int clients[8];
    struct address at;
};

static inline void stage_hole_open(struct stage_hole *h)
{
    h->listener = stage_listen("127.0.0.1", 0, &h->at);
    for (size_t i = 0; i < 8; i++) {
        h->clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(h->clients[i], &h->at.any, address_len(&h->at));
    }
}

static inline void stage_hole_close(struct stage_hole *h)
{
    for (size_t i = 0; i < 8; i++)
        close(h->clients[i]);
    close(h->listener);
}

static inline void stage_say(int fd, const char *text)
{
    ssize_t sent = send(fd, text, strlen(text), MSG_NOSIGNAL);

    if (sent != (ssize_t)strlen(text))
        abort();
}

static inline void stage_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

#endif
