/* SPDX-License-Identifier: Apache-2.0 */
/* Rows F07 to F09 and F25 of the fault catalogue, where they are a matter of one number. */
#include "config/value.h"

#include "probe/base/clock.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S CLOCK_US_PER_S

static const struct {
    const char *text;
    int64_t us;
} durations[] = {
    {"0", 0},
    {"0s", 0},
    {"0ms", 0},
    {"0.0d", 0},
    {"1ms", 1000},
    {"500ms", 500000},
    {"0.001ms", 1},
    {"1s", S},
    {"10s", 10 * S},
    {"1.5s", 1500000},
    {"0.25s", 250000},
    {"1.000001s", 1000001},
    {"1.100000s", 1100000},
    {"5m", 300 * S},
    {"1.5m", 90 * S},
    {"2h", 7200 * S},
    {"30d", 2592000 * S},
    {"3650d", 315360000 * S},
    {"87600h", 315360000 * S},
    {"315360000s", 315360000 * S},
    {"315360000000ms", 315360000 * S},
    {"3649.999999d", 315359999913600},
};

static const char *const no_durations[] = {
    "",
    "1",
    "00",
    "00s",
    "05s",
    "5",
    "s",
    "ms",
    ".5s",
    "1.s",
    "-1s",
    "+1s",
    "5 s",
    " 5s",
    "5s ",
    "5S",
    "5sec",
    "5us",
    "5ns",
    "1m30s",
    "1,5s",
    "1e3s",
    "0x1s",
    "1_0s",
    "5w",
    "1..5s",
    "1.5.5s",
    "1.0000001s",
    "inf",
    "nan",
    "1.5",
    "0.0",
    "3651d",
    "3650.1d",
    "3650.000001d",
    "~",
    "never",
    "\n",
    "5s\n",
    "0.5us",
    "0.0005ms",
    "315360000001ms",
    "9223372036854775807ms",
    "9223372036854775808ms",
    "99999999999999999999999999999d",
    "\xd9\xa1s",
};

static void test_durations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        int64_t us = -1;
        if (value_duration(durations[i].text, &us) != 0 || us != durations[i].us)
            fail_msg("\"%s\" is %lld us", durations[i].text, (long long)us);
    }
}

static void test_no_durations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(no_durations) / sizeof(no_durations[0]); i++) {
        int64_t us = 42;
        if (value_duration(no_durations[i], &us) != -1 || us != 42)
            fail_msg("\"%s\" was taken for %lld us", no_durations[i], (long long)us);
    }
}

static void test_integers(void **state)
{
    int64_t n;
    (void)state;
    assert_int_equal(value_integer("1", 1, 65535, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(value_integer("65535", 1, 65535, &n), 0);
    assert_int_equal(n, 65535);
    assert_int_equal(value_integer("0", 0, 0, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(value_integer("9223372036854775807", 0, INT64_MAX, &n), 0);
    assert_true(n == INT64_MAX);
}

static void test_no_integers(void **state)
{
    static const char *const texts[] = {
        "",
        "0",
        "65536",
        "99999999999999999999",
        "9223372036854775808",
        "025",
        "00",
        "1e2",
        "2_5",
        "0x19",
        "25:30",
        "no",
        "on",
        "~",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1.0",
        "1,0",
        "1\n",
        "1'000",
        "\xd9\xa1",
        "0b1",
        "1e",
        "x",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t n = 42;
        if (value_integer(texts[i], 1, 65535, &n) != -1 || n != 42)
            fail_msg("\"%s\" was taken for %lld", texts[i], (long long)n);
    }
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        int64_t octets;
    } good[] = {
        {"0", 0},         {"0B", 0},           {"1B", 1},         {"500B", 500},
        {"64KiB", 65536}, {"10MiB", 10485760}, {"1GiB", 1 << 30}, {"8589934591GiB", 8589934591LL << 30}};
    static const char *const bad[] = {
        "",       "B",   "1",   "1 B", "1k",   "1KB", "1kib",          "1MB",
        "1.5MiB", "-1B", "+1B", "01B", "1TiB", "1BB", "8589934592GiB", "9223372036854775808B"};
    int64_t octets;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (value_size(good[i].text, &octets) != 0 || octets != good[i].octets)
            fail_msg("%s", good[i].text);
    octets = 42;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (value_size(bad[i], &octets) != -1 || octets != 42)
            fail_msg("\"%s\" was taken", bad[i]);
}

/* F25: where the machine has a locale with a decimal comma, numbers are the same in it. */
static void test_locale(void **state)
{
    static const char *const commas[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "nl_NL.UTF-8", ""};
    int64_t us = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(commas) / sizeof(commas[0]); i++)
        if (setlocale(LC_ALL, commas[i]))
            break;
    assert_int_equal(value_duration("1.5s", &us), 0);
    assert_int_equal(us, 1500000);
    assert_int_equal(value_duration("1,5s", &us), -1);
    setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations), cmocka_unit_test(test_no_durations),
        cmocka_unit_test(test_integers),  cmocka_unit_test(test_no_integers),
        cmocka_unit_test(test_sizes),     cmocka_unit_test(test_locale),
    };
    return cmocka_run_group_tests_name("config/value", tests, NULL, NULL);
}
