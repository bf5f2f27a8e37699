/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The least that is wanted decides how far a route goes. */
static const struct {
    unsigned expect;
    bool at_final;
    bool sends;
    bool is_delivered;
} rows[] = {
    {EXPECT_ACCEPTED, false, false, false},
    {EXPECT_REJECTED, false, false, false},
    {EXPECT_REJECTED | EXPECT_DEFERRED, false, false, false},
    {EXPECT_QUEUED, false, true, false},
    {EXPECT_DELIVERED, false, true, true},
    {EXPECT_QUEUED | EXPECT_DELIVERED, false, true, false},
    {EXPECT_ACCEPTED | EXPECT_QUEUED, false, false, false},
    {EXPECT_ACCEPTED | EXPECT_DELIVERED, false, false, false},
    {EXPECT_QUEUED | EXPECT_REJECTED, false, true, false},
    {EXPECT_DELIVERED | EXPECT_DEFERRED, false, true, true},
    {EXPECT_REJECTED, true, true, false},
    {EXPECT_DEFERRED, true, true, false},
    {EXPECT_DELIVERED | EXPECT_REJECTED, true, true, true},
    {EXPECT_ACCEPTED | EXPECT_REJECTED, true, false, false},
};

static void test_how_far_a_route_goes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plan_route route = {.expect = rows[i].expect, .at_final = rows[i].at_final};
        assert_int_equal(plan_route_sends(&route), rows[i].sends);
        assert_int_equal(plan_route_is_delivered(&route), rows[i].is_delivered);
    }
}

static void test_expectations_have_names(void **state)
{
    (void)state;
    assert_string_equal(expect_name(EXPECT_ACCEPTED), "accepted");
    assert_string_equal(expect_name(EXPECT_QUEUED), "queued");
    assert_string_equal(expect_name(EXPECT_DELIVERED), "delivered");
    assert_string_equal(expect_name(EXPECT_DEFERRED), "deferred");
    assert_string_equal(expect_name(EXPECT_REJECTED), "rejected");
    assert_int_equal(EXPECT_LAST, EXPECT_REJECTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_far_a_route_goes),
        cmocka_unit_test(test_expectations_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
