/* SPDX-License-Identifier: Apache-2.0 */
/* What YAML's text means, where libfyaml alone would not tell it right or would talk by itself. */
#include "config/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct node_origin origin = {.name = "f"};

static void assert_text(const char *yaml, const char *wanted)
{
    struct arena a = {0};
    struct findings f = {0};
    struct node *root = NULL;
    assert_int_equal(yaml_read(span_of(yaml), &origin, &a, &f, &root), 0);
    assert_int_equal(f.error_count, 0);
    assert_string_equal(root->kind == NODE_MAP ? root->items[0]->key : root->text, wanted);
    findings_free(&f);
    arena_free(&a);
}

static void test_single_quotes(void **state)
{
    (void)state;
    assert_text("''", "");
    assert_text("''''", "'");
    assert_text("'a''b'", "a'b");
    assert_text("'a''''b'", "a''b");
    assert_text("'''''a'''''''", "''a'''");
    assert_text("'a'''' ''''b'", "a'' ''b");
    assert_text("'k''''': 1", "k''");
    assert_text("'\\n \"x\"  y'", "\\n \"x\"  y");
}

static void test_single_quotes_over_lines(void **state)
{
    (void)state;
    assert_text("'two \t\n \t lines'", "two lines");
    assert_text("'two\r\n  lines'", "two lines");
    assert_text("'a\n\n\n  b''''\n  c'", "a\n\nb'' c");
    assert_text("'a\r\n\r\n  b'", "a\nb");
    assert_text("'  \n  lead\n  trail\n  '", " lead trail ");
}

/* The loader says what is wrong; the library it uses must not print it as well. */
static void test_prints_nothing(void **state)
{
    struct arena a = {0};
    struct findings f = {0};
    struct node *root = NULL;
    FILE *printed = tmpfile();
    (void)state;

    assert_non_null(printed);
    int kept = dup(STDERR_FILENO);
    dup2(fileno(printed), STDERR_FILENO);
    int code = yaml_read(span_of("%YAML 2.2\n---\na: 1\n"), &origin, &a, &f, &root);
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_int_equal(code, -1);
    assert_int_equal(f.error_count, 1);
    assert_int_equal(lseek(fileno(printed), 0, SEEK_END), 0);
    fclose(printed);
    findings_free(&f);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_quotes),
        cmocka_unit_test(test_single_quotes_over_lines),
        cmocka_unit_test(test_prints_nothing),
    };
    return cmocka_run_group_tests_name("config/yaml", tests, NULL, NULL);
}
