/* SPDX-License-Identifier: Apache-2.0 */
/* Row H41 of the fault catalogue. */
#include "server/scrape.h"

#include "probe/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *text;
    int64_t us;
} goods[] = {
    {"10", 9500000},
    {"2.5", 2000000},
    {"1", 500000},
    {"1.000001", 500001},
    {"0.6", 300000},
    {"0.000001", 1},
    {"0.0000001", CLOCK_NEVER},
    {"0", CLOCK_NEVER},
    {"0.0", CLOCK_NEVER},
    {"010", 9500000},
    {"1 ", 500000},
    {"1.5\t ", 1000000},
    {"999999999999999999999999999999", INT64_C(1000000) * CLOCK_US_PER_S - 500000},
};

static const char *const bads[] = {"",   " ",  "-1", "+1",  "NaN",   "Inf", "1e308", "0x10", "1,5", "1.",
                                   ".5", "1s", " 1", "1 2", "1.5.5", "one", "-0",    "1_0",  "1e1", "１"};

static void test_good_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        int64_t us = -1;
        print_message("%s\n", goods[i].text);
        assert_int_equal(scrape_timeout(goods[i].text, &us), 0);
        assert_int_equal(us, goods[i].us);
    }
}

static void test_bad_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        int64_t us = 7;
        print_message("%s\n", bads[i]);
        assert_int_equal(scrape_timeout(bads[i], &us), -1);
        assert_int_equal(us, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_numbers),
        cmocka_unit_test(test_bad_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
