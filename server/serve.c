/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the service. Up: limits, loop, runs, built-in mailboxes, HTTP, listeners. Down, on a signal:
 * no more connections, runs get a grace, every waiting request is answered and its answer sent, then all is
 * closed. The loop ends by itself when the last handle is gone, so whatever would keep it is a leak.
 */
#include "server/serve.h"

#include "server/desk.h"
#include "server/http.h"
#include "server/jobs.h"
#include "server/listen.h"
#include "server/receivers.h"
#include "server/render/render.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

/* Requests that may wait or be answered at a time; fewer where the system allows fewer descriptors, since
 * each may need another for its run. */
#define SERVE_CONNECTIONS 4096

/* How long runs may go on after the first signal, and how long answers may take after that. */
#define SERVE_GRACE_MS 5000
#define SERVE_DRAIN_MS 3000
/* After the second: no grace, and answers must leave at once. */
#define SERVE_HURRY_MS 2000

struct serve {
    uv_loop_t loop;
    uv_signal_t term;
    uv_signal_t interrupt;
    struct log *log;
    struct snapshot *snapshot;
    struct desk desk;
    struct jobs *jobs;
    struct http *http;
    struct listen *listen;
    struct receivers *receivers;
    bool jobs_stopped;
    bool http_drained;
    bool down;
};

/* ---- down ---- */

static void take_down(struct serve *s)
{
    s->down = true;
    listen_free(s->listen);
    http_free(s->http);
    jobs_free(s->jobs);
    receivers_free(s->receivers); /* last: runs that were under way may have been talking to them */
    uv_close((uv_handle_t *)&s->term, NULL);
    uv_close((uv_handle_t *)&s->interrupt, NULL);
}

static void take_down_when_over(struct serve *s)
{
    if (s->jobs_stopped && s->http_drained && !s->down)
        take_down(s);
}

static void on_jobs_stopped(void *context)
{
    struct serve *s = context;

    s->jobs_stopped = true;
    take_down_when_over(s);
}

static void on_http_drained(void *context)
{
    struct serve *s = context;

    s->http_drained = true;
    take_down_when_over(s);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct serve *s = signal->data;
    bool again = s->desk.stopping;

    if (s->down)
        return;
    log_event(s->log, LOG_LEVEL_INFO, again ? "stopping at once" : "stopping", "signal",
              number == SIGTERM ? "SIGTERM" : "SIGINT", NULL);
    s->desk.stopping = true;
    listen_free(s->listen);
    s->listen = NULL;
    jobs_stop(s->jobs, again ? 0 : SERVE_GRACE_MS, on_jobs_stopped, s);
    http_drain(s->http, again ? SERVE_HURRY_MS : SERVE_GRACE_MS + SERVE_DRAIN_MS, on_http_drained, s);
}

/* ---- up ---- */

/* As many descriptors as the system lets us have; how many that are. */
static rlim_t raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return SERVE_CONNECTIONS;
    rlim_t was = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : was;
}

static unsigned connection_limit(struct log *log)
{
    rlim_t half = raise_descriptors() / 2;
    char number[24];

    if (half >= SERVE_CONNECTIONS)
        return SERVE_CONNECTIONS;
    snprintf(number, sizeof number, "%u", (unsigned)half);
    log_event(log, LOG_LEVEL_WARN, "the limit of open files is low, so fewer connections are served",
              "connections", number, NULL);
    return half > 0 ? (unsigned)half : 1;
}

static void take_connection(void *context, int fd, const struct address *peer)
{
    struct serve *s = context;

    http_take(s->http, fd, peer);
}

/* Where to try it from here: a wildcard is reached by loopback. */
static void name_for_trying(const struct address *address, char name_r[RENDER_HOST_SIZE])
{
    struct address near = *address;

    if (address_is_wildcard(address))
        address_parse(address_family(address) == AF_INET6 ? "::1" : "127.0.0.1", address_port(address),
                      &near);
    render_address(&near, name_r);
}

static void say_hello(const struct serve *s)
{
    char text[RENDER_HOST_SIZE + 1024];
    char name[RENDER_HOST_SIZE];
    char count[24];

    snprintf(count, sizeof count, "%zu", s->snapshot->target_count);
    log_event(s->log, LOG_LEVEL_INFO, "ehlod started", "version", EHLOD_VERSION, "vantage",
              s->snapshot->server_name, "targets", count, NULL);
    for (size_t i = 0; i < s->snapshot->listen_count; i++) {
        render_address(&s->snapshot->listen[i], name);
        snprintf(text, sizeof text, "listening on http://%s", name);
        log_event(s->log, LOG_LEVEL_INFO, text, NULL);
    }
    if (s->snapshot->target_count == 0)
        return;
    name_for_trying(&s->snapshot->listen[0], name);
    snprintf(text, sizeof text, "try: curl -s http://%s/check/%s", name, s->snapshot->targets[0].name);
    log_event(s->log, LOG_LEVEL_INFO, text, NULL);
}

static void watch_signal(struct serve *s, uv_signal_t *watch, int number)
{
    uv_signal_init(&s->loop, watch);
    watch->data = s;
    uv_signal_start(watch, on_signal, number);
}

static int start_http(struct serve *s)
{
    char error[LISTEN_ERROR_SIZE];
    struct http_order http = {
        .loop = &s->loop,
        .log = s->log,
        .max_connections = connection_limit(s->log),
        .handle = desk_handle,
        .gone = desk_gone,
        .context = &s->desk,
    };
    struct listen_order listen = {
        .loop = &s->loop,
        .log = s->log,
        .addresses = s->snapshot->listen,
        .count = s->snapshot->listen_count,
        .key = "server.listen",
        .take = take_connection,
        .context = s,
    };

    s->http = http_new(&http);
    if (s->http == NULL) {
        log_event(s->log, LOG_LEVEL_ERROR, "cannot start: libmicrohttpd refuses", NULL);
        return -1;
    }
    s->listen = listen_new(&listen, error);
    if (s->listen == NULL) {
        log_event(s->log, LOG_LEVEL_ERROR, error, NULL);
        return -1;
    }
    return 0;
}

static int start_receivers(struct serve *s)
{
    char error[LISTEN_ERROR_SIZE];

    s->receivers = receivers_new(
        &(struct receivers_order){.loop = &s->loop, .log = s->log, .snapshot = s->snapshot}, error);
    if (s->receivers == NULL)
        log_event(s->log, LOG_LEVEL_ERROR, error, NULL);
    return s->receivers != NULL ? 0 : -1;
}

static int start(struct serve *s)
{
    watch_signal(s, &s->term, SIGTERM);
    watch_signal(s, &s->interrupt, SIGINT);
    s->jobs = jobs_new(&(struct jobs_order){.loop = &s->loop, .log = s->log, .snapshot = s->snapshot});
    s->desk = (struct desk){.snapshot = s->snapshot, .jobs = s->jobs};
    return start_receivers(s) == 0 ? start_http(s) : -1;
}

int serve_run(struct snapshot *snapshot, struct log *log)
{
    struct serve serve = {.log = log, .snapshot = snapshot};
    int made = uv_loop_init(&serve.loop);
    int status = 0;

    assert(made == 0);
    signal(SIGPIPE, SIG_IGN);
    if (start(&serve) == 0) {
        say_hello(&serve);
    } else {
        take_down(&serve);
        status = 1;
    }
    uv_run(&serve.loop, UV_RUN_DEFAULT);
    int closed = uv_loop_close(&serve.loop);
    assert(closed == 0);
    if (status == 0)
        log_event(log, LOG_LEVEL_INFO, "stopped", NULL);
    return status;
}
