/* SPDX-License-Identifier: Apache-2.0 */
/* How the views show a login: one that works, one that is refused, what happens after it. */
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LINES(...)                                                                                           \
    .lines = (const char *const[]){__VA_ARGS__}, .line_count = COUNT(((const char *const[]){__VA_ARGS__}))

static const char *const names[] = {"mx1.example.org"};
static const struct result_certificate certificate = {.subject = "CN=mx1.example.org",
                                                      .issuer = "CN=Example CA",
                                                      .names = names,
                                                      .name_count = 1,
                                                      .name_total = 1,
                                                      .not_before_wall_us = STARTED_US,
                                                      .not_after_wall_us = STARTED_US,
                                                      .sha256 = "00",
                                                      .key = "EC 256"};
static const struct result_tls tls = {.version = "TLSv1.3",
                                      .cipher = "TLS_AES_256_GCM_SHA384",
                                      .group = "X25519",
                                      .verified = TRI_TRUE,
                                      .chain = &certificate,
                                      .chain_count = 1};

#define COMMAND(in, line, at, wanted, good, ...)                                                             \
    {                                                                                                        \
        .phase = (in), .route = -1, .sent = (line), .at_us = (at), .first_byte_us = (at) + 300,              \
        .reply_us = (at) + 310, .replied = true, .reply = {__VA_ARGS__}, .expected = (wanted), .ok = (good)  \
    }
#define BEGIN                                                                                                \
    COMMAND(PHASE_BANNER, NULL, 4000, "220", true, .code = 220, LINES("mx1.example.org ESMTP")),             \
        COMMAND(PHASE_EHLO, "EHLO fra1.example.org", 4400, "250", true, .code = 250,                         \
                LINES("mx1.example.org", "AUTH PLAIN SCRAM-SHA-256"))
#define SCRAM                                                                                                \
    COMMAND(PHASE_AUTH, "AUTH SCRAM-SHA-256 ***", 5000, "334", true, .code = 334, LINES("***")),             \
        COMMAND(PHASE_AUTH, "***", 9000, "334", true, .code = 334, LINES("***")),                            \
        COMMAND(PHASE_AUTH, "", 9400, "235", true, .code = 235, .enhanced = {2, 7, 0},                       \
                LINES("2.7.0 Authentication successful"))
#define QUIT                                                                                                 \
    COMMAND(PHASE_QUIT, "QUIT", 11000, "221", true, .code = 221, .enhanced = {2, 0, 0}, LINES("2.0.0 Bye"))

static struct result base(const struct result_command *commands, size_t count)
{
    struct result r = {.status = STATUS_PASS,
                       .target = "submission",
                       .id = "01JD9K00000000000000000050",
                       .vantage = "fra1",
                       .started_wall_us = STARTED_US,
                       .started_mono_us = ENDED_US - 12412,
                       .ended_mono_us = ENDED_US,
                       .duration_us = 10410,
                       .host = "mx1.example.org",
                       .port = 465,
                       .tls = &tls,
                       .commands = commands,
                       .command_count = count};

    r.failure.limit_us = r.failure.elapsed_us = CLOCK_NONE;
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        r.timing_us[p] = CLOCK_NONE;
    assert_int_equal(address_parse("192.0.2.1", 465, &r.peer), 0);
    assert_int_equal(address_parse("192.0.2.7", 51514, &r.local), 0);
    r.timing_us[PHASE_CONNECT] = 350;
    r.timing_us[PHASE_TLS] = 3100;
    for (size_t i = 0; i < count; i++) {
        int64_t *sum = &r.timing_us[commands[i].phase];
        *sum = (*sum == CLOCK_NONE ? 0 : *sum) + commands[i].reply_us - commands[i].at_us;
    }
    return r;
}

static void test_accepted(void **state)
{
    const struct result_command commands[] = {BEGIN, SCRAM, QUIT};
    struct result r = base(commands, COUNT(commands));
    (void)state;

    r.summary = "logged in as probe (SCRAM-SHA-256); there are no routes to try";
    r.login = "probe (SCRAM-SHA-256)";
    golden_check("auth", &r, ENDED_US);
}

static void test_refused(void **state)
{
    const struct result_command commands[] = {BEGIN,
                                              COMMAND(PHASE_AUTH, "AUTH PLAIN ***", 5000, "235", false,
                                                      .code = 535, .enhanced = {5, 7, 8},
                                                      LINES("5.7.8 Error: authentication failed: ***")),
                                              QUIT};
    struct result r = base(commands, COUNT(commands));
    (void)state;

    r.status = STATUS_FAIL;
    r.failure = (struct result_failure){
        .phase = PHASE_AUTH,
        .reason = REASON_FAILED,
        .code = 535,
        .enhanced = {5, 7, 8},
        .message =
            "the login as probe with PLAIN was refused: \"535 5.7.8 Error: authentication failed: ***\"",
        .limit_us = CLOCK_NONE,
        .elapsed_us = 310};
    r.summary = r.failure.message;
    golden_check("auth_failed", &r, ENDED_US);
}

/* The failure is the challenge that makes no sense, not what was said to the cancelling. */
static void test_cancelled(void **state)
{
    const struct result_command commands[] = {
        BEGIN,
        COMMAND(PHASE_AUTH, "AUTH CRAM-MD5", 5000, "334 with a challenge that can be answered", false,
                .code = 334, LINES("what?")),
        COMMAND(PHASE_AUTH, "*", 6000, "501", true, .code = 501, LINES("Cancelled")), QUIT};
    struct result r = base(commands, COUNT(commands));
    (void)state;

    r.status = STATUS_FAIL;
    r.failure = (struct result_failure){.phase = PHASE_AUTH,
                                        .reason = REASON_BAD_CHALLENGE,
                                        .code = 334,
                                        .message = "AUTH CRAM-MD5: the challenge is not base64",
                                        .limit_us = CLOCK_NONE,
                                        .elapsed_us = 310};
    r.summary = r.failure.message;
    golden_check("auth_cancelled", &r, ENDED_US);
}

/* Who is logged in decides what a relay that is open means. */
static void test_relay(void **state)
{
    struct result_command commands[] = {
        BEGIN, SCRAM,
        COMMAND(PHASE_MAIL, "MAIL FROM:<a@example.net>", 9800, "250", true, .code = 250, LINES("Ok")),
        COMMAND(PHASE_RCPT, "RCPT TO:<b@example.com>", 10200, "4xx or 5xx", false, .code = 250, LINES("Ok")),
        QUIT};
    const struct result_recipient to = {.to = "b@example.com", .code = 250, .text = "Ok", .ok = TRI_FALSE};
    const struct result_route route = {.name = "relay",
                                       .from = "a@example.net",
                                       .expect = EXPECT_DEFERRED | EXPECT_REJECTED,
                                       .state = ROUTE_ACCEPTED,
                                       .ok = TRI_FALSE,
                                       .recipients = &to,
                                       .recipient_count = 1,
                                       .sent_us = CLOCK_NONE};
    struct result r = base(commands, COUNT(commands));
    (void)state;

    commands[5].route = commands[6].route = 0;
    r.routes = &route;
    r.route_count = 1;
    r.status = STATUS_FAIL;
    r.failure = (struct result_failure){.phase = PHASE_RCPT,
                                        .reason = REASON_ACCEPTED,
                                        .route = "relay",
                                        .code = 250,
                                        .message = "relay permitted: wanted 4xx or 5xx, got \"250 Ok\"",
                                        .limit_us = CLOCK_NONE,
                                        .elapsed_us = 310};
    r.summary = r.failure.message;
    r.login = "probe (SCRAM-SHA-256)";
    golden_check("auth_relay", &r, ENDED_US);

    /* A login that was refused as wanted is none. */
    commands[4] = (struct result_command)COMMAND(PHASE_AUTH, "", 9400, "5xx", true, .code = 535, LINES("No"));
    r.login = NULL;
    golden_check("auth_relay_refused", &r, ENDED_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_relay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
