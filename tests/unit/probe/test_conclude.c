/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/conclude.h"

#include "probe/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS CLOCK_US_PER_MS

static struct result draft_of(const struct result_route *routes, size_t count)
{
    struct result r = {.routes = routes, .route_count = count, .duration_us = 12 * MS};
    r.failure.limit_us = CLOCK_NONE;
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        r.timing_us[p] = CLOCK_NONE;
    r.timing_us[PHASE_BANNER] = 2 * MS;
    r.timing_us[PHASE_RCPT] = 5 * MS;
    return r;
}

static struct plan a_plan(void)
{
    return (struct plan){.stop_after = PHASE_COUNT};
}

static void check(struct result *draft, const struct plan *plan, enum status status, const char *summary)
{
    struct arena arena = {0};

    conclude(draft, plan, NULL, &arena);
    assert_int_equal(draft->status, status);
    assert_string_equal(draft->summary, summary);
    assert_null(draft->last_ok.run);
    assert_int_equal(draft->last_ok.elapsed_us, CLOCK_NONE);
    arena_free(&arena);
}

static void test_pass(void **state)
{
    const struct result_route good[] = {{.ok = TRI_TRUE}, {.ok = TRI_TRUE}};
    const struct result_route skipped[] = {{.ok = TRI_NULL}};
    struct plan plan = a_plan();
    (void)state;

    struct result two = draft_of(good, 2), one = draft_of(good, 1), none = draft_of(NULL, 0);
    check(&two, &plan, STATUS_PASS, "2 of 2 routes as wanted");
    check(&one, &plan, STATUS_PASS, "1 of 1 route as wanted");
    check(&none, &plan, STATUS_PASS, "the server greets and answers EHLO; there are no routes to try");

    plan.stop_after = PHASE_BANNER;
    struct result stopped = draft_of(skipped, 1);
    check(&stopped, &plan, STATUS_PASS, "works as far as banner, where it was told to stop");
}

static void test_slow(void **state)
{
    const struct result_route good[] = {{.ok = TRI_TRUE}};
    struct plan plan = a_plan();
    (void)state;

    plan.warn_us[PHASE_RCPT] = 4 * MS;
    struct result phase = draft_of(good, 1);
    check(&phase, &plan, STATUS_WARN,
          "1 of 1 route as wanted, but slow (rcpt took 0.005 s, warn.rcpt is 4 ms)");
    assert_int_equal(phase.flags, UINT64_C(1) << FLAG_SLOW);

    plan.warn_duration_us = 11 * MS;
    struct result both = draft_of(good, 1);
    check(&both, &plan, STATUS_WARN,
          "1 of 1 route as wanted, but slow (duration took 0.012 s, warn.duration is 11 ms; "
          "rcpt took 0.005 s, warn.rcpt is 4 ms)");
}

/* As slow as the threshold is not slower; a phase that never began is not slow; 0 is no threshold. */
static void test_not_slow(void **state)
{
    const struct result_route good[] = {{.ok = TRI_TRUE}};
    struct plan plan = a_plan();
    (void)state;

    plan.warn_us[PHASE_RCPT] = 5 * MS;
    plan.warn_us[PHASE_MAIL] = 1;
    plan.warn_duration_us = 12 * MS;
    struct result r = draft_of(good, 1);
    check(&r, &plan, STATUS_PASS, "1 of 1 route as wanted");
    assert_int_equal(r.flags, 0);
}

static void test_warning_flags_are_named(void **state)
{
    const struct result_attempt attempts[] = {{.failure = {.message = "192.0.2.1:25: refused"}},
                                              {.connect_us = 1}};
    struct plan plan = a_plan();
    struct result r = draft_of(NULL, 0);
    (void)state;

    r.flags = UINT64_C(1) << FLAG_ADDRESS_UNREACHABLE | UINT64_C(1) << FLAG_BARE_LF |
              UINT64_C(1) << FLAG_RSET_FAILED;
    r.attempts = attempts;
    r.attempt_count = 2;
    check(&r, &plan, STATUS_WARN,
          "the server greets and answers EHLO; there are no routes to try, but address_unreachable "
          "(192.0.2.1:25: refused), rset_failed");
}

static void test_failure_is_the_summary(void **state)
{
    const struct result_route bad[] = {{.ok = TRI_FALSE}};
    struct plan plan = a_plan();
    struct result r = draft_of(bad, 1);
    (void)state;

    plan.warn_us[PHASE_RCPT] = 1;
    r.failure = (struct result_failure){.phase = PHASE_RCPT,
                                        .reason = REASON_REJECTED,
                                        .message = "RCPT was refused",
                                        .limit_us = CLOCK_NONE};
    check(&r, &plan, STATUS_FAIL, "rcpt/rejected: RCPT was refused");
    assert_int_equal(r.flags, UINT64_C(1) << FLAG_SLOW); /* noted, though it fails anyway */
    r.failure.reason = REASON_LOCAL_RESOURCE;
    check(&r, &plan, STATUS_UNKNOWN, "rcpt/local_resource: RCPT was refused");
}

/* What the last good run got where this one failed. */
static void test_last_ok(void **state)
{
    const struct result_command commands[] = {
        {.phase = PHASE_RCPT, .replied = true, .reply = {.code = 250}},
    };
    struct result good = draft_of(NULL, 0), bad = draft_of(NULL, 0), fine = draft_of(NULL, 0);
    struct plan plan = a_plan();
    struct arena arena = {0};
    (void)state;

    good.id = "01JD9J";
    good.started_wall_us = 77;
    good.commands = commands;
    good.command_count = 1;
    bad.failure = (struct result_failure){.phase = PHASE_RCPT, .reason = REASON_TIMEOUT, .message = "late"};
    conclude(&bad, &plan, &good, &arena);
    assert_string_equal(bad.last_ok.run, "01JD9J");
    assert_int_equal(bad.last_ok.started_wall_us, 77);
    assert_int_equal(bad.last_ok.code, 250);
    assert_int_equal(bad.last_ok.elapsed_us, 5 * MS);

    bad.failure.phase = PHASE_MAIL; /* where the good one has nothing */
    conclude(&bad, &plan, &good, &arena);
    assert_int_equal(bad.last_ok.code, 0);
    assert_int_equal(bad.last_ok.elapsed_us, CLOCK_NONE);

    conclude(&fine, &plan, &good, &arena);
    assert_null(fine.last_ok.run);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pass),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_not_slow),
        cmocka_unit_test(test_warning_flags_are_named),
        cmocka_unit_test(test_failure_is_the_summary),
        cmocka_unit_test(test_last_ok),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
