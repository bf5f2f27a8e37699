/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a talk cannot show of a message: the exact edges of its deadlines, octets that were sent, the record,
 * and the run as it stands while a message is under way.
 */
#include "probe/base/clock.h"

#include "tests/unit/probe/proto/client_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define START INT64_C(5000000)
#define S     CLOCK_US_PER_S
#define WIRE  "Subject: x\r\n\r\n..\r\n.\r\n"
#define SIZE  (sizeof(WIRE) - 1)

static const char *const to[] = {"a@example.org"};
static const struct plan_route routes[] = {
    {.name = "in", .from = "probe@example.org", .to = to, .to_count = 1, .expect = EXPECT_QUEUED},
    {.name = "out", .from = "", .to = to, .to_count = 1, .expect = EXPECT_ACCEPTED},
};
static const struct plan_letter letters[] = {
    {.token = "ehlod-1", .message_id = "<ehlod-1@a>", .wire = {WIRE, SIZE}}, {0}};

static int set_up(void **state)
{
    static struct stage s;

    s = (struct stage){.now_us = START};
    s.plan = (struct plan){.helo = "client.example.org",
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

static void as_far_as_rcpt(struct stage *s)
{
    client_start(&s->client, s->now_us);
    says(s, "220 mx.example.org\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250 mx.example.org\r\n");
    hears(s, "MAIL FROM:<probe@example.org>");
    says(s, "250 Ok\r\n");
    hears(s, "RCPT TO:<a@example.org>");
}

/* 354 is there; nothing of the message is sent. */
static void as_far_as_message(struct stage *s)
{
    as_far_as_rcpt(s);
    says(s, "250 Ok\r\n");
    hears(s, "DATA");
    says(s, "354 go ahead\r\n");
}

static void as_far_as_final(struct stage *s)
{
    as_far_as_message(s);
    client_sent(&s->client, SIZE, s->now_us);
}

static const struct result_command *last_command(const struct stage *s)
{
    return &s->draft.commands[s->draft.command_count - 1];
}

static void check_failure(const struct stage *s, enum phase phase, enum reason reason)
{
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    assert_string_equal(reason_name(s->draft.failure.reason), reason_name(reason));
    assert_string_equal(phase_name(s->draft.failure.phase), phase_name(phase));
}

static void finish(struct stage *s)
{
    client_finish(&s->client, &s->arena, &s->draft, s->now_us, CLOCK_NONE);
}

/* DATA */

static void test_the_message_is_named_when_data_is_said(void **state)
{
    struct stage *s = *state;

    as_far_as_rcpt(s);
    says(s, "250 Ok\r\n");
    client_sent(&s->client, 5, s->now_us);
    assert_null(s->draft.routes[0].token);
    client_sent(&s->client, 1, s->now_us);
    assert_string_equal(s->draft.routes[0].token, "ehlod-1");
    assert_string_equal(s->draft.routes[0].message_id, "<ehlod-1@a>");
    assert_int_equal(s->draft.routes[0].sent_us, CLOCK_NONE);
    assert_null(s->draft.routes[1].token);
}

static void test_unasked_before_data_has_left(void **state)
{
    struct stage *s = *state;

    as_far_as_rcpt(s);
    says(s, "250 Ok\r\n");
    says(s, "354 go ahead\r\n");
    check_failure(s, PHASE_RCPT, REASON_UNSOLICITED);
    assert_null(s->draft.routes[0].token);
    assert_int_equal(s->draft.timing_us[PHASE_DATA], CLOCK_NONE);
    finish(s);
    assert_int_equal(s->draft.routes[0].state, ROUTE_ACCEPTED);
    assert_int_equal(s->draft.routes[0].ok, TRI_FALSE);
}

/* sending */

static void test_the_message_is_not_copied(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    assert_ptr_equal(client_output(&s->client).data, letters[0].wire.data);
    assert_int_equal(client_output(&s->client).len, SIZE);
    client_sent(&s->client, 7, s->now_us);
    assert_ptr_equal(client_output(&s->client).data, letters[0].wire.data + 7);
    assert_int_equal(client_output(&s->client).len, SIZE - 7);
}

static void test_the_record_of_a_message(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    size_t count = s->draft.command_count;
    assert_string_equal(s->draft.commands[count - 2].sent, "DATA");
    assert_int_equal(s->draft.commands[count - 2].reply.code, 354);
    assert_true(s->draft.commands[count - 2].ok);
    assert_string_equal(last_command(s)->sent, ".");
    s->now_us += S;
    client_sent(&s->client, 7, s->now_us);
    assert_int_equal(last_command(s)->phase, PHASE_MESSAGE);
    assert_int_equal(last_command(s)->at_us, CLOCK_NONE);
    s->now_us += S;
    client_sent(&s->client, SIZE - 7, s->now_us);
    assert_int_equal(last_command(s)->phase, PHASE_FINAL);
    assert_int_equal(last_command(s)->at_us, 2 * S);
    s->now_us += S;
    says(s, "250-2.0.0 Ok: queued as ABC\r\n250 2.0.0 bye\r\n");
    const struct result_command *final = &s->draft.commands[count - 1];
    assert_int_equal(final->reply_us, 3 * S);
    assert_string_equal(final->expected, "2xx");
    assert_true(final->ok);
    assert_int_equal(s->draft.timing_us[PHASE_MESSAGE], S); /* from its first octet, late as that was */
    assert_int_equal(s->draft.timing_us[PHASE_FINAL], S);
    assert_int_equal(s->draft.duration_us, 3 * S);
    const struct result_route *route = &s->draft.routes[0];
    assert_int_equal(route->state, ROUTE_QUEUED);
    assert_int_equal(route->ok, TRI_TRUE);
    assert_int_equal(route->sent_us, 2 * S);
    assert_int_equal(route->octets, SIZE);
    assert_int_equal(route->octets_sent, SIZE);
    assert_int_equal(route->final.code, 250);
    assert_string_equal(route->final.text, "Ok: queued as ABC bye");
    assert_string_equal(route->queue_id, "ABC");
    hears(s, "MAIL FROM:<>");
}

static void test_limits_of_a_message_count_from(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    assert_true(client_deadline(&s->client) == s->now_us + 20 * S);
    s->now_us += S;
    client_sent(&s->client, 1, s->now_us); /* only now it begins */
    int64_t begun_us = s->now_us;
    assert_true(client_deadline(&s->client) == begun_us + 20 * S);
    s->now_us += 19 * S;
    client_sent(&s->client, SIZE - 2, s->now_us); /* progress moves nothing */
    assert_true(client_deadline(&s->client) == begun_us + 20 * S);
    client_expire(&s->client, begun_us + 20 * S - 1);
    assert_int_equal(client_want(&s->client), SEAM_WRITE);
    client_sent(&s->client, 1, s->now_us);
    assert_true(client_deadline(&s->client) == s->now_us + 25 * S);
    client_expire(&s->client, s->now_us + 25 * S - 1);
    assert_int_equal(client_want(&s->client), SEAM_READ);
    client_expire(&s->client, s->now_us + 25 * S);
    check_failure(s, PHASE_FINAL, REASON_TIMEOUT);
    assert_int_equal(s->draft.failure.limit_us, 25 * S);
    finish(s);
    assert_int_equal(s->draft.routes[0].state, ROUTE_UNCERTAIN);
}

static void test_m13_a_peer_that_stops_reading(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    client_sent(&s->client, 7, s->now_us);
    s->now_us += 20 * S;
    client_expire(&s->client, s->now_us);
    check_failure(s, PHASE_MESSAGE, REASON_SEND_TIMEOUT);
    assert_string_equal(s->draft.failure.message,
                        "the server stopped reading after 7 of 21 octets of the message; the rest could not "
                        "be sent in 20.000 s (timeouts.message)");
    assert_int_equal(s->draft.timing_us[PHASE_MESSAGE], 20 * S);
    assert_int_equal(s->draft.timing_us[PHASE_FINAL], CLOCK_NONE);
    finish(s);
    assert_int_equal(s->draft.routes[0].octets_sent, 7);
    assert_int_equal(s->draft.routes[0].sent_us, CLOCK_NONE);
    assert_int_equal(s->draft.routes[0].state, ROUTE_ACCEPTED);
}

static void test_m12_the_octets_are_told(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    client_sent(&s->client, SIZE - 1, s->now_us);
    client_broken(&s->client, SEAM_RESET, s->now_us);
    check_failure(s, PHASE_MESSAGE, REASON_RESET);
    assert_string_equal(s->draft.failure.message,
                        "the server reset the connection after 20 of 21 octets of the message");
}

/* replies before the dot */

/* A reply that has begun is waited for: nothing it could say would make the rest of the message useful. */
static void test_a_reply_that_begins_stops_the_message(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    client_sent(&s->client, 7, s->now_us);
    s->now_us += S;
    says(s, "\r\n");
    assert_int_equal(client_want(&s->client), SEAM_WRITE);
    says(s, "4");
    assert_int_equal(client_want(&s->client), SEAM_READ);
    s->now_us += S;
    says(s, "51 4.3.0 disk full\r\n");
    check_failure(s, PHASE_MESSAGE, REASON_DEFERRED);
    assert_int_equal(s->draft.failure.code, 451);
    assert_int_equal(s->draft.failure.elapsed_us, 2 * S);
    assert_string_equal(s->draft.failure.message, "the message was refused for now after 7 of 21 octets: "
                                                  "\"451 4.3.0 disk full\"");
    assert_int_equal(last_command(s)->phase, PHASE_MESSAGE);
    assert_int_equal(last_command(s)->at_us, CLOCK_NONE);
    assert_int_equal(last_command(s)->first_byte_us, S);
    assert_int_equal(last_command(s)->reply_us, 2 * S);
    assert_int_equal(s->draft.timing_us[PHASE_MESSAGE], 2 * S);
    assert_int_equal(s->draft.routes[0].final.code, 451);
    assert_int_equal(s->draft.routes[0].state, ROUTE_DEFERRED);
}

/* A stamp from before the message began is not believed. */
static void test_an_early_reply_never_runs_backwards(void **state)
{
    struct stage *s = *state;

    s->now_us += S;
    as_far_as_message(s);
    client_receive(&s->client, span_of("451 no\r\n"), START - 1, START - 1);
    check_failure(s, PHASE_MESSAGE, REASON_DEFERRED);
    assert_int_equal(last_command(s)->first_byte_us, S);
    assert_int_equal(last_command(s)->reply_us, S);
}

/* Of a message that never left nothing is recorded. */
static void test_m32_unasked_before_the_message(void **state)
{
    struct stage *s = *state;

    as_far_as_rcpt(s);
    says(s, "250 Ok\r\n");
    hears(s, "DATA");
    says(s, "354 go ahead\r\n250 Ok\r\n");
    check_failure(s, PHASE_DATA, REASON_UNSOLICITED);
    assert_string_equal(s->draft.failure.route, "in");
    assert_null(last_command(s)->sent);
    assert_int_equal(last_command(s)->phase, PHASE_DATA);
    assert_int_equal(last_command(s)->reply.code, 250);
    assert_string_equal(s->draft.commands[s->draft.command_count - 2].sent, "DATA");
    assert_int_equal(s->draft.timing_us[PHASE_MESSAGE], CLOCK_NONE);
}

static void test_m32_unasked_inside_the_message(void **state)
{
    struct stage *s = *state;

    as_far_as_message(s);
    client_sent(&s->client, 7, s->now_us);
    s->now_us += S;
    says(s, "250 Ok\r\n");
    check_failure(s, PHASE_DATA, REASON_UNSOLICITED);
    const struct result_command *message = &s->draft.commands[s->draft.command_count - 2];
    assert_string_equal(message->sent, ".");
    assert_false(message->replied);
    assert_int_equal(message->first_byte_us, CLOCK_NONE);
    assert_int_equal(s->draft.timing_us[PHASE_MESSAGE], S);
}

/* the run as it stands, and the program that ends */

static void test_peek_inside_the_message(void **state)
{
    struct stage *s = *state;
    struct arena arena = {0};

    as_far_as_message(s);
    client_sent(&s->client, 7, s->now_us);
    struct result view = s->draft;
    client_finish(&s->client, &arena, &view, s->now_us + 2 * S, 2 * S);
    assert_int_equal(view.failure.phase, PHASE_MESSAGE);
    assert_int_equal(view.failure.reason, REASON_DEADLINE);
    assert_non_null(
        strstr(view.failure.message, "only 7 of 21 octets of the message could be sent after 2.000 s"));
    assert_int_equal(view.timing_us[PHASE_MESSAGE], 2 * S);
    assert_int_equal(view.routes[0].ok, TRI_FALSE);
    assert_int_equal(view.routes[0].state, ROUTE_ACCEPTED);
    arena_free(&arena);
    assert_int_equal(client_want(&s->client), SEAM_WRITE);
    assert_int_equal(s->draft.routes[0].ok, TRI_NULL);
}

static void test_peek_before_the_final_reply(void **state)
{
    struct stage *s = *state;
    struct arena arena = {0};

    as_far_as_final(s);
    struct result view = s->draft;
    client_finish(&s->client, &arena, &view, s->now_us + 2 * S, 2 * S);
    assert_int_equal(view.failure.phase, PHASE_FINAL);
    assert_non_null(strstr(view.failure.message, "no reply to the message after 2.000 s"));
    assert_int_equal(view.routes[0].state, ROUTE_UNCERTAIN);
    assert_int_equal(view.routes[0].ok, TRI_FALSE);
    assert_int_equal(view.routes[1].state, ROUTE_SKIPPED);
    arena_free(&arena);
    says(s, "250 Ok\r\n");
    assert_int_equal(s->draft.routes[0].state, ROUTE_QUEUED);
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
}

static void test_stop_before_the_final_reply(void **state)
{
    struct stage *s = *state;

    as_far_as_final(s);
    client_stop(&s->client, s->now_us);
    check_failure(s, PHASE_FINAL, REASON_LOCAL_RESOURCE);
    finish(s);
    assert_int_equal(s->draft.routes[0].state, ROUTE_UNCERTAIN);
    assert_int_equal(s->draft.routes[0].ok, TRI_FALSE);
}

/* A plan without letters sends nothing, whatever its routes want. */
static void test_no_letters(void **state)
{
    struct stage *s = *state;

    s->plan.letters = NULL;
    as_far_as_rcpt(s);
    says(s, "250 Ok\r\n");
    hears(s, "RSET");
    assert_int_equal(s->draft.routes[0].state, ROUTE_ACCEPTED);
    assert_int_equal(s->draft.routes[0].ok, TRI_TRUE);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_message_is_named_when_data_is_said),
        TEST(test_unasked_before_data_has_left),
        TEST(test_the_message_is_not_copied),
        TEST(test_the_record_of_a_message),
        TEST(test_limits_of_a_message_count_from),
        TEST(test_m13_a_peer_that_stops_reading),
        TEST(test_m12_the_octets_are_told),
        TEST(test_a_reply_that_begins_stops_the_message),
        TEST(test_an_early_reply_never_runs_backwards),
        TEST(test_m32_unasked_before_the_message),
        TEST(test_m32_unasked_inside_the_message),
        TEST(test_peek_inside_the_message),
        TEST(test_peek_before_the_final_reply),
        TEST(test_stop_before_the_final_reply),
        TEST(test_no_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
