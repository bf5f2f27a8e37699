/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers are few and made once. What one of them tells comes as a note to the first, which counts: the
 * next step is taken when all are through with the last. Signals are for the main thread alone.
 */
#include "server/workers.h"

#include "probe/base/mem.h"
#include "probe/run.h"
#include "server/login.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* How long runs may go on after the first signal, and how long answers may take after that. */
#define STOP_GRACE_MS 5000
#define STOP_DRAIN_MS 3000
/* After the second: no grace, and answers must leave at once. */
#define STOP_HURRY_MS 2000

struct workers {
    struct workers_order order;
    struct worker *list;
    struct hold *hold; /* null: there is but one, and so are the next three */
    struct jobs_crew *crew;
    struct run_gates *gates;
    struct metrics_apart_turn *turn;
    struct usher *usher;
    unsigned told[WORKER_NEWS];
    bool hurried;
};

static bool are_several(const struct workers *ws)
{
    return ws->order.count > 1;
}

struct worker *workers_first(struct workers *ws)
{
    return &ws->list[0];
}

unsigned workers_count(const struct workers *ws)
{
    return ws->order.count;
}

static void join(struct workers *ws, unsigned i)
{
    hold_join(ws->hold, &ws->list[i].seat, ws->list[i].post);
}

struct workers *workers_new(const struct workers_order *order)
{
    struct workers *ws = mem_alloc(sizeof *ws);

    ws->order = *order;
    ws->list = mem_alloc(order->count * sizeof *ws->list);
    for (unsigned i = 0; i < order->count; i++)
        worker_init(&ws->list[i], ws, i);
    if (!are_several(ws))
        return ws;
    ws->crew = jobs_crew_new(order->count);
    ws->hold = hold_new();
    ws->turn = metrics_apart_turn_new();
    join(ws, 0);
    return ws;
}

void workers_free(struct workers *ws)
{
    run_gates_free(ws->gates);
    jobs_crew_free(ws->crew);
    hold_free(ws->hold);
    metrics_apart_turn_free(ws->turn);
    usher_free(ws->usher);
    free(ws->list);
    free(ws);
}

/* ---- news ---- */

static void on_stopped(void *context);
static void on_drained(void *context);
static void on_empty(void *context);

/* May be told twice of the same: a second signal asks for it again. */
void worker_tell(struct worker *w, enum worker_news what)
{
    static post_called *const calls[WORKER_NEWS] = {
        [WORKER_JOBS_STOPPED] = on_stopped, [WORKER_HTTP_DRAINED] = on_drained, [WORKER_EMPTY] = on_empty};

    if (w->told[what])
        return;
    w->told[what] = true;
    w->news[what] = (struct post_note){.called = calls[what], .context = w};
    post_send(workers_first(w->all)->post, &w->news[what]);
}

/* Whether that was the last. */
static bool count_news(struct worker *w, enum worker_news what)
{
    return ++w->all->told[what] == w->all->order.count;
}

static void on_stopped(void *context)
{
    struct worker *w = context;

    if (count_news(w, WORKER_JOBS_STOPPED))
        w->all->order.stopped(w->all->order.context);
}

static void on_drained(void *context)
{
    struct worker *w = context;

    if (count_news(w, WORKER_HTTP_DRAINED))
        w->all->order.drained(w->all->order.context);
}

/* ---- up ---- */

void workers_open_logins(struct workers *ws, struct login *first)
{
    ws->list[0].login = first;
    for (unsigned i = 1; i < ws->order.count; i++) {
        struct worker *w = &ws->list[i];
        w->login = login_beside(first, &w->loop, &w->away, ws->list[0].post);
    }
}

void workers_open_jobs(struct workers *ws, const struct jobs_order *order)
{
    struct jobs_order one = *order;

    if (are_several(ws))
        ws->gates = jobs_gates_new(order);
    one.crew = ws->crew;
    one.gates = ws->gates;
    for (unsigned i = 0; i < ws->order.count; i++) {
        one.loop = &ws->list[i].loop;
        one.index = i;
        one.away = &ws->list[i].away;
        ws->list[i].jobs = jobs_new(&one);
    }
}

void workers_open_desks(struct workers *ws, const struct desk *common)
{
    struct desk one = *common;
    struct lag *beside = NULL;

    /* Each knows those before it, so the last, which is the first worker's, is the one to ask. */
    for (unsigned i = ws->order.count; i-- > 0;) {
        struct worker *w = &ws->list[i];
        one.seat = are_several(ws) ? &w->seat : NULL;
        one.away = &w->away;
        one.first_post = i > 0 ? ws->list[0].post : NULL;
        worker_open_desk(w, &one, beside, ws->turn);
        beside = w->lag;
    }
    for (unsigned i = 0; i < ws->order.count; i++)
        ws->list[i].desk.lag = beside;
}

static void on_left(void *context)
{
    struct worker *w = context;

    usher_left(w->all->usher, w);
}

int workers_open_http(struct workers *ws, const struct workers_http *order)
{
    struct http_order http = {
        .secure = order->secure,
        .log = ws->order.log,
        .max_connections = order->connections / ws->order.count,
        .reserve = order->reserve / ws->order.count,
        .handle = desk_handle,
        .gone = desk_gone,
        .left = on_left,
    };

    ws->usher = usher_new(&(struct usher_order){.list = ws->list,
                                                .count = ws->order.count,
                                                .most = http.max_connections + http.reserve,
                                                .room = ws->order.room,
                                                .context = ws->order.context});
    for (unsigned i = 0; i < ws->order.count; i++) {
        struct worker *w = &ws->list[i];
        http.loop = &w->loop;
        http.context = &w->desk;
        http.left_context = w;
        w->http = http_new(&http);
        if (w->http != NULL)
            continue;
        log_event(ws->order.log, LOG_LEVEL_ERROR, "cannot start: libmicrohttpd refuses", NULL);
        return -1;
    }
    return 0;
}

void workers_open_rounds(struct workers *ws, struct snapshot *snapshot, struct drains *drains)
{
    for (unsigned i = 0; i < ws->order.count; i++)
        ws->list[i].rounds = rounds_new(&(struct rounds_order){
            .loop = &ws->list[i].loop, .snapshot = snapshot, .jobs = ws->list[i].jobs, .drains = drains});
}

static void on_thread(void *context)
{
    worker_run(context);
}

/* Signals are for the first one's thread, but for those that tell a thread of a fault of its own. */
static void fill_with_others(sigset_t *set)
{
    static const int own[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

    sigfillset(set);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        sigdelset(set, own[i]);
}

/* All seats first: nobody joins while another holds. Who has no thread leaves, as nobody is to wait for it.
 */
int workers_go(struct workers *ws)
{
    sigset_t others, before;
    int failed = 0;

    for (unsigned i = 1; i < ws->order.count; i++)
        join(ws, i);
    fill_with_others(&others);
    pthread_sigmask(SIG_BLOCK, &others, &before);
    for (unsigned i = 1; i < ws->order.count && !failed; i++) {
        failed = uv_thread_create(&ws->list[i].thread, on_thread, &ws->list[i]);
        ws->list[i].has_thread = !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        return 0;
    log_event(ws->order.log, LOG_LEVEL_ERROR, "cannot start: the system gives no thread", "cause",
              uv_strerror(failed), NULL);
    for (unsigned i = 1; i < ws->order.count; i++)
        if (!ws->list[i].has_thread)
            hold_leave(&ws->list[i].seat);
    return -1;
}

/* ---- meanwhile ---- */

struct hold_seat *workers_seat(struct workers *ws)
{
    return are_several(ws) ? &ws->list[0].seat : NULL;
}

void workers_reload(struct workers *ws, struct snapshot *snapshot, unsigned max_runs)
{
    for (unsigned i = 0; i < ws->order.count; i++) {
        struct worker *w = &ws->list[i];
        jobs_reload(w->jobs, snapshot, max_runs);
        w->desk.snapshot = snapshot;
    }
}

void workers_reload_rounds(struct workers *ws, struct snapshot *snapshot)
{
    for (unsigned i = 0; i < ws->order.count; i++)
        rounds_reload(ws->list[i].rounds, snapshot);
}

void workers_again(struct workers *ws, const char *target)
{
    for (unsigned i = 0; i < ws->order.count; i++)
        rounds_again(ws->list[i].rounds, target);
}

struct usher *workers_usher(struct workers *ws)
{
    return ws->usher;
}

void workers_set_mailboxes(struct workers *ws, struct mailboxes *mailboxes)
{
    for (unsigned i = 0; i < ws->order.count; i++)
        ws->list[i].desk.mailboxes = mailboxes;
}

/* ---- down ---- */

static void on_stop(void *context)
{
    worker_stop(context, STOP_GRACE_MS, STOP_GRACE_MS + STOP_DRAIN_MS);
}

static void on_hurry(void *context)
{
    worker_stop(context, 0, STOP_HURRY_MS);
}

void workers_stop(struct workers *ws, bool hurry)
{
    if (ws->hurried)
        return;
    ws->hurried = hurry;
    for (unsigned i = 0; i < ws->order.count; i++) {
        struct worker *w = &ws->list[i];
        struct post_note *note = hurry ? &w->hurry : &w->stop;
        *note = (struct post_note){.called = hurry ? on_hurry : on_stop, .context = w};
        post_send(w->post, note);
    }
}

static void on_empty_out(void *context)
{
    worker_empty(context);
}

void workers_end(struct workers *ws)
{
    for (unsigned i = 0; i < ws->order.count; i++) {
        struct worker *w = &ws->list[i];
        w->empty_out = (struct post_note){.called = on_empty_out, .context = w};
        if (w->has_thread || i == 0)
            post_send(w->post, &w->empty_out);
        else
            worker_empty(w);
    }
}

static void on_end(void *context)
{
    worker_end(context);
}

/* Nothing is under way between them any more: the others go, and are waited for. */
static void on_empty(void *context)
{
    struct worker *one = context;
    struct workers *ws = one->all;

    if (!count_news(one, WORKER_EMPTY))
        return;
    for (unsigned i = 1; i < ws->order.count; i++) {
        struct worker *w = &ws->list[i];
        w->end = (struct post_note){.called = on_end, .context = w};
        if (w->has_thread)
            post_send(w->post, &w->end);
    }
    for (unsigned i = 1; i < ws->order.count; i++) {
        struct worker *w = &ws->list[i];
        if (w->has_thread) {
            uv_thread_join(&w->thread);
        } else {
            worker_end(w);
            worker_run(w);
        }
    }
    ws->order.ended(ws->order.context);
}

void workers_end_first(struct workers *ws)
{
    worker_end(workers_first(ws));
}
