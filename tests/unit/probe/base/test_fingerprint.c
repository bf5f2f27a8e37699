/* SPDX-License-Identifier: Apache-2.0 */
/* Which bodies are one and the same, and that how the bytes come in does not count. */
#include "probe/base/fingerprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOTHING UINT64_C(0xcbf29ce484222325)
#define WAYS    6

static uint64_t of(const char *text)
{
    return fingerprint_of_message(span_of(text));
}

/* The test vectors of FNV-1a. */
static void test_hash(void **state)
{
    (void)state;
    assert_int_equal(of(""), NOTHING);
    assert_int_equal(of("\na"), UINT64_C(0xaf63dc4c8601ec8c));
    assert_int_equal(of("\nfoobar"), UINT64_C(0x85944171f73967e8));
}

static void test_same(void **state)
{
    static const char *const groups[][WAYS] = {
        {"", "a", "a: b\r\n", "a: b\r\n\r\n", "\r\n\r\n\n", "a\n\n"},
        {"\nx", "\r\nx\r\n", "a: b\n\nx\n\n\n", "c: d\r\ne\r\n\r\nx\r\n\r\n", "\nx\r", "\nx\n\r"},
        {"\nx\ny", "\r\nx\r\ny", "a\n\nx\r\ny\n", "a\r\n\r\nx\ny\r\n", "\nx\ny\n", "\r\nx\r\ny\r\n"},
        {"\n\nx", "\r\n\r\nx", "a\r\n\r\n\r\nx", "a\n\n\r\nx", "a\n\n\nx\n", "b\n\n\nx\n\n"},
        {"\nx\ry", "\r\nx\ry", "a\n\nx\ry", "\nx\ry\r", "\nx\ry\r\n", "\nx\ry\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        for (size_t k = 0; k < WAYS; k++)
            assert_int_equal(of(groups[i][k]), of(groups[i][0]));
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(of(groups[k][0]), of(groups[i][0]));
    }
}

static void test_other(void **state)
{
    static const char *const all[] = {"\nx",   "\nX",    "\nx ",    "\n x",    "\nx\n\ny",   "\nx\ny",
                                      "\nxy",  "\n\nx",  "\n.x",    "\nx\n.",  "\nx\r\r\ny", "\nx\ry",
                                      "\n\rx", "\nx\r ", "\nx\xff", "\nx\xfe", "\n",         "a\n\nyx"};
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(of(all[i]), of(all[k]));
}

/* NUL is a byte like any other, and how they are cut is nothing. */
static void test_pieces(void **state)
{
    static const char text[] = "a: b\r\n\r\nx\0y\r\rz\r\n.\r\n\r\n\xff\n";
    const struct span whole = {text, sizeof(text) - 1};
    (void)state;
    for (size_t piece = 1; piece < whole.len; piece++) {
        struct fingerprint f = {0};
        for (size_t at = 0; at < whole.len; at += piece)
            fingerprint_feed(&f, (struct span){text + at, whole.len - at < piece ? whole.len - at : piece});
        assert_int_equal(fingerprint_of(&f), fingerprint_of_message(whole));
    }
    assert_int_not_equal(fingerprint_of_message(whole), of("a: b\r\n\r\nx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_other),
        cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
