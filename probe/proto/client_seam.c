/* SPDX-License-Identifier: Apache-2.0 */
/* The client as whoever moves its bytes sees it: the calls of client.h behind probe/proto/seam.h. */
#include "probe/proto/client.h"

static enum seam_want seam_want(const void *engine)
{
    return client_want(engine);
}

static struct span seam_output(const void *engine)
{
    return client_output(engine);
}

static int64_t seam_deadline(const void *engine)
{
    return client_deadline(engine);
}

static void seam_receive(void *engine, struct span bytes, int64_t first_us, int64_t last_us)
{
    client_receive(engine, bytes, first_us, last_us);
}

static void seam_sent(void *engine, size_t len, int64_t now_us)
{
    client_sent(engine, len, now_us);
}

static void seam_broken(void *engine, enum seam_break how, int64_t now_us)
{
    client_broken(engine, how, now_us);
}

static void seam_secured(void *engine, int64_t now_us)
{
    client_secured(engine, now_us);
}

static void seam_shaking(void *engine, int64_t now_us)
{
    client_shaking(engine, now_us);
}

static void seam_unsecured(void *engine, enum reason reason, const char *message, int64_t now_us)
{
    client_unsecured(engine, reason, message, now_us);
}

static struct auth_question seam_question(const void *engine)
{
    return client_question(engine);
}

static void seam_answered(void *engine, const struct auth_answer *answer, int64_t now_us)
{
    client_answered(engine, answer, now_us);
}

static void seam_expire(void *engine, int64_t now_us)
{
    client_expire(engine, now_us);
}

static void seam_stop(void *engine, int64_t now_us)
{
    client_stop(engine, now_us);
}

const struct seam client_seam = {
    .want = seam_want,
    .output = seam_output,
    .deadline = seam_deadline,
    .receive = seam_receive,
    .sent = seam_sent,
    .broken = seam_broken,
    .secured = seam_secured,
    .shaking = seam_shaking,
    .unsecured = seam_unsecured,
    .question = seam_question,
    .answered = seam_answered,
    .expire = seam_expire,
    .stop = seam_stop,
};
