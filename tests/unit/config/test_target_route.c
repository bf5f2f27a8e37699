/* SPDX-License-Identifier: Apache-2.0 */
/* pairs: each makes many routes of one. */
#include "tests/config/given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check_pair(const struct plan_route *route, const char *name, const char *from, const char *to)
{
    assert_string_equal(route->name, name);
    assert_string_equal(route->from, from);
    assert_int_equal(route->to_count, 1);
    assert_string_equal(route->to[0], to);
    assert_int_equal(route->expect, EXPECT_REJECTED);
    assert_int_equal(route->reply_code, 550);
}

static void test_every_sender_with_every_recipient(void **state)
{
    struct given g;
    (void)state;
    struct snapshot *s = given_good(
        &g, "targets: {a: {address: 'x:25', routes: [\n"
            "  {name: out, pairs: each, from: ['', b@example.org], to: [c@example.net, d@example.net],\n"
            "   expect: rejected, reply: 550},\n"
            "  {name: last, from: e@example.org, to: f@example.net}]}}\n");
    const struct plan *plan = &s->targets[0].plan;
    assert_int_equal(plan->route_count, 5);
    check_pair(&plan->routes[0], "out.1", "", "c@example.net");
    check_pair(&plan->routes[1], "out.2", "", "d@example.net");
    check_pair(&plan->routes[2], "out.3", "b@example.org", "c@example.net");
    check_pair(&plan->routes[3], "out.4", "b@example.org", "d@example.net");
    assert_string_equal(plan->routes[4].name, "last");
    given_clear(&g);
}

static void test_one_pair_has_its_number_too(void **state)
{
    struct given g;
    (void)state;
    struct snapshot *s = given_good(
        &g, "targets: {a: {address: 'x:25', routes: [{pairs: each, from: [''], to: a@example.org}]}}\n");
    assert_int_equal(s->targets[0].plan.route_count, 1);
    assert_string_equal(s->targets[0].plan.routes[0].name, "route1.1");
    given_clear(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_sender_with_every_recipient),
        cmocka_unit_test(test_one_pair_has_its_number_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
