/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a talk cannot show of the client: the exact edge of a deadline, a peer that stops reading, the program
 * that ends, and the run as it stands for one who waits no longer.
 */
#include "probe/base/clock.h"

#include "tests/unit/probe/proto/client_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define START    (INT64_C(5) * CLOCK_US_PER_S)
#define S        CLOCK_US_PER_S
#define F(flag)  (UINT64_C(1) << FLAG_##flag)
#define GREETING "220 mx.example.org ESMTP\r\n"
#define HELLO    "250 mx.example.org\r\n"

static const char *const to[] = {"a@example.org", "b@example.org"};
static const struct plan_route routes[] = {
    {.name = "in", .from = "probe@example.org", .to = to, .to_count = 2, .expect = EXPECT_ACCEPTED},
    {.name = "out", .from = "", .to = to, .to_count = 1, .expect = EXPECT_REJECTED},
};

static int set_up(void **state)
{
    static struct stage s;

    s = (struct stage){.now_us = START};
    s.plan = (struct plan){
        .helo = "client.example.org", .stop_after = PHASE_COUNT, .routes = routes, .route_count = 2};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        s.plan.limits_us[l] = limit_default_us(l);
    client_init(&s.client, &s.plan, &s.arena, &s.draft, START);
    *state = &s;
    return 0;
}

static void as_far_as_mail(struct stage *s)
{
    client_start(&s->client, s->now_us);
    says(s, GREETING);
    hears(s, "EHLO client.example.org");
    says(s, HELLO);
    hears(s, "MAIL FROM:<probe@example.org>");
}

static void as_far_as_rcpt(struct stage *s)
{
    as_far_as_mail(s);
    says(s, "250 2.1.0 Ok\r\n");
    hears(s, "RCPT TO:<a@example.org>");
}

/* Both routes as wanted; the last RSET is awaited. */
static void as_far_as_last_rset(struct stage *s)
{
    as_far_as_rcpt(s);
    says(s, "250 Ok\r\n");
    hears(s, "RCPT TO:<b@example.org>");
    says(s, "250 Ok\r\n");
    hears(s, "RSET");
    says(s, "250 Ok\r\n");
    hears(s, "MAIL FROM:<>");
    says(s, "250 Ok\r\n");
    hears(s, "RCPT TO:<a@example.org>");
    says(s, "550 no\r\n");
    hears(s, "RSET");
}

static void check_failure(const struct stage *s, enum phase phase, enum reason reason)
{
    assert_string_equal(reason_name(s->draft.failure.reason), reason_name(reason));
    assert_string_equal(phase_name(s->draft.failure.phase), phase_name(phase));
}

/* deadlines */

static void test_no_deadline_before_start_and_after_end(void **state)
{
    struct stage *s = *state;

    assert_true(client_deadline(&s->client) == CLOCK_NEVER);
    client_expire(&s->client, START + 1000 * S);
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
    client_start(&s->client, START);
    assert_true(client_deadline(&s->client) == START + 15 * S);
    client_expire(&s->client, START + 15 * S);
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    assert_true(client_deadline(&s->client) == CLOCK_NEVER);
}

static void test_expire_before_the_deadline_does_nothing(void **state)
{
    struct stage *s = *state;

    client_start(&s->client, START);
    client_expire(&s->client, START + 15 * S - 1);
    assert_int_equal(client_want(&s->client), SEAM_READ);
    client_expire(&s->client, START + 15 * S);
    check_failure(s, PHASE_BANNER, REASON_TIMEOUT);
    assert_int_equal(s->draft.failure.limit_us, 15 * S);
    assert_int_equal(s->draft.failure.elapsed_us, 15 * S);
}

/* A reply is judged by the stamp of its arrival, however late it is read. */
static void test_reply_on_the_deadline_is_in_time(void **state)
{
    struct stage *s = *state;

    client_start(&s->client, START);
    client_receive(&s->client, span_of(GREETING), START + 15 * S, START + 15 * S);
    assert_int_equal(client_want(&s->client), SEAM_WRITE);
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
    assert_int_equal(s->draft.timing_us[PHASE_BANNER], 15 * S);
}

static void test_reply_behind_the_deadline_is_late(void **state)
{
    struct stage *s = *state;

    client_start(&s->client, START);
    client_receive(&s->client, span_of(GREETING), START + 15 * S + 1, START + 15 * S + 1);
    check_failure(s, PHASE_BANNER, REASON_TIMEOUT);
    assert_int_equal(s->draft.commands[0].replied, false);
}

/* The limit of a reply counts from the command's last byte, that of the run from its start. */
static void test_limits_count_from(void **state)
{
    struct stage *s = *state;

    s->now_us = START + 4 * S;
    client_start(&s->client, s->now_us);
    s->now_us += 5 * S;
    says(s, GREETING);
    assert_true(client_deadline(&s->client) == START + 24 * S); /* to send EHLO */
    s->now_us += 2 * S;
    hears(s, "EHLO client.example.org");
    assert_true(client_deadline(&s->client) == START + 26 * S); /* to get its reply */
    s->now_us += 5 * S;
    says(s, HELLO);
    assert_true(client_deadline(&s->client) == START + 30 * S); /* clipped */
    hears(s, "MAIL FROM:<probe@example.org>");
    client_expire(&s->client, START + 30 * S);
    check_failure(s, PHASE_MAIL, REASON_DEADLINE);
    assert_int_equal(s->draft.failure.limit_us, 30 * S);
    assert_int_equal(s->draft.timing_us[PHASE_BANNER], 5 * S);
    assert_int_equal(s->draft.timing_us[PHASE_EHLO], 5 * S);
    assert_int_equal(s->draft.timing_us[PHASE_MAIL], 14 * S);
}

static void test_peer_that_stops_reading(void **state)
{
    struct stage *s = *state;

    as_far_as_mail(s);
    says(s, "250 2.1.0 Ok\r\n");
    assert_int_equal(client_want(&s->client), SEAM_WRITE);
    client_sent(&s->client, 3, s->now_us);
    assert_int_equal(client_want(&s->client), SEAM_WRITE);
    client_expire(&s->client, s->now_us + 15 * S);
    check_failure(s, PHASE_RCPT, REASON_SEND_TIMEOUT);
    assert_int_equal(s->draft.timing_us[PHASE_RCPT], 15 * S);
    assert_int_equal(s->draft.commands[s->draft.command_count - 1].at_us, CLOCK_NONE);
}

static void test_peer_that_stops_reading_until_the_run_is_over(void **state)
{
    struct stage *s = *state;

    s->now_us = START + 20 * S;
    as_far_as_mail(s);
    says(s, "250 2.1.0 Ok\r\n");
    client_expire(&s->client, START + 30 * S);
    check_failure(s, PHASE_RCPT, REASON_DEADLINE);
    assert_non_null(strstr(s->draft.failure.message, "could not be sent"));
}

static void test_time_never_runs_backwards(void **state)
{
    struct stage *s = *state;

    client_start(&s->client, START + S);
    client_receive(&s->client, span_of(GREETING), START, START); /* stamped before the connection */
    const struct result_command *banner = &s->draft.commands[0];
    assert_int_equal(banner->at_us, S);
    assert_int_equal(banner->first_byte_us, S);
    assert_int_equal(banner->reply_us, S);
    assert_int_equal(s->draft.timing_us[PHASE_BANNER], 0);
}

/* sending */

static void test_output_in_pieces(void **state)
{
    struct stage *s = *state;
    char heard[64] = "";

    client_start(&s->client, START);
    says(s, GREETING);
    while (client_want(&s->client) == SEAM_WRITE) {
        assert_int_equal(s->draft.commands[1].at_us, CLOCK_NONE);
        strncat(heard, client_output(&s->client).data, 1);
        client_sent(&s->client, 1, ++s->now_us);
    }
    assert_string_equal(heard, "EHLO client.example.org\r\n");
    assert_int_equal(s->draft.commands[1].at_us, (int64_t)strlen(heard));
    assert_int_equal(client_output(&s->client).len, 0);
}

/* what comes unasked */

/* It is shown whole, stands in the place of the command that never left, and belongs to what was before. */
static void test_unsolicited_before_mail(void **state)
{
    struct stage *s = *state;

    client_start(&s->client, START);
    says(s, GREETING);
    hears(s, "EHLO client.example.org");
    says(s, HELLO "250 again\r\n\r\n250 and \xff\n");
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    check_failure(s, PHASE_EHLO, REASON_UNSOLICITED);
    assert_null(s->draft.failure.route);
    assert_non_null(strstr(s->draft.failure.message, "250 again"));
    assert_int_equal(s->draft.command_count, 3);
    assert_null(s->draft.commands[2].sent);
    assert_int_equal(s->draft.commands[2].route, -1);
    assert_int_equal(s->draft.commands[2].reply.line_count, 3);
    assert_string_equal(s->draft.commands[2].reply.lines[0], "250 again");
    assert_string_equal(s->draft.commands[2].reply.lines[1], "");
    assert_string_equal(s->draft.commands[2].reply.lines[2], "250 and \\xFF");
    assert_true(s->draft.commands[2].reply.escaped);
    assert_int_equal(s->draft.timing_us[PHASE_MAIL], CLOCK_NONE);
    client_finish(&s->client, &s->arena, &s->draft, START, CLOCK_NONE);
    assert_int_equal(s->draft.routes[0].state, ROUTE_SKIPPED);
    assert_int_equal(s->draft.routes[0].ok, TRI_FALSE);
}

static void test_unsolicited_after_rset_is_the_old_route_s(void **state)
{
    struct stage *s = *state;

    as_far_as_rcpt(s);
    says(s, "250 Ok\r\n");
    hears(s, "RCPT TO:<b@example.org>");
    says(s, "250 Ok\r\n");
    hears(s, "RSET");
    says(s, "250 Ok\r\n250 again\r\n");
    check_failure(s, PHASE_RSET, REASON_UNSOLICITED);
    assert_int_equal(s->draft.commands[s->draft.command_count - 1].route, 0);
    client_finish(&s->client, &s->arena, &s->draft, START, CLOCK_NONE);
    assert_int_equal(s->draft.routes[0].ok, TRI_TRUE);
    assert_int_equal(s->draft.routes[1].state, ROUTE_SKIPPED);
    assert_int_equal(s->draft.routes[1].ok, TRI_FALSE);
}

/* A command of which a part has left was under way: it stays, and its time counts. */
static void test_unsolicited_while_sending(void **state)
{
    struct stage *s = *state;

    as_far_as_mail(s);
    says(s, "250 2.1.0 Ok\r\n");
    client_sent(&s->client, 4, s->now_us);
    s->now_us += S;
    says(s, "421 tired\r\n");
    check_failure(s, PHASE_MAIL, REASON_UNSOLICITED);
    assert_string_equal(s->draft.commands[3].sent, "RCPT TO:<a@example.org>");
    assert_int_equal(s->draft.timing_us[PHASE_RCPT], S);
    assert_int_equal(s->draft.commands[4].phase, PHASE_MAIL);
}

/* the program ends */

static void test_stop_while_a_reply_is_owed(void **state)
{
    struct stage *s = *state;

    as_far_as_rcpt(s);
    client_stop(&s->client, s->now_us + S);
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    check_failure(s, PHASE_RCPT, REASON_LOCAL_RESOURCE);
    assert_int_equal(s->draft.timing_us[PHASE_RCPT], S);
}

static void test_stop_after_the_verdict_changes_nothing(void **state)
{
    struct stage *s = *state;

    as_far_as_last_rset(s);
    assert_true(client_decided(&s->client));
    client_stop(&s->client, s->now_us);
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
}

static void test_done_is_done(void **state)
{
    struct stage *s = *state;

    client_start(&s->client, START);
    client_broken(&s->client, SEAM_CLOSED, START);
    size_t count = s->draft.command_count;
    says(s, GREETING);
    client_sent(&s->client, 1, START);
    client_broken(&s->client, SEAM_RESET, START);
    client_expire(&s->client, START + 100 * S);
    client_stop(&s->client, START);
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    assert_int_equal(client_output(&s->client).len, 0);
    check_failure(s, PHASE_BANNER, REASON_CLOSED);
    assert_int_equal(s->draft.command_count, count);
}

/* the run as it stands */

static void test_peek_in_the_middle_of_a_reply(void **state)
{
    struct stage *s = *state;
    struct arena arena = {0};

    as_far_as_rcpt(s);
    says(s, "250-so\r\n250 fa");
    struct result view = s->draft;
    client_finish(&s->client, &arena, &view, s->now_us + 2 * S, 2 * S);
    assert_int_equal(view.failure.reason, REASON_DEADLINE);
    assert_int_equal(view.failure.phase, PHASE_RCPT);
    assert_string_equal(view.failure.route, "in");
    assert_int_equal(view.failure.limit_us, 2 * S);
    assert_int_equal(view.timing_us[PHASE_RCPT], 2 * S);
    assert_true(view.flags & F(REPLY_INCOMPLETE));
    const struct result_reply *reply = &view.commands[view.command_count - 1].reply;
    assert_int_equal(reply->line_count, 2);
    assert_string_equal(reply->lines[1], "250 fa");
    assert_int_equal(view.routes[0].ok, TRI_FALSE);
    assert_int_equal(view.routes[0].recipients[0].ok, TRI_FALSE);
    assert_int_equal(view.routes[0].recipients[1].ok, TRI_NULL);
    assert_int_equal(view.routes[1].state, ROUTE_SKIPPED);
    arena_free(&arena);

    /* the run goes on as if nobody had looked */
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
    assert_int_equal(s->draft.flags, 0);
    says(s, "r\r\n");
    assert_string_equal(s->draft.routes[0].recipients[0].text, "so far");
    hears(s, "RCPT TO:<b@example.org>");
}

/* Whoever leaves while only courtesy is awaited sees the verdict. */
static void test_peek_after_the_verdict(void **state)
{
    struct stage *s = *state;
    struct arena arena = {0};

    as_far_as_last_rset(s);
    struct result view = s->draft;
    client_finish(&s->client, &arena, &view, s->now_us + S, S);
    assert_int_equal(view.failure.reason, REASON_NONE);
    assert_int_equal(view.routes[0].ok, TRI_TRUE);
    assert_int_equal(view.routes[1].ok, TRI_TRUE);
    arena_free(&arena);
}

static void test_never_started(void **state)
{
    struct stage *s = *state;

    client_finish(&s->client, &s->arena, &s->draft, START, CLOCK_NONE);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(s->draft.routes[i].state, ROUTE_SKIPPED);
        assert_int_equal(s->draft.routes[i].ok, TRI_FALSE);
    }
    assert_int_equal(s->draft.command_count, 0);
}

/* The duration is that of the last reply that decides: not RSET, not QUIT. */
static void test_duration(void **state)
{
    struct stage *s = *state;

    as_far_as_last_rset(s);
    s->now_us += S;
    says(s, "250 Ok\r\n");
    hears(s, "QUIT");
    s->now_us += S / 2;
    says(s, "221 Bye\r\n");
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    assert_int_equal(s->draft.duration_us, 0);
    assert_int_equal(s->draft.timing_us[PHASE_RSET], S);
    assert_int_equal(s->draft.timing_us[PHASE_QUIT], S / 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_deadline_before_start_and_after_end),
        TEST(test_expire_before_the_deadline_does_nothing),
        TEST(test_reply_on_the_deadline_is_in_time),
        TEST(test_reply_behind_the_deadline_is_late),
        TEST(test_limits_count_from),
        TEST(test_peer_that_stops_reading),
        TEST(test_peer_that_stops_reading_until_the_run_is_over),
        TEST(test_time_never_runs_backwards),
        TEST(test_output_in_pieces),
        TEST(test_unsolicited_before_mail),
        TEST(test_unsolicited_after_rset_is_the_old_route_s),
        TEST(test_unsolicited_while_sending),
        TEST(test_stop_while_a_reply_is_owed),
        TEST(test_stop_after_the_verdict_changes_nothing),
        TEST(test_done_is_done),
        TEST(test_peek_in_the_middle_of_a_reply),
        TEST(test_peek_after_the_verdict),
        TEST(test_never_started),
        TEST(test_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
