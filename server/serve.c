/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the service. Up: signals, loops, runs, built-in mailboxes, HTTP, listeners. Meanwhile: another
 * config takes the place of the one in force, all of it or nothing, while all loops stand still. Down, on a
 * signal: no more connections, runs get a grace, every waiting request is answered and its answer sent, then
 * all is closed. A loop ends by itself when its last handle is gone, so whatever would keep it is a leak.
 */
#include "server/serve.h"

#include "probe/base/clock.h"
#include "server/agent.h"
#include "server/door.h"
#include "server/listen.h"
#include "server/mailboxes.h"
#include "server/notify.h"
#include "server/past.h"
#include "server/places.h"
#include "server/reload.h"
#include "server/room.h"
#include "server/signals.h"
#include "server/workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define SERVE_TIDY_US CLOCK_US_PER_S

struct serve {
    uv_loop_t *loop; /* the first worker's */
    struct signals *signals;
    struct log *log;
    struct snapshot *snapshot; /* in force: one reference */
    const struct snapshot_source *source;
    struct workers *workers;
    struct past *past;
    struct drains *drains;
    struct agent *agent;
    struct listen *listen;
    struct mailboxes *mailboxes;
    struct reload *reload;
    struct door *door;
    struct notify *notify;
    struct places places;
    struct room room;
    bool stopping;
    bool tidied; /* the jobs have stopped, and the mailboxes are tidy */
    bool http_drained;
    bool down;
    char error[LISTEN_ERROR_SIZE];
};

static struct jobs *first_jobs(const struct serve *s)
{
    return workers_first(s->workers)->jobs;
}

/* ---- down ---- */

/* Nobody is taken any more. */
static void stop_asking(struct serve *s)
{
    listen_free(s->listen);
    s->listen = NULL;
    agent_free(s->agent);
    s->agent = NULL;
}

/* Of the workers only the first one's loop and jobs are left. */
static void on_ended(void *context)
{
    struct serve *s = context;

    door_free(s->door);
    notify_free(s->notify);
    reload_free(s->reload);
    mailboxes_free(s->mailboxes); /* runs that are under way may be talking to them, and are stopped next */
    drains_free(s->drains);
    workers_end_first(s->workers);
    past_free(s->past);
    signals_free(s->signals);
    snapshot_unref(s->snapshot);
}

/* At the end, or of what did not start: then nobody was taken, and who waits in the queue of a socket that
 * was handed over waits for the next start. */
static void take_down(struct serve *s)
{
    s->stopping = true;
    s->down = true;
    stop_asking(s);
    workers_end(s->workers);
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

static void on_stop(void *context, const char *signal)
{
    struct serve *s = context;
    bool again = s->stopping;

    if (s->down)
        return;
    log_event(s->log, LOG_LEVEL_INFO, again ? "stopping at once" : "stopping", "signal", signal, NULL);
    if (!again)
        notify_stopping(s->notify);
    s->stopping = true;
    listen_take_last(s->listen);
    agent_take_last(s->agent);
    stop_asking(s);
    workers_stop(s->workers, again);
}

/* ---- another config ---- */

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

/* Null, or what would take a restart. */
static const char *needs_restart(const struct serve *s, const struct snapshot *snapshot)
{
    if (snapshot->workers != s->snapshot->workers && room_workers(snapshot) != s->room.wanted)
        return "server.workers: to change it takes a restart";
    return past_refuses(s->past, snapshot);
}

static void abandon(struct serve *s)
{
    listen_abandon(s->listen);
    agent_abandon(s->agent);
    mailboxes_abandon(s->mailboxes);
}

/* Null when nothing has changed but what is bound, else why not. */
static const char *prepare(struct serve *s, struct snapshot *snapshot, const struct snapshot_listen *places,
                           size_t count)
{
    const char *refusal = needs_restart(s, snapshot);

    if (refusal != NULL)
        return refusal;
    if (prepare_places(s, snapshot, places, count) != 0)
        return s->error;
    refusal = door_prepare(s->door, snapshot); /* the last that can refuse */
    if (refusal != NULL)
        abandon(s);
    return refusal;
}

/* What loops share, and what is theirs: all stand still, so no more than that. */
static void change_workers(struct serve *s, struct snapshot *snapshot)
{
    hold_begin(workers_seat(s->workers));
    door_commit(s->door);
    workers_reload(s->workers, snapshot, s->room.have.runs);
    drains_reload(s->drains, snapshot);
    workers_reload_rounds(s->workers, snapshot);
    hold_end(workers_seat(s->workers));
}

/* Who is in the queue of a place that goes has come as the old config has it. */
static void replace(struct serve *s, struct snapshot *snapshot, struct snapshot_listen *places, size_t count)
{
    struct snapshot *old = s->snapshot;

    listen_commit(s->listen);
    mailboxes_commit(s->mailboxes);
    room_share_again(&s->room, snapshot);
    change_workers(s, snapshot);
    s->snapshot = snapshot_ref(snapshot);
    agent_commit(s->agent, snapshot);
    past_reload(s->past, snapshot);
    places_replace(&s->places, places, count, door_https(s->door) != NULL);
    snapshot_unref(old);
}

static const char *apply(void *context, struct snapshot *snapshot)
{
    struct serve *s = context;
    const char *refusal = NULL;
    size_t count;

    if (s->stopping)
        return "ehlod is stopping";
    struct snapshot_listen *places = places_of(&s->places, snapshot, &count, &refusal);
    if (places == NULL)
        return refusal;
    refusal = prepare(s, snapshot, places, count);
    if (refusal == NULL)
        replace(s, snapshot, places, count);
    else
        free(places);
    return refusal;
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

    if (s->stopping)
        return;
    if (begins)
        notify_reloading(s->notify);
    else
        say_ready(s, good);
}

static void on_hangup(void *context)
{
    struct serve *s = context;

    if (!s->stopping && s->reload != NULL)
        reload_ask(s->reload, NULL, NULL);
}

/* ---- up ---- */

/* Newcomers wait in the kernel's queue until there is room, which the reserve sees to soon. */
static void take_connection(void *context, int fd, const struct address *peer)
{
    struct serve *s = context;
    struct usher *usher = workers_usher(s->workers);

    usher_take(usher, fd, peer, door_https(s->door));
    if (usher_is_full(usher))
        listen_hold(s->listen);
}

static void on_room(void *context)
{
    struct serve *s = context;

    listen_go(s->listen);
}

static void say_hello(const struct serve *s)
{
    char targets[24], workers[24];

    snprintf(targets, sizeof targets, "%zu", s->snapshot->target_count);
    snprintf(workers, sizeof workers, "%u", workers_count(s->workers));
    log_event(s->log, LOG_LEVEL_INFO, "ehlod started", "version", EHLOD_VERSION, "vantage",
              s->snapshot->server_name, "targets", targets, "workers", workers, NULL);
    places_tell(&s->places, s->snapshot, door_https(s->door) != NULL);
    say_ready(s, true);
}

static int start_mailboxes(struct serve *s)
{
    s->mailboxes = mailboxes_new(&(struct mailboxes_order){.loop = s->loop,
                                                           .log = s->log,
                                                           .snapshot = s->snapshot,
                                                           .jobs = first_jobs(s),
                                                           .max_sessions = s->room.have.sessions},
                                 s->error);
    if (s->mailboxes == NULL)
        log_event(s->log, LOG_LEVEL_ERROR, s->error, NULL);
    workers_set_mailboxes(s->workers, s->mailboxes);
    return s->mailboxes != NULL ? 0 : -1;
}

static int start_http(struct serve *s)
{
    struct workers_http http = {.connections = s->room.have.connections,
                                .reserve = s->room.have.reserve,
                                .secure = door_https(s->door) != NULL};
    struct listen_order listen = {
        .loop = s->loop,
        .log = s->log,
        .places = s->places.list,
        .count = s->places.count,
        .key = "server.listen",
        .take = take_connection,
        .context = s,
    };

    if (workers_open_http(s->workers, &http) != 0)
        return -1;
    s->listen = listen_new(&listen, s->error);
    if (s->listen == NULL)
        log_event(s->log, LOG_LEVEL_ERROR, s->error, NULL);
    return s->listen != NULL ? 0 : -1;
}

static int start_door(struct serve *s)
{
    s->door = door_new(s->loop, s->log, workers_seat(s->workers));
    workers_open_logins(s->workers, door_login(s->door));
    const char *refusal = door_prepare(s->door, s->snapshot);
    if (refusal == NULL) {
        door_commit(s->door);
        return 0;
    }
    log_event(s->log, LOG_LEVEL_ERROR, "cannot start", "cause", refusal, NULL);
    return -1;
}

/* The file that outlives a restart, and the jobs that go on from it. */
static int start_jobs(struct serve *s)
{
    struct jobs_order jobs = {.log = s->log, .snapshot = s->snapshot, .max_runs = s->room.have.runs};
    char error[HISTORY_ERROR_SIZE];

    s->past = past_open(s->snapshot, s->log, error);
    if (s->past != NULL) {
        jobs.key = *past_key(s->past);
        workers_open_jobs(s->workers, &jobs);
        s->drains = drains_new(s->loop, s->log, s->snapshot, first_jobs(s), workers_seat(s->workers));
        if (past_join(s->past, s->loop, first_jobs(s), s->drains, error) == 0)
            return 0;
    }
    log_event(s->log, LOG_LEVEL_ERROR, error, NULL);
    return -1;
}

static void on_drain(void *context, const char *target)
{
    struct serve *s = context;

    workers_again(s->workers, target);
}

/* The other way to ask, of balancers. */
static int start_agent(struct serve *s)
{
    s->agent = agent_new(&(struct agent_order){.loop = s->loop,
                                               .log = s->log,
                                               .snapshot = s->snapshot,
                                               .jobs = first_jobs(s),
                                               .drains = s->drains},
                         s->error);
    if (s->agent == NULL)
        log_event(s->log, LOG_LEVEL_ERROR, s->error, NULL);
    return s->agent != NULL ? 0 : -1;
}

/* What does something by itself comes last, when nothing but a thread can be missing. */
static int start_turning(struct serve *s)
{
    workers_open_rounds(s->workers, s->snapshot, s->drains);
    drains_set_told(s->drains, on_drain, s);
    return workers_go(s->workers);
}

static int start(struct serve *s)
{
    s->notify = notify_new(s->loop);
    if (start_door(s) != 0 || start_jobs(s) != 0)
        return -1;
    s->reload = reload_new(&(struct reload_order){.loop = s->loop,
                                                  .log = s->log,
                                                  .source = s->source,
                                                  .apply = apply,
                                                  .tell = tell_reload,
                                                  .context = s});
    workers_open_desks(
        s->workers,
        &(struct desk){.snapshot = s->snapshot, .drains = s->drains, .reload = s->reload, .past = s->past});
    if (start_mailboxes(s) != 0 || start_http(s) != 0 || start_agent(s) != 0)
        return -1;
    return start_turning(s);
}

static int run_loop(struct serve *s)
{
    int status = 0;

    s->workers = workers_new(&(struct workers_order){.count = s->room.workers,
                                                     .log = s->log,
                                                     .stopped = on_jobs_stopped,
                                                     .drained = on_http_drained,
                                                     .room = on_room,
                                                     .ended = on_ended,
                                                     .context = s});
    s->loop = &workers_first(s->workers)->loop;
    s->signals = signals_new(
        &(struct signals_order){.loop = s->loop, .stop = on_stop, .hangup = on_hangup, .context = s});
    if (s->signals == NULL)
        log_event(s->log, LOG_LEVEL_ERROR, "cannot start", "cause", "signals cannot be watched", NULL);
    if (s->signals != NULL && start(s) == 0) {
        say_hello(s);
    } else {
        take_down(s);
        status = 1;
    }
    worker_run(workers_first(s->workers));
    workers_free(s->workers);
    return status;
}

int serve_run(struct snapshot *snapshot, const struct snapshot_source *source, struct log *log)
{
    struct serve serve = {.log = log,
                          .snapshot = snapshot,
                          .source = source,
                          .places = {.log = log},
                          .room = {.log = log, .wanted = room_workers(snapshot)}};
    int status = 1;

    if (places_take(&serve.places, snapshot) == 0) {
        serve.room.inherited = serve.places.inherited.count;
        if (room_share(&serve.room, snapshot) == 0)
            status = run_loop(&serve);
        else
            snapshot_unref(serve.snapshot);
    } else {
        snapshot_unref(serve.snapshot);
    }
    places_clear(&serve.places);
    if (status == 0)
        log_event(log, LOG_LEVEL_INFO, "stopped", NULL);
    return status;
}
