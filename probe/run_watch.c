/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run that somebody looks on at: a seam around the client's that passes everything on, and then shows the
 * draft to whoever watches. What is new in it is the watcher's to tell.
 */
#include "probe/run_state.h"

/* The end is the result's to tell: a reply that broke off, or is none, is only told from it. */
static void show(struct run *r)
{
    if (client_seam.want(&r->client) == SEAM_DONE)
        return;
    r->watch(r->watch_context, &r->draft);
}

static enum seam_want watched_want(const void *engine)
{
    const struct run *r = engine;
    return client_seam.want(&r->client);
}

static struct span watched_output(const void *engine)
{
    const struct run *r = engine;
    return client_seam.output(&r->client);
}

static int64_t watched_deadline(const void *engine)
{
    const struct run *r = engine;
    return client_seam.deadline(&r->client);
}

static void watched_receive(void *engine, struct span bytes, int64_t first_us, int64_t last_us)
{
    struct run *r = engine;
    client_seam.receive(&r->client, bytes, first_us, last_us);
    show(r);
}

static void watched_sent(void *engine, size_t len, int64_t now_us)
{
    struct run *r = engine;
    client_seam.sent(&r->client, len, now_us);
    show(r);
}

static void watched_broken(void *engine, enum seam_break how, int64_t now_us)
{
    struct run *r = engine;
    client_seam.broken(&r->client, how, now_us);
    show(r);
}

static void watched_secured(void *engine, int64_t now_us)
{
    struct run *r = engine;
    client_seam.secured(&r->client, now_us);
    run_show_tls(r, &r->arena, &r->draft);
    show(r);
}

static void watched_shaking(void *engine, int64_t now_us)
{
    struct run *r = engine;
    client_seam.shaking(&r->client, now_us);
    show(r);
}

static void watched_unsecured(void *engine, enum reason reason, const char *message, int64_t now_us)
{
    struct run *r = engine;
    client_seam.unsecured(&r->client, reason, message, now_us);
    show(r);
}

static struct auth_question watched_question(const void *engine)
{
    const struct run *r = engine;
    return client_seam.question(&r->client);
}

static void watched_answered(void *engine, const struct auth_answer *answer, int64_t now_us)
{
    struct run *r = engine;
    client_seam.answered(&r->client, answer, now_us);
    show(r);
}

static void watched_expire(void *engine, int64_t now_us)
{
    struct run *r = engine;
    client_seam.expire(&r->client, now_us);
    show(r);
}

static void watched_stop(void *engine, int64_t now_us)
{
    struct run *r = engine;
    client_seam.stop(&r->client, now_us);
    show(r);
}

const struct seam run_watch_seam = {
    .want = watched_want,
    .output = watched_output,
    .deadline = watched_deadline,
    .receive = watched_receive,
    .sent = watched_sent,
    .broken = watched_broken,
    .secured = watched_secured,
    .shaking = watched_shaking,
    .unsecured = watched_unsecured,
    .question = watched_question,
    .answered = watched_answered,
    .expire = watched_expire,
    .stop = watched_stop,
};
