/* SPDX-License-Identifier: Apache-2.0 */
/* Dialogue files: what is wrong with them and where, and what is said and shown of good ones. */
#include "probe/proto/dialogue.h"

#include "probe/base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN "ehlod-000102030405060708090a0b0c0d0e0f1011121314151617"

static const struct placeholder vars[] = {
    {"user", "probe"},       {"data", "DATA"}, {"hash", "# no comment"},
    {"less", "< 250"},       {"dot", "."},     {"brace", "{{user}}"},
    {"byte", "caf\xe9\x01"}, {"quit", "QUIT"}, {"auth", "AUTH PLAIN x"}};

static const struct dialogue_order order = {.vars = vars,
                                            .var_count = sizeof(vars) / sizeof(vars[0]),
                                            .hostname = "client.example.org",
                                            .target = "mx1",
                                            .address = "[192.0.2.1]",
                                            .token = TOKEN,
                                            .wall_us = INT64_C(1795400704123456)};

static const struct plan_script *write_span(struct arena *a, struct span text, struct dialogue_mistakes *m)
{
    /* an allocation of the exact size, so that reading past it is seen */
    char *exact = malloc(text.len ? text.len : 1);
    memcpy(exact, text.data, text.len);
    const struct dialogue *d = dialogue_read(a, (struct span){exact, text.len}, m);
    size_t read = m->count;
    const struct plan_script *script = dialogue_write(a, d, &order, m);
    free(exact);
    return read ? NULL : script;
}

static const struct plan_script *write_good(struct arena *a, const char *text)
{
    struct dialogue_mistakes mistakes = {0};
    const struct plan_script *script = write_span(a, span_of(text), &mistakes);
    if (mistakes.count)
        fail_msg("%s: line %u: %s", text, mistakes.list[0].line, mistakes.list[0].text);
    assert_non_null(script);
    return script;
}

static void expect_mistakes(struct span text, const char *wanted)
{
    struct arena a = {0};
    struct dialogue_mistakes mistakes = {0};
    struct buffer all;
    buffer_init(&all, 64 * 1024);
    assert_null(write_span(&a, text, &mistakes));
    for (size_t i = 0; i < mistakes.count; i++)
        buffer_printf(&all, "%s%u: %s", i ? "; " : "", mistakes.list[i].line, mistakes.list[i].text);
    assert_string_equal(all.data, wanted);
    buffer_free(&all);
    arena_free(&a);
}

#define NOT_A_WISH                                                                                           \
    "not an expectation (expected a code such as 250 or 4xx, then if wanted an enhanced code and a text)"
#define NO_END                                                                                               \
    "the message behind DATA has no end (expected a line with nothing but a dot, even where DATA is to be "  \
    "refused)"

#define CHUNK "a chunk cannot be sent behind BDAT (expected DATA, or BDAT 0)"

static void test_mistakes(void **state)
{
    static const struct {
        const char *text;
        const char *mistakes;
    } rows[] = {
        {"", "0: there is no command in it"},
        {"\n# x\n\n", "0: there is no command in it"},
        {"\xef\xbb\xbf# x", "0: there is no command in it"},
        {"NOOP\n< 250\n< 251\n", "3: a second expectation for one reply (the first stands in line 2)"},
        {"< 220\n\n# x\n < 2xx\n", "4: a second expectation for one reply (the first stands in line 1)"},
        {"NOOP\n<\n", "2: " NOT_A_WISH},
        {"NOOP\n< ok\n", "2: " NOT_A_WISH},
        {"NOOP\n< 25\n", "2: " NOT_A_WISH},
        {"NOOP\n< 1xx\n", "2: " NOT_A_WISH},
        {"NOOP\n< 6xx\n", "2: " NOT_A_WISH},
        {"NOOP\n< 260\n", "2: " NOT_A_WISH},
        {"NOOP\n< 25x\n", "2: " NOT_A_WISH},
        {"NOOP\n< 2500\n", "2: " NOT_A_WISH},
        {"NOOP\n< 250-\n", "2: " NOT_A_WISH},
        {"NOOP\n< 250 5.0.0\n", "2: the enhanced code is of another class than the code"},
        {"NOOP\n< 354 2.0.0\n", "2: the enhanced code is of another class than the code"},
        {"DATA\n", "1: " NO_END},
        {"NOOP\nDATA\nx\n..\n. \n", "2: " NO_END},
        {"DATA\n< 354\n< 354\n.\n", "3: a second expectation for one reply (the first stands in line 2)"},
        {"BDAT 0\nbdat 86 LAST\nBDAT {{n}}\nBDAT\n",
         "2: " CHUNK "; 3: " CHUNK "; 3: unknown placeholder {{n}}; 4: " CHUNK},
        {".\n", "1: a dot that ends no message (DATA is missing)"},
        {"QUIT\nNOOP\n", "2: nothing can be said after QUIT"},
        {"quit \nQUIT\n", "2: nothing can be said after QUIT"},
        {"NOOP\rQUIT\n", "1: a CR in the middle of a line"},
        {"NOOP\r\r\n", "1: a CR in the middle of a line"},
        {"{{nope}}\n< 250 {{never}}\nDATA\nx\n{{no}} {{\n.\n< 250 {{none}}\n",
         "1: unknown placeholder {{nope}}; 2: unknown placeholder {{never}}; 5: unknown placeholder {{no}}; "
         "7: unknown placeholder {{none}}"},
        {"NOOP {{user\n", "1: {{ without }} after it"},
        {"DATA\n\nx {{\n.\n", "3: {{ without }} after it"},
        {"MAIL FROM:<{{from}}>\n", "1: {{from}} is the sender of the MAIL above it, and there is none"},
        {"MAIL FROM:<a@b>\nRCPT TO:<{{to}}>\n",
         "2: {{to}} is the first recipient of the RCPT above it, and there is none"},
        {"MAIL FROM:<a@b>\nRCPT TO:<c@d>\nMAIL FROM:<e@f>\nVRFY {{to}}\n",
         "4: {{to}} is the first recipient of the RCPT above it, and there is none"},
        {"{{data}}\n", "1: a placeholder may not make another command of it"},
        {"{{quit}}\n", "1: a placeholder may not make another command of it"},
        {"{{auth}}\n", "1: a placeholder may not make another command of it"},
        {"AUTH{{user}} LOGIN\n{{data}}\n", "2: a placeholder may not make another command of it"},
        {"NOOP\n< x\nFOO\rBAR\nDATA\n{{y}}\n.\n< 1\n",
         "2: " NOT_A_WISH "; 3: a CR in the middle of a line; 5: unknown placeholder {{y}}; 7: " NOT_A_WISH},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_mistakes(span_of(rows[i].text), rows[i].mistakes);
}

static void test_nul(void **state)
{
    (void)state;
    expect_mistakes((struct span){"NOOP\nNO\0OP\n", 11}, "2: a NUL, which no mail server takes");
    expect_mistakes((struct span){"NOOP\n< 250 \0\n", 13}, "2: a NUL, which no mail server says");
    expect_mistakes((struct span){"DATA\n\0\n.\n", 9}, "1: there is a NUL in the message");
}

static void test_values_with_line_ends(void **state)
{
    static const char *const values[] = {"a\r\nQUIT", "a\nQUIT", "a\rQUIT", "\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct arena a = {0};
        struct dialogue_mistakes mistakes = {0};
        const struct placeholder bad = {"bad", values[i]};
        struct dialogue_order with = order;
        with.vars = &bad;
        with.var_count = 1;
        const struct dialogue *d = dialogue_read(&a, span_of("NOOP {{bad}}\n"), &mistakes);
        assert_int_equal(mistakes.count, 0);
        assert_null(dialogue_write(&a, d, &with, &mistakes));
        assert_int_equal(mistakes.count, 1);
        assert_string_equal(mistakes.list[0].text, "the value of {{bad}} holds a line break");
        arena_free(&a);
    }
}

static char *repeat(struct arena *a, const char *text, size_t times)
{
    size_t len = strlen(text);
    char *all = arena_alloc(a, len * times + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(all + i * len, text, len);
    return all;
}

static void test_limits(void **state)
{
    struct arena a = {0};
    const char *line = repeat(&a, "x", DIALOGUE_MAX_LINE - 2);
    (void)state;
    assert_int_equal(write_good(&a, line)->lines[0].wire.len, DIALOGUE_MAX_LINE);
    expect_mistakes(span_of(arena_printf(&a, "%sx", line)), "1: longer than 12286 octets");
    expect_mistakes(span_of(arena_printf(&a, "%s{{user}}", line + 4)), "1: longer than 12286 octets");
    assert_int_equal(write_good(&a, repeat(&a, "NOOP\n", 63))->count, 63);
    assert_int_equal(write_good(&a, arena_printf(&a, "%sQUIT\n", repeat(&a, "NOOP\n", 63)))->count, 64);
    assert_int_equal(write_good(&a, repeat(&a, "DATA\n.\n", 31))->count, 31);
    expect_mistakes(
        span_of(repeat(&a, "NOOP\n", 64)),
        "64: too much for one connection (expected at most 64 commands, each message and QUIT counted)");
    expect_mistakes(
        span_of(repeat(&a, "DATA\n.\n", 32)),
        "64: too much for one connection (expected at most 64 commands, each message and QUIT counted)");
    arena_free(&a);
}

static void test_mistakes_are_limited(void **state)
{
    struct arena a = {0};
    struct dialogue_mistakes mistakes = {0};
    const char *text = arena_printf(&a, "DATA\n%s.\n", repeat(&a, "{{x}}\n", 1000));
    (void)state;
    assert_null(write_span(&a, span_of(text), &mistakes));
    assert_int_equal(mistakes.count, DIALOGUE_MAX_MISTAKES);
    mistakes.count = 0;
    assert_null(write_span(&a, span_of(repeat(&a, "< 220\n", 1000)), &mistakes));
    assert_int_equal(mistakes.count, DIALOGUE_MAX_MISTAKES);
    arena_free(&a);
}

/* "number kind phase shown" of each line. */
static void test_lines(void **state)
{
    struct arena a = {0};
    const struct plan_script *s = write_good(&a, "\xef\xbb\xbf# a comment\r\n"
                                                 "< 220 {{user}}\r\n"
                                                 "  ehlo\t{{hostname}} \r\n"
                                                 "\r\n"
                                                 "mail FROM:<{{user}}@example.org>\n"
                                                 "NOOP # said\n"
                                                 "DATA now\n"
                                                 "<250 2.1.0  a  text \n"
                                                 "starttls\n"
                                                 "{{hash}}\n"
                                                 "{{less}}\n"
                                                 "{{dot}}\n"
                                                 "{{brace}}\n"
                                                 "{{byte}}\n"
                                                 "quit");
    static const struct {
        unsigned number;
        enum plan_line_kind kind;
        enum phase phase;
        const char *shown;
    } lines[] = {
        {3, PLAN_LINE_HELLO, PHASE_EHLO, "  ehlo\tclient.example.org "},
        {5, PLAN_LINE_PLAIN, PHASE_MAIL, "mail FROM:<probe@example.org>"},
        {6, PLAN_LINE_PLAIN, PHASE_COUNT, "NOOP # said"},
        {7, PLAN_LINE_PLAIN, PHASE_DATA, "DATA now"},
        {9, PLAN_LINE_STARTTLS, PHASE_STARTTLS, "starttls"},
        {10, PLAN_LINE_PLAIN, PHASE_COUNT, "# no comment"},
        {11, PLAN_LINE_PLAIN, PHASE_COUNT, "< 250"},
        {12, PLAN_LINE_PLAIN, PHASE_COUNT, "."},
        {13, PLAN_LINE_PLAIN, PHASE_COUNT, "{{user}}"},
        {14, PLAN_LINE_PLAIN, PHASE_COUNT, "caf\\xE9\\x01"},
        {15, PLAN_LINE_QUIT, PHASE_QUIT, "quit"},
    };
    (void)state;
    assert_int_equal(s->count, sizeof(lines) / sizeof(lines[0]));
    for (size_t i = 0; i < s->count; i++) {
        assert_int_equal(s->lines[i].number, lines[i].number);
        assert_int_equal(s->lines[i].kind, lines[i].kind);
        assert_int_equal(s->lines[i].phase, lines[i].phase);
        assert_string_equal(s->lines[i].shown, lines[i].shown);
    }
    assert_int_equal(s->lines[9].wire.len, 7);
    assert_memory_equal(s->lines[9].wire.data, "caf\xe9\x01\r\n", 7);
    assert_int_equal(s->banner.number, 2);
    assert_string_equal(s->banner.text, "probe");
    assert_int_equal(s->lines[3].wish.code, 250);
    assert_int_equal(s->lines[3].wish.enhanced.class, 2);
    assert_string_equal(s->lines[3].wish.text, "a  text");
    assert_string_equal(s->lines[3].wish.shown, "250 2.1.0  a  text");
    arena_free(&a);
}

static void test_message(void **state)
{
    struct arena a = {0};
    const struct plan_script *s =
        write_good(&a, "MAIL FROM:<\"a>b\"@example.org> SIZE=1\nRCPT TO: c@example.org NOTIFY=NEVER\n"
                       "RCPT TO:<d@example.org>\nDATA\n< 354\nFrom: {{from}}\r\nTo: {{to}}\nDate: {{date}}\n"
                       "Message-ID: {{message_id}}\nX: {{token}} {{address}} {{target}}\n\n.dot\n..\n# x\n"
                       "< 250\nbare\rCR\n.\n< 250 {{user}}\nMAIL FROM:<>\nDATA\n<{{from}}>\n.\nDATA\n.");
    const struct plan_line *data = &s->lines[3];
    static const char wire[] =
        "From: \"a>b\"@example.org\r\nTo: c@example.org\r\n"
        "Date: Mon, 23 Nov 2026 02:25:04 +0000\r\n"
        "Message-ID: <" TOKEN "@client.example.org>\r\n"
        "X: " TOKEN " [192.0.2.1] mx1\r\n\r\n..dot\r\n...\r\n# x\r\n< 250\r\nbare\r\nCR\r\n.\r\n";
    (void)state;
    assert_int_equal(data->kind, PLAN_LINE_DATA);
    assert_int_equal(data->wish.code, 354);
    assert_int_equal(data->dot, 17);
    assert_int_equal(data->taken.number, 18);
    assert_string_equal(data->taken.text, "probe");
    assert_int_equal(data->message.len, sizeof(wire) - 1);
    assert_memory_equal(data->message.data, wire, sizeof(wire) - 1);
    assert_string_equal(arena_dup_span(&a, s->lines[5].message), "<>\r\n.\r\n");
    assert_string_equal(arena_dup_span(&a, s->lines[6].message), ".\r\n");
    arena_free(&a);
}

/* A variable of that name stands before ours. */
static void test_vars_come_first(void **state)
{
    static const struct placeholder own[] = {{"from", "x@example.org"}, {"date", "today"}, {"from", "y"}};
    struct arena a = {0};
    struct dialogue_mistakes mistakes = {0};
    struct dialogue_order with = order;
    (void)state;
    with.vars = own;
    with.var_count = 3;
    const struct dialogue *d = dialogue_read(
        &a, span_of("MAIL FROM:<{{from}}>\nMAIL FROM:<z>\nNOOP {{from}} {{date}}\n"), &mistakes);
    const struct plan_script *s = dialogue_write(&a, d, &with, &mistakes);
    assert_non_null(s);
    assert_string_equal(s->lines[0].shown, "MAIL FROM:<x@example.org>");
    assert_string_equal(s->lines[2].shown, "NOOP x@example.org today");
    arena_free(&a);
}

static void test_secrets(void **state)
{
    struct arena a = {0};
    const struct plan_script *s = write_good(&a, "AUTH LOGIN\ncHJvYmU=\n{{user}}\n*\nNOOP\ncHJvYmU=\n"
                                                 "auth plain AHByb2Jl\nAUTH \xe9 x\nMAIL FROM:<a@b>\n");
    static const char *const shown[] = {
        "AUTH LOGIN",     "***", "***", "***", "NOOP", "cHJvYmU=", "auth plain ***", "AUTH *** ***",
        "MAIL FROM:<a@b>"};
    (void)state;
    assert_int_equal(s->count, sizeof(shown) / sizeof(shown[0]));
    for (size_t i = 0; i < s->count; i++)
        assert_string_equal(s->lines[i].shown, shown[i]);
    assert_int_equal(s->lines[1].phase, PHASE_AUTH);
    assert_string_equal(arena_dup_span(&a, s->lines[2].wire), "probe\r\n");
    assert_string_equal(arena_dup_span(&a, s->lines[6].wire), "auth plain AHByb2Jl\r\n");
    arena_free(&a);
}

/* The mechanism was forgotten, so what stands in its place is a password; only names that are known are none.
 */
static void test_what_is_no_mechanism(void **state)
{
    struct arena a = {0};
    const struct plan_script *s = write_good(&a, "AUTH AHByb2JlAHB3ZDEyMw==\nAUTH AHByb2Jl x\nAUTH PLAI\n"
                                                 "AUTH digest-md5\nAUTH SCRAM-SHA-256 biws\n");
    static const char *const shown[] = {"AUTH ***", "AUTH *** ***", "AUTH ***", "AUTH digest-md5",
                                        "AUTH SCRAM-SHA-256 ***"};
    static const char *const secret[] = {"AHByb2JlAHB3ZDEyMw==", "AHByb2Jl x", "PLAI", "", "biws"};
    (void)state;
    for (size_t i = 0; i < s->count; i++) {
        assert_string_equal(s->lines[i].shown, shown[i]);
        assert_string_equal(arena_dup_span(&a, s->lines[i].secret), secret[i]);
    }
    arena_free(&a);
}

static void test_what_is_in_it(void **state)
{
    static const struct {
        const char *text;
        bool sends, starts_tls, logs_in;
    } rows[] = {{"NOOP", false, false, false},
                {"DATA\n.", true, false, false},
                {"STARTTLS", false, true, false},
                {"STARTTLS x", false, false, false},
                {"auth LOGIN", false, false, true}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a = {0};
        struct dialogue_mistakes mistakes = {0};
        const struct dialogue *d = dialogue_read(&a, span_of(rows[i].text), &mistakes);
        assert_int_equal(dialogue_sends(d), rows[i].sends);
        assert_int_equal(dialogue_starts_tls(d), rows[i].starts_tls);
        assert_int_equal(dialogue_logs_in(d), rows[i].logs_in);
        arena_free(&a);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_true(dialogue_is_name("a.B_9-"));
    assert_false(dialogue_is_name(""));
    assert_false(dialogue_is_name("a b"));
    assert_false(dialogue_is_name("a}"));
    assert_true(dialogue_is_name("0123456789012345678901234567890123456789012345678901234567890123"));
    assert_false(dialogue_is_name("01234567890123456789012345678901234567890123456789012345678901234"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_values_with_line_ends),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_mistakes_are_limited),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_vars_come_first),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_what_is_no_mechanism),
        cmocka_unit_test(test_what_is_in_it),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("probe/proto/dialogue", tests, NULL, NULL);
}
