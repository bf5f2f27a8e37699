/* SPDX-License-Identifier: Apache-2.0 */
/* How the views show whom ehlod claimed to be. */
#include "probe/base/clock.h"
#include "probe/plan.h"
#include "server/render/render.h"
#include "tests/unit/server/render/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ENDED_US   INT64_C(500012412)
#define STARTED_US INT64_C(1795400704123456) /* 2026-11-23T02:25:04.123456Z */

static struct result base(enum status status, const char *summary)
{
    struct result r = {.status = status,
                       .target = "mx1",
                       .id = "01JD9K00000000000000000050",
                       .vantage = "fra1",
                       .summary = summary,
                       .started_wall_us = STARTED_US,
                       .started_mono_us = ENDED_US - 12412,
                       .ended_mono_us = ENDED_US,
                       .duration_us = 9012,
                       .host = "mx1.example.org",
                       .port = 25};

    r.failure = (struct result_failure){.limit_us = CLOCK_NONE, .elapsed_us = CLOCK_NONE};
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        r.timing_us[p] = CLOCK_NONE;
    assert_int_equal(address_parse("192.0.2.1", 25, &r.peer), 0);
    assert_int_equal(address_parse("192.0.2.7", 51514, &r.local), 0);
    r.timing_us[PHASE_CONNECT] = 350;
    r.timing_us[PHASE_BANNER] = 1200;
    return r;
}

#define REPLY(number, class, subject, detail, text)                                                          \
    .replied = true, .reply = {.code = number,                                                               \
                               .enhanced = {class, subject, detail},                                         \
                               .lines = (const char *const[]){text},                                         \
                               .line_count = 1}

static const struct result_command relayed[] = {
    {.phase = PHASE_BANNER,
     .route = -1,
     .at_us = 560,
     .first_byte_us = 1700,
     .reply_us = 1760,
     .expected = "220",
     .ok = true,
     REPLY(220, 0, 0, 0, "mx1.example.org ESMTP")},
    {.phase = PHASE_EHLO,
     .route = -1,
     .sent = "XCLIENT ADDR=198.51.100.4 NAME=client.example.net",
     .at_us = 1800,
     .first_byte_us = 2000,
     .reply_us = 2100,
     .expected = "220",
     .ok = true,
     REPLY(220, 0, 0, 0, "mx1.example.org ESMTP")},
    {.phase = PHASE_MAIL,
     .route = 0,
     .sent = "MAIL FROM:<a@example.net>",
     .at_us = 2200,
     .first_byte_us = 2400,
     .reply_us = 2410,
     .expected = "2xx",
     .ok = true,
     REPLY(250, 2, 1, 0, "Ok")},
    {.phase = PHASE_RCPT,
     .route = 0,
     .sent = "RCPT TO:<b@example.com>",
     .at_us = 2500,
     .first_byte_us = 9000,
     .reply_us = 9012,
     .expected = "4xx or 5xx",
     REPLY(250, 2, 1, 5, "Ok")},
};

static const struct result_recipient recipient[] = {
    {.to = "b@example.com", .code = 250, .enhanced = {2, 1, 5}, .text = "Ok", .ok = TRI_FALSE}};
static const struct result_route route = {.name = "relay",
                                          .from = "a@example.net",
                                          .expect = EXPECT_REJECTED | EXPECT_DEFERRED,
                                          .state = ROUTE_ACCEPTED,
                                          .ok = TRI_FALSE,
                                          .recipients = recipient,
                                          .recipient_count = 1,
                                          .sent_us = CLOCK_NONE};

/* The verdict that contract.md shows. */
static void test_relay_as_somebody_else(void **state)
{
    struct result r = base(STATUS_FAIL, "relay permitted");
    (void)state;

    r.claimed = (struct result_claimed){.xclient = "ADDR=198.51.100.4 NAME=client.example.net",
                                        .as = "198.51.100.4",
                                        .by = "XCLIENT",
                                        .honoured = RESULT_HONOURED};
    r.commands = relayed;
    r.command_count = 4;
    r.routes = &route;
    r.route_count = 1;
    r.timing_us[PHASE_EHLO] = 300;
    r.timing_us[PHASE_MAIL] = 210;
    r.timing_us[PHASE_RCPT] = 6512;
    r.failure.phase = PHASE_RCPT;
    r.failure.reason = REASON_ACCEPTED;
    r.failure.route = "relay";
    r.failure.code = 250;
    r.failure.enhanced = (struct enhanced){2, 1, 5};
    r.failure.message = "relay permitted: wanted 4xx or 5xx, got \"250 2.1.5 Ok\"";
    r.failure.elapsed_us = 6512;
    golden_check("claim_relay", &r, ENDED_US);
}

static void test_honoured(void **state)
{
    struct result r = base(STATUS_PASS, "works as far as ehlo");
    (void)state;

    r.claimed = (struct result_claimed){.proxy = "v2 PROXY TCP4 192.0.2.9 192.0.2.1 4711 25",
                                        .xclient = "LOGIN=a+3Db",
                                        .as = "192.0.2.9",
                                        .by = "PROXY",
                                        .honoured = RESULT_HONOURED};
    golden_check("claim_honoured", &r, ENDED_US);
}

static void test_taken_for_a_command(void **state)
{
    const struct result_command commands[] = {relayed[0],
                                              {.phase = PHASE_BANNER,
                                               .route = -1,
                                               .at_us = 1900,
                                               .first_byte_us = 1900,
                                               .reply_us = 1900,
                                               .expected = "nothing",
                                               REPLY(502, 5, 5, 2, "Error: command not recognized")}};
    struct result r = base(STATUS_FAIL, "banner/unsolicited");
    (void)state;

    r.claimed = (struct result_claimed){.proxy = "PROXY TCP4 192.0.2.9 192.0.2.1 4711 25",
                                        .as = "192.0.2.9",
                                        .by = "PROXY",
                                        .honoured = RESULT_NOT_HONOURED};
    r.commands = commands;
    r.command_count = 2;
    r.failure.phase = PHASE_BANNER;
    r.failure.reason = REASON_UNSOLICITED;
    r.failure.message =
        "the server took the PROXY header for a command: \"502 5.5.2 Error: command not recognized\"";
    r.failure.elapsed_us = 100;
    golden_check("claim_misplaced", &r, ENDED_US);
}

/* A check of the balancer's own, and no greeting. */
static void test_not_known(void **state)
{
    struct result r = base(STATUS_PASS, "works as far as banner, where it was told to stop");
    (void)state;

    r.claimed = (struct result_claimed){.proxy = "v2 LOCAL", .honoured = RESULT_HONOUR_UNKNOWN};
    golden_check("claim_local", &r, ENDED_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relay_as_somebody_else),
        cmocka_unit_test(test_honoured),
        cmocka_unit_test(test_taken_for_a_command),
        cmocka_unit_test(test_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
