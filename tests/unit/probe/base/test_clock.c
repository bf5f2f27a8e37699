/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks: microseconds, and one of them never runs backwards. */
#include "probe/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_monotonic(void **state)
{
    int64_t last = clock_mono_us();
    int64_t first = last;
    (void)state;
    for (int i = 0; i < 100000; i++) {
        int64_t now = clock_mono_us();
        assert_true(now >= last);
        last = now;
    }
    assert_true(last > first); /* fine enough to see 100,000 readings pass */
    assert_true(first > 0);
}

static int64_t kernel_us(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    return t.tv_sec * CLOCK_US_PER_S + t.tv_nsec / 1000;
}

static void test_is_the_kernels(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t before = kernel_us();
        int64_t now = clock_mono_us();
        int64_t after = kernel_us();
        assert_true(before <= now && now <= after);
    }
}

static void test_wall(void **state)
{
    (void)state;
    time_t before = time(NULL);
    int64_t now = clock_wall_us();
    time_t after = time(NULL);
    assert_true(now / CLOCK_US_PER_S >= before);
    assert_true(now / CLOCK_US_PER_S <= after + 1);
}

static void assert_near(int64_t a, int64_t b)
{
    assert_true(llabs(a - b) < CLOCK_US_PER_S);
}

static void test_from_one_to_the_other(void **state)
{
    int64_t mono_us = clock_mono_us(), wall_us = clock_wall_us(), hour_us = 3600 * CLOCK_US_PER_S;
    (void)state;

    assert_near(clock_wall_of(mono_us - hour_us), wall_us - hour_us);
    assert_near(clock_mono_of(wall_us - hour_us), mono_us - hour_us);
    assert_near(clock_mono_of(wall_us + hour_us), mono_us); /* yet to come: now */
    assert_near(clock_mono_of(0), mono_us - wall_us);       /* long before the machine was started */
    assert_int_equal(clock_wall_of(CLOCK_NONE), CLOCK_NONE);
    assert_int_equal(clock_mono_of(CLOCK_NONE), CLOCK_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monotonic),
        cmocka_unit_test(test_is_the_kernels),
        cmocka_unit_test(test_wall),
        cmocka_unit_test(test_from_one_to_the_other),
    };
    return cmocka_run_group_tests_name("probe/base/clock", tests, NULL, NULL);
}
