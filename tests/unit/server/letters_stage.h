/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LETTERS_STAGE_H
#define TESTS_LETTERS_STAGE_H

#include "server/letters.h"

#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/proto/template.h"
#include "server/memories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MS CLOCK_US_PER_MS

static const char *const to[] = {"www@example.org"};
static const struct token_key key = {"a key"};

/* Letters of a target with three routes, and runs that end as the test says. */
enum { ROUTE_PLAIN, ROUTE_QUEUE, ROUTE_DELIVER, ROUTES };

static struct plan_route routes[ROUTES];
static struct plan plan;
static const struct result_recipient taken = {.to = "www@example.org", .code = 250, .ok = TRI_TRUE};
static const struct result_recipient *recipients; /* of each route, when its message was answered */
static size_t recipient_count;

/* What the built-in message says. */
static const char *const values[TEMPLATE_NAME_COUNT] = {[TEMPLATE_HOSTNAME] = "probe.example.net",
                                                        [TEMPLATE_FROM] = "a@example.net",
                                                        [TEMPLATE_TO] = "www@example.org",
                                                        [TEMPLATE_TARGET] = "mx1",
                                                        [TEMPLATE_ROUTE] = "route",
                                                        [TEMPLATE_ADDRESS] = "mx1.example.org"};

struct stage {
    struct arena arena;
    uv_loop_t loop;
    struct letters *letters;
    int settled;
};

static inline void on_settled(void *context, const char *route, const struct delivery *delivery)
{
    assert_memory_equal(route, "mx1/", 4);
    assert_int_not_equal(delivery->settled_us, CLOCK_NONE);
    ((struct stage *)context)->settled++;
}

static inline struct plan_route route(struct stage *s, const char *name, unsigned expect)
{
    return (struct plan_route){.name = name,
                               .message = {.template = template_built_in(&s->arena), .values = values},
                               .from = "a@example.net",
                               .to = to,
                               .to_count = 1,
                               .expect = expect,
                               .mailbox = "local",
                               .deliver_within_us = 40 * MS,
                               .min_send_interval_us = 60 * CLOCK_US_PER_S};
}

static inline int set_up(void **state)
{
    static struct stage stage;

    stage = (struct stage){0};
    recipients = &taken;
    recipient_count = 1;
    routes[ROUTE_PLAIN] = route(&stage, "plain", EXPECT_ACCEPTED);
    routes[ROUTE_QUEUE] = route(&stage, "queue", EXPECT_QUEUED);
    routes[ROUTE_DELIVER] = route(&stage, "deliver", EXPECT_DELIVERED);
    plan = (struct plan){.target = "mx1",
                         .helo = "probe.example.net",
                         .stop_after = PHASE_COUNT,
                         .routes = routes,
                         .route_count = ROUTES};
    uv_loop_init(&stage.loop);
    stage.letters = letters_new(&stage.loop, &key, on_settled, &stage);
    *state = &stage;
    return 0;
}

static inline int tear_down(void **state)
{
    struct stage *s = *state;

    letters_free(s->letters);
    arena_free(&s->arena);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    return uv_loop_close(&s->loop);
}

static inline void pass_time(struct stage *s, int64_t us)
{
    int64_t until_us = clock_mono_us() + us;

    do {
        uv_run(&s->loop, UV_RUN_NOWAIT);
        usleep(1000);
    } while (clock_mono_us() < until_us);
}

/* The time of the message is over, and the loop has had a turn since then. */
static inline void wait_until_over(struct stage *s)
{
    for (int turns = 0; s->settled == 0 && turns < 5000; turns++)
        pass_time(s, MS);
    assert_int_equal(s->settled, 1);
}

/* A run of the plan: what its letters came to. */
struct played {
    struct arena arena;
    struct plan plan;
    struct result *result;
};

static inline void begin(struct stage *s, struct played *p, const char *run, bool all)
{
    *p = (struct played){.plan = plan};
    p->plan.letters = letters_write(s->letters, &p->arena, &p->plan, run, all);
}

static inline bool sends(const struct played *p, size_t i)
{
    return p->plan.letters != NULL && p->plan.letters[i].token != NULL;
}

/* Every message that was to be sent ends in that state (ROUTE_NONE: DATA was never said). */
static inline void finish_without_telling(struct played *p, const char *run, enum route_state state)
{
    static const enum phase data = PHASE_DATA;
    struct result_command commands[ROUTES] = {{.phase = data}};
    struct result_route shown[ROUTES] = {{.name = NULL}};
    struct result draft = {
        .id = run, .target = "mx1", .vantage = "here", .routes = shown, .route_count = ROUTES};

    draft.started_mono_us = draft.ended_mono_us = clock_mono_us();
    draft.failure.limit_us = draft.failure.elapsed_us = CLOCK_NONE;
    draft.commands = commands;
    for (size_t i = 0; i < ROUTES; i++) {
        bool sent = sends(p, i) && state != ROUTE_NONE;
        bool good = !sent || state == ROUTE_QUEUED;
        shown[i] = (struct result_route){.name = routes[i].name,
                                         .from = routes[i].from,
                                         .expect = routes[i].expect,
                                         .recipients = recipients,
                                         .recipient_count = recipient_count,
                                         .state = sent ? state : ROUTE_ACCEPTED,
                                         .ok = good ? TRI_TRUE : TRI_FALSE,
                                         .sent_us = sent ? 5 : CLOCK_NONE,
                                         .token = sent ? p->plan.letters[i].token : NULL};
        if (sent)
            commands[draft.command_count++] = (struct result_command){
                .phase = data, .route = (int)i, .sent = "DATA", .at_us = 1, .reply_us = 2};
        if (!good && draft.failure.reason == REASON_NONE)
            draft.failure = (struct result_failure){.phase = PHASE_FINAL,
                                                    .reason = REASON_TIMEOUT,
                                                    .route = routes[i].name,
                                                    .message = "no reply",
                                                    .limit_us = CLOCK_NONE,
                                                    .elapsed_us = CLOCK_NONE};
    }
    draft.status = verdict_status(draft.failure.phase, draft.failure.reason, 0);
    draft.summary = "done";
    p->result = result_publish(&draft);
}

static inline void finish(struct stage *s, struct played *p, const char *run, enum route_state state)
{
    finish_without_telling(p, run, state);
    letters_sent(s->letters, &p->plan, p->result);
}

static inline void clear(struct played *p)
{
    result_unref(p->result);
    arena_free(&p->arena);
}

static inline void assert_shown(struct stage *s, const struct played *p, size_t i, enum route_state state,
                                enum tri ok, const char *run)
{
    struct result *shown = letters_show(s->letters, &p->plan, p->result);

    assert_int_equal(shown->routes[i].state, state);
    assert_int_equal(shown->routes[i].ok, ok);
    if (run)
        assert_string_equal(shown->routes[i].delivery.run, run);
    else
        assert_int_equal(shown->routes[i].delivery.state, ROUTE_NONE);
    result_unref(shown);
}

static inline bool see_copy(struct stage *s, const char *mailbox, const char *id, const char *text)
{
    return letters_seen(s->letters, &(struct sighting){.mailbox = mailbox,
                                                       .folder = "",
                                                       .id = id,
                                                       .to = to,
                                                       .to_count = 1,
                                                       .kept = span_of(text),
                                                       .size = strlen(text),
                                                       .at_us = clock_mono_us(),
                                                       .exact = true});
}

/* In a sink. */
static inline bool see(struct stage *s, const char *mailbox, const char *text)
{
    return see_copy(s, mailbox, NULL, text);
}

/* As it was sent, behind what a server puts before it; the text is the caller's. */
static inline char *text_of(const struct plan_letter *letter)
{
    struct buffer b;

    buffer_init(&b, 1024 * 1024);
    buffer_puts(&b, "Received: from a by b; Mon, 23 Nov 2026 02:25:04 +0000\r\n");
    buffer_put(&b, letter->wire.data, letter->wire.len);
    for (size_t i = 0; i < letter->rest_count; i++)
        buffer_put(&b, letter->rest[i].data, letter->rest[i].len);
    b.data[b.len - 3] = '\0'; /* the dot */
    return b.data;
}

static inline void arrive(struct stage *s, const struct plan_letter *letter)
{
    char *text = text_of(letter);

    assert_true(see(s, "local", text));
    free(text);
}

#define LETTERS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
