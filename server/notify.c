/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify by hand: a datagram to the socket that NOTIFY_SOCKET names, where @ stands for an abstract one.
 * The watchdog is fed by the loop itself, at half of the time that it has: a loop that hangs is a service
 * that hangs.
 */
#include "server/notify.h"

#include "config/value.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NOTIFY_AGAIN_MS  100
#define NOTIFY_SIZE      512
#define NOTIFY_MAX_ALIVE (INT64_C(86400) * CLOCK_US_PER_S)

struct notify {
    int fd; /* -1: there is no manager */
    struct sockaddr_un to;
    socklen_t to_len;
    uv_timer_t *again;
    uv_timer_t *alive;
    int64_t alive_us; /* half of the watchdog's time; 0: there is none */
    char unsaid[NOTIFY_SIZE];
};

/* ---- saying it ---- */

/* Whether it needs not be said again: it was said, or never can be. */
static bool say(struct notify *n, const char *text)
{
    ssize_t sent =
        sendto(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&n->to, n->to_len);

    return sent >= 0 || (errno != EAGAIN && errno != ENOBUFS);
}

static void on_again(uv_timer_t *timer)
{
    struct notify *n = timer->data;

    if (say(n, n->unsaid))
        n->unsaid[0] = '\0';
    else
        handle_at(n->again, on_again, clock_mono_us() + NOTIFY_AGAIN_MS * CLOCK_US_PER_MS);
}

/* What comes later in a datagram counts more, so what is unsaid and this can go together. */
static void tell(struct notify *n, const char *text)
{
    size_t at = strlen(n->unsaid);

    if (n->fd < 0 || (at == 0 && say(n, text)))
        return;
    if (at + strlen(text) + 1 > sizeof n->unsaid)
        at = 0; /* what was is past */
    snprintf(n->unsaid + at, sizeof n->unsaid - at, "%s", text);
    handle_at(n->again, on_again, clock_mono_us() + NOTIFY_AGAIN_MS * CLOCK_US_PER_MS);
}

void notify_ready(struct notify *n, const char *status)
{
    char text[NOTIFY_SIZE / 2];

    snprintf(text, sizeof text, "READY=1\nSTATUS=%s\n", status);
    tell(n, text);
}

/* The time is the manager's proof that this is about its newest wish (Type=notify-reload). */
void notify_reloading(struct notify *n)
{
    char text[NOTIFY_SIZE / 2];
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reloading\n",
             (int64_t)now.tv_sec * CLOCK_US_PER_S + now.tv_nsec / 1000);
    tell(n, text);
}

void notify_stopping(struct notify *n)
{
    tell(n, "STOPPING=1\nSTATUS=stopping\n");
}

/* ---- the watchdog ---- */

static void on_alive(uv_timer_t *timer)
{
    struct notify *n = timer->data;

    (void)say(n, "WATCHDOG=1\n");
    handle_at(n->alive, on_alive, clock_mono_us() + n->alive_us);
}

/* Half of the time in which the manager wants to hear something; 0: it does not. */
static int64_t watchdog_us(void)
{
    const char *pid = getenv("WATCHDOG_PID"), *time = getenv("WATCHDOG_USEC");
    int64_t whose = getpid(), us = 0;

    if (pid != NULL && value_integer(pid, 1, INT32_MAX, &whose) != 0)
        whose = 0;
    if (time == NULL || whose != getpid() || value_integer(time, 2, NOTIFY_MAX_ALIVE, &us) != 0)
        us = 0;
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    return us / 2;
}

/* ---- life ---- */

static void open_socket(struct notify *n)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path != NULL ? strlen(path) : 0;

    if (len > 1 && len < sizeof n->to.sun_path && (path[0] == '/' || path[0] == '@')) {
        n->to.sun_family = AF_UNIX;
        memcpy(n->to.sun_path, path, len);
        if (path[0] == '@')
            n->to.sun_path[0] = '\0';
        n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    unsetenv("NOTIFY_SOCKET");
}

struct notify *notify_new(uv_loop_t *loop)
{
    struct notify *n = mem_alloc(sizeof *n);

    n->fd = -1;
    open_socket(n);
    n->alive_us = watchdog_us();
    n->again = handle_timer(loop, n);
    n->alive = handle_timer(loop, n);
    if (n->fd >= 0 && n->alive_us > 0)
        handle_at(n->alive, on_alive, clock_mono_us());
    return n;
}

void notify_free(struct notify *n)
{
    if (n == NULL)
        return;
    handle_close_timer(n->again);
    handle_close_timer(n->alive);
    if (n->fd >= 0)
        close(n->fd);
    free(n);
}
