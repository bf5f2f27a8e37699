/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue between the loop and the thread that writes. A row that waits is found by its token, so a newer
 * one takes its place; what a transaction failed with goes back to the front, unless it was overtaken
 * meanwhile. Only the loop logs. Known limit: a disk that hangs holds up the end of the process, and nothing
 * else.
 */
#include "server/keeper.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/history_row.h"

#include <assert.h>
#include <search.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH        1000 /* rows in one transaction */
#define BACKOFF_US   (1 * CLOCK_US_PER_S)
#define BACKOFF_MOST (60 * CLOCK_US_PER_S)
#define PRUNE_US     (3600 * CLOCK_US_PER_S)
#define PRUNE_ROWS   500

struct kept {
    char token[TOKEN_SIZE]; /* first: the tree compares it */
    struct kept *next;
    struct kept *prev;
    struct ledger_row *row; /* null: the row goes */
    uint64_t serial;
    size_t octets;
};

/* Targets out of service. */
struct drain_list {
    size_t count;
    struct drain *list; /* their texts are copies */
};

struct queue {
    struct kept *first;
    struct kept *last;
    size_t count;
    size_t octets;
};

struct keeper {
    struct keeper_order order;
    uv_async_t news;
    uv_thread_t thread;
    uv_mutex_t lock; /* over all that follows */
    uv_cond_t work;
    struct queue waiting;
    void *by_token; /* a tree of tsearch(3) of those that wait */
    struct queue saved;
    struct drain_list *drains; /* that wait; null: none do */
    int64_t keep_us;
    uint64_t dropped;
    bool stopping; /* write what waits, then end */
    bool over;     /* the thread has said its last word */
    bool failing;
    char trouble[HISTORY_ERROR_SIZE]; /* since it is failing */
    bool told_failing;                /* the loop's own */
    bool freeing;
};

/* ---- queues ---- */

static void append(struct queue *q, struct kept *e)
{
    e->next = NULL;
    e->prev = q->last;
    if (q->last != NULL)
        q->last->next = e;
    else
        q->first = e;
    q->last = e;
    q->count++;
    q->octets += e->octets;
}

static void prepend(struct queue *q, struct kept *e)
{
    e->prev = NULL;
    e->next = q->first;
    if (q->first != NULL)
        q->first->prev = e;
    else
        q->last = e;
    q->first = e;
    q->count++;
    q->octets += e->octets;
}

static struct kept *take_out(struct queue *q, struct kept *e)
{
    *(e->prev != NULL ? &e->prev->next : &q->first) = e->next;
    *(e->next != NULL ? &e->next->prev : &q->last) = e->prev;
    q->count--;
    q->octets -= e->octets;
    return e;
}

static void free_entry(struct kept *e)
{
    free(e->row);
    free(e);
}

static void empty(struct queue *q)
{
    while (q->first != NULL)
        free_entry(take_out(q, q->first));
}

static int compare(const void *left, const void *right)
{
    return strcmp(((const struct kept *)left)->token, ((const struct kept *)right)->token);
}

static struct kept *find_waiting(const struct keeper *k, const struct kept *like)
{
    struct kept **found = tfind(like, &k->by_token, compare);

    return found != NULL ? *found : NULL;
}

static void index_entry(struct keeper *k, struct kept *e)
{
    void *added = tsearch(e, &k->by_token, compare);

    assert(added != NULL);
}

static struct kept *take_waiting(struct keeper *k, struct kept *e)
{
    tdelete(e, &k->by_token, compare);
    return take_out(&k->waiting, e);
}

static void give_up(struct keeper *k, struct kept *e)
{
    free_entry(take_waiting(k, e));
    k->dropped++;
}

static void free_drains(struct drain_list *drains)
{
    for (size_t i = 0; drains != NULL && i < drains->count; i++) {
        free((char *)drains->list[i].target);
        free((char *)drains->list[i].reason);
    }
    if (drains != NULL)
        free(drains->list);
    free(drains);
}

static struct drain_list *copy_drains(const struct drain *list, size_t count)
{
    struct drain_list *copy = mem_alloc(sizeof *copy);

    copy->count = count;
    copy->list = mem_alloc((count + 1) * sizeof *copy->list);
    for (size_t i = 0; i < count; i++) {
        copy->list[i] = list[i];
        copy->list[i].target = mem_dup(list[i].target);
        copy->list[i].reason = mem_dup(list[i].reason);
    }
    return copy;
}

/* ---- the loop's side ---- */

static void wait_for_turn(struct keeper *k, struct kept *e)
{
    uv_mutex_lock(&k->lock);
    struct kept *older = find_waiting(k, e);
    if (older != NULL)
        free_entry(take_waiting(k, older));
    append(&k->waiting, e);
    index_entry(k, e);
    while (k->waiting.count > 1 &&
           (k->waiting.count > KEEPER_MAX_ROWS || k->waiting.octets > KEEPER_MAX_OCTETS))
        give_up(k, k->waiting.first);
    uv_cond_signal(&k->work);
    uv_mutex_unlock(&k->lock);
}

static struct kept *new_entry(const char *token)
{
    struct kept *e = mem_alloc(sizeof *e);

    snprintf(e->token, sizeof e->token, "%s", token);
    e->octets = sizeof *e;
    return e;
}

static void save(void *context, const struct ledger_row *row)
{
    struct kept *e = new_entry(row->token);
    size_t octets;

    e->row = history_row_copy(row, &octets);
    e->serial = row->serial;
    e->octets += octets;
    wait_for_turn(context, e);
}

static void drop(void *context, const char *token)
{
    wait_for_turn(context, new_entry(token));
}

const struct ledger_keeper keeper_calls = {save, drop};

void keeper_set_drains(void *keeper, const struct drain *list, size_t count)
{
    struct keeper *k = keeper;

    uv_mutex_lock(&k->lock);
    free_drains(k->drains);
    k->drains = copy_drains(list, count);
    uv_cond_signal(&k->work);
    uv_mutex_unlock(&k->lock);
}

void keeper_set_keep(struct keeper *k, int64_t keep_us)
{
    uv_mutex_lock(&k->lock);
    k->keep_us = keep_us;
    uv_mutex_unlock(&k->lock);
}

uint64_t keeper_dropped(const struct keeper *keeper)
{
    struct keeper *k = (struct keeper *)keeper;

    uv_mutex_lock(&k->lock);
    uint64_t dropped = k->dropped;
    uv_mutex_unlock(&k->lock);
    return dropped;
}

static void say_trouble(struct keeper *k, bool failing, const char *trouble, uint64_t dropped)
{
    char count[24];

    if (failing == k->told_failing)
        return;
    k->told_failing = failing;
    snprintf(count, sizeof count, "%llu", (unsigned long long)dropped);
    if (failing)
        log_event(k->order.log, LOG_LEVEL_ERROR, "history cannot be written", "why", trouble, NULL);
    else
        log_event(k->order.log, LOG_LEVEL_INFO, "history is written again", "dropped", count, NULL);
}

static void on_closed(uv_handle_t *news)
{
    struct keeper *k = news->data;

    uv_cond_destroy(&k->work);
    uv_mutex_destroy(&k->lock);
    empty(&k->saved);
    free(k);
}

static void finish(struct keeper *k)
{
    char count[24];

    uv_thread_join(&k->thread); /* it has said that it is at its end */
    snprintf(count, sizeof count, "%zu", k->waiting.count);
    if (k->waiting.count > 0)
        log_event(k->order.log, LOG_LEVEL_ERROR, "history is not whole: rows could not be written", "rows",
                  count, "why", k->trouble, NULL);
    while (k->waiting.first != NULL)
        give_up(k, k->waiting.first);
    free_drains(k->drains);
    uv_close((uv_handle_t *)&k->news, on_closed);
}

static void on_news(uv_async_t *news)
{
    struct keeper *k = news->data;
    char trouble[HISTORY_ERROR_SIZE];

    uv_mutex_lock(&k->lock);
    struct queue saved = k->saved;
    k->saved = (struct queue){0};
    bool failing = k->failing, over = k->over;
    uint64_t dropped = k->dropped;
    memcpy(trouble, k->trouble, sizeof trouble);
    uv_mutex_unlock(&k->lock);
    say_trouble(k, failing, trouble, dropped);
    for (struct kept *e = saved.first; e != NULL && !k->freeing; e = e->next)
        k->order.saved(k->order.context, e->token, e->serial);
    empty(&saved);
    if (over)
        finish(k);
}

/* ---- the thread's side ---- */

/* So many of those that wait, the oldest first. */
static struct queue take_batch(struct keeper *k)
{
    struct queue batch = {0};

    while (k->waiting.first != NULL && batch.count < BATCH)
        append(&batch, take_waiting(k, k->waiting.first));
    return batch;
}

static int write_batch(struct keeper *k, const struct queue *batch, const struct drain_list *drains,
                       char error_r[HISTORY_ERROR_SIZE])
{
    struct history *h = k->order.history;

    history_begin(h);
    for (const struct kept *e = batch->first; e != NULL; e = e->next)
        if (e->row != NULL)
            history_put(h, e->row);
        else
            history_drop(h, e->token);
    if (drains != NULL)
        history_set_drains(h, drains->list, drains->count);
    return history_end(h, error_r);
}

/* They go back to where they were. */
static void put_back(struct keeper *k, struct queue *batch, struct drain_list *drains)
{
    if (k->drains == NULL)
        k->drains = drains;
    else
        free_drains(drains); /* overtaken */
    while (batch->last != NULL) {
        struct kept *e = take_out(batch, batch->last);
        if (find_waiting(k, e) != NULL) {
            free_entry(e); /* overtaken */
            continue;
        }
        prepend(&k->waiting, e);
        index_entry(k, e);
    }
}

static void tell_saved(struct keeper *k, struct queue *batch)
{
    while (batch->first != NULL) {
        struct kept *e = take_out(batch, batch->first);
        if (e->row == NULL) {
            free_entry(e);
            continue;
        }
        free(e->row);
        e->row = NULL;
        append(&k->saved, e);
    }
}

/* Whether it went well. The lock is held before and after. */
static bool write_some(struct keeper *k)
{
    char trouble[HISTORY_ERROR_SIZE];
    struct queue batch = take_batch(k);
    struct drain_list *drains = k->drains;

    k->drains = NULL;
    uv_mutex_unlock(&k->lock);
    int written = write_batch(k, &batch, drains, trouble);
    uv_mutex_lock(&k->lock);
    k->failing = written != 0;
    if (written == 0) {
        tell_saved(k, &batch);
        free_drains(drains);
    } else {
        put_back(k, &batch, drains);
        memcpy(k->trouble, trouble, sizeof trouble);
    }
    uv_async_send(&k->news);
    return written == 0;
}

/* Likewise; whether more of it is due. */
static bool prune_some(struct keeper *k)
{
    char trouble[HISTORY_ERROR_SIZE];
    int64_t keep_us = k->keep_us;

    uv_mutex_unlock(&k->lock);
    int gone = history_prune(k->order.history, clock_wall_us(), keep_us, PRUNE_ROWS, trouble);
    uv_mutex_lock(&k->lock);
    return gone == PRUNE_ROWS;
}

static void wait_until(struct keeper *k, int64_t when_us)
{
    int64_t left_us = when_us - clock_mono_us();

    if (left_us > 0)
        uv_cond_timedwait(&k->work, &k->lock, (uint64_t)left_us * 1000);
}

/* Until the time to try again has come, or to end. */
static void back_off(struct keeper *k, int64_t *backoff_us)
{
    int64_t until_us = clock_mono_us() + *backoff_us;

    while (!k->stopping && clock_mono_us() < until_us)
        wait_until(k, until_us);
    *backoff_us = 2 * *backoff_us < BACKOFF_MOST ? 2 * *backoff_us : BACKOFF_MOST;
}

static void work(struct keeper *k)
{
    int64_t prune_us = clock_mono_us(), backoff_us = BACKOFF_US;

    for (;;) {
        bool last = k->stopping;
        if (k->waiting.first != NULL || k->drains != NULL) {
            if (write_some(k))
                backoff_us = BACKOFF_US;
            else if (last)
                return;
            else
                back_off(k, &backoff_us);
        } else if (last) {
            return;
        } else if (clock_mono_us() >= prune_us) {
            prune_us = prune_some(k) ? prune_us : clock_mono_us() + PRUNE_US;
        } else {
            wait_until(k, prune_us);
        }
    }
}

static void on_thread(void *context)
{
    struct keeper *k = context;

    uv_mutex_lock(&k->lock);
    work(k);
    uv_mutex_unlock(&k->lock);
    history_close(k->order.history);
    uv_mutex_lock(&k->lock);
    k->over = true;
    uv_async_send(&k->news);
    uv_mutex_unlock(&k->lock);
}

/* ---- life ---- */

struct keeper *keeper_new(const struct keeper_order *order)
{
    struct keeper *k = mem_alloc(sizeof *k);
    int made = uv_mutex_init(&k->lock);

    assert(made == 0);
    made = uv_cond_init(&k->work);
    assert(made == 0);
    made = uv_async_init(order->loop, &k->news, on_news);
    assert(made == 0);
    k->order = *order;
    k->keep_us = order->keep_us;
    k->news.data = k;
    if (uv_thread_create(&k->thread, on_thread, k) == 0)
        return k;
    history_close(order->history);
    uv_close((uv_handle_t *)&k->news, on_closed);
    return NULL;
}

void keeper_free(struct keeper *k)
{
    if (k == NULL)
        return;
    k->freeing = true;
    uv_mutex_lock(&k->lock);
    k->stopping = true;
    uv_cond_signal(&k->work);
    uv_mutex_unlock(&k->lock);
}
