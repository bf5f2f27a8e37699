/* SPDX-License-Identifier: Apache-2.0 */
#include "server/render/pen.h"

#include "probe/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct buffer out;
static struct pen p;

static void begin(size_t limit)
{
    buffer_init(&out, limit);
    pen_init(&p, &out, &render_share_whole);
}

static void assert_written(const char *text)
{
    pen_finish(&p);
    assert_false(out.full);
    assert_string_equal(out.data, text);
    buffer_free(&out);
}

static void test_puts_commas_between(void **state)
{
    (void)state;
    begin(1000);
    pen_object(&p, NULL);
    pen_null(&p, "a");
    pen_list(&p, "b");
    pen_bool(&p, NULL, true);
    pen_object(&p, NULL);
    pen_end(&p);
    pen_list(&p, NULL);
    pen_end(&p);
    pen_end(&p);
    pen_tri(&p, "c", TRI_FALSE);
    pen_end(&p);
    assert_written("{\"a\":null,\"b\":[true,{},[]],\"c\":false}");
}

static void test_escapes_what_a_string_may_not_hold(void **state)
{
    (void)state;
    begin(1000);
    pen_list(&p, NULL);
    pen_string(&p, NULL, "a\"b\\c\b\f\n\r\t/\x01\x1f\x7f");
    pen_string(&p, NULL, "\"");
    pen_string(&p, NULL, "");
    pen_string(&p, NULL, NULL);
    pen_string(&p, NULL, "\xc3\xa4\xe2\x82\xac");
    pen_end(&p);
    assert_written(
        "[\"a\\\"b\\\\c\\b\\f\\n\\r\\t/\\u0001\\u001F\x7f\",\"\\\"\",\"\",null,\"\xc3\xa4\xe2\x82\xac\"]");
}

/* Wherever in a text it stands, and however long that is; in a key too. */
static void test_escapes_it_in_every_place(void **state)
{
    static const struct {
        char octet;
        const char *text;
    } rows[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\x1f', "\\u001F"}, {'\x01', "\\u0001"}, {'\t', "\\t"},
                {' ', " "},    {'!', "!"},     {'#', "#"},          {'[', "["},          {'\x7f', "\x7f"}};

    (void)state;
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        for (size_t len = 1; len <= 35; len++) {
            for (size_t at = 0; at < len; at++) {
                char text[64], wanted[256];
                memset(text, 'x', len);
                text[at] = rows[row].octet;
                text[len] = '\0';
                snprintf(wanted, sizeof wanted, "{\"%.*s%s%s\":\"%.*s%s%s\"}", (int)at, text, rows[row].text,
                         text + at + 1, (int)at, text, rows[row].text, text + at + 1);
                begin(1000);
                pen_object(&p, NULL);
                pen_string(&p, pen_key(&p, text), text);
                pen_end(&p);
                assert_written(wanted);
            }
        }
    }
}

static void test_escapes_what_is_not_utf8(void **state)
{
    (void)state;
    begin(1000);
    pen_object(&p, NULL);
    pen_string(&p, pen_key(&p, "\xff"), "a\xc3");
    pen_end(&p);
    assert_written("{\"\\\\xFF\":\"a\\\\xC3\"}");
}

static void test_shows_a_time_to_the_microsecond(void **state)
{
    static const int64_t us[] = {0,    1,      10,      100,          1000, 1001,      12412,
                                 1500, 100000, 1000000, 999999999999, -2,   CLOCK_NONE};

    (void)state;
    begin(1000);
    pen_list(&p, NULL);
    for (size_t i = 0; i < sizeof us / sizeof us[0]; i++)
        pen_milliseconds(&p, NULL, us[i]);
    pen_skew(&p, NULL, -1500);
    pen_skew(&p, NULL, -2000);
    pen_skew(&p, NULL, 250);
    pen_end(&p);
    assert_written(
        "[0.0,0.001,0.01,0.1,1.0,1.001,12.412,1.5,100.0,1000.0,999999999.999,0.0,null,-1.5,-2.0,0.25]");
}

static void test_shows_whole_numbers(void **state)
{
    (void)state;
    begin(1000);
    pen_list(&p, NULL);
    pen_integer(&p, NULL, 0);
    pen_integer(&p, NULL, INT64_MAX);
    pen_integer(&p, NULL, INT64_MIN);
    pen_code(&p, NULL, 0);
    pen_port(&p, NULL, 25);
    pen_end(&p);
    assert_written("[0,9223372036854775807,-9223372036854775808,null,25]");
}

static void test_shows_of_a_server_what_its_share_is(void **state)
{
    (void)state;
    begin(1000);
    p.share.octets = 3;
    pen_list(&p, NULL);
    pen_said(&p, NULL, "abc");
    pen_said(&p, NULL, "abcd");
    pen_said(&p, NULL, NULL);
    pen_end(&p);
    assert_written("[\"abc\",\"abc...\",null]");
}

/* And what stood in the buffer before stays. */
static void test_writes_all_or_nothing(void **state)
{
    (void)state;
    buffer_init(&out, 12);
    buffer_puts(&out, "before");
    pen_init(&p, &out, &render_share_whole);
    pen_list(&p, NULL);
    pen_integer(&p, NULL, 1234567);
    pen_integer(&p, NULL, 1);
    pen_end(&p);
    pen_finish(&p);
    assert_true(out.full);
    assert_string_equal(out.data, "before");
    buffer_free(&out);
}

static void test_goes_back(void **state)
{
    (void)state;
    begin(20);
    pen_object(&p, NULL);
    pen_object(&p, "a");
    struct pen_place place = pen_place(&p);
    pen_list(&p, "b");
    pen_string(&p, NULL, "far too long for what is left");
    assert_true(out.full);
    pen_return(&p, &place);
    pen_end(&p);
    pen_integer(&p, "c", 1);
    pen_end(&p);
    assert_written("{\"a\":{},\"c\":1}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_puts_commas_between),
        cmocka_unit_test(test_escapes_what_a_string_may_not_hold),
        cmocka_unit_test(test_escapes_it_in_every_place),
        cmocka_unit_test(test_escapes_what_is_not_utf8),
        cmocka_unit_test(test_shows_a_time_to_the_microsecond),
        cmocka_unit_test(test_shows_whole_numbers),
        cmocka_unit_test(test_shows_of_a_server_what_its_share_is),
        cmocka_unit_test(test_writes_all_or_nothing),
        cmocka_unit_test(test_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
