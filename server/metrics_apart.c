/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of what is counted goes to a thread of libuv's pool, which writes and packs it: of ten thousand
 * targets that are 55 MB, and 0.4 s of a processor. One at a time, as each takes so much memory; who asks
 * meanwhile stands in line. Of several loops each has one place in the line of all. A client that is gone
 * leaves its place in line, or an orphan that is written for nobody.
 */
#include "server/metrics_apart.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/gate.h"
#include "server/accept.h"
#include "server/gzip.h"

#include <assert.h>
#include <stdlib.h>

struct work {
    struct work *next; /* in line */
    uv_work_t work;
    struct metrics_apart *apart; /* null: it is gone */
    struct question *q;          /* null: its client is gone */
    struct arena arena;          /* holds own */
    struct metrics_own own;
    enum exposition_format format;
    bool gzip;
    struct buffer body;
};

struct metrics_apart_turn {
    uv_mutex_t lock;
    struct gate gate;
};

struct metrics_apart {
    struct metrics_apart_order order;
    struct work *first; /* in line */
    struct work *under_way;
    struct gate_place place; /* before the turn of all */
    struct post_note begins; /* it has come */
};

/* ---- the thread ---- */

static void write_it(uv_work_t *work)
{
    struct work *w = work->data;

    buffer_init(&w->body, METRICS_MOST);
    metrics_own(&w->body, &w->own, w->format);
    w->gzip = w->gzip && !w->body.full && gzip_pack(&w->body) == 0;
    arena_free(&w->arena);
}

/* ---- the loop ---- */

static bool has_turn(struct metrics_apart *apart)
{
    struct metrics_apart_turn *turn = apart->order.turn;

    if (turn == NULL)
        return true;
    if (apart->place.where == LINE_OUTSIDE) {
        uv_mutex_lock(&turn->lock);
        (void)gate_enter(&turn->gate, &apart->place);
        uv_mutex_unlock(&turn->lock);
    }
    return apart->place.where == LINE_INSIDE;
}

static void end_turn(struct metrics_apart *apart)
{
    struct metrics_apart_turn *turn = apart->order.turn;

    if (turn == NULL)
        return;
    uv_mutex_lock(&turn->lock);
    gate_leave(&turn->gate, &apart->place);
    uv_mutex_unlock(&turn->lock);
}

static void begin_next(struct metrics_apart *apart);

static void on_written(uv_work_t *work, int status)
{
    struct work *w = work->data;

    (void)status;
    if (w->apart != NULL) {
        w->apart->under_way = NULL;
        end_turn(w->apart); /* another loop comes first */
        begin_next(w->apart);
    }
    if (w->q != NULL)
        metrics_apart_answer(w->q, &w->body, w->format, w->gzip);
    else
        buffer_free(&w->body);
    free(w);
}

/* What is counted is gathered when its turn has come. */
static void begin_next(struct metrics_apart *apart)
{
    struct work *w = apart->first;

    if (w == NULL || apart->under_way != NULL || !has_turn(apart))
        return;
    apart->first = w->next;
    apart->under_way = w;
    apart->order.gather(apart->order.context, &w->arena, &w->own);
    int queued = uv_queue_work(apart->order.loop, &w->work, write_it, on_written);
    assert(queued == 0);
}

static void on_begins(void *context)
{
    struct metrics_apart *apart = context;

    if (apart->first == NULL && apart->under_way == NULL) /* they have left */
        end_turn(apart);
    begin_next(apart);
}

/* Here it may only be noted. */
static void on_turn(void *context)
{
    struct metrics_apart *apart = context;

    apart->begins = (struct post_note){.called = on_begins, .context = apart};
    post_send(apart->order.post, &apart->begins);
}

static void leave(struct question *q)
{
    struct work *w = q->waiting;
    struct work **at = &w->apart->first;

    while (*at != NULL && *at != w)
        at = &(*at)->next;
    if (*at == NULL) { /* it is under way */
        w->q = NULL;
        return;
    }
    *at = w->next;
    free(w);
}

/* ---- what others see ---- */

struct metrics_apart_turn *metrics_apart_turn_new(void)
{
    struct metrics_apart_turn *turn = mem_alloc(sizeof *turn);
    int failed = uv_mutex_init(&turn->lock);

    assert(!failed);
    turn->gate.line.limit = 1;
    return turn;
}

void metrics_apart_turn_free(struct metrics_apart_turn *turn)
{
    if (turn == NULL)
        return;
    assert(turn->gate.line.inside == 0 && turn->gate.line.waiting == 0);
    uv_mutex_destroy(&turn->lock);
    free(turn);
}

struct metrics_apart *metrics_apart_new(const struct metrics_apart_order *order)
{
    struct metrics_apart *apart = mem_alloc(sizeof *apart);

    apart->order = *order;
    apart->place = (struct gate_place){.post = order->post, .called = on_turn, .context = apart};
    return apart;
}

void metrics_apart_free(struct metrics_apart *apart)
{
    if (apart == NULL)
        return;
    assert(apart->first == NULL);
    if (apart->under_way != NULL)
        apart->under_way->apart = NULL;
    end_turn(apart);
    if (apart->order.turn != NULL)
        (void)post_cancel(apart->order.post, &apart->begins);
    free(apart);
}

void metrics_apart_ask(struct metrics_apart *apart, struct question *q, enum exposition_format format)
{
    struct work *w = mem_alloc(sizeof *w);
    struct work **end = &apart->first;

    while (*end != NULL)
        end = &(*end)->next;
    w->work.data = w;
    w->apart = apart;
    w->q = q;
    w->format = format;
    w->gzip = accept_gzip(q->request->accept_encoding);
    q->waiting = w;
    q->leave = leave;
    *end = w;
    begin_next(apart);
}

void metrics_apart_answer(struct question *q, struct buffer *body, enum exposition_format format, bool packed)
{
    if (body->full) {
        buffer_free(body);
        question_refuse(q, 500, NULL, "There are too many series (server.metrics_by_target).");
        return;
    }
    question_answer(q, &(struct question_answer){.status = 200,
                                                 .content_type = exposition_media_type(format),
                                                 .body = body,
                                                 .age_us = CLOCK_NONE,
                                                 .negotiated = true,
                                                 .compressed = true,
                                                 .packed = packed});
}
