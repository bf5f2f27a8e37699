/* SPDX-License-Identifier: Apache-2.0 */
/* An ask makes a plan: it can only go less far than the target says. */
#include "config/route.h"
#include "tests/config/given.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char config[] = "targets:\n"
                             "  all: {address: 'a.example:25', routes: [{from: '', to: a@b.example}]}\n"
                             "  mail: {address: 'b.example:26', stop_after: mail}\n";

static enum phase stop(const struct snapshot *s, const char *name, enum phase ask)
{
    struct route_ask a = {.stop_after = ask};
    struct plan plan;
    route_plan(snapshot_target(s, name), &a, &plan);
    return plan.stop_after;
}

static void test_only_lowers(void **state)
{
    struct given g;
    (void)state;
    struct snapshot *s = given_good(&g, config);
    assert_int_equal(stop(s, "all", PHASE_COUNT), PHASE_COUNT);
    assert_int_equal(stop(s, "mail", PHASE_COUNT), PHASE_MAIL);
    for (enum phase p = 0; p < PHASE_COUNT; p++) {
        assert_int_equal(stop(s, "all", p), p);
        assert_int_equal(stop(s, "mail", p), p < PHASE_MAIL ? p : PHASE_MAIL);
    }
    given_clear(&g);
}

static void test_the_rest_is_the_target(void **state)
{
    struct given g;
    struct route_ask ask = {.stop_after = PHASE_BANNER};
    struct plan plan;
    (void)state;
    struct snapshot *s = given_good(&g, config);
    const struct plan *whole = &snapshot_target(s, "all")->plan;
    route_plan(snapshot_target(s, "all"), &ask, &plan);
    assert_string_equal(plan.target, "all");
    assert_ptr_equal(plan.host, whole->host);
    assert_int_equal(plan.port, 25);
    assert_ptr_equal(plan.helo, whole->helo);
    assert_memory_equal(plan.limits_us, whole->limits_us, sizeof(plan.limits_us));
    assert_ptr_equal(plan.routes, whole->routes);
    assert_int_equal(plan.route_count, 1);
    assert_ptr_equal(plan.own, s->own);
    assert_int_equal(plan.own_count, 1);
    assert_int_equal(whole->stop_after, PHASE_COUNT); /* what is shared stays as it is */
    given_clear(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_lowers),
        cmocka_unit_test(test_the_rest_is_the_target),
    };
    return cmocka_run_group_tests_name("config/route", tests, NULL, NULL);
}
