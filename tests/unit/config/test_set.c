/* SPDX-License-Identifier: Apache-2.0 */
/* Overrides from the command line: --set key.path=value. */
#include "tests/config/given.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char base[] = "server: {name: file}\n"
                           "modules: {fast: {timeout: 20s}}\n"
                           "mailboxes: {local: {sink: '127.0.0.1:2525', domains: example.org}}\n"
                           "targets:\n"
                           "  a:\n"
                           "    address: a.example:25\n"
                           "    timeout: 20s\n"
                           "    routes: [{from: '', to: x@a.example}]\n"
                           "  mx1.example.org: {address: 'b.example:25'}\n";

static const struct plan *plan_of(const struct given *g, const char *name)
{
    const struct snapshot_target *t = snapshot_target(g->snapshot, name);
    assert_non_null(t);
    return &t->plan;
}

static void test_good(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const sets[] = {
        "server.name=set",
        "targets.a.timeout=5s",
        "targets.a.timeouts.reply=1s",
        "targets.\"mx1.example.org\".timeout=6s",
        "targets.a.routes=[{from: b@a.example, to: [c@a.example, d@a.example], expect: deferred}]",
        "targets.new.address=\"[::1]:25\"",
        "\"targets\".\"new\".\"helo\"=a=b",
        NULL,
    };
    struct given g;
    (void)state;
    given_text(&g, base, sets);
    given_expect(&g, none);
    assert_string_equal(g.snapshot->server_name, "set");
    assert_int_equal(g.snapshot->target_count, 3);
    const struct plan *a = plan_of(&g, "a");
    assert_int_equal(a->limits_us[LIMIT_RUN], 5000000);
    assert_int_equal(a->limits_us[LIMIT_REPLY], 1000000);
    assert_int_equal(a->route_count, 1);
    assert_string_equal(a->routes[0].from, "b@a.example");
    assert_int_equal(a->routes[0].to_count, 2);
    assert_int_equal(a->routes[0].expect, EXPECT_DEFERRED);
    assert_int_equal(plan_of(&g, "mx1.example.org")->limits_us[LIMIT_RUN], 6000000);
    assert_string_equal(plan_of(&g, "new")->host, "::1");
    assert_string_equal(plan_of(&g, "new")->helo, "a=b");
    given_clear(&g);
}

static void test_last_wins(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const sets[] = {"server.name=one", "server.name=two", "server={name: three}",
                                       "server.unknown_status=200", NULL};
    struct given g;
    (void)state;
    given_text(&g, base, sets);
    given_expect(&g, none);
    assert_string_equal(g.snapshot->server_name, "three");
    assert_int_equal(g.snapshot->unknown_status, 200);
    given_clear(&g);
}

#define FORM "cannot be understood (expected key.path=value; a key with dots stands in quotes)"

static void test_bad(void **state)
{
    static const struct {
        const char *set;
        const char *error;
    } rows[] = {
        {"", "--set : " FORM},
        {"x", "--set x: " FORM},
        {"=x", "--set =: " FORM},
        {"a..b=x", "--set a..b=: " FORM},
        {".a=x", "--set .a=: " FORM},
        {"a.=x", "--set a.=: " FORM},
        {"a.\"b=x", "--set a.\"b=: " FORM},
        {"a.\"\"=x", "--set a.\"\"=: " FORM},
        {"a.\"b\"c=x", "--set a.\"b\"c=: " FORM},
        {"a\nb=x", "--set a\\x0Ab=: " FORM},
        {"server.name=a\nb", "--set server.name=: " FORM},
        {"server.name=\xff", "--set server.name=: " FORM},
        {"1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.g.h=x", "--set 1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.g.h=: " FORM},
        {"server.nam=x", "--set server.nam: server.nam: unknown key (did you mean name?)"},
        {"srver.name=x", "--set srver.name: srver: unknown key (did you mean server?)"},
        {"server.name=",
         "--set server.name: server.name: wrong kind of value (expected a short text, found nothing)"},
        {"targets.a.timeout=5",
         "--set targets.a.timeout: targets.a.timeout: a unit is missing (expected a duration such as 500ms, 10s, 5m "
         "or 30d, at least 1ms, found \"5\"; did you mean 5s?)"},
        {"targets.a.timeouts.reply=21s",
         "--set targets.a.timeouts.reply: targets.a.timeouts.reply: timeouts.reply (21 s) is longer than the whole "
         "run may take (timeout is 20 s)"},
        {"targets.a.routes.0.to=x@a.example",
         "--set targets.a.routes.0.to: targets.a.routes has no keys (found a "
         "list; a list can only be set as a whole)"},
        {"targets.a.address.host=x",
         "--set targets.a.address.host: targets.a.address has no keys (found \"a.example:25\")"},
        {"targets.mx1.example.org.timeout=6s",
         "--set targets.mx1.example.org.timeout: targets.mx1: there is no such "
         "target (did you mean targets.\"mx1.example.org\"?)"},
        {"targets.nope.timeout=5s", "--set targets.nope.timeout: targets.nope: there is no such target"},
        {"targets.nope.timeouts.reply=5s",
         "--set targets.nope.timeouts.reply: targets.nope: there is no such target"},
        {"targets.\"mx2.example.org\".helo=x",
         "--set targets.\"mx2.example.org\".helo: targets.\"mx2.example.org\": there is no such target (did you mean "
         "targets.\"mx1.example.org\"?)"},
        {"modules.nope.timeout=5s",
         "--set modules.nope.timeout: modules.nope: there is no such module (a new one is set as a whole)"},
        {"modules.fat.timeout=5s",
         "--set modules.fat.timeout: modules.fat: there is no such module (did you mean modules.fast?)"},
        {"mailboxes.lokal.lines=1",
         "--set mailboxes.lokal.lines: mailboxes.lokal: there is no such mailbox (did you mean mailboxes.local?)"},
        {"targets.a.address=[::1]:25", "--set targets.a.address: not valid YAML: missing document start; an "
                                       "address in brackets needs quotes around it"},
        {"targets.a.helo=\"x",
         "--set targets.a.helo: not valid YAML: double-quoted scalar without closing quote"},
        {"server.name=&x y", "--set server.name: anchors are not supported (found &)"},
        {"server.name=*x", "--set server.name: aliases are not supported (found *)"},
        {"server.name=!!str x", "--set server.name: tags are not supported (found !)"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const sets[] = {rows[i].set, NULL};
        struct given g;
        given_text(&g, base, sets);
        assert_int_equal(g.code, -1);
        if (g.mistakes.error_count < 1 || strcmp(g.mistakes.errors[0], rows[i].error) != 0)
            fail_msg("--set %s gave\n%s\nand not\n%s", rows[i].set,
                     g.mistakes.error_count ? g.mistakes.errors[0] : "nothing", rows[i].error);
        given_clear(&g);
    }
}

/* Neither by the option that says it, nor by one that is in its way. */
static void test_no_secret_is_shown(void **state)
{
    static const char *const sets[] = {"targets.a.auth={username: u, password: hunter2}",
                                       "targets.a.auth.password.x=1", "targets.a..auth.password=hunter2",
                                       NULL};
    static const char *const errors[] = {
        "--set targets.a.auth.password.x: targets.a.auth.password has no keys (found a secret)",
        "--set targets.a..auth.password=: " FORM, NULL};
    struct given g;
    (void)state;
    given_text(&g, base, sets);
    assert_int_equal(g.mistakes.error_count, 3);
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(g.mistakes.errors[i + 1], errors[i]);
    assert_null(strstr(g.mistakes.errors[0], "hunter2"));
    assert_int_equal(g.mistakes.warning_count, 1);
    assert_null(strstr(g.mistakes.warnings[0], "hunter2"));
    given_clear(&g);
}

/* An entry may begin with an option of its own, in whatever order; a module is set as a whole. */
static void test_new_entries(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const sets[] = {"targets.b.timeout=5s",
                                       "targets.b.address=b.example:25",
                                       "targets.c.module=new",
                                       "targets.c.address=c.example:25",
                                       "modules.new={timeout: 7s}",
                                       "modules.fast.timeout=6s",
                                       "mailboxes.other.domains=example.net",
                                       "mailboxes.other.sink=127.0.0.1:2526",
                                       NULL};
    struct given g;
    (void)state;
    given_text(&g, base, sets);
    given_expect(&g, none);
    assert_int_equal(plan_of(&g, "b")->limits_us[LIMIT_RUN], 5000000);
    assert_int_equal(plan_of(&g, "c")->limits_us[LIMIT_RUN], 7000000);
    assert_int_equal(g.snapshot->sink_count, 2);
    given_clear(&g);
}

/* A name that is not there is one mistake, at the first option that has it. */
static void test_a_wrong_name_is_said_once(void **state)
{
    static const char *const sets[] = {"targets.nope.timeout=5s", "targets.nope.helo=x", NULL};
    static const char *const errors[] = {"--set targets.nope.timeout: targets.nope: there is no such target",
                                         NULL};
    struct given g;
    (void)state;
    given_text(&g, base, sets);
    given_expect(&g, errors);
    given_clear(&g);
}

/* The file's mistakes come first, then those of the options in their order, whatever they are about. */
static void test_order(void **state)
{
    static const char *const sets[] = {"targets.a.tls=b", "server.name=~", "targets.a.tls=a", NULL};
    static const char *const errors[] = {
        ":1:10: server.nam: unknown key (did you mean name?)",
        ":2:40: targets.a.family: unknown value (expected any, ipv4, ipv6 or each, found \"c\")",
        "--set server.name: server.name: wrong kind of value (expected a short text, found nothing)",
        "--set targets.a.tls: targets.a.tls: unknown value (expected off, opportunistic, starttls or implicit, found \"a\")",
        NULL,
    };
    struct given g;
    (void)state;
    given_text(&g, "server: {nam: x}\ntargets: {a: {address: 'x:25', family: c}}\n", sets);
    given_expect(&g, errors);
    given_clear(&g);
}

/* An override mends a mistake of the file. */
static void test_mends(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const sets[] = {"targets.a.timeout=5s", NULL};
    struct given g;
    (void)state;
    given_text(&g, "targets: {a: {address: 'x:25', timeout: 5}}\n", sets);
    given_expect(&g, none);
    given_clear(&g);
}

/* What stands where a map is needed and is no map; a map that is broken already says no more. */
static void test_on_the_way(void **state)
{
    static const char *const sets[] = {"targets.a.b=1", NULL};
    static const char *const broken[] = {
        ":1:11: targets: a key is a single word (found a list, a map or an alias; text with {{ in it needs quotes)",
        NULL};
    static const char *const empty[] = {
        ":1:1: wrong kind of value (expected a map with targets, found nothing)", NULL};
    struct given g;
    (void)state;
    given_text(&g, "targets: {[a]: b}\n", sets);
    given_expect(&g, broken);
    given_clear(&g);
    given_text(&g, "", sets);
    given_expect(&g, empty);
    given_clear(&g);
}

/* A null on the way is a map that nobody has begun. */
static void test_null_on_the_way(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const sets[] = {"targets.a.address=x:25", NULL};
    struct given g;
    (void)state;
    given_text(&g, "targets:\n", sets);
    given_expect(&g, none);
    assert_string_equal(plan_of(&g, "a")->host, "x");
    given_clear(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),        cmocka_unit_test(test_last_wins),
        cmocka_unit_test(test_bad),         cmocka_unit_test(test_no_secret_is_shown),
        cmocka_unit_test(test_new_entries), cmocka_unit_test(test_a_wrong_name_is_said_once),
        cmocka_unit_test(test_order),       cmocka_unit_test(test_mends),
        cmocka_unit_test(test_on_the_way),  cmocka_unit_test(test_null_on_the_way),
    };
    return cmocka_run_group_tests_name("config/set", tests, NULL, NULL);
}
