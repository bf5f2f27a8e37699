/* SPDX-License-Identifier: Apache-2.0 */
#include "server/descriptors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/resource.h>

static const struct descriptors_want usual = {.workers = 1,
                                              .places = 2,
                                              .receivers = 1,
                                              .files = 6,
                                              .connections = 4096,
                                              .reserve = 16,
                                              .runs = 1000,
                                              .sessions = 100};

static size_t used(const struct descriptors_want *want, const struct descriptors_have *have)
{
    struct descriptors_want taken = *want;

    taken.connections = have->connections;
    taken.reserve = have->reserve;
    taken.runs = have->runs;
    taken.sessions = have->sessions;
    return descriptors_sum(&taken);
}

static void what_fits_is_had_whole(void **state)
{
    size_t sum = descriptors_sum(&usual);
    struct descriptors_have have = descriptors_share(sum, &usual);

    (void)state;
    assert_true(sum > 4096 + 16 + 1000 + 100 + 2);
    assert_int_equal(have.connections, 4096);
    assert_int_equal(have.reserve, 16);
    assert_int_equal(have.runs, 1000);
    assert_int_equal(have.sessions, 100);
    assert_true(descriptors_share(sum - 1, &usual).connections < 4096);
}

/* R01: whatever the limit, what is shared out fits into it, down to where there is one of each. */
static void what_is_shared_out_fits(void **state)
{
    struct descriptors_have before = {0};

    (void)state;
    for (size_t limit = 54; limit < 6000; limit++) {
        struct descriptors_have have = descriptors_share(limit, &usual);
        assert_true(used(&usual, &have) <= limit);
        assert_true(have.connections >= before.connections && have.runs >= before.runs);
        assert_true(have.reserve >= 1 && have.runs >= 1 && have.sessions >= 1);
        before = have;
    }
}

static void in_proportion(void **state)
{
    struct descriptors_have have = descriptors_share(1024, &usual);

    (void)state;
    assert_in_range(have.connections + have.reserve, 740, 790);
    assert_in_range(have.runs, 180, 195);
    assert_int_equal(have.reserve, 16);
}

static void few_connections_have_a_good_reserve(void **state)
{
    struct descriptors_have have = descriptors_share(65, &usual);

    (void)state;
    assert_in_range(have.connections, 10, 20);
    assert_true(have.reserve * 5 >= have.connections);
}

static void even_with_nothing_left_there_is_one_of_each(void **state)
{
    (void)state;
    for (size_t limit = 0; limit < 54; limit++) {
        struct descriptors_have have = descriptors_share(limit, &usual);
        assert_true(have.connections >= 1 && have.reserve >= 1 && have.runs >= 1 && have.sessions >= 1);
    }
}

static void below_the_least_nothing_begins(void **state)
{
    (void)state;
    assert_in_range(descriptors_least(&usual), 16, 32);
    struct descriptors_want more = usual;
    more.places += 10;
    assert_int_equal(descriptors_least(&more), descriptors_least(&usual) + 10);
}

static void runs_get_what_the_rest_leaves(void **state)
{
    struct descriptors_want want = usual;
    size_t rest = descriptors_sum(&want) - want.runs;

    (void)state;
    assert_int_equal(descriptors_runs(rest + 1000, &want), 1000);
    assert_int_equal(descriptors_runs(rest + 5000, &want), 1000);
    assert_int_equal(descriptors_runs(rest + 999, &want), 999);
    assert_int_equal(descriptors_runs(rest, &want), 1);
    assert_int_equal(descriptors_runs(3, &want), 1);
    want.runs = 100000;
    assert_int_equal(descriptors_runs(rest + 5000, &want), 5000);
}

static void the_soft_limit_is_raised_to_the_hard_one(void **state)
{
    struct rlimit limit;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max / 2;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    size_t raised = descriptors_raise();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, limit.rlim_max);
    assert_true(raised <= limit.rlim_max && raised >= limit.rlim_max / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_had_whole),
        cmocka_unit_test(what_is_shared_out_fits),
        cmocka_unit_test(in_proportion),
        cmocka_unit_test(few_connections_have_a_good_reserve),
        cmocka_unit_test(even_with_nothing_left_there_is_one_of_each),
        cmocka_unit_test(below_the_least_nothing_begins),
        cmocka_unit_test(runs_get_what_the_rest_leaves),
        cmocka_unit_test(the_soft_limit_is_raised_to_the_hard_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
