/* SPDX-License-Identifier: Apache-2.0 */
/* How the views show a dialogue written by hand, and that its transcript is the same line by line as at once.
 */
#include "probe/base/clock.h"
#include "server/render/render.h"
#include "server/render/transcript.h"
#include "tests/unit/server/render/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ENDED_US   INT64_C(500012412)
#define STARTED_US INT64_C(1795400704123456) /* 2026-11-23T02:25:04.123456Z */

#define LINES(...)                                                                                           \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define SAID(its_phase, line, at, code_, hope, good, ...)                                                    \
    {                                                                                                        \
        .phase = its_phase, .route = -1, .sent = line, .at_us = at, .first_byte_us = (at) + 400,             \
        .reply_us = (at) + 500, .replied = true, .expected = hope, .ok = good, .reply = {                    \
            .code = code_,                                                                                   \
            .lines = LINES(__VA_ARGS__),                                                                     \
            .line_count = sizeof(LINES(__VA_ARGS__)) / sizeof(char *)                                        \
        }                                                                                                    \
    }

static const struct result_command good[] = {
    SAID(PHASE_BANNER, NULL, 500, 220, "220 ESMTP", true, "mx1.example.org ESMTP", "at your service"),
    SAID(PHASE_EHLO, "EHLO client.example.org", 1100, 250, "2xx or 3xx", true, "mx1.example.org",
         "SIZE 1000"),
    SAID(PHASE_AUTH, "AUTH LOGIN", 2000, 334, "2xx or 3xx", true, "VXNlcm5hbWU6"),
    SAID(PHASE_AUTH, "***", 3000, 235, "235", true, "2.7.0 in"),
    SAID(PHASE_MAIL, "MAIL FROM:<a@example.org>", 4000, 250, "2xx or 3xx", true, "2.1.0 Ok"),
    SAID(PHASE_RCPT, "RCPT TO:<b@example.com>", 5000, 550, "550 5.7.1", true, "5.7.1 no"),
    SAID(PHASE_DATA, "DATA", 6000, 354, "354", true, "go on"),
    {.phase = PHASE_FINAL,
     .route = -1,
     .sent = ".",
     .at_us = 7000,
     .first_byte_us = 7400,
     .reply_us = 7500,
     .replied = true,
     .octets = 512,
     .octets_sent = 512,
     .expected = "2xx",
     .ok = true,
     .reply = {.code = 250, .lines = LINES("2.0.0 Ok: queued as 4Z1x"), .line_count = 1}},
    SAID(PHASE_FINAL, "NOOP", 8000, 250, "2xx or 3xx", true, "2.0.0 Ok"),
    SAID(PHASE_QUIT, "QUIT", 9000, 221, "221", true, "2.0.0 Bye"),
};
#define GOOD_COUNT (sizeof(good) / sizeof(good[0]))

static struct result base(const struct result_command *commands, size_t count)
{
    struct result r = {.status = STATUS_PASS,
                       .target = "mx1",
                       .id = "01JD9K00000000000000000050",
                       .vantage = "fra1",
                       .summary = "7 of 7 commands as wanted, 1 message accepted",
                       .started_wall_us = STARTED_US,
                       .started_mono_us = ENDED_US - 12412,
                       .ended_mono_us = ENDED_US,
                       .duration_us = 8500,
                       .host = "mx1.example.org",
                       .port = 25,
                       .peer_name = "mx1.example.org",
                       .commands = commands,
                       .command_count = count};

    r.failure.limit_us = r.failure.elapsed_us = CLOCK_NONE;
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        r.timing_us[p] = CLOCK_NONE;
    assert_int_equal(address_parse("192.0.2.1", 25, &r.peer), 0);
    assert_int_equal(address_parse("192.0.2.7", 51514, &r.local), 0);
    r.timing_us[PHASE_CONNECT] = 350;
    for (size_t i = 0; i < count; i++)
        r.timing_us[commands[i].phase] = 500;
    return r;
}

static void test_good(void **state)
{
    struct result r = base(good, GOOD_COUNT);
    (void)state;

    golden_check("script", &r, ENDED_US);
}

static const struct result_command refused[] = {
    SAID(PHASE_BANNER, NULL, 500, 220, "220", true, "mx1.example.org ESMTP"),
    SAID(PHASE_AUTH, "AUTH PLAIN ***", 1000, 235, "2xx or 3xx", true, "2.7.0 in"),
    SAID(PHASE_MAIL, "MAIL FROM:<a@example.org>", 1500, 250, "2xx or 3xx", true, "2.1.0 Ok"),
    SAID(PHASE_RCPT, "RCPT TO:<b@example.org>", 2500, 550, "2xx or 3xx", false, "5.1.1 no such user"),
    SAID(PHASE_QUIT, "QUIT", 3500, 221, "221", true, "2.0.0 Bye"),
};

static void test_refused(void **state)
{
    struct result r = base(refused, 5);
    (void)state;

    r.status = STATUS_FAIL;
    r.duration_us = 3000;
    r.failure = (struct result_failure){
        .phase = PHASE_RCPT,
        .reason = REASON_REJECTED,
        .code = 550,
        .enhanced = {5, 1, 1},
        .message = "line 4: RCPT TO:<b@example.org> was refused: \"550 5.1.1 no such user\"",
        .limit_us = CLOCK_NONE,
        .elapsed_us = 500};
    r.summary = "rcpt/rejected: line 4: RCPT TO:<b@example.org> was refused: \"550 5.1.1 no such user\"";
    golden_check("script_refused", &r, ENDED_US);
}

/* A message of which the server takes only a part. */
static void test_cut(void **state)
{
    struct result_command commands[GOOD_COUNT];
    (void)state;

    memcpy(commands, good, sizeof(good));
    commands[7] = (struct result_command){.phase = PHASE_MESSAGE,
                                          .route = -1,
                                          .sent = ".",
                                          .at_us = CLOCK_NONE,
                                          .first_byte_us = CLOCK_NONE,
                                          .reply_us = CLOCK_NONE,
                                          .octets = 5120,
                                          .octets_sent = 512,
                                          .expected = "2xx"};
    struct result r = base(commands, 8);
    r.status = STATUS_FAIL;
    r.failure = (struct result_failure){
        .phase = PHASE_MESSAGE,
        .reason = REASON_CLOSED,
        .message = "line 9: the server closed the connection after 512 of 5120 octets of the message",
        .limit_us = CLOCK_NONE,
        .elapsed_us = 500};
    r.summary =
        "message/closed: line 9: the server closed the connection after 512 of 5120 octets of the message";
    golden_check("script_cut", &r, ENDED_US);
}

/* As a run shows it: connected, each command when it is sent, each line of a reply when it came. */
static void test_line_by_line(void **state)
{
    struct render_share share = render_share_whole;
    struct transcript_place place = {0};
    struct result_command commands[GOOD_COUNT] = {{0}};
    struct result r = base(commands, 0);
    struct buffer live, whole;
    size_t grown = 0;
    (void)state;

    buffer_init(&live, RENDER_MAX_RESULT);
    buffer_init(&whole, RENDER_MAX_RESULT);
    for (size_t i = 0; i < GOOD_COUNT; i++) {
        r.command_count = i + 1;
        commands[i] = good[i];
        commands[i].replied = false;
        commands[i].reply_us = CLOCK_NONE;
        commands[i].at_us = i ? CLOCK_NONE : good[i].at_us;
        if (i)
            transcript_go_on(&place, &live, &r, false, &share);
        assert_int_equal(live.len, grown); /* not before it is sent */
        commands[i].at_us = good[i].at_us;
        transcript_go_on(&place, &live, &r, false, &share);
        assert_true(live.len > grown); /* it was shown when it was sent */
        grown = live.len;
        for (size_t k = 1; k < good[i].reply.line_count; k++) {
            commands[i].replied = true;
            commands[i].reply.line_count = k;
            transcript_go_on(&place, &live, &r, false, &share);
            assert_true(live.len > grown); /* and the line when it came */
            grown = live.len;
        }
        commands[i] = good[i];
        transcript_go_on(&place, &live, &r, false, &share);
        assert_true(live.len > grown);
        grown = live.len;
    }
    transcript_go_on(&place, &live, &r, true, &share);
    assert_int_equal(live.len, grown);
    transcript_write(&whole, &r, &share);
    assert_string_equal(live.data, whole.data);
    buffer_free(&live);
    buffer_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_line_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
