/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a target claims to be, in its plan: defaults, modules, values as the server gets them. */
#include "probe/proto/xclient.h"
#include "tests/config/given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char config[] =
    "modules:\n"
    "  m: {proxy_protocol: {version: 1, source: '192.0.2.9:4711'}, xclient: {ADDR: 198.51.100.4, PORT: 25}}\n"
    "targets:\n"
    "  none: {address: 'mx.example.org:1'}\n"
    "  module: {address: 'mx.example.org:2', module: m}\n"
    "  merged: {address: 'mx.example.org:3', module: m, xclient: {ADDR: 'ipv6:2001:DB8:0::4', NAME: '[TEMPUNAVAIL]'},\n"
    "           proxy_protocol: {version: 2, command: local}}\n"
    "  own: {address: '[2001:db8::1]:4', proxy_protocol: {source: '[2001:db8::9]:4711'},\n"
    "        xclient: {ADDR: '2001:db8::4', DESTADDR: '[UNAVAILABLE]', PROTO: SMTP, LOGIN: 'a b', HELO: x}}\n";

static const struct plan *plan_of(const struct snapshot *s, const char *name)
{
    const struct snapshot_target *t = snapshot_target(s, name);

    assert_non_null(t);
    return &t->plan;
}

static void claims(const struct snapshot *s, const char *name, const char *xclient)
{
    struct arena a = {0};

    assert_string_equal(xclient_text(&a, plan_of(s, name)), xclient);
    arena_free(&a);
}

static void has_source(const struct plan *plan, const char *literal)
{
    char text[ADDRESS_TEXT_SIZE];

    address_text(&plan->proxy.source, text);
    assert_string_equal(text, literal);
    assert_int_equal(address_port(&plan->proxy.source), 4711);
}

static void test_proxy(void **state)
{
    struct given g;
    struct snapshot *s = given_good(&g, config);
    (void)state;

    assert_false(plan_of(s, "none")->proxy.wanted);
    assert_true(plan_of(s, "module")->proxy.wanted);
    assert_int_equal(plan_of(s, "module")->proxy.version, 1);
    assert_false(plan_of(s, "module")->proxy.local);
    has_source(plan_of(s, "module"), "192.0.2.9");
    assert_int_equal(plan_of(s, "merged")->proxy.version, 2);
    assert_true(plan_of(s, "merged")->proxy.local);
    assert_int_equal(plan_of(s, "own")->proxy.version, 2);
    assert_false(plan_of(s, "own")->proxy.local);
    has_source(plan_of(s, "own"), "2001:db8::9");
    given_clear(&g);
}

static void test_xclient(void **state)
{
    struct given g;
    struct snapshot *s = given_good(&g, config);
    (void)state;

    assert_false(plan_has_xclient(plan_of(s, "none")));
    claims(s, "module", "ADDR=198.51.100.4 PORT=25");
    claims(s, "merged", "ADDR=IPV6:2001:db8::4 NAME=[TEMPUNAVAIL] PORT=25");
    claims(s, "own", "ADDR=IPV6:2001:db8::4 PROTO=SMTP HELO=x LOGIN=a+20b DESTADDR=[UNAVAILABLE]");
    given_clear(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_xclient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
