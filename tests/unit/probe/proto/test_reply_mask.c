/* SPDX-License-Identifier: Apache-2.0 */
/* A server that says what it was told in confidence: no line that is kept shows it, however it came. */
#include "probe/proto/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;
static struct mask *mask;
static struct reply_parser p;

static int set_up(void **state)
{
    (void)state;
    mask = mask_new();
    mask_add(mask, span_of("hunter2"));
    mask_add(mask, span_of("p\xff\x01"));
    reply_init(&p, &arena);
    reply_mask(&p, mask);
    reply_next(&p, false, true); /* keeps it */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    reply_free(&p);
    arena_free(&arena);
    mask_free(mask);
    return 0;
}

/* Feeds pieces of that size. */
static int feed(struct span bytes, size_t step, enum reason *reason_r)
{
    int got = 0;

    for (size_t at = 0, used; at < bytes.len && got == 0; at += step)
        got = reply_feed(&p, (struct span){bytes.data + at, bytes.len - at < step ? bytes.len - at : step},
                         &used, reason_r);
    return got;
}

/* However it is cut. */
static void assert_lines(const char *bytes, int wanted, const char *first, const char *second)
{
    for (size_t step = 1; step <= strlen(bytes); step++) {
        enum reason reason;
        reply_next(&p, false, true);
        assert_int_equal(feed(span_of(bytes), step, &reason), wanted);
        if (wanted == 0)
            reply_break(&p);
        assert_int_equal(p.reply.line_count, second ? 2 : 1);
        assert_string_equal(p.reply.lines[0], first);
        if (second)
            assert_string_equal(p.reply.lines[1], second);
    }
}

static void whole_replies(void **state)
{
    (void)state;
    assert_lines("535 5.7.8 hunter2 is wrong\r\n", 1, "5.7.8 *** is wrong", NULL);
    assert_int_equal(p.reply.enhanced.subject, 7);
    assert_lines("535-hunter2\r\n535 aHVudGVyMg==\r\n", 1, "***", "***");
    assert_lines("535 \x01hunter2\r\n", 1, "\\x01***", NULL);
    assert_lines("535 hunter\r\n", 1, "hunter", NULL); /* whole: it is what it is */
}

/* Before it is escaped: then it would look different. */
static void octets_that_are_escaped(void **state)
{
    (void)state;
    assert_lines("535 <p\xff\x01>\r\n", 1, "<***>", NULL);
    assert_false(p.reply.escaped);
    assert_int_equal(p.flags & (UINT64_C(1) << FLAG_NON_UTF8), 0);
}

static void replies_that_are_wrong(void **state)
{
    (void)state;
    assert_lines("hunter2\r\n", -1, "***", NULL);
    assert_lines("999 hunter2\r\n", -1, "999 ***", NULL);
    assert_lines("535-a\r\n550 hunter2\r\n", -1, "a", "550 ***");
}

static void replies_that_break_off(void **state)
{
    (void)state;
    assert_lines("535-a\r\n535 hunter2", 0, "a", "535 ***");
    assert_lines("535 hunt", 0, "535 ***", NULL);
    assert_lines("535 aHVudG", 0, "535 ***", NULL);
    assert_lines("535 hunter2\r", 0, "535 ***", NULL);
}

static void a_nul_cuts_the_line(void **state)
{
    enum reason reason;

    (void)state;
    assert_int_equal(feed((struct span){"535 hunter2\0", 12}, 12, &reason), -1);
    assert_int_equal(reason, REASON_NUL);
    assert_string_equal(p.reply.lines[0], "535 ***\\x00");
}

/* The secret stands where the line is cut: with each of its octets on the border. */
static void the_limit_cuts_the_line(void **state)
{
    static char line[REPLY_MAX_LINE + 64];

    (void)state;
    for (size_t inside = 2; inside <= 7; inside++) {
        enum reason reason;
        memset(line, 'x', sizeof line);
        memcpy(line, "535 ", 4);
        memcpy(line + REPLY_MAX_LINE - inside, "hunter2", 7);
        reply_next(&p, false, true);
        assert_int_equal(feed((struct span){line, sizeof line}, sizeof line, &reason), -1);
        assert_int_equal(reason, REASON_TOO_LONG);
        assert_string_equal(p.reply.lines[0] + REPLY_MAX_LINE - inside - 1, "x***");
    }
}

/* A secret that is all of the code does not make another of it. */
static void what_decides_is_read_as_it_came(void **state)
{
    (void)state;
    mask_add(mask, span_of("535"));
    mask_add(mask, span_of("5.7.8"));
    assert_lines("535 5.7.8 no 535\r\n", 1, "*** no ***", NULL);
    assert_int_equal(p.reply.code, 535);
    assert_int_equal(p.reply.enhanced.detail, 8);
}

/* What probe/sasl is to answer is not for showing, and must be whole: one-letter secrets are everywhere. */
static void a_challenge_is_kept_as_it_came(void **state)
{
    (void)state;
    mask_add(mask, span_of("c"));
    assert_null(p.challenge);
    assert_lines("334 cj1hYmM=\r\n", 1, "***j1hYmM=", NULL);
    assert_string_equal(p.challenge, "cj1hYmM=");
    assert_lines("334\r\n", 1, "", NULL);
    assert_string_equal(p.challenge, "");
    assert_lines("334 \r\n", 1, "", NULL);
    assert_string_equal(p.challenge, "");
    assert_lines("235 cj1hYmM=\r\n", 1, "***j1hYmM=", NULL);
    assert_null(p.challenge);
}

static void without_it_nothing_is_hidden(void **state)
{
    (void)state;
    reply_mask(&p, NULL);
    assert_lines("535 hunter2\r\n", 1, "hunter2", NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_replies),
        TEST(octets_that_are_escaped),
        TEST(replies_that_are_wrong),
        TEST(replies_that_break_off),
        TEST(a_nul_cuts_the_line),
        TEST(the_limit_cuts_the_line),
        TEST(what_decides_is_read_as_it_came),
        TEST(a_challenge_is_kept_as_it_came),
        TEST(without_it_nothing_is_hidden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
