/* SPDX-License-Identifier: Apache-2.0 */
/* Marks become colours or nothing, and nothing else changes. */
#include "server/render/text_colour.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void write_sample(struct buffer *out)
{
    buffer_puts(out, "before\n");
    text_colour_wrong(out);
    buffer_puts(out, "no reply\n\tplain\n");
    text_colour_word(out, STATUS_FAIL);
    buffer_puts(out, " mx1\n");
}

static void test_without_colours_nothing_is_left_of_marks(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, 1000);
    write_sample(&out);
    text_colour_finish(&out, 0, false);
    assert_string_equal(out.data, "before\nno reply\n\tplain\nFAIL mx1\n");
    assert_int_equal(out.len, strlen(out.data));
    buffer_free(&out);
}

static void test_a_line_is_red_to_its_end_and_a_word_to_its_own(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, 1000);
    write_sample(&out);
    text_colour_finish(&out, 0, true);
    assert_string_equal(out.data, "before\n\x1b[31mno reply\x1b[0m\n\tplain\n\x1b[1;31mFAIL\x1b[0m mx1\n");
    buffer_free(&out);
}

static void test_each_status_has_its_word_and_colour(void **state)
{
    static const char *const wanted[STATUS_COUNT] = {[STATUS_PASS] = "\x1b[1;32mPASS\x1b[0m",
                                                     [STATUS_WARN] = "\x1b[1;33mWARN\x1b[0m",
                                                     [STATUS_UNKNOWN] = "\x1b[1;35mUNKNOWN\x1b[0m",
                                                     [STATUS_FAIL] = "\x1b[1;31mFAIL\x1b[0m"};
    struct buffer out;

    (void)state;
    buffer_init(&out, 1000);
    for (enum status s = 0; s < STATUS_COUNT; s++) {
        text_colour_word(&out, s);
        text_colour_finish(&out, 0, true);
        assert_string_equal(out.data, wanted[s]);
        buffer_clear(&out);
    }
    buffer_free(&out);
}

static void test_a_word_in_a_wrong_line_keeps_the_lines_colour(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, 1000);
    text_colour_wrong(&out);
    buffer_puts(&out, "a ");
    text_colour_word(&out, STATUS_PASS);
    text_colour_finish(&out, 0, true);
    assert_string_equal(out.data, "\x1b[31ma PASS\x1b[0m");
    buffer_free(&out);
}

static void test_what_stands_before_is_not_touched(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, 1000);
    buffer_puts(&out, "\x03kept\n");
    text_colour_word(&out, STATUS_PASS);
    text_colour_finish(&out, 6, true);
    assert_string_equal(out.data, "\x03kept\n\x1b[1;32mPASS\x1b[0m");
    buffer_free(&out);
}

static void test_where_colours_do_not_fit_there_are_none(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, 8);
    text_colour_word(&out, STATUS_PASS);
    text_colour_finish(&out, 0, true);
    assert_string_equal(out.data, "PASS");
    assert_false(out.full);
    buffer_free(&out);
}

static void test_nothing_stays_nothing(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, 8);
    text_colour_finish(&out, 0, true);
    text_colour_finish(&out, 0, false);
    assert_null(out.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_colours_nothing_is_left_of_marks),
        cmocka_unit_test(test_a_line_is_red_to_its_end_and_a_word_to_its_own),
        cmocka_unit_test(test_each_status_has_its_word_and_colour),
        cmocka_unit_test(test_a_word_in_a_wrong_line_keeps_the_lines_colour),
        cmocka_unit_test(test_what_stands_before_is_not_touched),
        cmocka_unit_test(test_where_colours_do_not_fit_there_are_none),
        cmocka_unit_test(test_nothing_stays_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
