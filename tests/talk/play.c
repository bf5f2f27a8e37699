/* SPDX-License-Identifier: Apache-2.0 */
/* Plays a talk against the bare client engine: no socket, and time is a number. */
#include "tests/talk/play.h"

#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/conclude.h"
#include "probe/proto/client.h"
#include "tests/talk/talk_login.h"

#include <stdlib.h>
#include <string.h>

#define START_US INT64_C(1000000)

struct player {
    const struct talk *talk;
    struct client client;
    struct talk_login *login; /* null: there is none */
    int64_t now_us;
    struct buffer heard; /* what the client said and nobody looked at yet */
    size_t piece;
    bool deaf; /* takes no more */
    struct address server;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Takes what the client wants to say, piece by piece, until so much was heard. */
static void listen_until(struct player *p, size_t most)
{
    for (;;) {
        if (client_want(&p->client) == SEAM_ANSWER)
            talk_login_answer(p->login, &p->client, p->now_us);
        if (client_want(&p->client) != SEAM_WRITE || p->heard.len >= most || p->deaf)
            return;
        struct span out = client_output(&p->client);
        size_t len = least(p->piece ? least(p->piece, out.len) : out.len, most - p->heard.len);
        buffer_put(&p->heard, out.data, len);
        client_sent(&p->client, len, p->now_us);
    }
}

static void listen_to(struct player *p)
{
    listen_until(p, SIZE_MAX);
}

static void say(struct player *p, struct span bytes)
{
    size_t step = p->piece ? p->piece : bytes.len;
    for (size_t at = 0; at < bytes.len && client_want(&p->client) != SEAM_DONE; at += step) {
        size_t len = bytes.len - at < step ? bytes.len - at : step;
        /* an allocation of the exact size, so that reading past it is seen */
        char *exact = memcpy(mem_alloc(len), bytes.data + at, len);
        client_receive(&p->client, (struct span){exact, len}, p->now_us, p->now_us);
        free(exact);
    }
}

/* What the client says while the server has not finished speaking must be heard before the server goes on. */
static char *spoke_early(struct arena *a, const struct talk_event *event, struct span heard)
{
    return arena_printf(a, "  line %d: before it the client said \"%.*s\"\n", event->line, (int)heard.len,
                        heard.data);
}

/* The client must have said this line by now. */
static char *hear(struct player *p, struct arena *a, const struct talk_event *event)
{
    listen_to(p);
    struct span heard = buffer_span(&p->heard);
    const char *end = heard.len ? memchr(heard.data, '\n', heard.len) : NULL;
    size_t len = end ? (size_t)(end - heard.data) + 1 : heard.len;
    bool is_start = event->kind == TALK_HEAR_START && len >= event->bytes.len + 2;
    if (is_start && memcmp(heard.data, event->bytes.data, event->bytes.len) == 0) {
        buffer_consume(&p->heard, len);
        return NULL;
    }
    if (len == event->bytes.len + 2 && memcmp(heard.data, event->bytes.data, len - 2) == 0 &&
        memcmp(heard.data + len - 2, "\r\n", 2) == 0) {
        buffer_consume(&p->heard, len);
        return NULL;
    }
    return arena_printf(a, "  line %d: the client was to say \"%s\", but said \"%.*s\"\n", event->line,
                        event->bytes.data, (int)heard.len, heard.len ? heard.data : "");
}

/* The client must have said its PROXY header, and nothing but. */
static char *hear_header(struct player *p, struct arena *a, const struct talk_event *event)
{
    listen_to(p);
    struct span wanted = talk_header(a, p->talk, &p->server);
    if (p->heard.len != wanted.len || memcmp(p->heard.data, wanted.data, wanted.len) != 0)
        return arena_printf(a, "  line %d: the client was to say its PROXY header, but said %zu octets\n",
                            event->line, p->heard.len);
    buffer_consume(&p->heard, wanted.len);
    return NULL;
}

/* The client must have said its letter, or that part of it, after which nothing more is taken. */
static char *hear_letter(struct player *p, struct arena *a, const struct talk_event *event)
{
    listen_until(p, event->part ? event->bytes.len : SIZE_MAX);
    struct span heard = buffer_span(&p->heard);
    p->deaf = event->part;
    if (heard.len < event->bytes.len || memcmp(heard.data, event->bytes.data, event->bytes.len) != 0)
        return arena_printf(a, "  line %d: the client was to say its letter, but said \"%.*s\"\n",
                            event->line, (int)least(heard.len, 200), heard.len ? heard.data : "");
    buffer_consume(&p->heard, event->bytes.len);
    return NULL;
}

/* Time passes; whatever deadline lies in it fires when it is due. */
static void pass_time(struct player *p, int64_t until_us)
{
    while (client_deadline(&p->client) <= until_us) {
        p->now_us = client_deadline(&p->client);
        client_expire(&p->client, p->now_us);
        listen_to(p);
    }
    p->now_us = until_us;
}

static char *play_event(struct player *p, struct arena *a, const struct talk_event *event)
{
    switch (event->kind) {
    case TALK_SAY:
        if (p->heard.len)
            return spoke_early(a, event, buffer_span(&p->heard));
        say(p, event->bytes);
        break;
    case TALK_HEAR:
    case TALK_HEAR_START:
        return hear(p, a, event);
    case TALK_HEADER:
        return hear_header(p, a, event);
    case TALK_LETTER:
        return hear_letter(p, a, event);
    case TALK_PAUSE:
        listen_to(p);
        pass_time(p, p->now_us + event->us);
        break;
    case TALK_CLOSE:
        client_broken(&p->client, SEAM_CLOSED, p->now_us);
        break;
    case TALK_RESET:
        client_broken(&p->client, SEAM_RESET, p->now_us);
        break;
    }
    return NULL;
}

/* Nothing more happens: whatever the client waits for, its time runs out. */
static char *end_engine(struct player *p, struct arena *a)
{
    listen_to(p);
    while (client_want(&p->client) != SEAM_DONE)
        pass_time(p, client_deadline(&p->client));
    if (p->heard.len)
        return arena_printf(a, "  the client said more: \"%.*s\"\n", (int)p->heard.len, p->heard.data);
    return NULL;
}

char *play_engine(struct arena *a, const struct talk *talk, size_t piece, bool inside_tls)
{
    struct plan plan = talk->plan;
    struct arena run = {0};
    struct player p = {.talk = talk, .now_us = START_US, .piece = piece};
    char *complaint = NULL;

    buffer_init(&p.heard, PLAY_MAX_HEARD);
    if (inside_tls)
        plan.tls.mode = TLS_MODE_IMPLICIT;
    address_parse("192.0.2.1", 25, &p.server);
    struct result draft = {.peer = p.server};
    p.login = talk_login_new(&plan);
    client_init(&p.client, &plan, &run, &draft, START_US);
    client_start(&p.client, START_US);
    client_secured(&p.client, START_US);
    for (size_t i = 0; i < talk->event_count && !complaint; i++)
        complaint = play_event(&p, a, &talk->events[i]);
    if (!complaint)
        complaint = end_engine(&p, a);
    if (!complaint) {
        client_finish(&p.client, &run, &draft, p.now_us, CLOCK_NONE);
        conclude(&draft, &plan, NULL, &run);
        struct result *result = result_publish(&draft);
        complaint = talk_check(a, talk, result, true);
        result_unref(result);
    }
    client_free(&p.client);
    talk_login_free(p.login);
    buffer_free(&p.heard);
    arena_free(&run);
    return complaint;
}
