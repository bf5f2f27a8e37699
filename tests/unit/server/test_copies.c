/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a copy in a mailbox is. */
#include "server/copies.h"

#include "probe/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *find(const struct copies *c, const char *mailbox, const char *id)
{
    int64_t made_wall_us = 0;
    const char *token = copies_find(c, mailbox, id, &made_wall_us);

    if (token != NULL)
        assert_int_not_equal(made_wall_us, 0);
    return token;
}

static void test_each_is_told_by_mailbox_and_id(void **state)
{
    struct copies *c = copies_new();
    int64_t made_wall_us;
    (void)state;

    assert_null(find(c, "a", "1"));
    copies_add(c, "a", "1", "ehlod-1", 11);
    copies_add(c, "b", "1", "ehlod-2", 12);
    assert_string_equal(find(c, "a", "1"), "ehlod-1");
    assert_string_equal(find(c, "b", "1"), "ehlod-2");
    assert_null(find(c, "a", "2"));
    copies_add(c, "a", "1", "ehlod-3", 13); /* what it holds now */
    assert_string_equal(copies_find(c, "a", "1", &made_wall_us), "ehlod-3");
    assert_int_equal(made_wall_us, 13);
    copies_free(c);
    copies_free(NULL);
}

static void test_of_too_many_the_first_go(void **state)
{
    struct copies *c = copies_new();
    char id[16], *endless = mem_alloc(COPIES_MAX_NAME + 2);
    (void)state;

    for (int i = 0; i <= COPIES_MAX; i++) {
        snprintf(id, sizeof id, "%d", i);
        copies_add(c, "a", id, "ehlod-1", 1);
    }
    assert_null(find(c, "a", "0"));
    assert_non_null(find(c, "a", "1"));
    assert_non_null(find(c, "a", id));
    memset(endless, 'x', COPIES_MAX_NAME + 1);
    copies_add(c, "a", endless, "ehlod-1", 1);
    assert_null(find(c, "a", endless));
    assert_non_null(find(c, "a", "1"));
    free(endless);
    copies_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_told_by_mailbox_and_id),
        cmocka_unit_test(test_of_too_many_the_first_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
