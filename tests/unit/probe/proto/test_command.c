/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/proto/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_parts_as_they_stand(void **state)
{
    struct arena arena = {0};
    (void)state;

    assert_string_equal(command_build(&arena, "QUIT", COMMAND_END), "QUIT");
    assert_string_equal(command_build(&arena, "MAIL FROM:<", "", ">", COMMAND_END), "MAIL FROM:<>");
    assert_string_equal(command_build(&arena, "RCPT TO:<", "a b@example.org", ">", COMMAND_END),
                        "RCPT TO:<a b@example.org>");
    arena_free(&arena);
}

/* H20: wherever it stands, no part can smuggle a second command. A NUL cannot be in a part: it ends it. */
static void test_line_ends_are_refused(void **state)
{
    static const char *const bad[] = {"\r",    "\n",    "\r\n",      "a\rb",          "a\nb",
                                      "a\r\n", "\r\na", "a\r\nRSET", "\xe2\x80\xa8\n"};
    struct arena arena = {0};
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(command_build(&arena, bad[i], COMMAND_END));
        assert_null(command_build(&arena, "MAIL FROM:<", bad[i], ">", COMMAND_END));
        assert_null(command_build(&arena, "EHLO ", "a", bad[i], COMMAND_END));
    }
    arena_free(&arena);
}

static void check_length(size_t len, bool fits)
{
    char part[COMMAND_MAX_LINE + 2];
    struct arena arena = {0};

    memset(part, 'x', sizeof(part));
    part[len - strlen("EHLO ")] = '\0';
    char *line = command_build(&arena, "EHLO ", part, COMMAND_END);
    assert_int_equal(line != NULL, fits);
    if (line)
        assert_int_equal(strlen(line), len);
    arena_free(&arena);
}

/* 512 octets with CRLF (RFC 5321 section 4.5.3.1.4). */
static void test_length(void **state)
{
    (void)state;
    check_length(COMMAND_MAX_LINE - 3, true);
    check_length(COMMAND_MAX_LINE - 2, true);
    check_length(COMMAND_MAX_LINE - 1, false);
    check_length(COMMAND_MAX_LINE, false);
    check_length(COMMAND_MAX_LINE + 1, false);
}

/* The limit holds for all parts together. */
static void test_length_of_many_parts(void **state)
{
    struct arena arena = {0};
    char part[COMMAND_MAX_LINE / 2];
    (void)state;

    memset(part, 'x', sizeof(part));
    part[sizeof(part) - 1] = '\0';
    assert_int_equal(strlen(command_build(&arena, part, part, COMMAND_END)), COMMAND_MAX_LINE - 2);
    assert_null(command_build(&arena, part, part, "x", COMMAND_END));
    assert_null(command_build(&arena, part, part, part, part, COMMAND_END));
    arena_free(&arena);
}

/* RFC 3461 section 4 */
static void test_xtext(void **state)
{
    struct arena arena = {0};
    (void)state;

    assert_string_equal(command_xtext(&arena, ""), "");
    assert_string_equal(command_xtext(&arena, "a.b-c@d!~"), "a.b-c@d!~");
    assert_string_equal(command_xtext(&arena, "a+b=c d"), "a+2Bb+3Dc+20d");
    assert_string_equal(command_xtext(&arena, "\r\n\x7f\xc3\xbc"), "+0D+0A+7F+C3+BC");
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_as_they_stand),
        cmocka_unit_test(test_line_ends_are_refused),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_length_of_many_parts),
        cmocka_unit_test(test_xtext),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
