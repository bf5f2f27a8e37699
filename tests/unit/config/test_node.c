/* SPDX-License-Identifier: Apache-2.0 */
/* The tree as written: paths as messages show them, values as they are quoted. */
#include "config/node.h"

#include "config/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct node_origin origin = {.name = "f"};

static struct node *read(struct arena *a, const char *text)
{
    struct findings f = {0};
    struct node *root = NULL;
    assert_int_equal(yaml_read(span_of(text), &origin, a, &f, &root), 0);
    assert_int_equal(f.error_count, 0);
    findings_free(&f);
    return root;
}

static void test_look_up(void **state)
{
    struct arena a = {0};
    struct node *root = read(&a, "a: {b: {c: 1}, d.e: 2}\nf: [x, y]\n");
    (void)state;
    assert_int_equal(root->kind, NODE_MAP);
    assert_string_equal(node_at(root, "a.b.c")->text, "1");
    assert_null(node_at(root, "a.b.d"));
    assert_null(node_at(root, "a.b.c.d"));
    assert_null(node_at(root, "a.d.e"));
    assert_string_equal(node_get(node_get(root, "a"), "d.e")->text, "2");
    assert_null(node_get(node_get(root, "f"), "x"));
    assert_null(node_get(NULL, "x"));
    assert_int_equal(node_get(root, "f")->count, 2);
    assert_int_equal(node_get(root, "f")->mark.line, 2);
    assert_int_equal(node_get(root, "f")->mark.column, 4);
    assert_int_equal(node_get(root, "f")->key_mark.column, 1);
    arena_free(&a);
}

static void test_paths(void **state)
{
    struct arena a = {0};
    struct node *root = read(&a, "a-b_1: [x, {y.z: [1]}]\n'': 2\n\"c\\n\\\"\\\\\": 3\n");
    const struct node *list = node_get(root, "a-b_1");
    (void)state;
    assert_string_equal(node_path(&a, root), "");
    assert_string_equal(node_path(&a, list), "a-b_1");
    assert_string_equal(node_path(&a, list->items[0]), "a-b_1[0]");
    assert_string_equal(node_path(&a, list->items[1]->items[0]->items[0]), "a-b_1[1].\"y.z\"[0]");
    assert_string_equal(node_path(&a, root->items[1]), "\"\"");
    assert_string_equal(node_path(&a, root->items[2]), "\"c\\x0A\"\\\\\"");
    arena_free(&a);
}

static void test_found(void **state)
{
    struct arena a = {0};
    struct node *root =
        read(&a, "[x, {}, [], [1], ~, null, NULL, Null, '', '~', \"null\", nULL, a b, \"a\\tb\\\\\", "
                 "\"\\u00e4\\u0085\", ]");
    static const char *const shown[] = {"\"x\"",   "a map",           "an empty list",
                                        "a list",  "nothing",         "nothing",
                                        "nothing", "nothing",         "\"\"",
                                        "\"~\"",   "\"null\"",        "\"nULL\"",
                                        "\"a b\"", "\"a\\x09b\\\\\"", "\"\\xC3\\xA4\\xC2\\x85\""};
    (void)state;
    assert_int_equal(root->count, sizeof(shown) / sizeof(shown[0]));
    for (size_t i = 0; i < root->count; i++)
        assert_string_equal(node_found(&a, root->items[i]), shown[i]);
    arena_free(&a);
}

/* What is too long is cut between characters. */
static void test_show_cuts(void **state)
{
    struct arena a = {0};
    char text[200];
    (void)state;
    for (size_t lead = 0; lead < 4; lead++) {
        size_t len = lead;
        memset(text, 'x', sizeof(text));
        for (; len + 4 < sizeof(text); len += 4)
            memcpy(text + len, "\xf0\x9f\x93\xa7", 4);
        text[len] = '\0';
        const char *shown = node_show(&a, text);
        size_t kept = lead + (80 - lead) / 4 * 4;
        assert_int_equal(strlen(shown), kept + 3);
        assert_memory_equal(shown, text, kept);
        assert_string_equal(shown + kept, "...");
    }
    memset(text, 'x', 80);
    text[80] = '\0';
    assert_string_equal(node_show(&a, text), text);
    assert_string_equal(node_show(&a, ""), "");
    assert_string_equal(node_show(&a, "a\r\nb"), "a\\x0D\\x0Ab");
    arena_free(&a);
}

static void test_put(void **state)
{
    struct arena a = {0};
    struct node *root = read(&a, "a: 1\nb: 2\n");
    struct node one = {.key = "a", .text = "3"};
    struct node two = {.key = "c", .text = "4"};
    (void)state;
    node_put(&a, root, &one);
    node_put(&a, root, &two);
    assert_int_equal(root->count, 3);
    assert_ptr_equal(root->items[0], &one);
    assert_ptr_equal(root->items[2], &two);
    assert_string_equal(node_path(&a, &two), "c");
    arena_free(&a);
}

static void test_version(void **state)
{
    int major = -1;
    int minor = -1;
    (void)state;
    assert_int_equal(sscanf(yaml_version(), "%d.%d", &major, &minor), 2);
    assert_true(major >= 0 && minor >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_look_up),   cmocka_unit_test(test_paths), cmocka_unit_test(test_found),
        cmocka_unit_test(test_show_cuts), cmocka_unit_test(test_put),   cmocka_unit_test(test_version),
    };
    return cmocka_run_group_tests_name("config/node", tests, NULL, NULL);
}
