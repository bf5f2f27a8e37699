/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes up to a limit: all of a piece or nothing of it. */
#include "probe/base/buffer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const struct buffer *b, const char *text)
{
    struct span s = buffer_span(b);
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.data, text, s.len);
    assert_int_equal(s.data[s.len], '\0');
}

static void test_put(void **state)
{
    struct buffer b;
    (void)state;
    buffer_init(&b, 100);
    expect(&b, "");
    buffer_put(&b, NULL, 0);
    buffer_puts(&b, "");
    expect(&b, "");
    buffer_puts(&b, "abc");
    buffer_put(&b, "defgh", 2);
    buffer_printf(&b, "-%d-%s", 42, "x");
    expect(&b, "abcde-42-x");
    assert_false(b.full);
    buffer_free(&b);
}

static void test_any_byte(void **state)
{
    struct buffer b;
    (void)state;
    buffer_init(&b, 100);
    buffer_put(&b, "a\0b\xff", 4);
    assert_int_equal(buffer_span(&b).len, 4);
    assert_memory_equal(b.data, "a\0b\xff", 5);
    buffer_free(&b);
}

/* What just fits, and one byte more, in each of the three ways to write. */
static void test_limit(void **state)
{
    char text[201];
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (size_t limit = 198; limit <= 202; limit++) {
        for (int way = 0; way < 3; way++) {
            struct buffer b;
            bool fits = limit >= 200;
            buffer_init(&b, limit);
            if (way == 0)
                buffer_puts(&b, text);
            else if (way == 1)
                buffer_put(&b, text, 200);
            else
                buffer_printf(&b, "%s", text);
            assert_int_equal(b.full, !fits);
            expect(&b, fits ? text : "");
            assert_true(b.size <= limit + 1);
            buffer_free(&b);
        }
    }
}

/* Full stays full, so that a writer may ask once at the end. */
static void test_full_stays(void **state)
{
    struct buffer b;
    (void)state;
    buffer_init(&b, 4);
    buffer_puts(&b, "abc");
    buffer_puts(&b, "de");
    assert_true(b.full);
    buffer_puts(&b, "f");
    buffer_printf(&b, "g");
    expect(&b, "abc");
    buffer_clear(&b);
    assert_false(b.full);
    expect(&b, "");
    buffer_puts(&b, "abcd");
    expect(&b, "abcd");
    assert_false(b.full);
    buffer_free(&b);
    expect(&b, "");
    assert_int_equal(b.limit, 4);
    buffer_free(&b);
}

static void test_no_room(void **state)
{
    struct buffer b;
    (void)state;
    buffer_init(&b, 0);
    buffer_puts(&b, "");
    assert_false(b.full);
    buffer_puts(&b, "x");
    assert_true(b.full);
    buffer_clear(&b);
    buffer_free(&b);
}

static void test_consume(void **state)
{
    struct buffer b;
    (void)state;
    buffer_init(&b, 6);
    buffer_consume(&b, 0);
    buffer_puts(&b, "abcdef");
    buffer_consume(&b, 0);
    expect(&b, "abcdef");
    buffer_consume(&b, 2);
    expect(&b, "cdef");
    buffer_puts(&b, "gh"); /* into the room that became free */
    expect(&b, "cdefgh");
    assert_false(b.full);
    buffer_consume(&b, 6);
    expect(&b, "");
    buffer_free(&b);
}

/* Room is what may be written into, or nothing is. */
static void test_room(void **state)
{
    struct buffer b;
    char *at;
    (void)state;
    buffer_init(&b, 300);
    buffer_puts(&b, "a");
    at = buffer_room(&b, 299);
    memset(at, 'x', 299);
    assert_ptr_equal(at, b.data + 1);
    assert_int_equal(b.len, 300);
    assert_int_equal(b.data[300], '\0');
    assert_false(b.full);
    assert_ptr_equal(buffer_room(&b, 0), b.data + 300);
    assert_null(buffer_room(&b, 1));
    assert_true(b.full);
    assert_int_equal(b.len, 300);
    buffer_free(&b);
}

/* Memory, and nothing else. */
static void test_expect(void **state)
{
    struct buffer b;
    (void)state;
    buffer_init(&b, 1000);
    buffer_expect(&b, 700);
    expect(&b, "");
    assert_true(b.size > 700);
    char *data = b.data;
    for (int i = 0; i < 70; i++)
        buffer_puts(&b, "0123456789");
    assert_ptr_equal(b.data, data);
    buffer_expect(&b, 301); /* more than ever fits */
    assert_false(b.full);
    assert_int_equal(b.len, 700);
    buffer_free(&b);
}

static void test_return(void **state)
{
    struct buffer b;
    (void)state;
    buffer_init(&b, 5);
    buffer_return(&b, 0);
    expect(&b, "");
    buffer_puts(&b, "abcde");
    buffer_return(&b, 5);
    expect(&b, "abcde");
    buffer_puts(&b, "f");
    assert_true(b.full);
    buffer_return(&b, 2);
    assert_false(b.full);
    expect(&b, "ab");
    buffer_puts(&b, "ghi");
    expect(&b, "abghi");
    buffer_free(&b);
}

/* What does not fit is not there in part either, whatever room there was for it. */
static void test_print_into_what_room_there_is(void **state)
{
    char text[200], wanted[400];
    (void)state;
    memset(text, 'y', sizeof text);
    for (int before = 0; before <= 140; before++) {
        for (int len = 0; len <= 140; len++) {
            struct buffer b;
            buffer_init(&b, 200);
            buffer_printf(&b, "%.*s", before, text);
            buffer_printf(&b, "%.*s", len, text);
            assert_int_equal(b.full, before + len > 200);
            snprintf(wanted, sizeof wanted, "%.*s%.*s", before, text, b.full ? 0 : len, text);
            expect(&b, wanted);
            buffer_free(&b);
        }
    }
}

static void test_many(void **state)
{
    enum { COUNT = 20000 };
    struct buffer b;
    (void)state;
    buffer_init(&b, 8 * COUNT);
    for (int i = 0; i < COUNT; i++)
        buffer_printf(&b, "%07d ", i);
    assert_false(b.full);
    assert_int_equal(b.len, 8 * COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(strtol(b.data + 8 * i, NULL, 10), i);
    buffer_puts(&b, "x");
    assert_true(b.full);
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_any_byte),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_full_stays),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_consume),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_return),
        cmocka_unit_test(test_print_into_what_room_there_is),
    };
    return cmocka_run_group_tests_name("probe/base/buffer", tests, NULL, NULL);
}
