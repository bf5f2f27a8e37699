/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

static void test_the_end_of_a_run_is_said(void **state)
{
    struct plan plan = {.limits_us = {[LIMIT_RUN] = 2000000}};
    char over[PLAN_OVER_SIZE];

    (void)state;
    plan_say_over(&plan, over);
    assert_string_equal(over, "when the time of the run was over (timeout, 2 s)");
    plan.limits_us[LIMIT_RUN] = INT64_MAX;
    plan_say_over(&plan, over);
    assert_int_equal(over[strlen(over) - 1], ')');
}

static void test_tls_settings_have_names(void **state)
{
    (void)state;
    assert_string_equal(tls_mode_name(TLS_MODE_OFF), "off");
    assert_string_equal(tls_mode_name(TLS_MODE_OPPORTUNISTIC), "opportunistic");
    assert_string_equal(tls_mode_name(TLS_MODE_STARTTLS), "starttls");
    assert_string_equal(tls_mode_name(TLS_MODE_IMPLICIT), "implicit");
    assert_string_equal(tls_min_name(TLS_MIN_10), "TLS10");
    assert_string_equal(tls_min_name(TLS_MIN_11), "TLS11");
    assert_string_equal(tls_min_name(TLS_MIN_12), "TLS12");
    assert_string_equal(tls_min_name(TLS_MIN_13), "TLS13");
    assert_int_equal(((struct plan_tls){0}).mode, TLS_MODE_OFF);
    assert_int_equal(((struct plan_tls){0}).min_version, TLS_MIN_12);
}

static void test_how_many_must_work_has_names(void **state)
{
    (void)state;
    assert_string_equal(mx_require_name(MX_REQUIRE_ALL), "all");
    assert_string_equal(mx_require_name(MX_REQUIRE_ANY), "any");
    assert_string_equal(family_name(FAMILY_EACH), "each");
}

static void test_what_is_several_runs(void **state)
{
    (void)state;
    assert_false(plan_is_several(&(struct plan){.family = FAMILY_ANY}));
    assert_false(plan_is_several(&(struct plan){.family = FAMILY_IPV6}));
    assert_true(plan_is_several(&(struct plan){.family = FAMILY_EACH}));
    assert_true(plan_is_several(&(struct plan){.mx = true}));
    assert_true(plan_is_several(&(struct plan){.mx = true, .family = FAMILY_IPV4}));
}

static void test_which_family_is_left(void **state)
{
    static const struct {
        enum family family;
        const char *source;
        enum family left;
    } families[] = {
        {FAMILY_ANY, NULL, FAMILY_ANY},          {FAMILY_EACH, NULL, FAMILY_ANY},
        {FAMILY_IPV4, NULL, FAMILY_IPV4},        {FAMILY_IPV6, NULL, FAMILY_IPV6},
        {FAMILY_ANY, "192.0.2.7", FAMILY_IPV4},  {FAMILY_EACH, "2001:db8::7", FAMILY_IPV6},
        {FAMILY_IPV4, "192.0.2.7", FAMILY_IPV4}, {FAMILY_EACH, "192.0.2.7", FAMILY_IPV4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        struct plan plan = {.family = families[i].family};
        if (families[i].source)
            assert_int_equal(address_parse(families[i].source, 0, &plan.source), 0);
        assert_int_equal(plan_family(&plan), families[i].left);
    }
    /* One that is only claimed has to fit the address that is dialled, too. */
    struct plan claims = {.family = FAMILY_EACH, .proxy = {.wanted = true}};
    assert_int_equal(address_parse("2001:db8::9", 4711, &claims.proxy.source), 0);
    assert_int_equal(plan_family(&claims), FAMILY_IPV6);
    claims.proxy.local = true;
    assert_int_equal(plan_family(&claims), FAMILY_ANY);
}

static void test_protocols_have_names(void **state)
{
    (void)state;
    assert_string_equal(protocol_name(PROTOCOL_SMTP), "smtp");
    assert_string_equal(protocol_name(PROTOCOL_LMTP), "lmtp");
    assert_string_equal(protocol_hello(PROTOCOL_SMTP), "EHLO");
    assert_string_equal(protocol_hello(PROTOCOL_LMTP), "LHLO");
    assert_int_equal(((struct plan){0}).protocol, PROTOCOL_SMTP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_far_a_route_goes),         cmocka_unit_test(test_expectations_have_names),
        cmocka_unit_test(test_tls_settings_have_names),      cmocka_unit_test(test_the_end_of_a_run_is_said),
        cmocka_unit_test(test_how_many_must_work_has_names), cmocka_unit_test(test_what_is_several_runs),
        cmocka_unit_test(test_which_family_is_left),         cmocka_unit_test(test_protocols_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
