/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a talk cannot show of LMTP: the record, the edges of each reply's own limit, the run as it stands
 * while replies are owed, and the most recipients that a plan may have.
 */
#include "probe/base/clock.h"

#include "tests/unit/probe/proto/client_stage.h"

#include <stdio.h>

#define START INT64_C(5000000)
#define S     CLOCK_US_PER_S
#define WIRE  "Subject: x\r\n\r\n..\r\n.\r\n"
#define SIZE  (sizeof(WIRE) - 1)
#define MOST  (PLAN_MAX_COMMANDS - 7) /* LHLO, HELO, MAIL, DATA, message, RSET and QUIT are left */

static const char *const to[] = {"a@example.org", "b@example.org", "d@example.org"};
static const struct plan_letter letters[] = {
    {.token = "ehlod-1", .message_id = "<ehlod-1@a>", .wire = {WIRE, SIZE}}, {0}};
static struct plan_route routes[2];

static int set_up(void **state)
{
    static struct stage s;

    s = (struct stage){.now_us = START};
    routes[0] = (struct plan_route){
        .name = "in", .from = "probe@example.org", .to = to, .to_count = 3, .expect = EXPECT_QUEUED};
    routes[1] =
        (struct plan_route){.name = "out", .from = "", .to = to, .to_count = 1, .expect = EXPECT_ACCEPTED};
    s.plan = (struct plan){.helo = "client.example.org",
                           .protocol = PROTOCOL_LMTP,
                           .stop_after = PHASE_COUNT,
                           .routes = routes,
                           .route_count = 2,
                           .letters = letters};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        s.plan.limits_us[l] = limit_default_us(l);
    s.plan.limits_us[LIMIT_RUN] = 100 * S;
    client_init(&s.client, &s.plan, &s.arena, &s.draft, START);
    *state = &s;
    return 0;
}

static void as_far_as_final(struct stage *s)
{
    char line[64];

    client_start(&s->client, s->now_us);
    says(s, "220 mx.example.org\r\n");
    hears(s, "LHLO client.example.org");
    says(s, "250 mx.example.org\r\n");
    hears(s, "MAIL FROM:<probe@example.org>");
    says(s, "250 Ok\r\n");
    for (size_t i = 0; i < routes[0].to_count; i++) {
        snprintf(line, sizeof(line), "RCPT TO:<%s>", routes[0].to[i]);
        hears(s, line);
        says(s, "250 2.1.5 Ok\r\n");
    }
    hears(s, "DATA");
    says(s, "354 go ahead\r\n");
    client_sent(&s->client, SIZE, s->now_us);
}

static const struct result_command *command(const struct stage *s, size_t from_the_end)
{
    return &s->draft.commands[s->draft.command_count - 1 - from_the_end];
}

static const struct result_recipient *recipient(const struct result *r, size_t i)
{
    return &r->routes[0].recipients[i];
}

/* Each reply counts from the one before it. */
static void test_each_reply_has_its_entry(void **state)
{
    struct stage *s = *state;

    as_far_as_final(s);
    s->now_us += 2 * S;
    says(s, "250 2.0.0 a\r\n");
    s->now_us += 3 * S;
    says(s, "250 2.0.0 b\r\n");
    s->now_us += 4 * S;
    says(s, "250 2.0.0 d\r\n");
    hears(s, "MAIL FROM:<>");
    for (size_t i = 0; i < 3; i++) {
        static const int64_t begun_us[] = {0, 2 * S, 5 * S}, ended_us[] = {2 * S, 5 * S, 9 * S};
        const struct result_command *c = command(s, 3 - i);
        assert_int_equal(c->phase, PHASE_FINAL);
        assert_int_equal(c->route, 0);
        assert_true(c->ok && c->replied && !c->unasked);
        assert_int_equal(c->sent != NULL, i == 0);
        assert_string_equal(c->expected, "2xx");
        assert_int_equal(c->at_us, begun_us[i]);
        assert_int_equal(c->first_byte_us, ended_us[i]);
        assert_int_equal(c->reply_us, ended_us[i]);
    }
    assert_int_equal(s->draft.timing_us[PHASE_FINAL], 9 * S);
    assert_int_equal(s->draft.duration_us, 9 * S);
    assert_int_equal(s->draft.routes[0].state, ROUTE_QUEUED);
    assert_int_equal(s->draft.routes[0].ok, TRI_TRUE);
}

static void test_each_reply_has_its_limit(void **state)
{
    struct stage *s = *state;
    int64_t limit_us = s->plan.limits_us[LIMIT_FINAL];

    as_far_as_final(s);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(client_deadline(&s->client), s->now_us + limit_us);
        s->now_us += limit_us - 1;
        client_expire(&s->client, s->now_us);
        says(s, "250 2.0.0 Ok\r\n");
    }
    s->now_us += limit_us;
    client_expire(&s->client, s->now_us);
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    assert_int_equal(s->draft.failure.reason, REASON_TIMEOUT);
    assert_int_equal(s->draft.failure.limit_us, limit_us);
    assert_int_equal(s->draft.failure.elapsed_us, limit_us);
    assert_non_null(
        strstr(s->draft.failure.message, "no reply to the message for <d@example.org> in 25.000 s"));
}

/* What RCPT was answered is no answer to the message. */
static void test_what_is_owed_is_not_known(void **state)
{
    struct stage *s = *state;

    as_far_as_final(s);
    says(s, "250 2.0.0 a\r\n");
    assert_int_equal(recipient(&s->draft, 0)->code, 250);
    assert_string_equal(recipient(&s->draft, 0)->text, "a");
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(recipient(&s->draft, i)->code, 0);
        assert_null(recipient(&s->draft, i)->text);
        assert_int_equal(recipient(&s->draft, i)->ok, TRI_NULL);
    }
    assert_int_equal(s->draft.routes[0].ok, TRI_NULL);
    assert_false(client_decided(&s->client));
}

/* Who waits no longer is shown the route as uncertain; the run goes on and ends well. */
static void test_as_it_stands_between_two_replies(void **state)
{
    struct stage *s = *state;
    struct arena arena = {0};

    as_far_as_final(s);
    says(s, "250 2.0.0 a\r\n");
    struct result draft = s->draft;
    client_finish(&s->client, &arena, &draft, s->now_us + S, S);
    assert_int_equal(draft.failure.reason, REASON_DEADLINE);
    assert_int_equal(draft.failure.phase, PHASE_FINAL);
    assert_non_null(
        strstr(draft.failure.message, "no reply to the message for <b@example.org> after 1.000 s"));
    assert_int_equal(draft.routes[0].state, ROUTE_UNCERTAIN);
    assert_int_equal(draft.routes[0].ok, TRI_FALSE);
    assert_int_equal(recipient(&draft, 0)->ok, TRI_TRUE);
    assert_int_equal(recipient(&draft, 1)->ok, TRI_FALSE);
    assert_int_equal(recipient(&draft, 2)->ok, TRI_FALSE);
    arena_free(&arena);
    assert_int_equal(recipient(&s->draft, 1)->ok, TRI_NULL);
    says(s, "250 2.0.0 b\r\n250 2.0.0 d\r\n");
    assert_int_equal(s->draft.routes[0].ok, TRI_TRUE);
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
}

static void test_stopped_between_two_replies(void **state)
{
    struct stage *s = *state;

    as_far_as_final(s);
    says(s, "250 2.0.0 a\r\n");
    client_stop(&s->client, s->now_us);
    client_finish(&s->client, &s->arena, &s->draft, s->now_us, CLOCK_NONE);
    assert_int_equal(s->draft.failure.reason, REASON_LOCAL_RESOURCE);
    assert_int_equal(s->draft.routes[0].state, ROUTE_UNCERTAIN);
    assert_int_equal(s->draft.routes[1].state, ROUTE_SKIPPED);
}

/* A reply after its limit is none, though it stands in one piece with one that was in time. */
static void test_a_late_reply_is_none(void **state)
{
    struct stage *s = *state;

    as_far_as_final(s);
    says(s, "250 2.0.0 a\r\n");
    s->now_us += s->plan.limits_us[LIMIT_FINAL] + 1;
    says(s, "250 2.0.0 b\r\n");
    assert_int_equal(s->draft.failure.reason, REASON_TIMEOUT);
    assert_int_equal(recipient(&s->draft, 1)->code, 0);
}

/* As many recipients as a plan may have, and a reply for each: more entries than commands. */
static void test_the_most_recipients(void **state)
{
    static char names[MOST][24];
    static const char *all[MOST];
    struct stage *s = *state;

    for (size_t i = 0; i < MOST; i++) {
        snprintf(names[i], sizeof(names[i]), "r%zu@example.org", i);
        all[i] = names[i];
    }
    client_free(&s->client);
    routes[0].to = all;
    routes[0].to_count = MOST;
    s->plan.route_count = 1;
    client_init(&s->client, &s->plan, &s->arena, &s->draft, START);
    as_far_as_final(s);
    for (size_t i = 0; i < MOST; i++)
        says(s, "250 2.0.0 Ok\r\n");
    hears(s, "QUIT");
    assert_int_equal(s->draft.routes[0].ok, TRI_TRUE);
    assert_int_equal(s->draft.command_count, 1 + 2 + MOST + 2 + (MOST - 1) + 1);
    says(s, "250 what\r\n250 more\r\n");
    assert_int_equal(s->draft.failure.reason,
                     REASON_UNSOLICITED); /* one reply too many, and it has an entry */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_reply_has_its_entry),    TEST(test_each_reply_has_its_limit),
        TEST(test_what_is_owed_is_not_known),   TEST(test_as_it_stands_between_two_replies),
        TEST(test_stopped_between_two_replies), TEST(test_a_late_reply_is_none),
        TEST(test_the_most_recipients),
    };
    return cmocka_run_group_tests_name("probe/proto/client_lmtp", tests, NULL, NULL);
}
