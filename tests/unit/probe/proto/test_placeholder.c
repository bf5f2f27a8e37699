/* SPDX-License-Identifier: Apache-2.0 */
/* Filling in {{names}}: once, all or nothing, bounded. */
#include "probe/proto/placeholder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct placeholder known[] = {{"a", "1"}, {"b", ""}, {"nested", "{{a}}"}, {"long name", "2"}};

static const char *fill(struct arena *a, const char *text, const char **why_r)
{
    return placeholder_fill(a, text, known, sizeof(known) / sizeof(known[0]), why_r);
}

static void test_filled(void **state)
{
    static const struct {
        const char *text;
        const char *filled;
    } rows[] = {
        {"", ""},
        {"x", "x"},
        {"{{a}}", "1"},
        {"x{{a}}y", "x1y"},
        {"{{a}}{{a}}{{b}}{{a}}", "111"},
        {"{{nested}}", "{{a}}"},
        {"{{long name}}", "2"},
        {"{a}", "{a}"},
        {"}}{", "}}{"},
        {"{", "{"},
        {"{{a}}}}", "1}}"},
        {"\xc3\xa4{{a}}\xff", "\xc3\xa4"
                              "1\xff"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a = {0};
        const char *why = NULL;
        const char *filled = fill(&a, rows[i].text, &why);
        if (!filled)
            fail_msg("%s: %s", rows[i].text, why);
        assert_string_equal(filled, rows[i].filled);
        assert_null(why);
        arena_free(&a);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {"{{", "{{ without }} after it"},
        {"{{a", "{{ without }} after it"},
        {"{{a}} {{b", "{{ without }} after it"},
        {"{{}}", "unknown placeholder {{}}"},
        {"{{c}}", "unknown placeholder {{c}}"},
        {"{{A}}", "unknown placeholder {{A}}"},
        {"{{ a }}", "unknown placeholder {{ a }}"},
        {"{{{a}}}", "unknown placeholder {{{a}}"},
        {"{{a{{b}}", "unknown placeholder {{a{{b}}"},
        {"{{x\n}}", "unknown placeholder {{x\\x0A}}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a = {0};
        const char *why = NULL;
        assert_null(fill(&a, rows[i].text, &why));
        assert_string_equal(why, rows[i].why);
        arena_free(&a);
    }
}

static void test_limit(void **state)
{
    struct arena a = {0};
    char *text = arena_alloc(&a, PLACEHOLDER_MAX + 2);
    const char *why = NULL;
    (void)state;
    memset(text, 'x', PLACEHOLDER_MAX);
    assert_string_equal(fill(&a, text, &why), text);
    text[PLACEHOLDER_MAX] = 'x';
    assert_null(fill(&a, text, &why));
    assert_string_equal(why, "longer than 64 KiB when it is filled in");
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filled),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests_name("probe/proto/placeholder", tests, NULL, NULL);
}
