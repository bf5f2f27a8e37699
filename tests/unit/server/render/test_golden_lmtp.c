/* SPDX-License-Identifier: Apache-2.0 */
/* How the views show LMTP, where each recipient has a reply to the message, and a Unix socket. */
#include "probe/base/clock.h"
#include "probe/conclude.h"
#include "probe/proto/client.h"
#include "tests/unit/server/render/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS         CLOCK_US_PER_MS
#define START_US   (INT64_C(500) * CLOCK_US_PER_S)
#define STARTED_US INT64_C(1795400704123456) /* 2026-11-23T02:25:04.123456Z */
#define TOKEN      "ehlod-000102030405060708090a0b0c0d0e0f1011121314151617"

static const char *const to[] = {"a@example.org", "b@example.org", "d@example.org"};
static const struct plan_letter letter = {.token = TOKEN,
                                          .message_id = "<" TOKEN "@fra1.example.org>",
                                          .wire = {"Subject: x\r\n\r\nx\r\n.\r\n", 20}};

struct stage {
    struct arena arena;
    struct plan_route route;
    struct plan plan;
    struct result draft;
    struct client client;
    int64_t now_us;
};

static int set_up(void **state)
{
    static struct stage s;

    s = (struct stage){.now_us = START_US + MS};
    s.route = (struct plan_route){
        .name = "inbound", .from = "probe@example.org", .to = to, .to_count = 3, .expect = EXPECT_QUEUED};
    s.plan = (struct plan){.helo = "localhost",
                           .protocol = PROTOCOL_LMTP,
                           .stop_after = PHASE_COUNT,
                           .routes = &s.route,
                           .route_count = 1,
                           .letters = &letter};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        s.plan.limits_us[l] = limit_default_us(l);
    s.draft = (struct result){.target = "mda",
                              .id = "01JD9K0000LMTP",
                              .vantage = "fra1",
                              .started_wall_us = STARTED_US,
                              .started_mono_us = START_US,
                              .host = "unix:/run/dovecot/lmtp"};
    assert_int_equal(address_of_path("/run/dovecot/lmtp", &s.draft.peer), 0);
    client_init(&s.client, &s.plan, &s.arena, &s.draft, START_US);
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;

    client_free(&s->client);
    arena_free(&s->arena);
    return 0;
}

/* What is asked is taken whole, each reply comes a millisecond later. */
static void answers(struct stage *s, const char *reply)
{
    if (client_want(&s->client) == SEAM_WRITE)
        client_sent(&s->client, client_output(&s->client).len, s->now_us);
    s->now_us += MS;
    client_receive(&s->client, span_of(reply), s->now_us, s->now_us);
}

static void as_far_as_message(struct stage *s)
{
    s->draft.local.any.sa_family = AF_UNIX;
    s->draft.timing_us[PHASE_CONNECT] = MS;
    client_start(&s->client, s->now_us);
    answers(s, "220 mda.example.org LMTP\r\n");
    answers(s, "250-mda.example.org\r\n250 ENHANCEDSTATUSCODES\r\n");
    answers(s, "250 2.1.0 Ok\r\n");
    for (size_t i = 0; i < 3; i++)
        answers(s, "250 2.1.5 Ok\r\n");
    answers(s, "354 Ok\r\n");
}

static void check(struct stage *s, const char *name)
{
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    client_finish(&s->client, &s->arena, &s->draft, s->now_us, CLOCK_NONE);
    s->draft.ended_mono_us = s->now_us;
    conclude(&s->draft, &s->plan, NULL, &s->arena);
    struct result *r = result_publish(&s->draft);
    golden_check(name, r, s->now_us + 1500 * MS);
    result_unref(r);
}

static void test_taken(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    answers(s, "250 2.0.0 <a@example.org> 1 Saved\r\n250 2.0.0 <b@example.org> 2 Saved\r\n");
    answers(s, "250 2.0.0 <d@example.org> 3 Saved\r\n");
    answers(s, "221 2.0.0 Bye\r\n");
    check(s, "lmtp");
}

static void test_refused_for_one(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    answers(s, "250 2.0.0 <a@example.org> 1 Saved\r\n");
    answers(s, "552 5.2.2 <b@example.org> Quota exceeded\r\n");
    answers(s, "250 2.0.0 <d@example.org> 3 Saved\r\n");
    answers(s, "221 2.0.0 Bye\r\n");
    check(s, "lmtp_refused");
}

static void test_silent_about_one(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    answers(s, "250 2.0.0 <a@example.org> 1 Saved\r\n");
    s->now_us += limit_default_us(LIMIT_FINAL);
    client_expire(&s->client, s->now_us);
    check(s, "lmtp_silent");
}

static void test_one_reply_too_many(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    for (size_t i = 0; i < 3; i++)
        answers(s, i < 2 ? "250 2.0.0 Saved\r\n" : "250 2.0.0 Saved\r\n250 2.0.0 Saved\r\n");
    check(s, "lmtp_unsolicited");
}

/* Nobody is there. */
static void test_never_connected(void **state)
{
    struct stage *s = *state;

    s->draft.timing_us[PHASE_CONNECT] = 100;
    s->draft.duration_us = 100;
    s->draft.failure =
        (struct result_failure){.phase = PHASE_CONNECT,
                                .reason = REASON_REFUSED,
                                .message = "connect to unix:/run/dovecot/lmtp: ENOENT (No such file or "
                                           "directory)",
                                .limit_us = CLOCK_NONE,
                                .elapsed_us = 100};
    client_finish(&s->client, &s->arena, &s->draft, s->now_us, CLOCK_NONE);
    s->draft.ended_mono_us = s->now_us;
    conclude(&s->draft, &s->plan, NULL, &s->arena);
    struct result *r = result_publish(&s->draft);
    golden_check("unix_refused", r, s->now_us);
    result_unref(r);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_taken),
        TEST(test_refused_for_one),
        TEST(test_silent_about_one),
        TEST(test_one_reply_too_many),
        TEST(test_never_connected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
