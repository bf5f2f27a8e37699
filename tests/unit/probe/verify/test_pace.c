/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/verify/pace.h"

#include "probe/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS CLOCK_US_PER_MS

static const struct pace_limits limits = {
    .first_us = 200 * MS, .most_us = 1000 * MS, .idle_us = 60000 * MS, .patience_us = 5000 * MS};

/* A good look is over; how long until the next. */
static int64_t look(struct pace *p, int64_t now_us)
{
    pace_begin(p);
    return pace_next(p, true, now_us) - now_us;
}

static int64_t miss(struct pace *p, int64_t now_us)
{
    pace_begin(p);
    return pace_next(p, false, now_us) - now_us;
}

static void test_seldom_when_nothing_is_expected(void **state)
{
    struct pace p;
    (void)state;
    pace_init(&p, &limits);
    assert_int_equal(look(&p, 5), limits.idle_us);
    assert_int_equal(pace_sooner(&p, 100 * MS, 0), 100 * MS);
}

static void test_often_while_one_is_expected(void **state)
{
    static const int64_t steps[] = {200 * MS, 300 * MS, 450 * MS, 675 * MS, 1000 * MS, 1000 * MS};
    struct pace p;
    int64_t now_us = 0;
    (void)state;
    pace_init(&p, &limits);
    pace_expect(&p, 60000 * MS);
    assert_int_equal(pace_sooner(&p, 40000 * MS, now_us), 200 * MS);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        int64_t step_us = look(&p, now_us);
        assert_in_range(step_us, steps[i] - 15 * MS, steps[i] + 15 * MS);
        now_us += step_us;
    }
    pace_expect(&p, 61000 * MS);
    assert_int_equal(look(&p, now_us), 200 * MS);
}

/* It may come late: the steps go on growing, until it is as if none had been expected. */
static void test_less_and_less_often_when_its_time_is_over(void **state)
{
    struct pace p;
    int64_t now_us = 1001 * MS, last_us = 0, step_us = 0;
    (void)state;
    pace_init(&p, &limits);
    pace_expect(&p, 1000 * MS);
    assert_int_equal(look(&p, 0), 200 * MS);
    for (int i = 0; i < 20; i++, last_us = step_us) {
        step_us = look(&p, now_us);
        assert_true(step_us > last_us || step_us == limits.idle_us);
        assert_true(i > 5 || step_us <= 10000 * MS);
        now_us += step_us;
    }
    assert_int_equal(step_us, limits.idle_us);
}

/* An earlier end takes nothing from a later one. */
static void test_the_last_expectation_counts(void **state)
{
    struct pace p;
    (void)state;
    pace_init(&p, &limits);
    pace_expect(&p, 9000 * MS);
    pace_expect(&p, 1000 * MS);
    assert_int_equal(look(&p, 5000 * MS), 200 * MS);
}

static void test_who_asks_is_served_at_once(void **state)
{
    struct pace p;
    (void)state;
    pace_init(&p, &limits);
    pace_ask(&p);
    assert_int_equal(pace_sooner(&p, 60000 * MS, 7), 7);
    pace_begin(&p);
    pace_ask(&p); /* while it is looked: that look began before */
    assert_int_equal(pace_next(&p, true, 10), 10);
    assert_int_equal(look(&p, 11), limits.idle_us);
}

static void test_failures_are_met_with_patience(void **state)
{
    struct pace p;
    (void)state;
    pace_init(&p, &limits);
    pace_expect(&p, 60000 * MS);
    assert_int_equal(miss(&p, 0), 200 * MS);
    assert_int_equal(miss(&p, 0), 400 * MS);
    assert_int_equal(miss(&p, 0), 800 * MS);
    assert_int_equal(miss(&p, 0), 1600 * MS);
    assert_int_equal(miss(&p, 0), 3200 * MS);
    assert_int_equal(miss(&p, 0), 5000 * MS);
    assert_int_equal(miss(&p, 0), 5000 * MS);
    assert_int_equal(pace_sooner(&p, 4000 * MS, 0), 4000 * MS);
    pace_ask(&p);
    assert_int_equal(pace_sooner(&p, 4000 * MS, 0), 200 * MS);
    assert_int_equal(look(&p, 0), 200 * MS);
    assert_int_equal(miss(&p, 0), 200 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seldom_when_nothing_is_expected),
        cmocka_unit_test(test_often_while_one_is_expected),
        cmocka_unit_test(test_less_and_less_often_when_its_time_is_over),
        cmocka_unit_test(test_the_last_expectation_counts),
        cmocka_unit_test(test_who_asks_is_served_at_once),
        cmocka_unit_test(test_failures_are_met_with_patience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
