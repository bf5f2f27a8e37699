/* SPDX-License-Identifier: Apache-2.0 */
/* What a loaded config holds: defaults, modules, every key in its place in the plan. */
#include "config/endpoint.h"
#include "probe/base/clock.h"
#include "tests/config/given.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define S CLOCK_US_PER_S

static const struct snapshot_target *target(const struct snapshot *s, const char *name)
{
    const struct snapshot_target *t = snapshot_target(s, name);
    if (!t)
        fail_msg("there is no target %s", name);
    return t;
}

static const char *shown(const struct address *a)
{
    static char text[ADDRESS_TEXT_SIZE];
    address_text(a, text);
    return text;
}

/* The name of this machine; one that is no host name is not used. */
static const char *host_name(void)
{
    static char name[HOST_NAME_MAX + 1];
    assert_int_equal(gethostname(name, sizeof(name)), 0);
    return endpoint_is_host_name(name) ? name : "localhost";
}

/* The defaults that users script against. */
static void test_defaults(void **state)
{
    static const int64_t seconds[LIMIT_COUNT] = {
        [LIMIT_RUN] = 30,   [LIMIT_DNS] = 5,      [LIMIT_CONNECT] = 5, [LIMIT_TLS] = 10, [LIMIT_BANNER] = 15,
        [LIMIT_REPLY] = 15, [LIMIT_MESSAGE] = 20, [LIMIT_FINAL] = 25,  [LIMIT_QUIT] = 1,
    };
    struct given g;
    (void)state;
    struct snapshot *s = given_good(&g, "targets: {a: {address: 'mx.example.org:25'}}\n");

    assert_string_equal(s->server_name, host_name());
    assert_int_equal(s->unknown_status, 500);
    assert_int_equal(s->listen_count, 1);
    assert_string_equal(shown(&s->listen[0].address), "127.0.0.1");
    assert_int_equal(address_port(&s->listen[0].address), 8025);
    assert_null(s->listen[0].path);
    assert_int_equal(s->max_runs, 1000);
    assert_int_equal(s->max_per_address, 10);
    assert_int_equal(s->allow_reload, SNAPSHOT_RELOAD_LOOPBACK);
    assert_int_equal(s->sink_count, 0);
    assert_int_equal(s->target_count, 1);

    const struct snapshot_target *t = target(s, "a");
    const struct plan *plan = &t->plan;
    assert_int_equal(t->cache_ttl_us, S);
    assert_int_equal(t->stale_if_error_us, 300 * S);
    assert_int_equal(t->wait_us, 2 * S);
    assert_string_equal(plan->target, "a");
    assert_string_equal(plan->host, "mx.example.org");
    assert_int_equal(plan->port, 25);
    assert_int_equal(plan->family, FAMILY_ANY);
    assert_int_equal(address_family(&plan->source), AF_UNSPEC);
    assert_string_equal(plan->helo, host_name());
    for (int i = 0; i < LIMIT_COUNT; i++) {
        assert_int_equal(plan->limits_us[i], seconds[i] * S);
        assert_int_equal(limit_default_us((enum limit)i), seconds[i] * S);
    }
    for (int i = 0; i < PHASE_COUNT; i++)
        assert_int_equal(plan->warn_us[i], 0);
    assert_int_equal(plan->warn_duration_us, 0);
    assert_int_equal(plan->stop_after, PHASE_COUNT);
    assert_int_equal(plan->route_count, 0);
    assert_null(plan->letters); /* made for a run, never by a config */
    given_clear(&g);
}

static void test_route_defaults(void **state)
{
    struct given g;
    (void)state;
    struct snapshot *s = given_good(&g, "targets: {a: {address: 'x:25', routes: [{from: '', to: a@b}]}}\n");
    const struct plan *plan = &target(s, "a")->plan;
    assert_int_equal(plan->route_count, 1);
    assert_string_equal(plan->routes[0].name, "route1");
    assert_string_equal(plan->routes[0].from, "");
    assert_int_equal(plan->routes[0].to_count, 1);
    assert_string_equal(plan->routes[0].to[0], "a@b");
    assert_int_equal(plan->routes[0].expect, EXPECT_ACCEPTED);
    assert_int_equal(plan->routes[0].reply_code, 0);
    assert_int_equal(plan->routes[0].reply_enhanced.class, 0);
    assert_false(plan->routes[0].at_final);
    assert_null(plan->routes[0].mailbox);
    assert_int_equal(plan->routes[0].deliver_within_us, 60 * S);
    assert_int_equal(plan->routes[0].min_send_interval_us, 60 * S);
    given_clear(&g);
}

static const char full[] =
    "server:\n"
    "  name: fra1\n"
    "  listen: ['127.0.0.1:8025', 'unix:/run/ehlod/http', '[::1]:8026']\n"
    "  max_runs: 1\n"
    "  max_per_address: 100000\n"
    "  allow_reload: nobody\n"
    "  unknown_status: 200\n"
    "mailboxes:\n"
    "  one: {sink: '127.0.0.1:2525', domains: Probe.Example.ORG}\n"
    "  two: {sink: 'unix:/run/ehlod/lmtp', domains: [a.example, b.example], protocol: lmtp}\n"
    "targets:\n"
    "  mx1:\n"
    "    address: '[2001:db8::1]:26'\n"
    "    family: ipv6\n"
    "    source: 2001:db8::7\n"
    "    helo: '{{target}}.{{hostname}}'\n"
    "    tls: off\n"
    "    timeout: 20s\n"
    "    timeouts: {dns: 1s, connect: 2s, tls: 3s, banner: 4s, reply: 5s, message: 6s, final: 7s, quit: 8s}\n"
    "    cache_ttl: 0\n"
    "    stale_if_error: 0\n"
    "    wait: 1m\n"
    "    warn: {duration: 100ms, dns: 1ms, connect: 2ms, tls: 3ms, banner: 4ms, ehlo: 5ms, starttls: 6ms, auth: 7ms,\n"
    "           mail: 8ms, rcpt: 9ms, data: 10ms, message: 11ms, final: 12ms, rset: 13ms, quit: 14ms}\n"
    "    stop_after: mail\n"
    "    routes:\n"
    "      - {name: in, from: a@b.example, to: [c@d.example, Postmaster], expect: [rejected, deferred], at: rcpt,\n"
    "         reply: '550 5.7.1'}\n"
    "      - {name: out, from: '', to: e@f.example, reply: 251}\n"
    "      - {name: through, from: '', to: e@f.example, expect: [delivered, deferred], at: final, mailbox: two,\n"
    "         reply: 250, deliver_within: 1ms, min_send_interval: 0}\n"
    "      - {name: taken, from: '', to: e@f.example, expect: [queued]}\n";

static void check_server(const struct snapshot *s)
{
    assert_string_equal(s->server_name, "fra1");
    assert_int_equal(s->unknown_status, 200);
    assert_int_equal(s->listen_count, 3);
    assert_string_equal(s->listen[1].path, "/run/ehlod/http");
    assert_int_equal(address_family(&s->listen[1].address), AF_UNSPEC);
    assert_string_equal(shown(&s->listen[2].address), "::1");
    assert_int_equal(address_port(&s->listen[2].address), 8026);
    assert_null(s->listen[2].path);
    assert_int_equal(s->max_runs, 1);
    assert_int_equal(s->max_per_address, 100000);
    assert_int_equal(s->allow_reload, SNAPSHOT_RELOAD_NOBODY);
    assert_int_equal(s->sink_count, 2);
    assert_string_equal(s->sinks[0].name, "one");
    assert_string_equal(shown(&s->sinks[0].listen.address), "127.0.0.1");
    assert_int_equal(address_port(&s->sinks[0].listen.address), 2525);
    assert_null(s->sinks[0].listen.path);
    assert_int_equal(s->sinks[0].protocol, PROTOCOL_SMTP);
    assert_int_equal(s->sinks[0].domain_count, 1);
    assert_string_equal(s->sinks[0].domains[0], "probe.example.org");
    assert_string_equal(s->sinks[1].listen.path, "/run/ehlod/lmtp");
    assert_int_equal(address_family(&s->sinks[1].listen.address), AF_UNSPEC);
    assert_int_equal(s->sinks[1].protocol, PROTOCOL_LMTP);
    assert_int_equal(s->sinks[1].domain_count, 2);
    assert_string_equal(s->sinks[1].domains[1], "b.example");
}

static void check_sending(const struct plan_route *through, const struct plan_route *taken)
{
    assert_int_equal(through->expect, EXPECT_DELIVERED | EXPECT_DEFERRED);
    assert_true(through->at_final);
    assert_string_equal(through->mailbox, "two");
    assert_int_equal(through->reply_code, 250);
    assert_int_equal(through->deliver_within_us, 1000);
    assert_int_equal(through->min_send_interval_us, 0);
    assert_true(plan_route_sends(through));
    assert_true(plan_route_is_delivered(through));
    assert_int_equal(taken->expect, EXPECT_QUEUED);
    assert_false(taken->at_final);
    assert_true(plan_route_sends(taken));
    assert_false(plan_route_is_delivered(taken));
}

static void check_routes(const struct plan *plan)
{
    assert_int_equal(plan->route_count, 4);
    const struct plan_route *in = &plan->routes[0];
    const struct plan_route *out = &plan->routes[1];
    assert_string_equal(in->name, "in");
    assert_string_equal(in->from, "a@b.example");
    assert_int_equal(in->to_count, 2);
    assert_string_equal(in->to[0], "c@d.example");
    assert_string_equal(in->to[1], "Postmaster");
    assert_int_equal(in->expect, EXPECT_REJECTED | EXPECT_DEFERRED);
    assert_int_equal(in->reply_code, 550);
    assert_int_equal(in->reply_enhanced.class, 5);
    assert_int_equal(in->reply_enhanced.subject, 7);
    assert_int_equal(in->reply_enhanced.detail, 1);
    assert_string_equal(out->name, "out");
    assert_int_equal(out->expect, EXPECT_ACCEPTED);
    assert_int_equal(out->reply_code, 251);
    assert_int_equal(out->reply_enhanced.class, 0);
    check_sending(&plan->routes[2], &plan->routes[3]);
}

static void test_every_key(void **state)
{
    static const enum phase warned[] = {PHASE_DNS,      PHASE_CONNECT, PHASE_TLS,  PHASE_BANNER, PHASE_EHLO,
                                        PHASE_STARTTLS, PHASE_AUTH,    PHASE_MAIL, PHASE_RCPT,   PHASE_DATA,
                                        PHASE_MESSAGE,  PHASE_FINAL,   PHASE_RSET, PHASE_QUIT};
    struct given g;
    char helo[HOST_NAME_MAX + 8];
    (void)state;
    struct snapshot *s = given_good(&g, full);
    check_server(s);
    const struct snapshot_target *t = target(s, "mx1");
    const struct plan *plan = &t->plan;
    assert_int_equal(t->cache_ttl_us, 0);
    assert_int_equal(t->stale_if_error_us, 0);
    assert_int_equal(t->wait_us, 60 * S);
    assert_string_equal(plan->host, "2001:db8::1");
    assert_int_equal(plan->port, 26);
    assert_int_equal(plan->family, FAMILY_IPV6);
    assert_string_equal(shown(&plan->source), "2001:db8::7");
    snprintf(helo, sizeof(helo), "mx1.%s", host_name());
    assert_string_equal(plan->helo, helo);
    assert_int_equal(plan->limits_us[LIMIT_RUN], 20 * S);
    for (int i = LIMIT_DNS; i <= LIMIT_QUIT; i++)
        assert_int_equal(plan->limits_us[i], i * S);
    assert_int_equal(plan->warn_duration_us, 100000);
    for (size_t i = 0; i < sizeof(warned) / sizeof(warned[0]); i++)
        assert_int_equal(plan->warn_us[warned[i]], (int64_t)(i + 1) * 1000);
    assert_int_equal(plan->stop_after, PHASE_MAIL);
    check_routes(plan);
    given_clear(&g);
}

static void test_modules(void **state)
{
    struct given g;
    (void)state;
    struct snapshot *s = given_good(
        &g,
        "targets:\n" /* before the modules: the order in the file does not matter */
        "  a: {module: m, address: 'a.example:25'}\n"
        "  b: {module: m, wait: 2s, address: 'b.example:25', timeout: 10s, timeouts: {reply: 4s}, warn: {rcpt: 2ms},\n"
        "      helo: b.example, routes: []}\n"
        "  c: {address: 'c.example:25'}\n"
        "modules:\n"
        "  m:\n"
        "    {address: 'm.example:27', family: ipv4, helo: '{{target}}', timeout: 40s, cache_ttl: 3s,\n"
        "     timeouts: {reply: 5s, quit: 6s}, warn: {rcpt: 1ms, mail: 1ms}, stop_after: ehlo,\n"
        "     wait: 0, stale_if_error: 9s,\n"
        "     routes: [{from: '', to: x@m.example}]}\n");
    const struct plan *a = &target(s, "a")->plan;
    const struct plan *b = &target(s, "b")->plan;
    const struct plan *c = &target(s, "c")->plan;
    assert_string_equal(a->host, "a.example");
    assert_int_equal(a->port, 25);
    assert_int_equal(a->family, FAMILY_IPV4);
    assert_string_equal(a->helo, "a");
    assert_int_equal(a->limits_us[LIMIT_RUN], 40 * S);
    assert_int_equal(a->limits_us[LIMIT_REPLY], 5 * S);
    assert_int_equal(a->limits_us[LIMIT_BANNER], 15 * S);
    assert_int_equal(a->stop_after, PHASE_EHLO);
    assert_int_equal(a->route_count, 1);
    assert_int_equal(target(s, "a")->cache_ttl_us, 3 * S);
    assert_int_equal(target(s, "a")->wait_us, 0);
    assert_int_equal(target(s, "a")->stale_if_error_us, 9 * S);
    assert_int_equal(target(s, "b")->wait_us, 2 * S);

    assert_string_equal(b->helo, "b.example");
    assert_int_equal(b->limits_us[LIMIT_RUN], 10 * S);
    assert_int_equal(b->limits_us[LIMIT_REPLY], 4 * S);
    assert_int_equal(b->limits_us[LIMIT_QUIT], 6 * S); /* merged key by key */
    assert_int_equal(b->warn_us[PHASE_RCPT], 2000);
    assert_int_equal(b->warn_us[PHASE_MAIL], 1000);
    assert_int_equal(b->route_count, 0); /* a list replaces as a whole */

    assert_int_equal(c->family, FAMILY_ANY);
    assert_int_equal(c->limits_us[LIMIT_RUN], 30 * S);
    assert_int_equal(c->route_count, 0);
    given_clear(&g);
}

static void test_address_from_module(void **state)
{
    struct given g;
    (void)state;
    struct snapshot *s =
        given_good(&g, "modules: {m: {address: 'm.example:27'}}\ntargets: {a: {module: m}}\n");
    assert_string_equal(target(s, "a")->plan.host, "m.example");
    assert_int_equal(target(s, "a")->plan.port, 27);
    given_clear(&g);
}

static void test_helo(void **state)
{
    static const struct {
        const char *address;
        const char *helo;
    } rows[] = {
        {"mx.example.org:25", "mx.example.org"},
        {"192.0.2.1:25", "[192.0.2.1]"},
        {"[2001:db8::1]:25", "[IPv6:2001:db8::1]"},
        {"[fe80::1%1]:25", "[IPv6:fe80::1]"},
        {"unix:/run/lmtp", "localhost"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[200];
        struct given g;
        snprintf(text, sizeof(text), "targets: {a: {address: '%s', helo: '{{address}}'}}\n", rows[i].address);
        assert_string_equal(target(given_good(&g, text), "a")->plan.helo, rows[i].helo);
        given_clear(&g);
    }
}

/* Every plan knows where ehlod itself listens for HTTP (C13), and nothing of its sinks. */
static void test_own_addresses(void **state)
{
    struct given g;
    (void)state;
    struct snapshot *s = given_good(&g, full);
    const struct plan *plan = &target(s, "mx1")->plan;
    assert_int_equal(plan->own_count, 3);
    assert_ptr_equal(plan->own, s->own);
    assert_int_equal(s->own_count, 3);
    assert_string_equal(shown(&plan->own[0]), "127.0.0.1");
    assert_string_equal(shown(&plan->own[1]), "/run/ehlod/http");
    assert_string_equal(shown(&plan->own[2]), "::1");
    given_clear(&g);
    s = given_good(&g, "server: {listen: 'unix:/x'}\ntargets: {a: {address: 'x:25'}}\n");
    assert_int_equal(target(s, "a")->plan.own_count, 1);
    assert_string_equal(shown(&s->own[0]), "/x");
    given_clear(&g);
}

/* Loading again gives another snapshot and leaves the first as it is, whatever has become of the file. */
static void test_loading_again(void **state)
{
    struct given first;
    struct given again;
    struct given bad;
    (void)state;
    struct snapshot *s = given_good(&first, full);
    given_text(&bad, "targets: {mx1: {address: x}}\n", NULL);
    assert_int_equal(bad.code, -1);
    given_clear(&bad);
    assert_ptr_not_equal(given_good(&again, full), s);
    check_server(again.snapshot);
    check_routes(&target(again.snapshot, "mx1")->plan);
    given_clear(&again);
    check_server(s);
    check_routes(&target(s, "mx1")->plan);
    given_clear(&first);
}

static void test_order_and_look_up(void **state)
{
    struct given g;
    (void)state;
    struct snapshot *s = given_good(&g, "targets:\n"
                                        "  z: {address: 'x:1'}\n"
                                        "  a: {address: 'x:2'}\n"
                                        "  m.example: {address: 'x:3'}\n");
    assert_int_equal(s->target_count, 3);
    assert_string_equal(s->targets[0].name, "z");
    assert_string_equal(s->targets[1].name, "a");
    assert_string_equal(s->targets[2].name, "m.example");
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(snapshot_target(s, s->targets[i].name), &s->targets[i]);
    assert_null(snapshot_target(s, "A"));
    assert_null(snapshot_target(s, ""));
    assert_null(snapshot_target(s, "zz"));
    given_clear(&g);
}

/* It lives as long as somebody has it. */
static void test_references(void **state)
{
    struct given g;
    (void)state;
    struct snapshot *s = snapshot_ref(given_good(&g, full));
    given_clear(&g);
    check_server(s);
    snapshot_unref(s);
    snapshot_unref(NULL);
}

static void test_no_targets(void **state)
{
    static const char *const texts[] = {"server: {}\n", "targets: {}\n"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct given g;
        given_text(&g, texts[i], NULL);
        assert_int_equal(g.code, 0);
        assert_int_equal(g.mistakes.warning_count, 1);
        assert_int_equal(g.snapshot->target_count, 0);
        assert_null(snapshot_target(g.snapshot, "a"));
        given_clear(&g);
    }
}

/* Equal settings are made ready once, whatever the mode and the name; where TLS is off nothing is. */
static void test_tls(void **state)
{
    static const char text[] = "modules: {m: {tls: implicit, tls_config: {min_version: TLS13}}}\n"
                               "targets:\n"
                               "  a: {module: m, address: 'x:1', tls_config: {server_name: mx.example.org}}\n"
                               "  b: {module: m, address: 'x:2', tls: opportunistic}\n"
                               "  c: {address: 'x:3', tls: starttls, warn: {certificate: 14d},\n"
                               "      tls_config: {insecure_skip_verify: true, server_name: '2001:db8::1'}}\n"
                               "  d: {address: 'x:4', tls_config: {ca_file: none.pem}}\n";
    struct given g;
    (void)state;
    struct snapshot *s = given_good(&g, text);
    const struct plan *a = &target(s, "a")->plan, *b = &target(s, "b")->plan;
    const struct plan *c = &target(s, "c")->plan, *d = &target(s, "d")->plan;

    assert_int_equal(a->tls.mode, TLS_MODE_IMPLICIT);
    assert_int_equal(a->tls.min_version, TLS_MIN_13);
    assert_string_equal(a->tls.server_name, "mx.example.org");
    assert_int_equal(b->tls.mode, TLS_MODE_OPPORTUNISTIC);
    assert_int_equal(b->tls.min_version, TLS_MIN_13);
    assert_null(b->tls.server_name);
    assert_non_null(a->tls_context);
    assert_ptr_equal(a->tls_context, b->tls_context);
    assert_int_equal(c->tls.mode, TLS_MODE_STARTTLS);
    assert_int_equal(c->tls.min_version, TLS_MIN_12);
    assert_true(c->tls.insecure_skip_verify);
    assert_string_equal(c->tls.server_name, "2001:db8::1");
    assert_int_equal(c->warn_certificate_us, 14 * 86400 * S);
    assert_ptr_not_equal(c->tls_context, a->tls_context);
    assert_int_equal(d->tls.mode, TLS_MODE_OFF);
    assert_string_equal(d->tls.ca_file, "/tmp/none.pem"); /* where the config is */
    assert_null(d->tls_context);
    assert_int_equal(d->warn_certificate_us, 0);
    given_clear(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_route_defaults),
        cmocka_unit_test(test_every_key),     cmocka_unit_test(test_modules),
        cmocka_unit_test(test_tls),           cmocka_unit_test(test_address_from_module),
        cmocka_unit_test(test_helo),          cmocka_unit_test(test_own_addresses),
        cmocka_unit_test(test_loading_again), cmocka_unit_test(test_order_and_look_up),
        cmocka_unit_test(test_references),    cmocka_unit_test(test_no_targets),
    };
    return cmocka_run_group_tests_name("config/snapshot", tests, NULL, NULL);
}
