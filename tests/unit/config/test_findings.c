/* SPDX-License-Identifier: Apache-2.0 */
/* All mistakes at once: in the order of the file, each once, and bounded. */
#include "config/findings.h"
#include "tests/config/given.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct node_origin file = {.name = "f.yaml"};
static const struct node_origin second = {.name = "--set b", .rank = 2};
static const struct node_origin first = {.name = "--set a", .rank = 1};
static const struct node_origin named = {.name = "b.eml", .is_named = true};
static const struct node_origin other = {.name = "a.eml", .is_named = true};

static void add(struct findings *f, enum findings_kind kind, const struct node_origin *origin, unsigned line,
                unsigned column, const char *text)
{
    struct node_mark mark = {origin, line, column};
    findings_add(f, kind, &mark, text);
}

static void test_order(void **state)
{
    static const char *const errors[] = {"f.yaml: whole",  "f.yaml:1:2: b", "f.yaml:2:1: d", "f.yaml:2:10: c",
                                         "f.yaml:2:10: e", "--set a: x",    "--set b: y",    "a.eml: whole",
                                         "a.eml:3: z",     "b.eml:1: z",    "b.eml:2: z"};
    struct findings f = {0};
    struct mistakes m;
    (void)state;
    add(&f, FINDINGS_ERROR, &named, 2, 0, "z");
    add(&f, FINDINGS_ERROR, &other, 3, 0, "z");
    add(&f, FINDINGS_ERROR, &named, 1, 0, "z");
    add(&f, FINDINGS_ERROR, &other, 0, 0, "whole");
    add(&f, FINDINGS_ERROR, &second, 1, 1, "y");
    add(&f, FINDINGS_ERROR, &file, 2, 10, "e");
    add(&f, FINDINGS_ERROR, &file, 2, 10, "c");
    add(&f, FINDINGS_WARNING, &file, 1, 1, "w");
    add(&f, FINDINGS_ERROR, &first, 9, 9, "x");
    add(&f, FINDINGS_ERROR, &file, 2, 1, "d");
    add(&f, FINDINGS_ERROR, &file, 1, 2, "b");
    add(&f, FINDINGS_ERROR, &file, 0, 0, "whole");
    findings_report(&f, &m);
    assert_int_equal(m.error_count, sizeof(errors) / sizeof(errors[0]));
    for (size_t i = 0; i < m.error_count; i++)
        assert_string_equal(m.errors[i], errors[i]);
    assert_int_equal(m.warning_count, 1);
    assert_string_equal(m.warnings[0], "f.yaml:1:1: w");
    mistakes_clear(&m);
    mistakes_clear(&m); /* it is empty now */
    findings_free(&f);
}

static void test_each_once(void **state)
{
    struct findings f = {0};
    struct mistakes m;
    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        add(&f, FINDINGS_ERROR, &file, 1 + i % 3, 1, "a");
        add(&f, FINDINGS_WARNING, &file, 1, 1, "a");
    }
    findings_report(&f, &m);
    assert_int_equal(m.error_count, 3);
    assert_int_equal(m.warning_count, 1);
    mistakes_clear(&m);
    findings_free(&f);
}

static void report_of(unsigned count, struct mistakes *m_r)
{
    struct findings f = {0};
    for (unsigned i = 0; i < count; i++)
        add(&f, FINDINGS_ERROR, &file, i + 1, 1, "a");
    assert_int_equal(f.error_count, count);
    findings_report(&f, m_r);
    findings_free(&f);
}

static void test_too_many(void **state)
{
    struct mistakes m;
    (void)state;
    report_of(0, &m);
    assert_int_equal(m.error_count, 0);
    mistakes_clear(&m);
    report_of(FINDINGS_SHOWN, &m);
    assert_int_equal(m.error_count, FINDINGS_SHOWN);
    assert_string_equal(m.errors[FINDINGS_SHOWN - 1], "f.yaml:100:1: a");
    mistakes_clear(&m);
    report_of(FINDINGS_SHOWN + 2, &m);
    assert_int_equal(m.error_count, FINDINGS_SHOWN + 1);
    assert_string_equal(m.errors[FINDINGS_SHOWN], "and 2 more");
    mistakes_clear(&m);
    report_of(FINDINGS_KEPT + 50, &m);
    assert_int_equal(m.error_count, FINDINGS_SHOWN + 1);
    assert_string_equal(m.errors[FINDINGS_SHOWN], "and 9950 more");
    mistakes_clear(&m);
}

/* One mistake on each line of a file: all are counted, and every line that is shown is one line. */
static void test_in_a_config(void **state)
{
    char text[8000] = "targets:\n";
    struct given g;
    size_t len = strlen(text);
    (void)state;
    for (int i = 0; i < 150; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "  t%d: {address: 'a\\n%d'}\n", i, i);
    given_text(&g, text, NULL);
    assert_int_equal(g.mistakes.error_count, FINDINGS_SHOWN + 1);
    assert_string_equal(g.mistakes.errors[FINDINGS_SHOWN], "and 50 more");
    for (size_t i = 0; i < g.mistakes.error_count; i++)
        assert_null(strchr(g.mistakes.errors[i], '\n'));
    given_clear(&g);
}

/* A hostile file has as many mistakes as it has room for, each with a long path: it costs no more memory
 * than what is kept. */
static void test_hostile(void **state)
{
    static char text[1000000];
    struct given g;
    size_t len = (size_t)snprintf(text, sizeof(text), "targets: {a: {");
    (void)state;
    memset(text + len, 'k', 200000);
    len += 200000;
    len += (size_t)snprintf(text + len, sizeof(text) - len, ": [");
    for (int i = 0; i < 200000; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "*a,");
    len += (size_t)snprintf(text + len, sizeof(text) - len, "]}}\n");
    given_text(&g, text, NULL);
    assert_int_equal(g.code, -1);
    assert_string_equal(g.mistakes.errors[FINDINGS_SHOWN], "and 199902 more");
    for (size_t i = 0; i < g.mistakes.error_count; i++)
        assert_true(strlen(g.mistakes.errors[i]) < 1000);
    given_clear(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_each_once), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_in_a_config), cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests_name("config/findings", tests, NULL, NULL);
}
