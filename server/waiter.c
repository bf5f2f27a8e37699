/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those who wait: first for a run, then for the deliveries of its messages, as long as each of them likes. A
 * waiter's timeout ends its waiting and nothing else. Each is answered once, and may ask again from inside.
 */
#include "server/job.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_waiter(uv_handle_t *timer)
{
    free(timer->data);
}

static void enlist(struct waiters *list, struct waiter *w)
{
    w->in = list;
    w->next = NULL;
    w->prev = list->last;
    if (w->prev != NULL)
        w->prev->next = w;
    else
        list->first = w;
    list->last = w;
}

static void delist(struct waiter *w)
{
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        w->in->first = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    else
        w->in->last = w->prev;
}

static void leave(struct waiter *w)
{
    delist(w);
    record_unref(w->record);
    shelf_unref(w->shelf);
    uv_close((uv_handle_t *)&w->timer, free_waiter);
}

void jobs_leave(struct jobs_waiter *hand)
{
    if (hand->errand != NULL) {
        errand_leave(hand->errand);
        return;
    }
    struct waiter *w = (struct waiter *)hand; /* which is its first part */
    struct job *job = w->job;
    leave(w);
    if (job != NULL && job->waiters.first == NULL)
        job_forsake(job);
}

/* The waiter's memory lives until the loop closed its timer, so it may be read after leaving. */
static void answer(struct waiter *w, struct result *result)
{
    leave(w);
    w->hand.done(w->hand.context, result);
}

void waiter_answer(struct waiter *w)
{
    answer(w, jobs_show(w->jobs, w->place, w->record));
}

static void on_timeout(uv_timer_t *timer)
{
    struct waiter *w = timer->data;

    if (w->job != NULL)
        answer(w, jobs_show_peek(w->jobs, w->job, job_peek(w->job, w->timeout_us)));
    else
        waiter_answer(w);
}

static void set_timer(struct waiter *w, int64_t deadline_us)
{
    int64_t left_us = deadline_us - clock_mono_us();

    uv_timer_stop(&w->timer);
    if (deadline_us == CLOCK_NEVER)
        return;
    uv_update_time(w->timer.loop);
    uv_timer_start(&w->timer, on_timeout,
                   left_us > 0 ? (uint64_t)((left_us + CLOCK_US_PER_MS - 1) / CLOCK_US_PER_MS) : 0, 0);
}

struct waiter *waiter_new(struct jobs *jobs, struct shelf *shelf, struct place *place,
                          const struct jobs_ask *ask, int64_t wait_us, jobs_done *done, void *context)
{
    struct waiter *w = mem_alloc(sizeof *w);

    w->jobs = jobs;
    w->shelf = shelf_ref(shelf);
    w->place = place;
    w->hand = (struct jobs_waiter){.done = done, .context = context};
    w->began_us = clock_mono_us();
    w->timeout_us = ask->timeout_us;
    w->wait_us = wait_us;
    uv_timer_init(jobs->order.loop, &w->timer);
    w->timer.data = w;
    return w;
}

void waiter_wait_for_run(struct waiter *w, struct job *job)
{
    w->job = job;
    enlist(&job->waiters, w);
    /* A run ends by its own limit; only who waits less than that needs a clock. */
    if (w->timeout_us < job->plan.limits_us[LIMIT_RUN])
        set_timer(w, w->began_us + w->timeout_us);
}

/* The waiter is in no list. Its waiting ends with the deliveries, with its wait or with its own timeout. */
void waiter_wait_for_deliveries(struct waiter *w, struct record *record)
{
    int64_t ended_us = record->result->ended_mono_us;
    int64_t until_us = w->wait_us < CLOCK_NEVER - ended_us ? ended_us + w->wait_us : CLOCK_NEVER;

    w->job = NULL;
    w->record = record_ref(record);
    enlist(&w->jobs->settling, w);
    if (w->timeout_us < until_us - w->began_us)
        until_us = w->began_us + w->timeout_us;
    set_timer(w, until_us);
}

/* Answering may change the list, so each time it is looked through anew. */
static void answer_settled(uv_timer_t *timer)
{
    struct jobs *jobs = timer->data;
    struct waiter *w = jobs->settling.first;

    while (w != NULL) {
        if (letters_is_pending(jobs->letters, w->record->result)) {
            w = w->next;
        } else {
            waiter_answer(w);
            w = jobs->settling.first;
        }
    }
}

static void log_delivery(struct log *log, const char *route, const struct delivery *d)
{
    char ms[32] = "";

    if (d->latency_us != CLOCK_NONE)
        snprintf(ms, sizeof ms, "%.3f", (double)d->latency_us / CLOCK_US_PER_MS);
    log_event(log, d->state == ROUTE_UNVERIFIED ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "delivery settled",
              "route", route, "state", route_state_name(d->state), "run", d->run, "mailbox", d->mailbox, "ms",
              *ms != '\0' ? ms : NULL, NULL);
}

/* route is "TARGET/ROUTE". */
static void count_delivery(struct jobs *jobs, const char *route, const struct delivery *d)
{
    struct arena scratch = {0};

    if (d->latency_us == CLOCK_NONE)
        return;
    const char *target = arena_dup_span(&scratch, (struct span){route, strcspn(route, "/")});
    metrics_delivery(jobs->metrics, jobs_known_name(jobs, target), d->latency_us);
    arena_free(&scratch);
}

void waiter_settled(void *context, const char *route, const struct delivery *delivery)
{
    struct jobs *jobs = context;

    log_delivery(jobs->order.log, route, delivery);
    count_delivery(jobs, route, delivery);
    handle_at(jobs->settle, answer_settled, 0);
}

void waiter_run_over(struct waiter *w, struct record *record)
{
    delist(w);
    waiter_wait_for_deliveries(w, record);
    if (!jobs_is_worth_waiting(w->jobs, record, w->wait_us))
        waiter_answer(w);
}
