/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread at a time, and none in between. It touches nothing of ours but its own struct load, which is the
 * loop's again when the thread's last word, an async, has come. Known limit: a file system that hangs holds
 * up the reload, and the end of the process after it, but not the service.
 */
#include "server/reload.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct reload_waiter {
    struct reload_waiter *next;
    struct reload_waiter *prev;
    struct waiters *queue;
    reload_done *done;
    void *context;
};

struct waiters {
    struct reload_waiter *first;
    struct reload_waiter *last;
};

/* What the thread works on. */
struct load {
    uv_thread_t thread;
    int refused;               /* it could not be made */
    struct snapshot *snapshot; /* null when it is bad */
    struct mistakes mistakes;
};

struct reload {
    struct reload_order order;
    uv_async_t over;
    struct load load;
    bool loading;
    bool again; /* somebody has asked since it began */
    bool freeing;
    struct waiters asked; /* for the one that is being loaded */
    struct waiters later; /* for the next one */
    struct reload_state state;
};

struct reload_state reload_state(const struct reload *reload)
{
    return reload->state;
}

/* ---- waiters ---- */

static struct reload_waiter *add_waiter(struct waiters *queue, reload_done *done, void *context)
{
    struct reload_waiter *w = mem_alloc(sizeof *w);

    *w = (struct reload_waiter){.prev = queue->last, .queue = queue, .done = done, .context = context};
    if (w->prev != NULL)
        w->prev->next = w;
    else
        queue->first = w;
    queue->last = w;
    return w;
}

void reload_leave(struct reload_waiter *w)
{
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        w->queue->first = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    else
        w->queue->last = w->prev;
    free(w);
}

static void move_waiters(struct waiters *from, struct waiters *to)
{
    assert(to->first == NULL);
    *to = *from;
    *from = (struct waiters){0};
    for (struct reload_waiter *w = to->first; w != NULL; w = w->next)
        w->queue = to;
}

/* ---- one reload ---- */

static void load_config(void *context)
{
    struct reload *r = context;

    (void)snapshot_load(r->order.source, &r->load.snapshot, &r->load.mistakes);
    uv_async_send(&r->over);
}

static void begin(struct reload *r)
{
    move_waiters(&r->later, &r->asked);
    r->again = false;
    r->loading = true;
    if (r->order.tell != NULL)
        r->order.tell(r->order.context, true, false);
    r->load = (struct load){0};
    r->load.refused = uv_thread_create(&r->load.thread, load_config, r);
    if (r->load.refused != 0)
        uv_async_send(&r->over);
}

static void log_outcome(struct log *log, const struct reload_outcome *outcome,
                        const struct mistakes *mistakes)
{
    char count[24];

    for (size_t i = 0; i < mistakes->warning_count; i++)
        log_event(log, LOG_LEVEL_WARN, "config warning", "mistake", mistakes->warnings[i], NULL);
    for (size_t i = 0; i < outcome->mistake_count; i++)
        log_event(log, LOG_LEVEL_ERROR, "config mistake", "mistake", outcome->mistakes[i], NULL);
    snprintf(count, sizeof count, "%zu", outcome->target_count);
    if (outcome->good)
        log_event(log, LOG_LEVEL_INFO, "config reloaded", "targets", count, NULL);
    else
        log_event(log, LOG_LEVEL_ERROR, "config not reloaded: the old one stands", NULL);
}

/* Why what was loaded cannot be put into force, in one line for each mistake; none when it was. */
static void put_into_force(struct reload *r, const char **sentence, struct reload_outcome *outcome_r)
{
    struct reload_outcome bad = {.mistakes = sentence, .mistake_count = 1};

    if (r->load.refused != 0) {
        *sentence = "cannot begin to load the config: the system gives no thread";
    } else if (r->load.snapshot == NULL) {
        bad.mistakes = (const char *const *)r->load.mistakes.errors;
        bad.mistake_count = r->load.mistakes.error_count;
    } else {
        *sentence = r->order.apply(r->order.context, r->load.snapshot);
        if (*sentence == NULL)
            bad = (struct reload_outcome){.good = true, .target_count = r->load.snapshot->target_count};
    }
    *outcome_r = bad;
}

static void clear_load(struct load *load)
{
    snapshot_unref(load->snapshot);
    mistakes_clear(&load->mistakes);
}

static void conclude(struct reload *r)
{
    struct reload_outcome outcome;
    const char *sentence;

    put_into_force(r, &sentence, &outcome);
    log_outcome(r->order.log, &outcome, &r->load.mistakes);
    r->state.good = outcome.good;
    if (r->order.tell != NULL)
        r->order.tell(r->order.context, false, outcome.good);
    if (outcome.good)
        r->state.good_wall_us = clock_wall_us();
    while (r->asked.first != NULL) {
        struct reload_waiter w = *r->asked.first;
        reload_leave(r->asked.first);
        w.done(w.context, &outcome);
    }
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_over(uv_async_t *async)
{
    struct reload *r = async->data;

    if (r->load.refused == 0)
        uv_thread_join(&r->load.thread); /* it has said its last word: this takes no time */
    if (!r->freeing)
        conclude(r);
    clear_load(&r->load);
    r->loading = false;
    if (r->freeing)
        uv_close((uv_handle_t *)&r->over, on_closed);
    else if (r->again)
        begin(r);
}

/* ---- what others see ---- */

struct reload *reload_new(const struct reload_order *order)
{
    struct reload *r = mem_alloc(sizeof *r);

    r->order = *order;
    r->state = (struct reload_state){.good = true, .good_wall_us = clock_wall_us()};
    int made = uv_async_init(order->loop, &r->over, on_over);
    assert(made == 0);
    r->over.data = r;
    return r;
}

struct reload_waiter *reload_ask(struct reload *r, reload_done *done, void *context)
{
    struct reload_waiter *w = done != NULL ? add_waiter(&r->later, done, context) : NULL;

    if (r->loading)
        r->again = true;
    else
        begin(r);
    return w;
}

void reload_free(struct reload *r)
{
    if (r == NULL)
        return;
    assert(r->asked.first == NULL && r->later.first == NULL);
    r->freeing = true;
    if (!r->loading)
        uv_close((uv_handle_t *)&r->over, on_closed);
}
