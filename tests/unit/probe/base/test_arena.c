/* SPDX-License-Identifier: Apache-2.0 */
/* Many small things that die together. */
#include "probe/base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool is_zero(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* Every piece is zeroed, aligned, and apart from every other. */
static void test_pieces(void **state)
{
    enum { COUNT = 400 };
    struct arena a = {0};
    char *pieces[COUNT];
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i * i % 5000;
        pieces[i] = arena_alloc(&a, size);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        assert_true(is_zero(pieces[i], size));
        memset(pieces[i], (int)(i % 255) + 1, size);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t at = 0; at < i * i % 5000; at++)
            assert_int_equal((unsigned char)pieces[i][at], i % 255 + 1);
    arena_free(&a);
}

static void test_nothing(void **state)
{
    struct arena a = {0};
    (void)state;
    arena_free(&a); /* nothing yet */
    assert_non_null(arena_alloc(&a, 0));
    arena_free(&a);
    arena_free(&a);
}

/* Larger than any chunk. */
static void test_large(void **state)
{
    enum { SIZE = 3000000 };
    struct arena a = {0};
    (void)state;
    char *small = arena_dup(&a, "small");
    char *large = arena_alloc(&a, SIZE);
    assert_true(is_zero(large, SIZE));
    memset(large, 'x', SIZE);
    assert_string_equal(small, "small");
    assert_string_equal(arena_dup(&a, "after"), "after");
    arena_free(&a);
}

static void test_after_free(void **state)
{
    struct arena a = {0};
    (void)state;
    for (int round = 0; round < 3; round++) {
        char *p = arena_alloc(&a, 700);
        assert_true(is_zero(p, 700));
        memset(p, 0xff, 700);
        arena_free(&a);
    }
}

static void test_copies(void **state)
{
    struct arena a = {0};
    static const char bytes[] = "a\0b";
    (void)state;
    assert_null(arena_dup(&a, NULL));
    assert_string_equal(arena_dup(&a, ""), "");
    assert_string_equal(arena_dup(&a, "abc"), "abc");
    assert_memory_equal(arena_dup_span(&a, (struct span){bytes, 3}), "a\0b", 4);
    assert_string_equal(arena_dup_span(&a, (struct span){0}), "");
    assert_string_equal(arena_dup_span(&a, (struct span){"abcdef", 3}), "abc");
    arena_free(&a);
}

static void test_printf(void **state)
{
    struct arena a = {0};
    char long_text[5000];
    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_string_equal(arena_printf(&a, "%d-%s", 42, "x"), "42-x");
    assert_string_equal(arena_printf(&a, "%s", ""), "");
    const char *made = arena_printf(&a, "[%s]", long_text);
    assert_int_equal(strlen(made), sizeof(long_text) + 1);
    assert_memory_equal(made + 1, long_text, sizeof(long_text) - 1);
    arena_free(&a);
}

static void test_printf_of_any_length(void **state)
{
    struct arena a = {0};
    char text[600];
    (void)state;
    memset(text, 'z', sizeof text);
    for (int len = 0; len < 600; len++) {
        const char *made = arena_printf(&a, "%.*s", len, text);
        assert_int_equal(strlen(made), len);
        assert_memory_equal(made, text, (size_t)len);
    }
    arena_free(&a);
}

static void test_grow(void **state)
{
    struct arena a = {0};
    int *list = NULL;
    size_t moves = 0;
    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        int *grown = arena_grow(&a, list, i, sizeof(*list));
        moves += grown != list;
        list = grown;
        list[i] = (int)i;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(list[i], i);
    assert_int_equal(moves, 11); /* at 0, 1, 2, 4, ... 512 */
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_after_free),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_printf),
        cmocka_unit_test(test_printf_of_any_length),
        cmocka_unit_test(test_grow),
    };
    return cmocka_run_group_tests_name("probe/base/arena", tests, NULL, NULL);
}
