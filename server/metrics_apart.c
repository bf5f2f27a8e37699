/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of what is counted goes to a thread of libuv's pool, which writes and packs it: of ten thousand
 * targets that are 55 MB, and 0.4 s of a processor. One at a time, as each takes so much memory; who asks
 * meanwhile stands in line. A client that is gone leaves its place in line, or an orphan that is written for
 * nobody.
 */
#include "server/metrics_apart.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
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

struct metrics_apart {
    uv_loop_t *loop;
    metrics_apart_gather *gather;
    void *context;
    struct work *first; /* in line */
    struct work *under_way;
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

static void begin_next(struct metrics_apart *apart);

static void on_written(uv_work_t *work, int status)
{
    struct work *w = work->data;

    (void)status;
    if (w->apart != NULL) {
        w->apart->under_way = NULL;
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

    if (w == NULL || apart->under_way != NULL)
        return;
    apart->first = w->next;
    apart->under_way = w;
    apart->gather(apart->context, &w->arena, &w->own);
    int queued = uv_queue_work(apart->loop, &w->work, write_it, on_written);
    assert(queued == 0);
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

struct metrics_apart *metrics_apart_new(uv_loop_t *loop, metrics_apart_gather *gather, void *context)
{
    struct metrics_apart *apart = mem_alloc(sizeof *apart);

    apart->loop = loop;
    apart->gather = gather;
    apart->context = context;
    return apart;
}

void metrics_apart_free(struct metrics_apart *apart)
{
    if (apart == NULL)
        return;
    assert(apart->first == NULL);
    if (apart->under_way != NULL)
        apart->under_way->apart = NULL;
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
