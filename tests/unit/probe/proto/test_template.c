/* SPDX-License-Identifier: Apache-2.0 */
/* Message templates: what is wrong with them, and what a letter of one is on the wire. */
#include "probe/proto/template.h"

#include "probe/base/buffer.h"
#include "probe/base/mem.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN   "ehlod-000102030405060708090a0b0c0d0eff1011121314151617"
#define ID      "<" TOKEN "@probe.example.net>"
#define WALL_US INT64_C(1763951104123456)
#define DATE    "Mon, 24 Nov 2025 02:25:04 +0000"
#define MB      (1024 * 1024)

#define ADDED_REST "Message-ID: " ID "\r\nX-Ehlod-Token: " TOKEN "\r\n"
#define ADDED      "Date: " DATE "\r\nFrom: ehlod <probe@example.net>\r\n" ADDED_REST
#define X10        "xxxxxxxxxx"
#define X100       X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X900       X100 X100 X100 X100 X100 X100 X100 X100 X100
#define X998       X900 X10 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxxx"

struct stage {
    struct arena arena;
    const char *values[TEMPLATE_NAME_COUNT];
    struct plan_message message;
    struct template_mistakes mistakes;
    bool is_utf8;
    struct plan_letter letter;
    struct buffer wire; /* all of the letter */
};

static int set_up(void **state)
{
    struct stage *s = mem_alloc(sizeof *s);

    s->values[TEMPLATE_HOSTNAME] = "probe.example.net";
    s->values[TEMPLATE_FROM] = "probe@example.net";
    s->values[TEMPLATE_TO] = "www@example.org, second@example.org";
    s->values[TEMPLATE_TARGET] = ".mx1";
    s->values[TEMPLATE_ROUTE] = "inbound";
    s->values[TEMPLATE_ADDRESS] = "[192.0.2.1]";
    s->message.values = s->values;
    buffer_init(&s->wire, (size_t)300 * MB);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;

    buffer_free(&s->wire);
    arena_free(&s->arena);
    free(s);
    return 0;
}

/* Whether the text is a template that can be sent. */
static bool check(struct stage *s, struct span text)
{
    char *exact =
        memcpy(mem_alloc(text.len + !text.len), text.data, text.len); /* so that reading past it is seen */

    s->mistakes.count = 0;
    s->message.template = template_read(&s->arena, &s->arena, (struct span){exact, text.len}, &s->mistakes);
    free(exact);
    assert_int_equal(s->message.template == NULL, s->mistakes.count > 0);
    return s->message.template && template_check(&s->arena, &s->message, &s->is_utf8, &s->mistakes) == 0;
}

/* What SIZE counts of what went over the wire: neither dots that were doubled nor the last one. */
static size_t counted(struct span wire)
{
    size_t octets = wire.len - 3;

    for (size_t i = 0; i + 3 < wire.len; i++)
        octets -= wire.data[i] == '.' && (i == 0 || wire.data[i - 1] == '\n');
    return octets;
}

static void write_letter(struct stage *s)
{
    s->letter = template_write(&s->arena, &s->message, TOKEN, WALL_US);
    buffer_clear(&s->wire);
    buffer_put(&s->wire, s->letter.wire.data, s->letter.wire.len);
    for (size_t i = 0; i < s->letter.rest_count; i++) {
        assert_int_not_equal(s->letter.rest[i].len, 0);
        buffer_put(&s->wire, s->letter.rest[i].data, s->letter.rest[i].len);
    }
    assert_int_equal(plan_letter_octets(&s->letter), s->wire.len);
    assert_string_equal(s->letter.token, TOKEN);
    assert_int_equal(counted(buffer_span(&s->wire)), s->message.octets);
}

static void write_text(struct stage *s, const char *text)
{
    if (!check(s, span_of(text)))
        fail_msg("%s: line %u: %s", text, s->mistakes.list[0].line, s->mistakes.list[0].text);
    write_letter(s);
}

static void assert_wire(struct stage *s, const char *text, const char *wire)
{
    write_text(s, text);
    assert_string_equal(s->wire.data, wire);
}

static void test_the_built_in_message(void **state)
{
    struct stage *s = *state;

    s->message.template = template_built_in(&s->arena);
    assert_int_equal(template_check(&s->arena, &s->message, &s->is_utf8, &s->mistakes), 0);
    write_letter(s);
    assert_string_equal(s->wire.data, ADDED "To: www@example.org, second@example.org\r\n"
                                            "Subject: ehlod test message (.mx1, inbound)\r\n"
                                            "Auto-Submitted: auto-generated\r\n"
                                            "MIME-Version: 1.0\r\n"
                                            "Content-Type: text/plain; charset=us-ascii\r\n"
                                            "\r\n"
                                            "This message tests whether mail is accepted and delivered.\r\n"
                                            "It may be deleted at any time.\r\n.\r\n");
    assert_string_equal(s->letter.message_id, ID);
    assert_false(s->is_utf8 || s->message.is_8bit);
}

static void test_the_null_sender_has_an_author(void **state)
{
    struct stage *s = *state;

    s->values[TEMPLATE_FROM] = "";
    write_text(s, "\nhi {{from}}\n");
    assert_non_null(strstr(s->wire.data, "\r\nFrom: ehlod <ehlod@probe.example.net>\r\nMessage-ID: "));
    assert_non_null(strstr(s->wire.data, "\r\n\r\nhi \r\n.\r\n"));
}

/* Each body, and what it is on the wire. */
static void test_m20_the_body(void **state)
{
    static const struct {
        const char *text, *wire;
    } rows[] = {
        {"", ""},
        {"a", "a\r\n"},
        {"a\r\n", "a\r\n"},
        {"a\nb\n", "a\r\nb\r\n"},
        {"a\r\nb\n", "a\r\nb\r\n"},
        {"\n\n", "\r\n\r\n"},
        {".", "..\r\n"},
        {".\r\n", "..\r\n"},
        {"..a\n.b", "...a\r\n..b\r\n"},
        {"a\n.\nb", "a\r\n..\r\nb\r\n"},
        {"a.b\n", "a.b\r\n"},
        {" \n\t\n", " \r\n\t\r\n"},
        {"{ {a} }}", "{ {a} }}\r\n"},
        {"{{target}}", "..mx1\r\n"},
        {"{{target}}{{target}}\n{{target}}", "..mx1.mx1\r\n..mx1\r\n"},
        {"x{{target}}\n", "x.mx1\r\n"},
        {".{{target}}\n", "...mx1\r\n"},
        {"{{from}}{{target}}\n", "probe@example.net.mx1\r\n"},
        {"{{hostname}} {{address}}", "probe.example.net [192.0.2.1]\r\n"},
        {"{{from}}\n{{to}}\n{{route}}",
         "probe@example.net\r\nwww@example.org, second@example.org\r\ninbound\r\n"},
        {"{{date}}\n{{token}}{{message_id}}", DATE "\r\n" TOKEN ID "\r\n"},
    };
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_wire(s, arena_printf(&s->arena, "Subject: x\n\n%s", rows[i].text),
                    arena_printf(&s->arena, ADDED "Subject: x\r\n\r\n%s.\r\n", rows[i].wire));
        assert_wire(s, arena_printf(&s->arena, "\xef\xbb\xbfSubject: x\r\n\r\n%s", rows[i].text),
                    arena_printf(&s->arena, ADDED "Subject: x\r\n\r\n%s.\r\n", rows[i].wire));
    }
}

/* A value that is empty leaves the next thing at the start of the line. */
static void test_dots_behind_what_is_empty(void **state)
{
    static const struct {
        const char *text, *wire;
    } rows[] = {
        {"{{from}}.x", "..x\r\n"}, {"{{from}}{{from}}.x", "..x\r\n"}, {"{{from}}{{target}}.", "..mx1.\r\n"},
        {"{{from}}", "\r\n"},      {"{{from}}\n.", "\r\n..\r\n"},     {"{{from}}.{{target}}", "...mx1\r\n"},
        {"a{{from}}.", "a.\r\n"},  {"{{from}}a{{from}}.", "a.\r\n"},
    };
    struct stage *s = *state;

    s->values[TEMPLATE_FROM] = "";
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_text(s, arena_printf(&s->arena, "\n%s", rows[i].text));
        assert_string_equal(strstr(s->wire.data, "\r\n\r\n") + 4,
                            arena_printf(&s->arena, "%s.\r\n", rows[i].wire));
    }
}

/* What the template has itself stays, and is not said twice. */
static void test_own_fields(void **state)
{
    struct stage *s = *state;

    assert_wire(s,
                "date: Thu, 1 Jan 1970 00:00:00 +0000\nFrom: \"A. B\" <a@example.com>\n"
                "x-ehlod-token:  {{token}} \nMESSAGE-ID: <1@example.com>\n\n{{message_id}}",
                "date: Thu, 1 Jan 1970 00:00:00 +0000\r\nFrom: \"A. B\" <a@example.com>\r\n"
                "x-ehlod-token:  " TOKEN " \r\nMESSAGE-ID: <1@example.com>\r\n\r\n<1@example.com>\r\n.\r\n");
    assert_string_equal(s->letter.message_id, "<1@example.com>");
    write_text(s, "Message-ID:\n\t<{{token}}@x>\nIn-Reply-To: {{message_id}}\n\n");
    assert_string_equal(s->letter.message_id, "<" TOKEN "@x>");
    assert_non_null(
        strstr(s->wire.data, "\r\nMessage-ID:\r\n\t<" TOKEN "@x>\r\nIn-Reply-To: <" TOKEN "@x>\r\n\r\n"));
    write_text(s, "Message-ID: {{message_id}}\n");
    assert_string_equal(s->letter.message_id, ID);
}

/* A dot may be the first of a field's name, and is doubled there too. */
static void test_dots_in_the_header(void **state)
{
    struct stage *s = *state;

    assert_wire(s, ".a: b\n .c\n..: d\n\n", ADDED "..a: b\r\n .c\r\n...: d\r\n\r\n.\r\n");
}

static void test_header_alone_and_body_alone(void **state)
{
    struct stage *s = *state;

    assert_wire(s, "Subject: x", ADDED "Subject: x\r\n\r\n.\r\n");
    assert_wire(s, "Subject: x\r\n", ADDED "Subject: x\r\n\r\n.\r\n");
    assert_wire(s, "Subject: x\n\n", ADDED "Subject: x\r\n\r\n.\r\n");
    assert_wire(s, "\n", ADDED "\r\n.\r\n");
    assert_wire(s, "\nSubject: x", ADDED "\r\nSubject: x\r\n.\r\n");
}

static void test_what_is_not_ascii(void **state)
{
    struct stage *s = *state;

    write_text(s, "Subject: plain\n\nplain\n");
    assert_false(s->is_utf8 || s->message.is_8bit);
    write_text(s, "Subject: gr\xc3\xbc\xc3\x9f\n\nplain\n");
    assert_true(s->is_utf8 && !s->message.is_8bit);
    write_text(s, "Subject: plain\n\ngr\xfc\xdf\n"); /* Latin-1 */
    assert_true(!s->is_utf8 && s->message.is_8bit);
    assert_non_null(strstr(s->wire.data, "\r\n\r\ngr\xfc\xdf\r\n.\r\n"));
    s->values[TEMPLATE_TO] = "\xc3\xbc@example.org";
    write_text(s, "To: {{to}}\n\nplain\n");
    assert_true(s->is_utf8 && !s->message.is_8bit);
    write_text(s, "Subject: plain\n\n{{to}}\n");
    assert_true(!s->is_utf8 && s->message.is_8bit);
}

/* Lines of up to 998 octets stay as they are; longer ones of the header are cut at white space. */
static void test_folding(void **state)
{
    struct stage *s = *state;
    struct span rest;
    size_t lines = 0;

    write_text(s, "Subject: " X900 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxxx\n");
    assert_null(strstr(s->wire.data, "\r\n "));
    for (int i = 0; i < 60; i++)
        buffer_printf(&s->wire, "recipient-%d@example.org, ", i);
    s->values[TEMPLATE_TO] =
        arena_printf(&s->arena, "%slast@example.org", strstr(s->wire.data, "recipient-0@"));
    write_text(s, "To: {{to}}\nSubject: y\n");
    rest = span_of(strstr(s->wire.data, "To: "));
    char *joined = arena_alloc(&s->arena, rest.len + 1);
    for (const char *line = rest.data; *line != 'S'; line = strstr(line, "\r\n") + 2, lines++) {
        size_t len = strcspn(line, "\r");
        assert_true(len <= 78 && (lines == 0 || *line == ' '));
        strncat(joined, line, len);
    }
    assert_string_equal(joined, arena_printf(&s->arena, "To: %s", s->values[TEMPLATE_TO]));
    assert_true(lines > 20);
    write_text(s,
               "X: " X10 X10 X10 X10 X10 X10 " " X900 X10 X10 X10 X10 " b\n"); /* not everywhere is a place */
    assert_non_null(
        strstr(s->wire.data, "\r\nX: " X10 X10 X10 X10 X10 X10 "\r\n " X900 X10 X10 X10 X10 "\r\n b\r\n"));
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *wrong;
    } rows[] = {
        {"", 0, "empty"},
        {"\xef\xbb\xbf", 0, "empty"},
        {"Subject x\n\n", 1,
         "no header field, which is a name, a colon and a value (an empty line parts header and body)"},
        {"Subject: x\nhello\n", 2, "no header field"},
        {": x\n", 1, "no header field"},
        {"Sub ject: x\n", 1, "no header field"},
        {"From me Mon\n", 1, "no header field"},
        {" x\n", 1, "the header begins with white space"},
        {"A: b\n \t\n", 2, "a line of white space alone in the header"},
        {"A: \xfc\n", 1, "the header is not UTF-8"},
        {"A: \x01\n", 1, "a control character in the header"},
        {"A: b\n\nc\rd\n", 3, "a CR that ends no line, which mail cannot carry"},
        {"A: b\n\nc\r\r\n", 3, "a CR that ends no line"},
        {"A: b\n\nc\r", 3, "a CR that ends no line"},
        {"A: b\r\r\n", 1, "a CR that ends no line"},
        {"A: b\rC: d\n", 1, "a CR that ends no line"},
        {"X-{{target}}: x\n", 1, "a placeholder in the name of a header field"},
        {"{{from}}: x\n", 1, "a placeholder in the name of a header field"},
        {"A: {{nme}}\n", 1, "unknown placeholder {{nme}}"},
        {"A: b\n\n{{date}} {{ date}}\n", 3, "unknown placeholder {{ date}}"},
        {"A: b\n\n{{\xfc\n", 3, "{{ without }} after it"},
        {"A: b\n\n{{da\nte}}\n", 3, "{{ without }} after it"},
        {"A: b\n\n{{" X100 "}}\n", 3, "unknown placeholder {{" X10 X10 X10 X10 "...}}"},
        {"A: b\n\n" X998 "\n" X998 "x\n", 4, "a line of 999 octets (expected at most 998)"},
        {"A: b\n\n." X998 "\n", 3, "a line of 999 octets (expected at most 998)"},
        {"A: b\n\n" X900 X10 X10 X10 X10 X10 X10 X10 "{{to}}\n", 3,
         "a line of 1005 octets when it is filled in (expected at most 998)"},
        {"Message-ID: <a@b>\nmessage-id: <c@d>\n", 2, "a second Message-ID field"},
        {"Message-ID: a@b\n", 1, "a Message-ID that is not of the form <left@right> in ASCII"},
        {"A: b\nMessage-ID: <\xc3\xbc@b>\n", 2, "a Message-ID that is not of the form"},
        {"Message-ID: <a b@c>\n", 1, "a Message-ID that is not of the form"},
        {"Message-ID: <{{message_id}}>\n", 1, "a Message-ID that is not of the form"},
        {"Message-ID:\n", 1, "a Message-ID that is not of the form"},
        {"X-Ehlod-Token: mine\n", 1, "X-Ehlod-Token must be {{token}}"},
        {"A: b\nSubject:" X998 "\n", 2, "a header line that cannot be folded: no white space in 998 octets"},
        {"A: b\nX: a " X998 "x b\n", 2, "a header line that cannot be folded"},
    };
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (check(s, span_of(rows[i].text)) || s->mistakes.count != 1)
            fail_msg("%s: %zu mistakes", rows[i].text, s->mistakes.count);
        assert_int_equal(s->mistakes.list[0].line, rows[i].line);
        if (strncmp(s->mistakes.list[0].text, rows[i].wrong, strlen(rows[i].wrong)) != 0)
            fail_msg("%s: %s", rows[i].text, s->mistakes.list[0].text);
    }
    assert_false(check(s, (struct span){"A: b\n\n\0\n", 8}));
    assert_string_equal(s->mistakes.list[0].text, "a NUL, which mail cannot carry");
    assert_false(check(s, (struct span){"A: \0b\n", 6}));
}

static char *repeat(struct stage *s, const char *before, const char *text, size_t count)
{
    size_t len = strlen(text), start = strlen(before);
    char *out = arena_alloc(&s->arena, start + len * count + 1);

    memcpy(out, before, start);
    for (size_t i = 0; i < count; i++)
        memcpy(out + start + i * len, text, len);
    return out;
}

static void test_a_line_of_nothing_but_the_null_sender(void **state)
{
    struct stage *s = *state;

    s->values[TEMPLATE_FROM] = "";
    assert_false(check(s, span_of("Reply-To:\n {{from}}\nA: b\n")));
    assert_int_equal(s->mistakes.count, 1);
    assert_int_equal(s->mistakes.list[0].line, 2);
    assert_string_equal(s->mistakes.list[0].text,
                        "a line of white space alone in the header when it is filled in");
    assert_true(check(s, span_of("Reply-To:\n {{from}}x\n\n {{from}}\n")));
}

/* What is allocated; nothing where a sanitizer has an allocator of its own. */
static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* Nothing else is written where the body is, wherever it ends. */
static void test_a_last_line_with_a_dot_and_no_end(void **state)
{
    struct stage *s = *state;
    char dots[66] = "\n";

    for (size_t i = 1; i + 1 < sizeof(dots); i++) {
        dots[i] = '.';
        write_text(s, dots);
        const char *body = strstr(s->wire.data, "\r\n\r\n") + 4;
        assert_int_equal(strspn(body, "."), i + 1);
        assert_string_equal(body + i + 1, "\r\n.\r\n");
    }
}

/* However much of it is wrong: as many mistakes as are told, and no memory for more. */
static void test_a_large_text_that_is_all_wrong(void **state)
{
    struct stage *s = *state;
    const char *const starts[] = {"", "A: b\n\n"};

    for (size_t i = 0; i < 2; i++) {
        struct span text = span_of(repeat(s, starts[i], "A: {{x}}\n", 100000));
        struct template_mistakes mistakes = {.count = 0};
        struct arena scratch = {0};
        size_t before = allocated();
        assert_null(template_read(&s->arena, &scratch, text, &mistakes));
        assert_int_equal(mistakes.count, TEMPLATE_MAX_MISTAKES);
        assert_in_range(allocated() - before, 0, 2 * text.len + 64 * 1024); /* of the body, a copy */
        arena_free(&scratch);
    }
}

static void test_limits(void **state)
{
    struct stage *s = *state;

    assert_false(check(s, span_of(repeat(s, "", "nothing\n", 1000))));
    assert_int_equal(s->mistakes.count, TEMPLATE_MAX_MISTAKES);
    assert_true(check(s, span_of(repeat(s, "\n", "{{token}}\n", TEMPLATE_MAX_PLACES))));
    assert_false(check(s, span_of(repeat(s, "\n", "{{token}}\n", TEMPLATE_MAX_PLACES + 1))));
    assert_string_equal(s->mistakes.list[0].text, "more than 1000 placeholders in the body");
    assert_false(check(s, span_of(repeat(s, "", "A: b\n", TEMPLATE_MAX_HEADER / 5 + 1))));
    assert_string_equal(s->mistakes.list[0].text, "the header is longer than 64 KiB");
    assert_false(check(s, span_of(repeat(s, "", "A: {{date}}\n", 2500))));
    assert_string_equal(s->mistakes.list[0].text, "the header is longer than 64 KiB when it is filled in");
}

/* Whatever the size, it comes out, in lines that any server takes. */
static void test_padding(void **state)
{
    struct stage *s = *state;

    assert_true(check(s, span_of("Subject: x\n\n.\n")));
    size_t bare = s->message.octets;
    s->message.pad = template_pad(&s->arena);
    assert_false(template_can_pad(1));
    for (size_t padding = 0; padding < 400; padding++) {
        if (!template_can_pad(padding))
            continue;
        s->message.padding = padding;
        s->message.octets = bare + padding;
        write_letter(s);
        for (const char *line = strstr(s->wire.data, "\r\n\r\n") + 4; *line; line = strstr(line, "\r\n") + 2)
            assert_true(strcspn(line, "\r") <= 76);
    }
    static const size_t large[] = {MB,         25 * MB, 25 * MB + 1, 262080,
                                   2 * 262080, 262081,  262079,      TEMPLATE_MAX_PADDED};
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
        s->message.padding = large[i] - bare;
        s->message.octets = large[i];
        s->letter = template_write(&s->arena, &s->message, TOKEN, WALL_US);
        assert_int_equal(plan_letter_octets(&s->letter), large[i] + 1 + 3); /* a dot doubled, and the last */
        assert_true(s->letter.rest_count < 1100);
    }
}

/* However large the body is, a letter only points to it. */
static void test_a_large_body_is_shared(void **state)
{
    struct stage *s = *state;
    char *text = repeat(s, "Subject: x\n\n{{token}}\n", "0123456789abcdef0123456789abcdef\n", 25 * MB / 33);
    struct plan_letter other;

    assert_true(check(s, span_of(text)));
    assert_true(s->message.octets > 25 * MB);
    write_letter(s);
    other = template_write(&s->arena, &s->message, TOKEN, WALL_US);
    assert_int_equal(other.rest_count, 3); /* token, body, dot */
    assert_ptr_equal(other.rest[1].data, s->letter.rest[1].data);
    assert_true(other.rest[1].len > 25 * MB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_built_in_message),
        TEST(test_the_null_sender_has_an_author),
        TEST(test_m20_the_body),
        TEST(test_dots_behind_what_is_empty),
        TEST(test_own_fields),
        TEST(test_dots_in_the_header),
        TEST(test_header_alone_and_body_alone),
        TEST(test_what_is_not_ascii),
        TEST(test_folding),
        TEST(test_mistakes),
        TEST(test_a_line_of_nothing_but_the_null_sender),
        TEST(test_a_last_line_with_a_dot_and_no_end),
        TEST(test_a_large_text_that_is_all_wrong),
        TEST(test_limits),
        TEST(test_padding),
        TEST(test_a_large_body_is_shared),
    };
    return cmocka_run_group_tests_name("probe/proto/template", tests, NULL, NULL);
}
