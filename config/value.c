/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers, durations and sizes as people write them: decimal only, no sign, no leading zero (025 is 25 to
 * some and 21 to others), no white space, no locale. A duration must be a whole number of microseconds.
 */
#include "config/value.h"

#include "probe/base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define MAX_DURATION_US (INT64_C(3650) * 86400 * CLOCK_US_PER_S)
#define MAX_FRACTION    6 /* digits after the point */

static const struct unit {
    const char *name;
    int64_t us;
} units[] = {
    {"ms", CLOCK_US_PER_MS},      {"s", CLOCK_US_PER_S},         {"m", 60 * CLOCK_US_PER_S},
    {"h", 3600 * CLOCK_US_PER_S}, {"d", 86400 * CLOCK_US_PER_S},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "0" / (%x31-39 *DIGIT): the length, or 0 when there is no such number or it is more than most. */
static size_t read_number(const char *text, int64_t most, int64_t *value_r)
{
    int64_t value = 0;
    size_t len = 0;
    if (text[0] == '0' && is_digit(text[1]))
        return 0;
    for (; is_digit(text[len]); len++) {
        int digit = text[len] - '0';
        if (value > (INT64_MAX - digit) / 10)
            return 0;
        value = value * 10 + digit;
    }
    if (len == 0 || value > most)
        return 0;
    *value_r = value;
    return len;
}

int value_integer(const char *text, int64_t least, int64_t most, int64_t *value_r)
{
    int64_t value;
    size_t len = read_number(text, most, &value);
    if (len == 0 || text[len] != '\0' || value < least)
        return -1;
    *value_r = value;
    return 0;
}

/* size = number ( "B" / "KiB" / "MiB" / "GiB" ) / "0" */
int value_size(const char *text, int64_t *octets_r)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB"};
    int64_t number;
    size_t at = read_number(text, INT64_MAX, &number);
    if (at == 0)
        return -1;
    if (number == 0 && text[at] == '\0') {
        *octets_r = 0;
        return 0;
    }
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text + at, names[i]) == 0 && number <= INT64_MAX >> 10 * i) {
            *octets_r = number << 10 * i;
            return 0;
        }
    }
    return -1;
}

static int64_t unit_us(const char *name)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(name, units[i].name) == 0)
            return units[i].us;
    return 0;
}

/* duration = "0" / number [ "." 1*6DIGIT ] ( "ms" / "s" / "m" / "h" / "d" ) */
int value_duration(const char *text, int64_t *us_r)
{
    int64_t whole;
    int64_t fraction = 0;
    int64_t scale = 1;
    size_t at = read_number(text, MAX_DURATION_US, &whole);
    if (at == 0)
        return -1;
    if (text[at] == '.') {
        size_t begin = ++at;
        for (; is_digit(text[at]); at++) {
            if (at - begin == MAX_FRACTION)
                return -1;
            fraction = fraction * 10 + (text[at] - '0');
            scale *= 10;
        }
        if (at == begin)
            return -1;
    }
    int64_t unit = unit_us(text + at);
    if (unit == 0 && strcmp(text, "0") == 0)
        unit = 1;
    if (unit == 0 || whole > MAX_DURATION_US / unit || fraction * unit % scale != 0)
        return -1;
    int64_t us = whole * unit + fraction * unit / scale;
    if (us > MAX_DURATION_US)
        return -1;
    *us_r = us;
    return 0;
}
