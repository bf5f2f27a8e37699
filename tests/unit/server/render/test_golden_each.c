/* SPDX-License-Identifier: Apache-2.0 */
/* How the views show several runs of one target: the one that decides, and each in a line of its own. */
#include "probe/base/clock.h"
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
#define WANTED     "wanted 2xx, got \"550 5.1.1 No such user\""

static void clear(int64_t us[PHASE_COUNT])
{
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        us[p] = CLOCK_NONE;
}

static struct result base(void)
{
    struct result r = {.status = STATUS_FAIL,
                       .target = "domain",
                       .id = "01JD9K00000000000000000050",
                       .vantage = "fra1",
                       .started_wall_us = STARTED_US,
                       .started_mono_us = ENDED_US - 12412,
                       .ended_mono_us = ENDED_US,
                       .duration_us = 12412,
                       .host = "mx2.example.org",
                       .port = 25};

    r.failure.limit_us = r.failure.elapsed_us = CLOCK_NONE;
    clear(r.timing_us);
    assert_int_equal(address_parse("192.0.2.2", 25, &r.peer), 0);
    assert_int_equal(address_parse("192.0.2.7", 51514, &r.local), 0);
    r.timing_us[PHASE_DNS] = 410;
    r.timing_us[PHASE_CONNECT] = 350;
    r.timing_us[PHASE_BANNER] = 1200;
    return r;
}

/* One that works, one that does not, one without an address. */
static void fill(struct result_attempt attempts[3])
{
    attempts[0] = (struct result_attempt){.host = "mx1.example.org",
                                          .id = "01JD9K00000000000000000051",
                                          .status = STATUS_PASS,
                                          .summary = "1 of 1 route as wanted",
                                          .failure = {.limit_us = CLOCK_NONE, .elapsed_us = CLOCK_NONE}};
    attempts[1] = (struct result_attempt){.host = "mx2.example.org",
                                          .id = "01JD9K00000000000000000052",
                                          .status = STATUS_FAIL,
                                          .summary = "rcpt/rejected: " WANTED,
                                          .failure = {.phase = PHASE_RCPT,
                                                      .reason = REASON_REJECTED,
                                                      .route = "in",
                                                      .code = 550,
                                                      .enhanced = {5, 1, 1},
                                                      .message = WANTED,
                                                      .limit_us = CLOCK_NONE,
                                                      .elapsed_us = 300}};
    attempts[2] = (struct result_attempt){.host = "mx3.example.org",
                                          .status = STATUS_UNKNOWN,
                                          .summary = "dns/deadline: still looking up mx3.example.org",
                                          .failure = {.phase = PHASE_DNS,
                                                      .reason = REASON_DEADLINE,
                                                      .message = "still looking up mx3.example.org",
                                                      .limit_us = 12000,
                                                      .elapsed_us = 12000}};
    for (size_t i = 0; i < 3; i++) {
        attempts[i].connect_us = CLOCK_NONE;
        clear(attempts[i].timing_us);
        attempts[i].timing_us[PHASE_DNS] = 400 + 10 * (int64_t)i;
    }
    attempts[0].timing_us[PHASE_EHLO] = 500;
    assert_int_equal(address_parse("2001:db8::1", 25, &attempts[0].address), 0);
    assert_int_equal(address_parse("192.0.2.2", 25, &attempts[1].address), 0);
}

static void test_the_worst(void **state)
{
    struct result_attempt attempts[3];
    struct result r = base();
    (void)state;

    fill(attempts);
    r.attempts = attempts;
    r.attempt_count = 3;
    r.failure = attempts[1].failure;
    r.failure.message = "mx2.example.org [192.0.2.2]: " WANTED;
    r.summary = "1 of 3 MX hosts works; mx2.example.org [192.0.2.2]: rcpt/rejected: " WANTED;
    golden_check("each", &r, ENDED_US);
}

static void test_any_will_do(void **state)
{
    struct result_attempt attempts[3];
    struct result r = base();
    (void)state;

    fill(attempts);
    r.attempts = attempts;
    r.attempt_count = 2;
    r.status = STATUS_WARN;
    r.flags = UINT64_C(1) << FLAG_ONLY_SOME_WORK | UINT64_C(1) << FLAG_DNS_MANY;
    r.summary =
        "1 of 2 MX hosts works (mx_require: any); mx2.example.org [192.0.2.2]: rcpt/rejected: " WANTED;
    golden_check("each_any", &r, ENDED_US);
}

/* The address is the host; and a connection that failed is not told twice. */
static void test_an_address(void **state)
{
    struct result_attempt attempts[3];
    struct result r = base();
    (void)state;

    fill(attempts);
    attempts[1].host = r.host = "192.0.2.2";
    attempts[1].failure.phase = PHASE_CONNECT;
    attempts[1].failure.reason = REASON_REFUSED;
    attempts[1].failure.route = NULL;
    attempts[1].failure.code = 0;
    attempts[1].failure.enhanced = (struct enhanced){0};
    attempts[1].failure.message = "connect to 192.0.2.2:25: connection refused";
    attempts[1].summary = "connect/refused: connect to 192.0.2.2:25: connection refused";
    r.attempts = &attempts[1];
    r.attempt_count = 1;
    r.local = (struct address){0};
    r.timing_us[PHASE_BANNER] = CLOCK_NONE;
    r.failure = attempts[1].failure;
    r.failure.message = "192.0.2.2: connect to 192.0.2.2:25: connection refused";
    r.summary =
        "0 of 1 address works; 192.0.2.2: connect/refused: connect to 192.0.2.2:25: connection refused";
    golden_check("each_refused", &r, ENDED_US);
}

static void test_targets(void **state)
{
    static const struct {
        struct plan plan;
        const char *shown;
    } rows[] = {
        {{.host = "example.org", .port = 25, .mx = true}, "mx:example.org"},
        {{.host = "example.org", .port = 2525, .mx = true}, "mx:example.org:2525"},
        {{.host = "example.org", .port = 25, .family = FAMILY_EACH}, "example.org:25"},
    };
    char host[RENDER_HOST_SIZE];
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        render_target(&rows[i].plan, host);
        assert_string_equal(host, rows[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_worst),
        cmocka_unit_test(test_any_will_do),
        cmocka_unit_test(test_an_address),
        cmocka_unit_test(test_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
