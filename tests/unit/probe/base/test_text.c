/* SPDX-License-Identifier: Apache-2.0 */
/* What may be shown as it is (RFC 3629), and how the rest is shown so that it can be turned back. */
#include "probe/base/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *bytes;
    size_t len;
};
#define ROW(text)                                                                                            \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }

static const struct row valid[] = {
    ROW(""),
    ROW("abc"),
    ROW("\xc2\xa0"),         /* U+00A0 */
    ROW("\xdf\xbf"),         /* U+07FF */
    ROW("\xe0\xa0\x80"),     /* U+0800 */
    ROW("\xed\x9f\xbf"),     /* U+D7FF */
    ROW("\xee\x80\x80"),     /* U+E000 */
    ROW("\xef\xbf\xbf"),     /* U+FFFF */
    ROW("\xf0\x90\x80\x80"), /* U+10000 */
    ROW("\xf4\x8f\xbf\xbf"), /* U+10FFFF */
    ROW("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7z"),
    ROW("\t"),
};

static const struct row invalid[] = {
    ROW("\x80"), /* a continuation alone */
    ROW("\xbf"),
    ROW("a\x80"),
    ROW("\xc0\x80"), /* overlong NUL */
    ROW("\xc0\xaf"), /* overlong slash */
    ROW("\xc1\xbf"),
    ROW("\xe0\x80\xaf"),
    ROW("\xe0\x9f\xbf"),
    ROW("\xf0\x80\x80\xaf"),
    ROW("\xf0\x8f\xbf\xbf"),
    ROW("\xed\xa0\x80"), /* surrogates */
    ROW("\xed\xbf\xbf"),
    ROW("\xed\xa0\xbd\xed\xb8\x80"),
    ROW("\xf4\x90\x80\x80"), /* over U+10FFFF */
    ROW("\xf5\x80\x80\x80"),
    ROW("\xf8\x88\x80\x80\x80"),
    ROW("\xfe"),
    ROW("\xff"),
    ROW("\xc3"), /* cut short */
    ROW("\xe2\x82"),
    ROW("\xf0\x9f\x93"),
    ROW("\xc3(\xa4"), /* broken off */
    ROW("\xe2(\x82"),
    ROW("\xe2\x82("),
    ROW("\xf0\x9f\x93("),
    ROW("\xc3\xc3"),
    ROW("Gr\xfc\xdf"), /* ISO 8859-1 */
};

static void test_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        assert_true(text_is_utf8((struct span){valid[i].bytes, valid[i].len}));
        assert_true(text_is_clean((struct span){valid[i].bytes, valid[i].len}));
    }
}

static void test_ascii(void **state)
{
    (void)state;
    assert_true(text_is_ascii(span_of("")));
    assert_true(text_is_ascii((struct span){"a\0\x01\x7f", 4}));
    assert_false(text_is_ascii(span_of("a\xc3\xa4")));
    assert_false(text_is_ascii((struct span){"\x80", 1}));
    assert_false(text_is_ascii((struct span){"a\0\xff", 3}));
}

static void test_invalid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        if (text_is_utf8((struct span){invalid[i].bytes, invalid[i].len}))
            fail_msg("invalid row %zu was taken", i);
        assert_false(text_is_clean((struct span){invalid[i].bytes, invalid[i].len}));
    }
}

/* Of every code point there is, in UTF-8. */
static size_t encode(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)((0xf00u >> len & 0xf0) | code);
    return len;
}

static void test_every_code_point(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x120000; code++) {
        char bytes[4];
        struct span s = {bytes, encode(code, bytes)};
        bool good = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        bool control = (code < 0x20 && code != '\t') || (code >= 0x7f && code < 0xa0);
        if (text_is_utf8(s) != good || text_is_clean(s) != (good && !control))
            fail_msg("U+%04X", (unsigned)code);
    }
}

/* Every pair of bytes: valid are two of ASCII, or one of two bytes. */
static void test_every_pair(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            char bytes[2] = {(char)a, (char)b};
            bool good = (a < 0x80 && b < 0x80) || (a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf);
            assert_int_equal(text_is_utf8((struct span){bytes, 2}), good);
        }
    }
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* As a reader would turn it back. */
static size_t unescape(const char *text, char *out)
{
    size_t len = 0;
    for (; *text; text++) {
        if (*text != '\\') {
            out[len++] = *text;
        } else if (text[1] == '\\') {
            out[len++] = '\\';
            text++;
        } else {
            assert_int_equal(text[1], 'x');
            out[len++] = (char)(digit(text[2]) * 16 + digit(text[3]));
            text += 3;
        }
    }
    return len;
}

static void test_escape(void **state)
{
    static const struct {
        struct row in;
        const char *out;
    } rows[] = {
        {ROW(""), ""},
        {ROW("abc ~"), "abc ~"},
        {ROW("a\\b"), "a\\\\b"},
        {ROW("\\x41"), "\\\\x41"},
        {ROW("a\r\n\t\0"), "a\\x0D\\x0A\\x09\\x00"},
        {ROW("\x7f\x80\xff"), "\\x7F\\x80\\xFF"},
        {ROW("\xc3\xa4"), "\\xC3\\xA4"},
        {ROW("\"'<>&"), "\"'<>&"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a = {0};
        assert_string_equal(text_escape(&a, (struct span){rows[i].in.bytes, rows[i].in.len}), rows[i].out);
        arena_free(&a);
    }
}

/* Reversible, whatever the bytes, and printable ASCII alone. */
static void test_escape_is_reversible(void **state)
{
    enum { LEN = 256 * 256 * 2 };
    struct arena a = {0};
    char *in = arena_alloc(&a, LEN);
    char *out = arena_alloc(&a, LEN);
    (void)state;
    for (unsigned i = 0; i < LEN / 2; i++) { /* every pair of bytes */
        in[2 * i] = (char)(i >> 8);
        in[2 * i + 1] = (char)i;
    }
    const char *text = text_escape(&a, (struct span){in, LEN});
    for (const char *c = text; *c; c++)
        assert_in_range(*c, 0x20, 0x7e);
    assert_int_equal(unescape(text, out), LEN);
    assert_memory_equal(in, out, LEN);
    arena_free(&a);
}

static void test_time(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {1, "1970-01-01T00:00:00.000001Z"},
        {INT64_C(1795400704123456), "2026-11-23T02:25:04.123456Z"},
        {INT64_C(1709164800000000), "2024-02-29T00:00:00.000000Z"},
        {INT64_C(2147483648000000), "2038-01-19T03:14:08.000000Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
        {INT64_MAX, "294247-01-10T04:00:54.775807Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {-1000000, "1969-12-31T23:59:59.000000Z"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[TEXT_TIME_SIZE];
        text_time(rows[i].us, text);
        assert_string_equal(text, rows[i].text);
    }
}

/* UTC, wherever the machine stands. */
static void test_time_zone(void **state)
{
    char text[TEXT_TIME_SIZE];
    (void)state;
    assert_int_equal(setenv("TZ", "EAST-14", 1), 0);
    text_time(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
    assert_int_equal(unsetenv("TZ"), 0);
}

static void test_duration(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {0, "0 ms"},
        {1, "0.001 ms"},
        {500, "0.5 ms"},
        {999, "0.999 ms"},
        {1000, "1 ms"},
        {1001, "1.001 ms"},
        {1010, "1.01 ms"},
        {1100, "1.1 ms"},
        {10000, "10 ms"},
        {250000, "250 ms"},
        {999999, "999.999 ms"},
        {1000000, "1 s"},
        {1000999, "1 s"},
        {1001000, "1.001 s"},
        {1500000, "1.5 s"},
        {5000000, "5 s"},
        {60000000, "60 s"},
        {INT64_C(315360000000000), "315360000 s"},
        {INT64_MAX, "9223372036854.775 s"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[TEXT_DURATION_SIZE];
        text_duration(rows[i].us, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_show(void **state)
{
    static const struct {
        const char *text;
        size_t most;
        const char *shown;
    } rows[] = {
        {"", 5, ""},
        {"abcde", 5, "abcde"},
        {"abcdef", 5, "abcde..."},
        {"a\tb", 5, "a\\x09b"},
        {"a\nb\\", 9, "a\\x0Ab\\\\"},
        {"\xc3\xa4\xc3\xa4", 3, "\xc3\xa4..."},
        {"\xff", 3, "\\xFF"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a = {0};
        assert_string_equal(text_show(&a, span_of(rows[i].text), rows[i].most), rows[i].shown);
        arena_free(&a);
    }
}

/* RFC 5322 section 3.3; the same length whatever the day. */
static void test_date(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 +0000"},
        {INT64_C(1763951104999999), "Mon, 24 Nov 2025 02:25:04 +0000"},
        {INT64_C(951782399000000), "Mon, 28 Feb 2000 23:59:59 +0000"},
        {INT64_C(951782400000000), "Tue, 29 Feb 2000 00:00:00 +0000"},
        {INT64_C(4102444800000000), "Fri, 01 Jan 2100 00:00:00 +0000"},
    };
    char text[TEXT_DATE_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        text_date(rows[i].us, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_escape_is_reversible),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_time_zone),
        cmocka_unit_test(test_date),
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_show),
    };
    return cmocka_run_group_tests_name("probe/base/text", tests, NULL, NULL);
}
