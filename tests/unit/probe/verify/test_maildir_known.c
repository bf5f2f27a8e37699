/* SPDX-License-Identifier: Apache-2.0 */
/* What a Maildir's store remembers: files, and what is expected. */
#include "probe/base/clock.h"
#include "probe/verify/maildir_expected.h"
#include "probe/verify/maildir_known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint64_t hash_of(const struct maildir_known *k, int number)
{
    char name[32];
    int len = snprintf(name, sizeof name, "%d.M.host", number);

    return maildir_known_hash(k, "INBOX", name, (size_t)len);
}

static void count_gone(void *context, struct maildir_copy *copy)
{
    assert_null(copy);
    ++*(int *)context;
}

static void test_folder_and_name_are_told_apart(void **state)
{
    struct maildir_known k = {.seed = 1}, other = {.seed = 2};

    (void)state;
    uint64_t hash = maildir_known_hash(&k, "a", "bc", 2);
    assert_true(hash == maildir_known_hash(&k, "a", "bc:2,S", 2));
    assert_true(hash != maildir_known_hash(&k, "ab", "c", 1));
    assert_true(hash != maildir_known_hash(&other, "a", "bc", 2));
    assert_null(maildir_known_find(&k, hash));
}

static void test_a_sweep_forgets_what_is_gone(void **state)
{
    struct maildir_known k = {.seed = 7};
    int gone = 0;

    (void)state;
    for (int i = 0; i < 1000; i++)
        maildir_known_put(&k, hash_of(&k, i))->kind = i % 2 ? MAILDIR_KNOWN_STRANGE : MAILDIR_KNOWN_COPY;
    k.round++;
    for (int i = 0; i < 1000; i += 4)
        assert_non_null(maildir_known_put(&k, hash_of(&k, i)));
    maildir_known_sweep(&k, count_gone, &gone);
    assert_int_equal(gone, 250);
    assert_int_equal(k.count, 250);
    for (int i = 0; i < 1000; i++) {
        const struct maildir_known_entry *e = maildir_known_find(&k, hash_of(&k, i));
        assert_int_equal(e != NULL, i % 4 == 0);
        assert_true(e == NULL || e->kind == MAILDIR_KNOWN_COPY);
    }
    k.round++;
    maildir_known_sweep(&k, count_gone, &gone);
    assert_int_equal(k.count, 0);
    maildir_known_free(&k);
}

static void test_v09_a_million_is_the_end(void **state)
{
    struct maildir_known k = {.seed = 7};

    (void)state;
    for (int i = 0; i < MAILDIR_KNOWN_MOST; i++)
        assert_non_null(maildir_known_put(&k, hash_of(&k, i)));
    assert_int_equal(k.count, MAILDIR_KNOWN_MOST);
    assert_null(maildir_known_put(&k, hash_of(&k, -1)));
    assert_non_null(maildir_known_put(&k, hash_of(&k, 5)));
    assert_true(k.size * sizeof *k.entries < 64 * 1024 * 1024);
    maildir_known_free(&k);
}

#define S CLOCK_US_PER_S

static void test_expected_until_a_minute_after(void **state)
{
    struct maildir_expected e = {0};

    (void)state;
    assert_false(maildir_expects(&e, 0));
    assert_true(maildir_expects_since(&e, 0) == CLOCK_NEVER);
    maildir_expect(&e, 10 * S, 40 * S);
    maildir_expect(&e, 20 * S, 30 * S); /* adds nothing */
    maildir_expect(&e, 30 * S, 90 * S);
    assert_int_equal(e.count, 2);
    assert_true(maildir_expects_since(&e, 31 * S) == 10 * S);
    assert_true(maildir_expects_since(&e, 99 * S) == 10 * S);
    assert_true(maildir_expects_since(&e, 100 * S) == 30 * S);
    assert_true(maildir_expects(&e, 149 * S));
    assert_false(maildir_expects(&e, 150 * S));
}

static void test_many_are_expected_since_one_of_the_last(void **state)
{
    struct maildir_expected e = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        maildir_expect(&e, i * S, (i + 5000) * S);
    assert_int_equal(e.count, MAILDIR_EXPECTED_MOST);
    assert_true(maildir_expects_since(&e, 1000 * S) == 0);
    assert_true(maildir_expects(&e, 5999 * S));
    assert_true(maildir_expects_since(&e, 5999 * S) == (MAILDIR_EXPECTED_MOST - 1) * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder_and_name_are_told_apart),
        cmocka_unit_test(test_a_sweep_forgets_what_is_gone),
        cmocka_unit_test(test_v09_a_million_is_the_end),
        cmocka_unit_test(test_expected_until_a_minute_after),
        cmocka_unit_test(test_many_are_expected_since_one_of_the_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
