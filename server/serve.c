/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the service. Up: signals, loop, runs, built-in mailboxes, HTTP, listeners. Meanwhile: another
 * config takes the place of the one in force, all of it or nothing. Down, on a signal: no more connections,
 * runs get a grace, every waiting request is answered and its answer sent, then all is closed. The loop ends
 * by itself when the last handle is gone, so whatever would keep it is a leak.
 */
#include "server/serve.h"

#include "probe/base/clock.h"
#include "probe/verify/receiver.h"
#include "server/agent.h"
#include "server/descriptors.h"
#include "server/desk.h"
#include "server/door.h"
#include "server/http.h"
#include "server/inherit.h"
#include "server/jobs.h"
#include "server/listen.h"
#include "server/mailboxes.h"
#include "server/notify.h"
#include "server/past.h"
#include "server/prometheus.h"
#include "server/reload.h"
#include "server/render/render.h"
#include "server/rounds.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* Requests that may wait or be answered at a time, and how many more that only health is answered to. */
#define SERVE_CONNECTIONS 4096
#define SERVE_RESERVE     16

/* How long runs may go on after the first signal, and how long answers may take after that. */
#define SERVE_GRACE_MS 5000
#define SERVE_DRAIN_MS 3000
#define SERVE_TIDY_US  CLOCK_US_PER_S
/* After the second: no grace, and answers must leave at once. */
#define SERVE_HURRY_MS 2000

enum serve_signal { SERVE_TERM, SERVE_INTERRUPT, SERVE_HANGUP, SERVE_SIGNALS };

struct serve {
    uv_loop_t loop;
    uv_signal_t signals[SERVE_SIGNALS];
    struct log *log;
    struct snapshot *snapshot; /* in force: one reference */
    const struct snapshot_source *source;
    struct desk desk;
    struct past *past;
    struct jobs *jobs;
    struct drains *drains;
    struct rounds *rounds;
    struct agent *agent;
    struct http *http;
    struct listen *listen;
    struct mailboxes *mailboxes;
    struct reload *reload;
    struct door *door;
    struct notify *notify;
    struct inherit inherited;
    struct snapshot_listen *places; /* that are listened at */
    size_t place_count;
    size_t descriptors; /* the limit */
    struct descriptors_have have;
    bool tidied; /* the jobs have stopped, and the mailboxes are tidy */
    bool http_drained;
    bool down;
    char error[LISTEN_ERROR_SIZE];
};

/* ---- down ---- */

static const int hangup[] = {SIGHUP};
static const int all_of_ours[] = {SIGTERM, SIGINT, SIGHUP};

static void mask_signals(int how, const int *numbers, size_t count)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, numbers[i]);
    int masked = pthread_sigmask(how, &set, NULL);
    assert(masked == 0);
}

/* Nobody comes any more, and nothing runs by itself. */
static void stop_asking(struct serve *s)
{
    listen_free(s->listen);
    s->listen = NULL;
    agent_free(s->agent);
    s->agent = NULL;
    rounds_free(s->rounds);
    s->rounds = NULL;
}

static void take_down(struct serve *s)
{
    s->down = true;
    stop_asking(s);
    http_free(s->http);
    shown_free(s->desk.shown);
    metrics_apart_free(s->desk.apart);
    door_free(s->door);
    notify_free(s->notify);
    reload_free(s->reload);
    mailboxes_free(s->mailboxes); /* runs that are under way may be talking to them, and are stopped next */
    lag_free(s->desk.lag);
    drains_free(s->drains);
    jobs_free(s->jobs);
    past_free(s->past);
    /* One more that comes from here on changes nothing any more, and must not kill. */
    mask_signals(SIG_BLOCK, all_of_ours, sizeof all_of_ours / sizeof all_of_ours[0]);
    for (size_t i = 0; i < SERVE_SIGNALS; i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    snapshot_unref(s->snapshot);
}

static void take_down_when_over(struct serve *s)
{
    if (s->tidied && s->http_drained && !s->down)
        take_down(s);
}

static void on_mailboxes_tidied(void *context)
{
    struct serve *s = context;

    s->tidied = true;
    take_down_when_over(s);
}

/* What was seen in the last moment is removed still. */
static void on_jobs_stopped(void *context)
{
    struct serve *s = context;

    mailboxes_tidy(s->mailboxes, SERVE_TIDY_US, on_mailboxes_tidied, s);
}

static void on_http_drained(void *context)
{
    struct serve *s = context;

    s->http_drained = true;
    take_down_when_over(s);
}

static void on_stop(uv_signal_t *signal, int number)
{
    struct serve *s = signal->data;
    bool again = s->desk.stopping;

    if (s->down)
        return;
    log_event(s->log, LOG_LEVEL_INFO, again ? "stopping at once" : "stopping", "signal",
              number == SIGTERM ? "SIGTERM" : "SIGINT", NULL);
    if (!again)
        notify_stopping(s->notify);
    s->desk.stopping = true;
    stop_asking(s);
    jobs_stop(s->jobs, again ? 0 : SERVE_GRACE_MS, on_jobs_stopped, s);
    http_drain(s->http, again ? SERVE_HURRY_MS : SERVE_GRACE_MS + SERVE_DRAIN_MS, on_http_drained, s);
}

/* ---- descriptors ---- */

static struct descriptors_want want_of(const struct serve *s, const struct snapshot *snapshot,
                                       const struct descriptors_have *have)
{
    return (struct descriptors_want){
        .places = 2 * s->inherited.count + snapshot->listen_count + snapshot->agent_listen_count +
                  snapshot->sink_count,
        .receivers = snapshot->sink_count,
        .stores = snapshot->store_count,
        .files = (snapshot->history_path != NULL ? HISTORY_DESCRIPTORS : 0u) +
                 (snapshot->agent_listen_count > 0 ? AGENT_CONNECTIONS : 0u),
        .connections = have->connections,
        .reserve = have->reserve,
        .runs = snapshot->max_runs,
        .sessions = have->sessions,
    };
}

static void say_short(const struct serve *s, const struct descriptors_want *want,
                      const struct descriptors_have *have)
{
    char limit[24], wanted[24], connections[24], runs[24];

    snprintf(limit, sizeof limit, "%zu", s->descriptors);
    snprintf(wanted, sizeof wanted, "%zu", descriptors_sum(want));
    snprintf(connections, sizeof connections, "%u of %u", have->connections, want->connections);
    snprintf(runs, sizeof runs, "%u of %u", have->runs, want->runs);
    log_event(s->log, LOG_LEVEL_WARN, "the limit of open files is low, so less is done at a time", "limit",
              limit, "wanted", wanted, "connections", connections, "max_runs", runs, NULL);
}

static int share_descriptors(struct serve *s)
{
    const struct descriptors_have whole = {
        .connections = SERVE_CONNECTIONS, .reserve = SERVE_RESERVE, .sessions = RECEIVER_MAX_SESSIONS};
    struct descriptors_want want = want_of(s, s->snapshot, &whole);
    char least[24];

    s->descriptors = descriptors_raise();
    s->have = descriptors_share(s->descriptors, &want);
    if (s->descriptors >= descriptors_least(&want)) {
        if (descriptors_sum(&want) > s->descriptors)
            say_short(s, &want, &s->have);
        return 0;
    }
    snprintf(least, sizeof least, "%zu", descriptors_least(&want));
    log_event(s->log, LOG_LEVEL_ERROR, "cannot start: the limit of open files is too low", "at_least", least,
              NULL);
    return -1;
}

/* What is left for the runs of another config: connections and sessions stay as they are. */
static void share_again(struct serve *s, const struct snapshot *snapshot)
{
    struct descriptors_want want = want_of(s, snapshot, &s->have);

    s->have.runs = descriptors_runs(s->descriptors, &want);
    if (s->have.runs < want.runs)
        say_short(s, &want, &s->have);
}

/* ---- another config ---- */

#define NONE_INHERITED "server.listen says systemd, but no socket was handed over (LISTEN_FDS)"

static bool is_listed(const struct serve *s, const struct snapshot_listen *place)
{
    for (size_t i = 0; i < s->place_count; i++)
        if (listen_is_same(&s->places[i], place))
            return true;
    return false;
}

static const char *scheme_of(const struct serve *s)
{
    return door_https(s->door) != NULL ? "https://" : "http://";
}

static void say_listening(const struct serve *s, const struct snapshot_listen *place)
{
    char text[LISTEN_NAME_SIZE + 32];
    char name[LISTEN_NAME_SIZE];

    listen_name(place, name);
    snprintf(text, sizeof text, "listening on %s%s", place->path == NULL ? scheme_of(s) : "", name);
    log_event(s->log, LOG_LEVEL_INFO, text, NULL);
}

static void take_places(struct serve *s, struct snapshot_listen *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_listed(s, &places[i]))
            say_listening(s, &places[i]);
    free(s->places);
    s->places = places;
    s->place_count = count;
}

/* Binds what is new of the one, and then of the others. */
static int prepare_places(struct serve *s, struct snapshot *snapshot, const struct snapshot_listen *places,
                          size_t count)
{
    if (listen_prepare(s->listen, places, count, s->error) != 0)
        return -1;
    if (agent_prepare(s->agent, snapshot, s->error) != 0) {
        listen_abandon(s->listen);
        return -1;
    }
    if (mailboxes_prepare(s->mailboxes, snapshot, s->error) != 0) {
        listen_abandon(s->listen);
        agent_abandon(s->agent);
        return -1;
    }
    return 0;
}

/* Null when nothing has changed but what is bound, else why not. */
static const char *prepare(struct serve *s, struct snapshot *snapshot, const struct snapshot_listen *places,
                           size_t count)
{
    if (past_refuses(s->past, snapshot) != NULL)
        return past_refuses(s->past, snapshot);
    if (prepare_places(s, snapshot, places, count) != 0)
        return s->error;
    const char *refusal = door_set(s->door, snapshot); /* the last that can refuse */
    if (refusal != NULL) {
        listen_abandon(s->listen);
        agent_abandon(s->agent);
        mailboxes_abandon(s->mailboxes);
    }
    return refusal;
}

static const char *apply(void *context, struct snapshot *snapshot)
{
    struct serve *s = context;
    struct snapshot *old = s->snapshot;
    size_t count;

    if (s->desk.stopping)
        return "ehlod is stopping";
    struct snapshot_listen *places = inherit_places(&s->inherited, snapshot, &count);
    const char *refusal = places != NULL ? prepare(s, snapshot, places, count) : NONE_INHERITED;
    if (refusal != NULL) {
        free(places);
        return refusal;
    }
    listen_commit(s->listen);
    mailboxes_commit(s->mailboxes);
    take_places(s, places, count);
    share_again(s, snapshot);
    jobs_reload(s->jobs, snapshot, s->have.runs);
    drains_reload(s->drains, snapshot);
    rounds_reload(s->rounds, snapshot);
    agent_commit(s->agent, snapshot);
    past_reload(s->past, snapshot);
    s->snapshot = snapshot_ref(snapshot);
    s->desk.snapshot = snapshot;
    snapshot_unref(old);
    return NULL;
}

static void say_ready(const struct serve *s, bool good)
{
    char status[96];

    snprintf(status, sizeof status, "%zu %s%s", s->snapshot->target_count,
             s->snapshot->target_count == 1 ? "target" : "targets",
             good ? "" : "; the last reload failed, the old configuration stands");
    notify_ready(s->notify, status);
}

static void tell_reload(void *context, bool begins, bool good)
{
    struct serve *s = context;

    if (s->desk.stopping)
        return;
    if (begins)
        notify_reloading(s->notify);
    else
        say_ready(s, good);
}

static void on_hangup(uv_signal_t *signal, int number)
{
    struct serve *s = signal->data;

    (void)number;
    if (!s->desk.stopping && s->reload != NULL)
        reload_ask(s->reload, NULL, NULL);
}

/* ---- up ---- */

/* Newcomers wait in the kernel's queue until there is room, which the reserve sees to soon. */
static void take_connection(void *context, int fd, const struct address *peer)
{
    struct serve *s = context;

    http_take(s->http, fd, peer, door_https(s->door));
    if (http_is_full(s->http))
        listen_hold(s->listen);
}

static void on_room(void *context)
{
    struct serve *s = context;

    listen_go(s->listen);
}

/* How to try it from here; a wildcard is reached by loopback. */
static void say_example(const struct serve *s, const struct snapshot_listen *place, const char *target)
{
    char text[2 * LISTEN_NAME_SIZE + 256];
    char name[LISTEN_NAME_SIZE];
    struct snapshot_listen near = *place;

    if (place->path != NULL) {
        snprintf(text, sizeof text, "try: curl -s --unix-socket %s %slocalhost/check/%s", place->path,
                 scheme_of(s), target);
    } else {
        if (address_is_wildcard(&place->address))
            address_parse(address_family(&place->address) == AF_INET6 ? "::1" : "127.0.0.1",
                          address_port(&place->address), &near.address);
        listen_name(&near, name);
        snprintf(text, sizeof text, "try: curl -s %s%s/check/%s", scheme_of(s), name, target);
    }
    log_event(s->log, LOG_LEVEL_INFO, text, NULL);
}

static void say_hello(const struct serve *s)
{
    char count[24];

    snprintf(count, sizeof count, "%zu", s->snapshot->target_count);
    log_event(s->log, LOG_LEVEL_INFO, "ehlod started", "version", EHLOD_VERSION, "vantage",
              s->snapshot->server_name, "targets", count, NULL);
    for (size_t i = 0; i < s->place_count; i++)
        say_listening(s, &s->places[i]);
    if (s->snapshot->target_count > 0)
        say_example(s, &s->places[0], s->snapshot->targets[0].name);
    say_ready(s, true);
}

static int start_mailboxes(struct serve *s)
{
    s->mailboxes = mailboxes_new(&(struct mailboxes_order){.loop = &s->loop,
                                                           .log = s->log,
                                                           .snapshot = s->snapshot,
                                                           .jobs = s->jobs,
                                                           .max_sessions = s->have.sessions},
                                 s->error);
    if (s->mailboxes == NULL)
        log_event(s->log, LOG_LEVEL_ERROR, s->error, NULL);
    s->desk.mailboxes = s->mailboxes;
    return s->mailboxes != NULL ? 0 : -1;
}

static int start_http(struct serve *s)
{
    struct http_order http = {
        .loop = &s->loop,
        .secure = door_https(s->door) != NULL,
        .log = s->log,
        .max_connections = s->have.connections,
        .reserve = s->have.reserve,
        .handle = desk_handle,
        .gone = desk_gone,
        .context = &s->desk,
        .room = on_room,
        .room_context = s,
    };
    struct listen_order listen = {
        .loop = &s->loop,
        .log = s->log,
        .places = s->places,
        .count = s->place_count,
        .key = "server.listen",
        .take = take_connection,
        .context = s,
    };

    s->http = http_new(&http);
    if (s->http == NULL) {
        log_event(s->log, LOG_LEVEL_ERROR, "cannot start: libmicrohttpd refuses", NULL);
        return -1;
    }
    s->listen = listen_new(&listen, s->error);
    if (s->listen == NULL)
        log_event(s->log, LOG_LEVEL_ERROR, s->error, NULL);
    return s->listen != NULL ? 0 : -1;
}

static int start_door(struct serve *s)
{
    s->door = door_new(&s->loop, s->log);
    const char *refusal = door_set(s->door, s->snapshot);
    if (refusal != NULL)
        log_event(s->log, LOG_LEVEL_ERROR, "cannot start", "cause", refusal, NULL);
    return refusal == NULL ? 0 : -1;
}

/* The file that outlives a restart, and the jobs that go on from it. */
static int start_jobs(struct serve *s)
{
    struct jobs_order jobs = {
        .loop = &s->loop, .log = s->log, .snapshot = s->snapshot, .max_runs = s->have.runs};
    char error[HISTORY_ERROR_SIZE];

    s->past = past_open(s->snapshot, s->log, error);
    if (s->past != NULL) {
        jobs.key = *past_key(s->past);
        s->jobs = jobs_new(&jobs);
        s->drains = drains_new(&s->loop, s->log, s->snapshot, s->jobs);
        if (past_join(s->past, &s->loop, s->jobs, s->drains, error) == 0)
            return 0;
    }
    log_event(s->log, LOG_LEVEL_ERROR, error, NULL);
    return -1;
}

static void on_drain(void *context, const char *target)
{
    struct serve *s = context;

    rounds_again(s->rounds, target);
}

/* What balancers are for: targets that run by themselves, and the other way to ask. */
static int start_balance(struct serve *s)
{
    s->rounds = rounds_new(&(struct rounds_order){
        .loop = &s->loop, .snapshot = s->snapshot, .jobs = s->jobs, .drains = s->drains});
    drains_set_told(s->drains, on_drain, s);
    s->agent = agent_new(
        &(struct agent_order){
            .loop = &s->loop, .log = s->log, .snapshot = s->snapshot, .jobs = s->jobs, .drains = s->drains},
        s->error);
    if (s->agent == NULL)
        log_event(s->log, LOG_LEVEL_ERROR, s->error, NULL);
    return s->agent != NULL ? 0 : -1;
}

static int start(struct serve *s)
{
    s->notify = notify_new(&s->loop);
    if (start_door(s) != 0 || start_jobs(s) != 0)
        return -1;
    s->reload = reload_new(&(struct reload_order){.loop = &s->loop,
                                                  .log = s->log,
                                                  .source = s->source,
                                                  .apply = apply,
                                                  .tell = tell_reload,
                                                  .context = s});
    s->desk = (struct desk){.snapshot = s->snapshot,
                            .jobs = s->jobs,
                            .drains = s->drains,
                            .reload = s->reload,
                            .login = door_login(s->door),
                            .shown = shown_new(),
                            .apart = metrics_apart_new(&s->loop, prometheus_gather, &s->desk),
                            .past = s->past,
                            .lag = lag_new(&s->loop)};
    return start_mailboxes(s) == 0 && start_http(s) == 0 ? start_balance(s) : -1;
}

/* ---- signals ---- */

void serve_hold_hangup(void)
{
    mask_signals(SIG_BLOCK, hangup, 1);
}

static void watch_signals(struct serve *s)
{
    static const struct {
        int number;
        uv_signal_cb call;
    } watches[SERVE_SIGNALS] = {
        [SERVE_TERM] = {SIGTERM, on_stop},
        [SERVE_INTERRUPT] = {SIGINT, on_stop},
        [SERVE_HANGUP] = {SIGHUP, on_hangup},
    };

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < SERVE_SIGNALS; i++) {
        uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        uv_signal_start(&s->signals[i], watches[i].call, watches[i].number);
    }
    mask_signals(SIG_UNBLOCK, hangup, 1);
}

static int run_loop(struct serve *s)
{
    int made = uv_loop_init(&s->loop);
    int status = 0;

    assert(made == 0);
    watch_signals(s);
    if (start(s) == 0) {
        say_hello(s);
    } else {
        take_down(s);
        status = 1;
    }
    uv_run(&s->loop, UV_RUN_DEFAULT);
    int closed = uv_loop_close(&s->loop);
    assert(closed == 0);
    return status;
}

/* What was handed over is taken before anything else is opened. */
static int take_inherited(struct serve *s)
{
    char error[INHERIT_ERROR_SIZE];

    if (inherit_take(&s->inherited, error) != 0) {
        log_event(s->log, LOG_LEVEL_ERROR, "cannot start", "cause", error, NULL);
        return -1;
    }
    s->places = inherit_places(&s->inherited, s->snapshot, &s->place_count);
    if (s->places == NULL) {
        log_event(s->log, LOG_LEVEL_ERROR, "cannot start", "cause", NONE_INHERITED, NULL);
        return -1;
    }
    if (s->inherited.count > 0 && !is_listed(s, &s->inherited.places[0]))
        log_event(s->log, LOG_LEVEL_WARN,
                  "sockets were handed over that nobody listens at: server.listen does not say systemd",
                  NULL);
    return 0;
}

int serve_run(struct snapshot *snapshot, const struct snapshot_source *source, struct log *log)
{
    struct serve serve = {.log = log, .snapshot = snapshot, .source = source};
    int status = 1;

    if (take_inherited(&serve) == 0 && share_descriptors(&serve) == 0)
        status = run_loop(&serve);
    else
        snapshot_unref(serve.snapshot);
    free(serve.places);
    inherit_clear(&serve.inherited);
    if (status == 0)
        log_event(log, LOG_LEVEL_INFO, "stopped", NULL);
    return status;
}
