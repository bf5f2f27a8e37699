/* SPDX-License-Identifier: Apache-2.0 */
#include "config/tags.h"

#include "tests/config/given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char config[] = "modules: {m: {address: 'm.example.org:25', tags: [mx, eu]}}\n"
                             "targets:\n"
                             "  a: {module: m}\n"
                             "  b: {module: m, address: 'b.example.org:25', tags: inbound}\n"
                             "  c: {address: 'c.example.org:25'}\n";

static void test_tags_are_the_targets_own_or_its_modules(void **state)
{
    struct given g;
    (void)state;
    struct snapshot *s = given_good(&g, config);
    const struct snapshot_target *a = snapshot_target(s, "a");
    const struct snapshot_target *b = snapshot_target(s, "b");
    assert_int_equal(a->tag_count, 2);
    assert_string_equal(a->tags[0], "mx");
    assert_string_equal(a->tags[1], "eu");
    assert_int_equal(b->tag_count, 1);
    assert_string_equal(b->tags[0], "inbound");
    assert_int_equal(snapshot_target(s, "c")->tag_count, 0);
    given_clear(&g);
}

static void test_targets_are_found_by_a_tag(void **state)
{
    struct given g;
    (void)state;
    struct snapshot *s = given_good(&g, config);
    assert_true(tags_has(snapshot_target(s, "a"), "eu"));
    assert_false(tags_has(snapshot_target(s, "b"), "eu"));
    assert_false(tags_has(snapshot_target(s, "a"), "EU"));
    assert_int_equal(tags_count(s, "mx"), 1);
    assert_int_equal(tags_count(s, "m"), 0);
    assert_string_equal(tags_nearest(s, "inbuond"), "inbound");
    assert_null(tags_nearest(s, "elsewhere"));
    given_clear(&g);
}

static void test_nothing_has_a_tag(void **state)
{
    struct given g;
    (void)state;
    struct snapshot *s = given_good(&g, "targets: {a: {address: 'x:25'}}\n");
    assert_int_equal(tags_count(s, "eu"), 0);
    assert_null(tags_nearest(s, "eu"));
    given_clear(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags_are_the_targets_own_or_its_modules),
        cmocka_unit_test(test_targets_are_found_by_a_tag),
        cmocka_unit_test(test_nothing_has_a_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
