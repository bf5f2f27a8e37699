/* SPDX-License-Identifier: Apache-2.0 */
/* Headers: fields as they come, and what stands in a MIME field. */
#include "probe/proto/header.h"

#include "probe/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_span(struct span is, const char *wanted)
{
    if (!span_is(is, wanted))
        fail_msg("\"%.*s\" is not \"%s\"", (int)is.len, is.data, wanted);
}

static void test_fields(void **state)
{
    struct span text = span_of("From somebody Mon Nov 23\r\n"
                               "Subject: one\r\n two\r\n\tthree \r\n"
                               ": no name\r\n"
                               "no colon\r\n that is continued: too\r\n"
                               "bad name: x\r\n"
                               "X-Empty:\r\n"
                               "X-Old \t: y\n"
                               "\r\n"
                               "Body: z\r\n");
    struct header_field f;

    (void)state;
    assert_int_equal(header_next(&text, &f), 1);
    assert_span(f.name, "Subject");
    assert_span(f.value, "one\r\n two\r\n\tthree");
    assert_int_equal(header_next(&text, &f), 1);
    assert_span(f.name, "X-Empty");
    assert_span(f.value, "");
    assert_int_equal(header_next(&text, &f), 1);
    assert_span(f.name, "X-Old");
    assert_span(f.value, "y");
    assert_int_equal(header_next(&text, &f), 0);
    assert_span(text, "Body: z\r\n");
}

static void test_a_header_that_breaks_off(void **state)
{
    struct span text = span_of("A: b\r\n c");
    struct header_field f;
    struct span body;

    (void)state;
    assert_false(header_body(text, &body));
    assert_int_equal(header_next(&text, &f), 1);
    assert_span(f.value, "b\r\n c");
    assert_int_equal(header_next(&text, &f), 0);
    assert_int_equal(text.len, 0);
    text = (struct span){"", 0};
    assert_int_equal(header_next(&text, &f), 0);
}

static void test_finding_one(void **state)
{
    struct span text = span_of("To: a\r\ntO: b\r\n\r\nCc: c\r\n"), body;
    struct header_field f;

    (void)state;
    assert_int_equal(header_find(text, "TO", &f), 1);
    assert_span(f.value, "a");
    assert_int_equal(header_find(text, "Cc", &f), 0);
    assert_true(header_body(text, &body));
    assert_span(body, "Cc: c\r\n");
}

static void test_unfolding(void **state)
{
    struct arena a = {0};

    (void)state;
    assert_span(header_unfold(&a, span_of(" a\r\n\t b \t c\r\n ")), "a b c");
    assert_span(header_unfold(&a, span_of(" \r\n ")), "");
    assert_string_equal(header_show(&a, span_of("a\r\n b"), 100), "a b");
    assert_string_equal(header_show(&a, span_of("abcdef"), 3), "abc...");
    assert_string_equal(header_show(&a, span_of("a\001b"), 100), "a\\x01b");
    assert_string_equal(header_show(&a, span_of("\377\377\377\377\377\377\377\377"), 8), "\\xFF\\xFF...");
    arena_free(&a);
}

static void test_parameters(void **state)
{
    static const struct {
        const char *value, *parameter;
    } rows[] = {
        {"multipart/report; boundary=abc", "abc"},
        {"multipart/report; report-type=delivery-status;\r\n\tBOUNDARY=\"a b;c\"", "a b;c"},
        {"multipart/report (a; boundary=no) ; (x) boundary (y) = (z) yes", "yes"},
        {"multipart/report; boundary=\"a\\\"b\\\\c\"", "a\"b\\c"},
        {"multipart/report; x=boundary; boundary=b", "b"},
        {"multipart/report; boundary=\"\"", ""},
        {"multipart/report; boundary=\"never closed", "never closed"},
        {"multipart/report; boundary", NULL},
        {"multipart/report; boundary=", NULL},
        {"multipart/report; boundary;=x", NULL},
        {"multipart/report; xboundary=x", NULL},
        {"multipart/report; (boundary=x", NULL},
        {"boundary=x", NULL},
        {"", NULL},
    };
    struct arena a = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span is = {"", 0};
        int found = header_parameter(&a, span_of(rows[i].value), "boundary", &is);
        if (found != (rows[i].parameter != NULL) || (found && !span_is(is, rows[i].parameter)))
            fail_msg("%s: %d \"%.*s\"", rows[i].value, found, (int)is.len, is.data);
    }
    assert_span(header_word(span_of("(c (d)) text/plain; x")), "text/plain");
    assert_span(header_word(span_of("text/plain")), "text/plain");
    assert_span(header_word(span_of("; x")), "");
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),      cmocka_unit_test(test_a_header_that_breaks_off),
        cmocka_unit_test(test_finding_one), cmocka_unit_test(test_unfolding),
        cmocka_unit_test(test_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
