/* SPDX-License-Identifier: Apache-2.0 */
/* Modules as targets of their own: what comes of an address, and what is refused. */
#include "config/guest.h"

#include "tests/config/given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char config[] =
    "server: {listen: '127.0.0.1:8025', probe_allow: [192.0.2.0/24, mx.example.org, 2001:db8::/32]}\n"
    "modules:\n"
    "  plain: {helo: '{{target}}/{{address}}', timeout: 9s, tags: [eu]}\n"
    "  domain: {mx: example.org, mx_require: any}\n"
    "  elsewhere: {address: 'x.example.org:25'}\n"
    "  routes: {routes: [{from: '', to: a@example.org}]}\n"
    "  sender: {routes: [{from: '', to: a@example.org, expect: queued}]}\n"
    "  stopped: {stop_after: rcpt, routes: [{from: '', to: a@example.org, expect: queued}]}\n"
    "  login: {tls: starttls, auth: {username: x}}\n"
    "  claim: {proxy_protocol: {version: 1}}\n"
    "targets: {a: {address: 'Mail.example.net:2525'}, b: {mx: example.com}, c: {address: 'unix:/x'}}\n";

struct asked {
    struct given g;
    struct arena arena;
    struct snapshot *snapshot;
    struct guest_refusal refusal;
};

static const struct snapshot_target *ask(struct asked *a, const char *module, const char *address,
                                         const char *hostname)
{
    const struct guest_ask question = {.module = module, .address = address, .hostname = hostname};

    a->refusal = (struct guest_refusal){0};
    snapshot_unref(a->snapshot);
    a->snapshot = guest_snapshot(a->g.snapshot, &question, &a->arena, &a->refusal);
    assert_int_equal(a->snapshot == NULL, a->refusal.why != NULL);
    return a->snapshot ? &a->snapshot->targets[0] : NULL;
}

static int set_up(void **state)
{
    static struct asked asked;

    asked = (struct asked){0};
    given_good(&asked.g, config);
    *state = &asked;
    return 0;
}

static int tear_down(void **state)
{
    struct asked *a = *state;

    given_clear(&a->g);
    snapshot_unref(a->snapshot); /* it outlives the one that it was made of */
    arena_free(&a->arena);
    return 0;
}

static void test_what_comes_of_it(void **state)
{
    struct asked *a = *state;
    const struct snapshot_target *t = ask(a, "plain", "[2001:db8::1]:25", NULL);

    assert_non_null(t);
    assert_string_equal(t->name, "[2001:db8::1]:25");
    assert_string_equal(t->plan.target, t->name);
    assert_string_equal(t->plan.host, "2001:db8::1");
    assert_int_equal(t->plan.port, 25);
    assert_string_equal(t->plan.helo, "[2001:db8::1]:25/[IPv6:2001:db8::1]");
    assert_int_equal(t->plan.limits_us[LIMIT_RUN], 9000000);
    assert_int_equal(t->plan.own_count, 1);
    assert_int_equal(t->tag_count, 0);
    assert_int_equal(a->snapshot->target_count, 1);
    assert_ptr_equal(snapshot_target(a->snapshot, t->name), t);
    assert_null(snapshot_target(a->snapshot, "a"));
    assert_null(snapshot_module(a->snapshot, "plain"));
    assert_string_equal(a->snapshot->server_name, a->g.snapshot->server_name);
}

/* What a module says of the address is for its targets. */
static void test_another_address_in_the_module(void **state)
{
    struct asked *a = *state;
    const struct snapshot_target *t = ask(a, "domain", "192.0.2.1:25", NULL);

    assert_false(t->plan.mx);
    assert_false(plan_is_several(&t->plan));
    assert_string_equal(t->plan.host, "192.0.2.1");
    assert_string_equal(ask(a, "elsewhere", "192.0.2.1:25", NULL)->plan.host, "192.0.2.1");
    assert_int_equal(ask(a, "routes", "192.0.2.1:25", NULL)->plan.route_count, 1);
    assert_non_null(ask(a, "stopped", "192.0.2.1:25", NULL));
}

/* Of a name that the config does not say it hangs on what it resolves to. */
static void test_who_may_be_dialled(void **state)
{
    static const struct {
        const char *address;
        bool good;
        bool judged; /* once more, when it is dialled */
    } rows[] = {
        {"mail.example.net:2525", true, false},
        {"mail.example.net:25", true, true},
        {"192.0.2.1:25", true, true},
        {"192.0.3.1:25", false, false},
        {"mx.example.org:25", true, true},
        {"MX.example.org.:25", true, true},
        {"x.mx.example.org:25", true, true},
        {"[2001:db8::25]:587", true, true},
        {"[2001:db9::25]:587", false, false},
        {"[::ffff:192.0.2.1]:25", true, true},
        {"127.0.0.1:25", false, false},
        {"example.com:25", true, true},
        {"/x:0", false, false},
        {"3221225985:25", false, false},
        {"192.0.513:25", false, false},
        {"0300.0.2.1:25", false, false},
        {"0xc0.0.2.1:25", false, false},
    };
    struct asked *a = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct snapshot_target *t = ask(a, "plain", rows[i].address, NULL);
        if ((t != NULL) != rows[i].good || (t && (t->plan.allow != NULL) != rows[i].judged))
            fail_msg("%s: %s", rows[i].address, t ? "may be dialled" : a->refusal.why);
        if (!t)
            assert_string_equal(a->refusal.parameter, "target");
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *module, *address, *hostname, *parameter, *words;
    } rows[] = {
        {"sender", "192.0.2.1:25", NULL, "module", "it sends messages"},
        {"login", "192.0.2.1:25", NULL, "module", "modules.login.auth.password_file: is missing"},
        {"claim", "192.0.2.1:25", NULL, "module", "modules.claim.proxy_protocol"},
        {"plain", "192.0.2.1", NULL, "target", "expected host:port"},
        {"plain", "192.0.2.1:25", "a b", "hostname", "host name"},
        {"plain", "192.0.2.1:25", "127.1", "hostname", "host name"},
    };
    struct asked *a = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_null(ask(a, rows[i].module, rows[i].address, rows[i].hostname));
        assert_string_equal(a->refusal.parameter, rows[i].parameter);
        if (!strstr(a->refusal.why, rows[i].words))
            fail_msg("no %s in %s", rows[i].words, a->refusal.why);
        assert_null(strstr(a->refusal.why, a->g.path)); /* where the config lies is nobody's business */
    }
}

static void test_hostname(void **state)
{
    struct asked *a = *state;

    assert_null(ask(a, "plain", "192.0.2.1:25", NULL)->plan.tls.server_name);
    assert_string_equal(ask(a, "plain", "192.0.2.1:25", "mx.example.org")->plan.tls.server_name,
                        "mx.example.org");
    assert_string_equal(ask(a, "plain", "192.0.2.1:25", "2001:db8::1")->plan.tls.server_name, "2001:db8::1");
}

#define GUEST_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(test_what_comes_of_it),   GUEST_TEST(test_another_address_in_the_module),
        GUEST_TEST(test_who_may_be_dialled), GUEST_TEST(test_refusals),
        GUEST_TEST(test_hostname),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
