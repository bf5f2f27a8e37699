/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the views of messages stable? Dialogues that the engine has played, with what became of their messages,
 * each shown in every view (golden.h). Runs from the root of the tree.
 */
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
#define S          CLOCK_US_PER_S
#define START_US   (INT64_C(500) * S)
#define STARTED_US INT64_C(1795400704123456) /* 2026-11-23T02:25:04.123456Z */
#define RUN        "01JD9K0000MAIL"
#define LAST_RUN   "01JD9J0000LAST"
#define TOKEN      "ehlod-000102030405060708090a0b0c0d0e0f1011121314151617"

static const char *const to[] = {"www@example.org"};
static const struct plan_letter letters[] = {
    {.token = TOKEN,
     .message_id = "<" TOKEN "@fra1.example.org>",
     .wire = {"Subject: x\r\n\r\nx\r\n.\r\n", 20}},
    {0},
};
static const struct plan_letter no_letters[] = {{0}, {0}};

struct stage {
    struct arena arena;
    struct plan_route routes[2];
    struct plan plan;
    struct result draft;
    struct client client;
    int64_t now_us;
};

static int set_up(void **state)
{
    static struct stage s;

    s = (struct stage){.now_us = START_US + MS};
    s.routes[0] = (struct plan_route){.name = "inbound",
                                      .from = "probe@example.org",
                                      .to = to,
                                      .to_count = 1,
                                      .expect = EXPECT_DELIVERED,
                                      .mailbox = "local",
                                      .deliver_within_us = 60 * S};
    s.routes[1] = (struct plan_route){
        .name = "no-user", .from = "", .to = to, .to_count = 1, .expect = EXPECT_REJECTED};
    s.plan = (struct plan){.helo = "fra1.example.org",
                           .stop_after = PHASE_COUNT,
                           .routes = s.routes,
                           .route_count = 2,
                           .letters = letters};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        s.plan.limits_us[l] = limit_default_us(l);
    s.draft = (struct result){.target = "mx1",
                              .id = RUN,
                              .vantage = "fra1",
                              .started_wall_us = STARTED_US,
                              .started_mono_us = START_US,
                              .host = "mx1.example.org",
                              .port = 25};
    assert_int_equal(address_parse("192.0.2.1", 25, &s.draft.peer), 0);
    assert_int_equal(address_parse("192.0.2.7", 51514, &s.draft.local), 0);
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

static void as_far_as_rcpt(struct stage *s)
{
    client_init(&s->client, &s->plan, &s->arena, &s->draft, START_US);
    s->draft.timing_us[PHASE_CONNECT] = MS;
    client_start(&s->client, s->now_us);
    answers(s, "220 mx1.example.org ESMTP Postfix\r\n");
    answers(s, "250-mx1.example.org\r\n250 ENHANCEDSTATUSCODES\r\n");
    answers(s, "250 2.1.0 Ok\r\n");
    answers(s, "250 2.1.5 Ok\r\n");
}

static void as_far_as_message(struct stage *s)
{
    as_far_as_rcpt(s);
    answers(s, "354 End data with <CR><LF>.<CR><LF>\r\n");
}

static void the_rest(struct stage *s)
{
    answers(s, "250 2.1.0 Ok\r\n");
    answers(s, "550 5.1.1 no such user\r\n");
    answers(s, "250 2.0.0 Ok\r\n");
    answers(s, "221 2.0.0 Bye\r\n");
}

static void taken(struct stage *s)
{
    as_far_as_message(s);
    answers(s, "250 2.0.0 Ok: queued as 4Z1xAbCdEf\r\n");
    the_rest(s);
}

/* The message of the last time is not old enough. */
static void not_due(struct stage *s)
{
    s->plan.letters = no_letters;
    as_far_as_rcpt(s);
    answers(s, "250 2.0.0 Ok\r\n");
    the_rest(s);
}

static struct result *publish(struct stage *s)
{
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    client_finish(&s->client, &s->arena, &s->draft, s->now_us, CLOCK_NONE);
    s->draft.ended_mono_us = s->now_us;
    conclude(&s->draft, &s->plan, NULL, &s->arena);
    return result_publish(&s->draft);
}

/* Each view a second and a half later; first is what became of the first route's message. */
static void check(struct stage *s, const char *name, struct delivery own, struct delivery last)
{
    struct conclude_delivery deliveries[] = {{own, last}, {{0}, {0}}};
    struct result *bare = publish(s);
    struct result *r = conclude_delivered(bare, &s->plan, deliveries);

    golden_check(name, r, s->now_us + 1500 * MS);
    result_unref(r);
    result_unref(bare);
}

static struct delivery became(const struct stage *s, const char *run, enum route_state state,
                              int64_t latency_us)
{
    bool own = strcmp(run, RUN) == 0;

    return (struct delivery){.state = state,
                             .ok = state == ROUTE_DELIVERED,
                             .run = run,
                             .mailbox = "local",
                             .settled_us = state == ROUTE_PENDING ? CLOCK_NONE
                                           : own                  ? s->now_us + 800 * MS
                                                                  : START_US - 12 * S,
                             .within_us = 60 * S,
                             .latency_us = latency_us};
}

static const struct delivery none;

static void test_queued(void **state)
{
    struct stage *s = *state;

    s->routes[0].expect = EXPECT_QUEUED;
    taken(s);
    check(s, "queued", none, none);
}

static void test_delivered(void **state)
{
    struct stage *s = *state;

    taken(s);
    check(s, "delivered", became(s, RUN, ROUTE_DELIVERED, 812 * MS), none);
}

static void test_delivered_twice(void **state)
{
    struct stage *s = *state;

    taken(s);
    struct delivery twice = became(s, RUN, ROUTE_DELIVERED, 812 * MS);
    twice.flags = UINT64_C(1) << FLAG_DUPLICATE;
    check(s, "delivered_twice", twice, none);
}

static void test_delivered_before(void **state)
{
    struct stage *s = *state;

    not_due(s);
    check(s, "delivered_before", none, became(s, LAST_RUN, ROUTE_DELIVERED, 812 * MS));
}

static void test_pending(void **state)
{
    struct stage *s = *state;

    taken(s);
    check(s, "pending", became(s, RUN, ROUTE_PENDING, CLOCK_NONE), none);
}

static void test_pending_after_delivered(void **state)
{
    struct stage *s = *state;

    taken(s);
    check(s, "pending_after_delivered", became(s, RUN, ROUTE_PENDING, CLOCK_NONE),
          became(s, LAST_RUN, ROUTE_DELIVERED, 812 * MS));
}

static void test_pending_after_lost(void **state)
{
    struct stage *s = *state;

    taken(s);
    check(s, "pending_after_lost", became(s, RUN, ROUTE_PENDING, CLOCK_NONE),
          became(s, LAST_RUN, ROUTE_LOST, CLOCK_NONE));
}

static void test_lost(void **state)
{
    struct stage *s = *state;

    taken(s);
    check(s, "lost", became(s, RUN, ROUTE_LOST, CLOCK_NONE), none);
}

static void test_late(void **state)
{
    struct stage *s = *state;

    taken(s);
    check(s, "late", became(s, RUN, ROUTE_LATE, 75200 * MS), none);
}

static void test_lost_before(void **state)
{
    struct stage *s = *state;

    not_due(s);
    check(s, "lost_before", none, became(s, LAST_RUN, ROUTE_LOST, CLOCK_NONE));
}

static void test_uncertain(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    client_sent(&s->client, client_output(&s->client).len, s->now_us);
    s->now_us += 25 * S;
    client_expire(&s->client, s->now_us);
    check(s, "uncertain", none, none);
}

/* It was watched for all the same. */
static void test_uncertain_and_delivered(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    client_sent(&s->client, client_output(&s->client).len, s->now_us);
    s->now_us += 2 * MS;
    client_broken(&s->client, SEAM_CLOSED, s->now_us);
    check(s, "uncertain_and_delivered", became(s, RUN, ROUTE_DELIVERED, 812 * MS), none);
}

static void test_message_refused(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    answers(s, "554 5.7.1 Spam message rejected\r\n");
    the_rest(s);
    check(s, "message_refused", none, none);
}

static void test_message_broken_off(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    client_sent(&s->client, 7, s->now_us);
    s->now_us += 2 * MS;
    client_broken(&s->client, SEAM_RESET, s->now_us);
    check(s, "message_broken_off", none, none);
}

static void test_message_refused_early(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    client_sent(&s->client, 7, s->now_us);
    s->now_us += 2 * MS;
    client_receive(&s->client, span_of("552 5.3.4 too big\r\n"), s->now_us, s->now_us);
    check(s, "message_refused_early", none, none);
}

static void test_data_refused(void **state)
{
    struct stage *s = *state;

    as_far_as_rcpt(s);
    answers(s, "451 4.3.0 not now\r\n");
    answers(s, "250 2.0.0 Ok\r\n");
    the_rest(s);
    check(s, "data_refused", none, none);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_queued),
        TEST(test_delivered),
        TEST(test_delivered_twice),
        TEST(test_delivered_before),
        TEST(test_pending),
        TEST(test_pending_after_delivered),
        TEST(test_pending_after_lost),
        TEST(test_lost),
        TEST(test_late),
        TEST(test_lost_before),
        TEST(test_uncertain),
        TEST(test_uncertain_and_delivered),
        TEST(test_message_refused),
        TEST(test_message_broken_off),
        TEST(test_message_refused_early),
        TEST(test_data_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
