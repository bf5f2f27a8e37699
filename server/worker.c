/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of one worker, and how they end: first its jobs and its connections, each in its own time; then
 * what it has asked of others must come home, and theirs be answered here; only when that is so everywhere
 * may any of them go. So a note never finds its loop gone.
 */
#include "server/worker.h"

#include "server/lag.h"
#include "server/login.h"
#include "server/prometheus.h"
#include "server/shown.h"
#include "server/workers.h"

#include <assert.h>

void worker_init(struct worker *w, struct workers *all, unsigned index)
{
    int failed = uv_loop_init(&w->loop);

    assert(!failed);
    w->index = index;
    w->all = all;
    atomic_init(&w->connections, 0);
    w->post = post_new(&w->loop);
    w->away.post = w->post;
    if (index == 0)
        return;
    failed = uv_async_init(&w->loop, &w->alive, NULL);
    assert(!failed);
}

void worker_open_desk(struct worker *w, const struct desk *common, struct lag *beside,
                      struct metrics_apart_turn *turn)
{
    w->desk = *common;
    w->desk.jobs = w->jobs;
    w->desk.login = w->login;
    w->desk.shown = shown_new(workers_count(w->all));
    w->desk.apart = metrics_apart_new(&(struct metrics_apart_order){
        .loop = &w->loop, .gather = prometheus_gather, .context = &w->desk, .turn = turn, .post = w->post});
    w->lag = lag_new(&w->loop, beside);
}

/* ---- the end ---- */

static void on_jobs_stopped(void *context)
{
    worker_tell(context, WORKER_JOBS_STOPPED);
}

static void on_http_drained(void *context)
{
    worker_tell(context, WORKER_HTTP_DRAINED);
}

void worker_stop(struct worker *w, unsigned grace_ms, unsigned drain_ms)
{
    w->desk.stopping = true;
    rounds_free(w->rounds);
    w->rounds = NULL;
    jobs_stop(w->jobs, grace_ms, on_jobs_stopped, w);
    http_drain(w->http, drain_ms, on_http_drained, w);
}

static void on_home(void *context)
{
    worker_tell(context, WORKER_EMPTY);
}

void worker_empty(struct worker *w)
{
    rounds_free(w->rounds);
    http_free(w->http);
    shown_free(w->desk.shown);
    metrics_apart_free(w->desk.apart);
    w->rounds = NULL;
    w->http = NULL;
    w->desk.shown = NULL;
    w->desk.apart = NULL;
    if (w->index == 0)
        login_close(w->login); /* others' passwords come home without having been looked at */
    if (w->has_thread || w->index == 0)
        away_wait(&w->away, on_home, w);
    else
        worker_tell(w, WORKER_EMPTY); /* nothing ever went anywhere */
}

void worker_end(struct worker *w)
{
    if (w->index > 0) {
        login_free(w->login);
        uv_close((uv_handle_t *)&w->alive, NULL);
    }
    lag_free(w->lag);
    jobs_free(w->jobs);
    hold_leave(&w->seat);
    post_free(w->post);
}

void worker_run(struct worker *w)
{
    uv_run(&w->loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&w->loop);
    assert(!failed);
}
