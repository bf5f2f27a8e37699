/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that somebody else owns. */
#include "probe/base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_of(void **state)
{
    (void)state;
    assert_int_equal(span_of("abc").len, 3);
    assert_int_equal(span_of("").len, 0);
    assert_int_equal(span_of(NULL).len, 0);
    assert_non_null(span_of(NULL).data);
}

static void test_is(void **state)
{
    struct span none = {0};
    (void)state;
    assert_true(span_is(span_of("abc"), "abc"));
    assert_false(span_is(span_of("abc"), "abd"));
    assert_false(span_is(span_of("abc"), "ab"));
    assert_false(span_is(span_of("ab"), "abc"));
    assert_false(span_is(span_of("abc"), "ABC"));
    assert_true(span_is((struct span){"abcd", 3}, "abc"));
    assert_false(span_is((struct span){"abc\0", 4}, "abc"));
    assert_true(span_is(none, ""));
    assert_true(span_is_nocase(none, ""));
    assert_false(span_is(none, "a"));
}

/* ASCII case alone: for every pair of bytes. */
static void test_nocase(void **state)
{
    (void)state;
    for (int a = 1; a < 256; a++) {
        for (int b = 1; b < 256; b++) {
            char one = (char)a;
            char text[2] = {(char)b, '\0'};
            int low_a = a >= 'A' && a <= 'Z' ? a + 32 : a;
            int low_b = b >= 'A' && b <= 'Z' ? b + 32 : b;
            assert_int_equal(span_is_nocase((struct span){&one, 1}, text), low_a == low_b);
        }
    }
    assert_true(span_is_nocase(span_of("StartTLS"), "STARTTLS"));
    assert_false(span_is_nocase(span_of("STARTTL"), "STARTTLS"));
    assert_false(span_is_nocase((struct span){"a\0", 2}, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of),
        cmocka_unit_test(test_is),
        cmocka_unit_test(test_nocase),
    };
    return cmocka_run_group_tests_name("probe/base/span", tests, NULL, NULL);
}
