/* SPDX-License-Identifier: Apache-2.0 */
/* When a target's turn comes: once in each interval, at a moment that its name chooses. */
#include "server/rounds.h"

#include "probe/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define INTERVAL_US (10 * CLOCK_US_PER_S)

static void test_turns_are_an_interval_apart(void **state)
{
    int64_t first_us = rounds_next_us("mx1", INTERVAL_US, 0);

    (void)state;
    assert_true(first_us > 0 && first_us <= INTERVAL_US);
    for (int64_t now_us = first_us; now_us < first_us + INTERVAL_US; now_us += INTERVAL_US / 100)
        assert_int_equal(rounds_next_us("mx1", INTERVAL_US, now_us), first_us + INTERVAL_US);
    assert_int_equal(rounds_next_us("mx1", INTERVAL_US, first_us - 1), first_us);
}

static void test_names_are_spread(void **state)
{
    unsigned tenths[10] = {0};
    char name[16];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "mx%d", i);
        int64_t next_us = rounds_next_us(name, INTERVAL_US, 0);
        tenths[(next_us - 1) * 10 / INTERVAL_US]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(tenths[i], 60, 140);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns_are_an_interval_apart),
        cmocka_unit_test(test_names_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
