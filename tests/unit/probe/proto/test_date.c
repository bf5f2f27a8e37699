/* SPDX-License-Identifier: Apache-2.0 */
/* Dates of header fields, as the norm has them and as they are. */
#include "probe/proto/date.h"

#include "probe/base/text.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text, *time; /* null = it is none */
} rows[] = {
    {"Mon, 23 Nov 2026 02:25:04 +0000", "2026-11-23T02:25:04.000000Z"},
    {"Mon, 23 Nov 2026 02:25:04 +0100", "2026-11-23T01:25:04.000000Z"},
    {"Mon, 23 Nov 2026 02:25:04 -0330", "2026-11-23T05:55:04.000000Z"},
    {"23 Nov 2026 02:25 -0000", "2026-11-23T02:25:00.000000Z"},
    {" Mon, 23\r\n\tNov 2026 02:25:04 +0100 (CET)", "2026-11-23T01:25:04.000000Z"},
    {"Thu,1 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00.000000Z"},
    {"Wed, 31 Dec 1969 23:59:59 +0000", "1969-12-31T23:59:59.000000Z"},
    {"Thu, 29 Feb 2024 12:00:00 +0000", "2024-02-29T12:00:00.000000Z"},
    {"Fri, 1 Mar 2024 00:00:00 +0100", "2024-02-29T23:00:00.000000Z"},
    {"Tue, 29 Feb 2000 12:00:00 +0000", "2000-02-29T12:00:00.000000Z"},
    {"Fri, 31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59.000000Z"},
    {"Sat, 31 Dec 2016 23:59:60 +0000", "2017-01-01T00:00:00.000000Z"}, /* a leap second */
    {"Tue, 23 Nov 2026 02:25:04 +0000", "2026-11-23T02:25:04.000000Z"}, /* another weekday */
    /* section 4.3 */
    {"Mon, 23 Nov 26 02:25:04 GMT", "2026-11-23T02:25:04.000000Z"},
    {"Tue, 23 Nov 99 02:25:04 UT", "1999-11-23T02:25:04.000000Z"},
    {"Tue, 23 Nov 126 02:25:04 Z", "2026-11-23T02:25:04.000000Z"},
    {"Mon, 23 Nov 2026 02:25:04 EST", "2026-11-23T07:25:04.000000Z"},
    {"Mon, 23 Nov 2026 02:25:04 pdt", "2026-11-23T09:25:04.000000Z"},
    {"Mon, 23 Nov 2026 02:25:04 CEST", "2026-11-23T02:25:04.000000Z"}, /* nobody knows: UTC */
    {"(a) Mon (b), (c (d)) 23 Nov 2026 (e) 02:25:04 (f) +0000", "2026-11-23T02:25:04.000000Z"},
    {"Mon, 23 november 2026 2:25:04.123 +0000 and more", "2026-11-23T02:25:04.000000Z"},
    /* none */
    {"", NULL},
    {"Mon", NULL},
    {",,,,,,,", NULL},
    {"Mon, 23 Nov 2026", NULL},
    {"Mon, 23 Nov 2026 02:25:04", NULL},
    {"Mon, 23 Nov 2026 02:25:04 0100", NULL},
    {"Mon, 23 Nov 2026 02:25:04 +01", NULL},
    {"Mon, 23 Nov 2026 02:25:04 +01000", NULL},
    {"Mon, 23 Nov 2026 02:25:04 +0060", NULL},
    {"Mon, 23 Nov 2026 02:25:04 (+0000)", NULL},
    {"Mon, 23 Nov 2026 24:00:00 +0000", NULL},
    {"Mon, 23 Nov 2026 02:60:00 +0000", NULL},
    {"Mon, 23 Nov 2026 02:25:61 +0000", NULL},
    {"Mon, 23 Nov 2026 02 +0000", NULL},
    {"Mon, 23 Nov 2026 02:25:04x +0000", NULL},
    {"Mon, 0 Nov 2026 02:25:04 +0000", NULL},
    {"Mon, 31 Nov 2026 02:25:04 +0000", NULL},
    {"Sun, 29 Feb 2026 02:25:04 +0000", NULL},
    {"Sun, 29 Feb 1900 02:25:04 +0000", NULL},
    {"Mon, 23 Nix 2026 02:25:04 +0000", NULL},
    {"Mon, 23 No 2026 02:25:04 +0000", NULL},
    {"Mon, 23 Nov 6 02:25:04 +0000", NULL},
    {"Mon, 23 Nov 20260 02:25:04 +0000", NULL},
    {"Mon, 23 Nov 1899 02:25:04 +0000", NULL},
    {"Mon, 99999999999999999999 Nov 2026 02:25:04 +0000", NULL},
    {"2026-11-23T02:25:04Z", NULL},
};

static void test_dates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char time[TEXT_TIME_SIZE] = "";
        int64_t wall_us = 0;
        int is = date_read(span_of(rows[i].text), &wall_us);
        if (is == 0)
            text_time(wall_us, time);
        if (is != (rows[i].time ? 0 : -1) || strcmp(time, rows[i].time ? rows[i].time : "") != 0)
            fail_msg("%s: %d %s", rows[i].text, is, time);
    }
}

/* What we write ourselves, for a day of each month of two hundred years. */
static void test_our_own(void **state)
{
    const int64_t month_us = INT64_C(2629746) * 1000000;

    (void)state;
    for (int64_t at = 0; at < 200 * 12 * month_us; at += month_us) {
        char text[TEXT_DATE_SIZE];
        int64_t wall_us = 0;
        text_date(at, text);
        assert_int_equal(date_read(span_of(text), &wall_us), 0);
        assert_true(wall_us == at / 1000000 * 1000000);
    }
}

/* The time to read one grows with its length alone. */
static void test_long_ones(void **state)
{
    static char text[64 * 1024];
    static const char fills[] = ",( a1\"";
    int64_t wall_us;

    (void)state;
    for (const char *fill = fills; *fill; fill++) {
        memset(text, *fill, sizeof text);
        assert_int_equal(date_read((struct span){text, sizeof text}, &wall_us), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_our_own),
        cmocka_unit_test(test_long_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
