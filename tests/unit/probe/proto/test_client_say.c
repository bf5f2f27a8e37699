/* SPDX-License-Identifier: Apache-2.0 */
/* The client's sentences, what it says that it hopes for, and what it keeps of a reply. */
#include "probe/proto/client.h"

#include "probe/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define START (INT64_C(5) * CLOCK_US_PER_S)
#define S     CLOCK_US_PER_S
#define MS    CLOCK_US_PER_MS

static const char *const to[] = {"a@example.org", "b@example.org"};

struct stage {
    struct arena arena;
    struct plan_route route;
    struct plan_letter letter;
    struct plan plan;
    struct result draft;
    struct client client;
};

static int set_up(void **state)
{
    static struct stage s;

    s = (struct stage){
        .route = {
            .name = "out", .from = "probe@example.org", .to = to, .to_count = 2, .expect = EXPECT_REJECTED}};
    s.plan = (struct plan){
        .helo = "client.example.org", .stop_after = PHASE_COUNT, .routes = &s.route, .route_count = 1};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        s.plan.limits_us[l] = 10 * S;
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

static void says(struct stage *s, const char *bytes)
{
    client_receive(&s->client, span_of(bytes), START, START);
}

static void hears(struct stage *s, const char *line)
{
    struct span out = client_output(&s->client);
    assert_int_equal(out.len, strlen(line) + 2);
    assert_memory_equal(out.data, line, strlen(line));
    client_sent(&s->client, out.len, START);
}

static void begin(struct stage *s)
{
    client_init(&s->client, &s->plan, &s->arena, &s->draft, START);
    client_start(&s->client, START);
}

static void as_far_as_mail(struct stage *s)
{
    begin(s);
    says(s, "220 mx.example.org ESMTP\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250 mx.example.org\r\n");
    hears(s, "MAIL FROM:<probe@example.org>");
}

static const char *last_expected(const struct stage *s)
{
    return s->draft.commands[s->draft.command_count - 1].expected;
}

/* ---- deadlines ---- */

static void test_the_time_of_the_run_is_named(void **state)
{
    struct stage *s = *state;

    s->plan.limits_us[LIMIT_RUN] = 2 * S;
    begin(s);
    client_expire(&s->client, START + 2002 * MS);
    assert_string_equal(s->draft.failure.message,
                        "no greeting in 2.002 s, when the time of the run was over (timeout, 2 s)");
    assert_int_equal(s->draft.failure.limit_us, 2 * S);
}

/* Waiting for its turn makes a run start later; it ends when it would have, and its limit is what was left.
 */
static void test_a_later_start_has_the_same_end(void **state)
{
    struct stage *s = *state;

    s->plan.limits_us[LIMIT_RUN] = 2 * S;
    client_init(&s->client, &s->plan, &s->arena, &s->draft, START);
    s->client.start_us = START + S / 2;
    client_start(&s->client, START + S / 2);
    assert_int_equal(client_deadline(&s->client), START + 2 * S);
    client_expire(&s->client, START + 2 * S);
    assert_string_equal(s->draft.failure.message,
                        "no greeting in 1.500 s, when the time of the run was over (timeout, 2 s)");
    assert_int_equal(s->draft.failure.limit_us, S + S / 2);
}

static void test_a_limit_of_the_step_is_named(void **state)
{
    struct stage *s = *state;

    s->plan.limits_us[LIMIT_BANNER] = S;
    begin(s);
    client_expire(&s->client, START + S);
    assert_string_equal(s->draft.failure.message, "no greeting in 1.000 s (timeouts.banner)");
}

/* ---- to a caller who waits no longer ---- */

static void check_unfinished(const struct stage *s, int64_t after_us, const char *sentence)
{
    struct arena arena = {0};
    struct result view = s->draft;

    client_finish(&s->client, &arena, &view, START + after_us, MS);
    assert_int_equal(view.failure.reason, REASON_DEADLINE);
    assert_int_equal(view.failure.limit_us, MS);
    assert_string_equal(view.failure.message, sentence);
    arena_free(&arena);
}

static void test_a_caller_leaves(void **state)
{
    struct stage *s = *state;

    begin(s);
    check_unfinished(s, 321 * MS,
                     "no greeting after 0.321 s, when the caller's 1 ms were over; the run goes on");
    says(s, "220 mx.example.org ESMTP\r\n");
    check_unfinished(s, 0,
                     "EHLO client.example.org could not be sent after 0.000 s, when the caller's 1 ms were "
                     "over; the run goes on");
    hears(s, "EHLO client.example.org");
    check_unfinished(s, S,
                     "no reply to EHLO client.example.org after 1.000 s, when the caller's 1 ms were over; "
                     "the run goes on");
}

static void test_a_caller_leaves_inside_the_message(void **state)
{
    struct stage *s = *state;

    s->route.expect = EXPECT_QUEUED;
    s->route.to_count = 1;
    s->letter = (struct plan_letter){
        .token = "token", .message_id = "<token@example.org>", .wire = span_of("a\r\n.\r\n")};
    s->plan.letters = &s->letter;
    as_far_as_mail(s);
    says(s, "250 Ok\r\n");
    hears(s, "RCPT TO:<a@example.org>");
    says(s, "250 Ok\r\n");
    hears(s, "DATA");
    says(s, "354 go on\r\n");
    client_sent(&s->client, 2, START);
    check_unfinished(s, S,
                     "only 2 of 6 octets of the message could be sent after 1.000 s, when the caller's 1 ms "
                     "were over; the run goes on");
}

/* ---- what is hoped for ---- */

static void test_what_is_hoped_for(void **state)
{
    static const struct {
        unsigned expect;
        int code;
        struct enhanced enhanced;
        const char *mail, *rcpt;
    } rows[] = {
        {EXPECT_ACCEPTED, 0, {0}, "2xx", "2xx"},
        {EXPECT_ACCEPTED, 250, {0}, "2xx", "250"},
        {EXPECT_REJECTED, 0, {0}, "2xx or 5xx", "5xx"},
        {EXPECT_REJECTED | EXPECT_DEFERRED, 0, {0}, "2xx, 4xx or 5xx", "4xx or 5xx"},
        {EXPECT_REJECTED, 550, {5, 7, 1}, "2xx or 550 5.7.1", "550 5.7.1"},
        {EXPECT_REJECTED, 550, {0}, "2xx or 550", "550"},
        {EXPECT_ACCEPTED | EXPECT_REJECTED, 550, {0}, "2xx or 550", "550"},
        {EXPECT_ACCEPTED | EXPECT_REJECTED, 252, {0}, "2xx", "252"},
        {EXPECT_QUEUED, 0, {0}, "2xx", "2xx"},
        {EXPECT_QUEUED | EXPECT_REJECTED, 550, {0}, "2xx or 550", "2xx or 550"},
        {EXPECT_QUEUED | EXPECT_REJECTED, 250, {0}, "2xx", "2xx"},
    };
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        s->route.expect = rows[i].expect;
        s->route.reply_code = rows[i].code;
        s->route.reply_enhanced = rows[i].enhanced;
        as_far_as_mail(s);
        assert_string_equal(last_expected(s), rows[i].mail);
        says(s, "250 Ok\r\n");
        hears(s, "RCPT TO:<a@example.org>");
        assert_string_equal(last_expected(s), rows[i].rcpt);
        tear_down(state);
        s->arena = (struct arena){0};
        s->draft = (struct result){0};
    }
    begin(s);
}

static void test_what_is_hoped_for_of_data(void **state)
{
    struct stage *s = *state;

    s->route = (struct plan_route){.name = "out",
                                   .from = "probe@example.org",
                                   .to = to,
                                   .to_count = 1,
                                   .expect = EXPECT_REJECTED,
                                   .at_final = true,
                                   .reply_code = 554,
                                   .reply_enhanced = {5, 7, 1}};
    s->letter = (struct plan_letter){
        .token = "token", .message_id = "<token@example.org>", .wire = span_of("a\r\n.\r\n")};
    s->plan.letters = &s->letter;
    as_far_as_mail(s);
    says(s, "250 Ok\r\n");
    hears(s, "RCPT TO:<a@example.org>");
    says(s, "250 Ok\r\n");
    hears(s, "DATA");
    assert_string_equal(last_expected(s), "354 or 554 5.7.1");
}

/* ---- what is kept ---- */

static void test_a_refusal_at_mail_is_every_recipients(void **state)
{
    struct stage *s = *state;

    as_far_as_mail(s);
    says(s, "550-5.7.1 not you\r\n550 5.7.1 go away\r\n");
    for (size_t i = 0; i < 2; i++) {
        const struct result_recipient *r = &s->draft.routes[0].recipients[i];
        assert_int_equal(r->code, 550);
        assert_int_equal(r->enhanced.subject, 7);
        assert_string_equal(r->text, "not you go away");
        assert_int_equal(r->ok, TRI_TRUE);
    }
}

static void test_a_route_without_an_answer_is_skipped(void **state)
{
    struct stage *s = *state;

    as_far_as_mail(s);
    assert_int_equal(s->draft.routes[0].state, ROUTE_NONE);
    client_broken(&s->client, SEAM_CLOSED, START);
    client_finish(&s->client, &s->arena, &s->draft, START, CLOCK_NONE);
    assert_int_equal(s->draft.routes[0].state, ROUTE_SKIPPED);
    assert_int_equal(s->draft.routes[0].ok, TRI_FALSE);
    assert_int_equal(s->draft.routes[0].recipients[0].code, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_time_of_the_run_is_named),
        TEST(test_a_later_start_has_the_same_end),
        TEST(test_a_limit_of_the_step_is_named),
        TEST(test_a_caller_leaves),
        TEST(test_a_caller_leaves_inside_the_message),
        TEST(test_what_is_hoped_for),
        TEST(test_what_is_hoped_for_of_data),
        TEST(test_a_refusal_at_mail_is_every_recipients),
        TEST(test_a_route_without_an_answer_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
