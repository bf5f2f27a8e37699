/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/proto/ehlo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define F(flag)      (UINT64_C(1) << FLAG_##flag)

static struct ehlo read_lines(struct arena *a, const char *const *lines, size_t count)
{
    struct result_reply reply = {.code = 250, .lines = lines, .line_count = count};
    struct ehlo e;
    ehlo_read(&e, a, reply.lines, reply.line_count);
    return e;
}

/* What one line of the reply offers. */
static const struct {
    const char *line;
    const char *keyword; /* null: nothing */
    const char *params;
} rows[] = {
    {"PIPELINING", "PIPELINING", ""},
    {"pipelining", "PIPELINING", ""},
    {"8BitMime", "8BITMIME", ""},
    {"SIZE 1000", "SIZE", "1000"},
    {"  SIZE \t 1000  ", "SIZE", "1000"},
    {"AUTH PLAIN  LOGIN", "AUTH", "PLAIN LOGIN"},
    {"AUTH=PLAIN LOGIN", "AUTH", "PLAIN LOGIN"},
    {"AUTH=", "AUTH", ""},
    {"AUTH PLAIN plain PLAIN", "AUTH", "PLAIN"},
    {"X-A-B c", "X-A-B", "c"},
    {"", NULL, NULL},
    {"   ", NULL, NULL},
    {"=PLAIN", NULL, NULL},
    {"???", NULL, NULL},
    {"X:Y", NULL, NULL},
    {"X_Y", NULL, NULL},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *const lines[] = {"mx.example.org", rows[i].line};
        struct arena arena = {0};
        struct ehlo e = read_lines(&arena, lines, 2);

        assert_int_equal(e.count, rows[i].keyword ? 1 : 0);
        if (rows[i].keyword) {
            assert_string_equal(e.extensions[0].keyword, rows[i].keyword);
            assert_string_equal(e.extensions[0].params, rows[i].params);
            assert_string_equal(ehlo_find(&e, rows[i].keyword), rows[i].params);
        }
        assert_null(ehlo_find(&e, "STARTTLS"));
        arena_free(&arena);
    }
}

static void test_first_line_is_the_name(void **state)
{
    const char *const lines[] = {"mx.example.org greets you", "STARTTLS"};
    const char *const nameless[] = {""};
    struct arena arena = {0};
    (void)state;

    struct ehlo e = read_lines(&arena, lines, 2);
    assert_string_equal(e.name, "mx.example.org");
    assert_int_equal(e.count, 1);
    e = read_lines(&arena, nameless, 1);
    assert_null(e.name);
    e = read_lines(&arena, NULL, 0);
    assert_null(e.name);
    assert_int_equal(e.count, 0);
    arena_free(&arena);
}

static void test_said_twice_is_united(void **state)
{
    const char *const lines[] = {"mx", "AUTH PLAIN LOGIN", "HELP", "AUTH=PLAIN CRAM-MD5",
                                 "auth login XOAUTH2"};
    struct arena arena = {0};
    (void)state;

    struct ehlo e = read_lines(&arena, lines, COUNT(lines));
    assert_int_equal(e.count, 2);
    assert_string_equal(ehlo_find(&e, "AUTH"), "PLAIN LOGIN CRAM-MD5 XOAUTH2");
    arena_free(&arena);
}

/* Of many parameters only so many octets are kept. */
static void test_parameters_are_bounded(void **state)
{
    enum { LINES = 99, WORD = 400 };
    const char *lines[LINES + 1] = {"mx"};
    struct arena arena = {0};
    (void)state;

    for (size_t i = 1; i <= LINES; i++) {
        char *line = arena_printf(&arena, "AUTH X%03zu%0*d", i, WORD, 0);
        lines[i] = line;
    }
    struct ehlo e = read_lines(&arena, lines, LINES + 1);
    assert_int_equal(e.count, 1);
    assert_true(strlen(e.extensions[0].params) <= EHLO_MAX_PARAMS);
    assert_true(strlen(e.extensions[0].params) > EHLO_MAX_PARAMS - WORD - 8);
    arena_free(&arena);
}

static const struct {
    const char *lines[2];
    uint64_t flags;
} odd[] = {
    {{"SIZE"}, 0},
    {{"SIZE 0"}, 0},
    {{"SIZE 18446744073709551615"}, 0},
    {{"SIZE 00000000000000000000001"}, 0},
    {{"SIZE 18446744073709551616"}, F(SIZE_INVALID)},
    {{"SIZE 99999999999999999999"}, F(SIZE_INVALID)},
    {{"SIZE -1"}, F(SIZE_INVALID)},
    {{"SIZE 1k"}, F(SIZE_INVALID)},
    {{"SIZE 1 2"}, F(SIZE_INVALID)},
    {{"SMTPUTF8", "8BITMIME"}, 0},
    {{"SMTPUTF8"}, F(SMTPUTF8_ALONE)},
    {{"SIZE x", "smtputf8"}, F(SIZE_INVALID) | F(SMTPUTF8_ALONE)},
};

static void test_odd_offers_are_flagged(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(odd); i++) {
        const char *const lines[] = {"mx", odd[i].lines[0], odd[i].lines[1] ? odd[i].lines[1] : "HELP"};
        struct arena arena = {0};
        struct ehlo e = read_lines(&arena, lines, 3);
        assert_int_equal(e.flags, odd[i].flags);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_first_line_is_the_name),
        cmocka_unit_test(test_said_twice_is_united),
        cmocka_unit_test(test_parameters_are_bounded),
        cmocka_unit_test(test_odd_offers_are_flagged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
