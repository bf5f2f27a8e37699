/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/run.h"

#include "tests/unit/probe/fake_smtp.h"
#include "tests/unit/probe/net/fake_dns.h"
#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/resource.h>

/*
 * Whole runs, from a plan to a result, against a resolver and a mail server on the test's own loop. What is
 * checked is what users see. The rows named C, D, Q and R are those of the catalogue of faults.
 */

#define NAME "mx.example.org"

static uv_loop_t loop;
static struct fake_dns resolver;
static struct fake_smtp server;
static struct run_net *net;
static struct plan plan;
static struct result *result;
static bool over;
static int64_t took_us;
static size_t descriptors;

static int set_up(void **state)
{
    (void)state;
    descriptors = stage_descriptors();
    uv_loop_init(&loop);
    resolver = (struct fake_dns){0};
    fake_dns_start(&resolver, &loop);
    server = (struct fake_smtp){0};
    fake_smtp_start(&server, &loop);
    net = run_net_new(&(struct run_net_order){.loop = &loop, .servers = resolver.servers});
    result = NULL;
    plan = (struct plan){.target = "mx",
                         .host = NAME,
                         .port = server.port,
                         .helo = "probe.example.org",
                         .stop_after = PHASE_COUNT};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        plan.limits_us[l] = stage_scale_us(2000);
    plan.limits_us[LIMIT_RUN] = stage_scale_us(4000);
    return 0;
}

/* Nothing may be left: no handle, no descriptor, no connection. */
static int tear_down(void **state)
{
    int closed;

    (void)state;
    result_unref(result);
    run_net_free(net);
    fake_dns_stop(&resolver);
    fake_smtp_stop(&server);
    closed = stage_close(&loop);
    assert_int_equal(closed, 0);
    assert_int_equal(server.open, 0);
    assert_int_equal(stage_descriptors(), descriptors);
    return closed;
}

static void on_done(void *context, struct result *r)
{
    assert_ptr_equal(context, &plan);
    assert_false(over);
    over = true;
    result = r;
}

static struct run *begin(void)
{
    char id[] = "run1", vantage[] = "here";
    struct run_order order = {.plan = &plan, .id = id, .vantage = vantage};
    struct run *run;

    result_unref(result);
    result = NULL;
    over = false;
    run = run_start(net, &order, on_done, &plan);
    assert_false(over);
    memset(id, 'x', sizeof id); /* they were copied */
    memset(vantage, 'x', sizeof vantage);
    return run;
}

static void finish(int64_t begun_us)
{
    assert_true(stage_run_until(&loop, &over));
    took_us = clock_mono_us() - begun_us;
    assert_string_equal(result->id, "run1");
    assert_string_equal(result->vantage, "here");
    assert_true(took_us <= plan.limits_us[LIMIT_RUN] + stage_scale_us(250));
    assert_true(result->duration_us >= 0 && result->duration_us <= took_us);
}

static const struct result_failure *play(void)
{
    int64_t begun_us = clock_mono_us();

    begin();
    finish(begun_us);
    return &result->failure;
}

static bool flagged(enum flag flag)
{
    return result->flags >> flag & 1;
}

/* What every failure to find the name has in common: nobody was dialled, and the time counts as dns. */
static const struct result_failure *fails_dns(enum status status, enum reason reason, const char *says)
{
    const struct result_failure *failure = play();

    assert_int_equal(result->status, status);
    assert_int_equal(failure->phase, PHASE_DNS);
    assert_int_equal(failure->reason, reason);
    if (!strstr(failure->message, says))
        fail_msg("\"%s\" does not say \"%s\"", failure->message, says);
    assert_non_null(strstr(result->summary, failure->message));
    assert_int_equal(server.connections, 0);
    assert_int_equal(address_family(&result->peer), AF_UNSPEC);
    assert_int_equal(result->attempt_count, 0);
    assert_int_equal(result->command_count, 0);
    assert_true(result->timing_us[PHASE_DNS] >= 0 && result->timing_us[PHASE_DNS] <= took_us);
    assert_true(failure->elapsed_us == result->timing_us[PHASE_DNS]);
    for (enum phase p = PHASE_CONNECT; p < PHASE_COUNT; p++)
        assert_int_equal(result->timing_us[p], CLOCK_NONE);
    return failure;
}

/* A pass or a warning, with as much dialogue as a plan without routes has. */
static void works(enum status status)
{
    assert_int_equal(play()->reason, REASON_NONE);
    assert_int_equal(result->status, status);
    assert_int_equal(result->command_count, 3);
    assert_int_equal(server.polite, server.connections);
    assert_true(result->timing_us[PHASE_CONNECT] >= 0);
    assert_int_not_equal(address_port(&result->local), 0);
    assert_int_equal(address_port(&result->peer), server.port);
}

static void say_rcode(int code)
{
    resolver.a = resolver.aaaa = (struct fake_rule){.manner = FAKE_RCODE, .code = code};
}

static void say_manner(enum fake_manner manner)
{
    resolver.a = resolver.aaaa = (struct fake_rule){.manner = manner};
}

/* The name leads to the mail server. */
static void say_good(void)
{
    resolver.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"127.0.0.1"}};
    resolver.aaaa = (struct fake_rule){.manner = FAKE_EMPTY};
}

/* ---- names ---- */

static void a_name_that_works(void **state)
{
    (void)state;
    say_good();
    works(STATUS_PASS);
    assert_int_equal(result->flags, 0);
    assert_true(result->timing_us[PHASE_DNS] >= 0);
    assert_int_equal(result->attempt_count, 0); /* one address needs no list */
}

static void a_literal_has_no_dns_phase(void **state)
{
    (void)state;
    plan.host = "127.0.0.1";
    works(STATUS_PASS);
    assert_int_equal(result->timing_us[PHASE_DNS], CLOCK_NONE);
    assert_int_equal(resolver.asked, 0);
}

static void d01_no_such_name(void **state)
{
    (void)state;
    say_rcode(3);
    fails_dns(STATUS_FAIL, REASON_NXDOMAIN, "there is no host named " NAME);
}

static void d02_no_address(void **state)
{
    (void)state;
    say_manner(FAKE_EMPTY);
    fails_dns(STATUS_FAIL, REASON_NO_ADDRESS, "neither an A nor an AAAA record");
}

static void d03_servfail(void **state)
{
    (void)state;
    say_rcode(2);
    fails_dns(STATUS_FAIL, REASON_SERVFAIL, "DNSSEC");
}

static void d04_refused(void **state)
{
    (void)state;
    say_rcode(5);
    fails_dns(STATUS_FAIL, REASON_REFUSED, "(REFUSED)");
    say_rcode(4);
    fails_dns(STATUS_FAIL, REASON_REFUSED, "(NOTIMP)");
    say_rcode(1);
    fails_dns(STATUS_FAIL, REASON_REFUSED, "(FORMERR)");
}

static void d05_silent_resolver(void **state)
{
    const struct result_failure *failure;

    (void)state;
    say_manner(FAKE_SILENT);
    plan.limits_us[LIMIT_DNS] = stage_scale_us(300);
    failure = fails_dns(STATUS_UNKNOWN, REASON_TIMEOUT, "(timeouts.dns)");
    assert_non_null(strstr(failure->message, "127.0.0.1 port"));
    assert_int_equal(failure->limit_us, stage_scale_us(300));
    assert_true(failure->elapsed_us >= stage_scale_us(300));
    assert_true(failure->elapsed_us < stage_scale_us(300) + stage_scale_us(250));
}

static void d05_silent_until_the_run_is_over(void **state)
{
    const struct result_failure *failure;

    (void)state;
    say_manner(FAKE_SILENT);
    plan.limits_us[LIMIT_RUN] = stage_scale_us(300);
    failure = fails_dns(STATUS_UNKNOWN, REASON_DEADLINE, "s, when the time of the run was over (timeout, ");
    assert_int_equal(failure->limit_us, stage_scale_us(300));
}

static void d05_no_resolver_at_all(void **state)
{
    (void)state;
    fake_dns_stop(&resolver);
    uv_run(&loop, UV_RUN_NOWAIT);
    fails_dns(STATUS_UNKNOWN, REASON_TIMEOUT, "no resolver could be reached");
    assert_int_equal(result->failure.limit_us, CLOCK_NONE);
    fake_dns_start(&resolver, &loop);
}

static void d07_one_family_is_ill(void **state)
{
    static const struct fake_rule ill[] = {{.manner = FAKE_RCODE, .code = 2}, {.manner = FAKE_GARBAGE}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        say_good();
        resolver.aaaa = ill[i];
        works(STATUS_PASS);
        assert_true(flagged(FLAG_DNS_PARTIAL));
    }
}

static void d08_truncated(void **state)
{
    (void)state;
    say_manner(FAKE_TRUNCATED);
    fails_dns(STATUS_FAIL, REASON_MALFORMED, "truncated");
}

static void d09_alias_loop(void **state)
{
    (void)state;
    say_manner(FAKE_LOOP);
    fails_dns(STATUS_FAIL, REASON_MALFORMED, "round in a circle");
}

/* The name is allowed, but what it leads to is our own machine: nobody is dialled, and nothing asked twice.
 */
static void d15_a_name_that_leads_to_us(void **state)
{
    static const char *const names[] = {NAME};
    struct allow allow = {.names = names, .name_count = 1};
    int asked = resolver.asked;

    (void)state;
    say_good();
    plan.allow = &allow;
    assert_int_equal(play()->reason, REASON_NOT_ALLOWED);
    assert_int_equal(result->status, STATUS_FAIL);
    assert_int_equal(result->failure.phase, PHASE_CONNECT);
    assert_non_null(strstr(result->summary, "may not be dialled (server.probe_allow)"));
    assert_int_equal(resolver.asked - asked, 2); /* A and AAAA */
    assert_int_equal(server.connections, 0);
    assert_int_equal(result->timing_us[PHASE_CONNECT], CLOCK_NONE);
    assert_true(result->timing_us[PHASE_DNS] >= 0);
}

static void d15_a_network_of_its_addresses(void **state)
{
    struct allow_net loopback = {.bits = 8};
    struct allow allow = {.nets = &loopback, .net_count = 1};

    (void)state;
    address_parse("127.0.0.0", 0, &loopback.network);
    say_good();
    plan.allow = &allow;
    works(STATUS_PASS);
}

static void d12_many_addresses(void **state)
{
    (void)state;
    say_manner(FAKE_EMPTY);
    resolver.a = (struct fake_rule){.manner = FAKE_ADDRESSES,
                                    .addresses = {"127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4",
                                                  "127.0.1.5", "127.0.1.6", "127.0.1.7", "127.0.1.8",
                                                  "127.0.1.9", "127.0.1.10", "127.0.1.11", "127.0.1.12"}};
    assert_int_equal(play()->reason, REASON_REFUSED);
    assert_int_equal(result->status, STATUS_FAIL);
    assert_true(flagged(FLAG_DNS_MANY));
    assert_int_equal(result->attempt_count, PLAN_MAX_ADDRESSES);
    for (size_t i = 0; i < result->attempt_count; i++)
        assert_int_equal(result->attempts[i].failure.reason, REASON_REFUSED);
    assert_true(address_same_host(&result->peer, &result->attempts[0].address));
}

static void d13_garbage(void **state)
{
    (void)state;
    say_manner(FAKE_GARBAGE);
    fails_dns(STATUS_FAIL, REASON_MALFORMED, "cannot be read");
    say_manner(FAKE_POINTERS);
    fails_dns(STATUS_FAIL, REASON_MALFORMED, "cannot be read");
}

static void d14_empty_datagram(void **state)
{
    (void)state;
    say_good();
    resolver.a.manner = FAKE_NOTHING;
    works(STATUS_PASS);
    assert_true(result->timing_us[PHASE_DNS] < stage_scale_us(500));
}

/* The run is gone when its answer comes; the one that is under way then does not take it for its own. */
static void d17_late_answer(void **state)
{
    (void)state;
    say_good();
    resolver.a.delay_ms = resolver.aaaa.delay_ms = (int)(stage_scale_us(150) / CLOCK_US_PER_MS);
    plan.limits_us[LIMIT_DNS] = stage_scale_us(50);
    fails_dns(STATUS_UNKNOWN, REASON_TIMEOUT, NAME);
    say_manner(FAKE_SILENT);
    plan.limits_us[LIMIT_DNS] = stage_scale_us(300);
    fails_dns(STATUS_UNKNOWN, REASON_TIMEOUT, NAME);
}

/* L14: the resolver goes while questions are open. */
static void d17_never_an_answer(void **state)
{
    (void)state;
    say_manner(FAKE_SILENT);
    plan.limits_us[LIMIT_DNS] = stage_scale_us(50);
    fails_dns(STATUS_UNKNOWN, REASON_TIMEOUT, NAME);
    run_net_free(net);
    net = run_net_new(&(struct run_net_order){.loop = &loop, .servers = resolver.servers});
}

static void d20_slow_but_good(void **state)
{
    int64_t delay_us = stage_scale_us(800);

    (void)state;
    say_good();
    resolver.a.delay_ms = resolver.aaaa.delay_ms = (int)(delay_us / CLOCK_US_PER_MS);
    plan.limits_us[LIMIT_DNS] = stage_scale_us(1000);
    works(STATUS_PASS);
    assert_true(result->timing_us[PHASE_DNS] >= delay_us);
    assert_true(result->timing_us[PHASE_CONNECT] < delay_us);
    assert_true(result->duration_us >= result->timing_us[PHASE_DNS]);
}

/* ---- addresses ---- */

static void c04_an_earlier_address_fails(void **state)
{
    (void)state;
    say_good();
    resolver.a.addresses[0] = "127.0.0.3";
    resolver.a.addresses[1] = "127.0.0.1";
    works(STATUS_WARN);
    assert_true(flagged(FLAG_ADDRESS_UNREACHABLE));
    assert_int_equal(result->attempt_count, 2);
    assert_int_equal(result->attempts[0].failure.reason, REASON_REFUSED);
    assert_int_equal(result->attempts[1].failure.reason, REASON_NONE);
    assert_non_null(strstr(result->summary, "127.0.0.3"));
}

static void c05_other_family_only(void **state)
{
    (void)state;
    say_good();
    plan.family = FAMILY_IPV6;
    assert_int_equal(play()->reason, REASON_NO_ADDRESS_FOR_FAMILY);
    assert_int_equal(result->status, STATUS_FAIL);
    assert_int_equal(result->failure.phase, PHASE_CONNECT);
    assert_string_equal(result->failure.message, NAME " has no IPv6 address, only IPv4 ones");

    plan.host = "127.0.0.1";
    assert_int_equal(play()->reason, REASON_NO_ADDRESS_FOR_FAMILY);
    assert_int_equal(result->failure.phase, PHASE_CONNECT);
    assert_int_equal(server.connections, 0);
}

/* A source of one family rules the other out. */
static void a_source_chooses_the_family(void **state)
{
    (void)state;
    say_good();
    resolver.aaaa = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"::1"}};
    address_parse("127.0.0.9", 0, &plan.source);
    works(STATUS_PASS);
    assert_true(address_same_host(&result->local, &plan.source));
    assert_int_equal(result->attempt_count, 0);
}

/* So does one that is only claimed, as the PROXY header names both ends; a local header names none. */
static void a_claimed_source_chooses_the_family(void **state)
{
    (void)state;
    say_good();
    plan.proxy = (struct plan_proxy){.wanted = true, .version = 2};
    address_parse("2001:db8::9", 4711, &plan.proxy.source);
    assert_int_equal(play()->reason, REASON_NO_ADDRESS_FOR_FAMILY);
    assert_string_equal(result->failure.message, NAME " has no IPv6 address, only IPv4 ones");
    plan.host = "127.0.0.1";
    assert_int_equal(play()->reason, REASON_NO_ADDRESS_FOR_FAMILY);
    assert_int_equal(server.connections, 0);

    plan.proxy.local = true;
    plan.stop_after = PHASE_CONNECT;
    assert_int_equal(play()->reason, REASON_NONE);
    assert_int_equal(address_family(&result->local), AF_INET);
}

static void c13_ourselves(void **state)
{
    struct address own;

    (void)state;
    plan.host = "127.0.0.1";
    address_parse("127.0.0.1", server.port, &own);
    plan.own = &own;
    plan.own_count = 1;
    assert_int_equal(play()->reason, REASON_LOOP);
    assert_int_equal(result->status, STATUS_FAIL);
    assert_int_equal(result->failure.phase, PHASE_CONNECT);
}

/* Where nobody answers. */
static struct stage_hole hole;

static void dial_the_hole(void)
{
    stage_hole_open(&hole);
    plan.host = "127.0.0.1";
    plan.port = address_port(&hole.at);
}

static void nobody_answers(void **state)
{
    (void)state;
    dial_the_hole();
    plan.limits_us[LIMIT_CONNECT] = stage_scale_us(150);
    assert_int_equal(play()->reason, REASON_TIMEOUT);
    assert_int_equal(result->status, STATUS_FAIL);
    assert_int_equal(result->failure.phase, PHASE_CONNECT);
    assert_non_null(strstr(result->failure.message, "(timeouts.connect)"));
    assert_true(result->timing_us[PHASE_CONNECT] >= stage_scale_us(150));
    stage_hole_close(&hole);
}

static void r02_no_descriptor_left(void **state)
{
    struct rlimit before, none;
    int64_t begun_us = clock_mono_us();

    (void)state;
    plan.host = "127.0.0.1";
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    begin();
    stage_run_until(&loop, &over);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    finish(begun_us);
    assert_int_equal(result->status, STATUS_UNKNOWN);
    assert_int_equal(result->failure.phase, PHASE_CONNECT);
    assert_int_equal(result->failure.reason, REASON_LOCAL_RESOURCE);
}

/* ---- how far, and how long ---- */

static void stops_after_dns(void **state)
{
    (void)state;
    say_good();
    plan.stop_after = PHASE_DNS;
    assert_int_equal(play()->reason, REASON_NONE);
    assert_int_equal(result->status, STATUS_PASS);
    assert_int_equal(server.connections, 0);
    assert_int_equal(result->timing_us[PHASE_CONNECT], CLOCK_NONE);

    plan.host = "192.0.2.1";
    assert_int_equal(play()->reason, REASON_NONE);
    assert_int_equal(result->timing_us[PHASE_DNS], CLOCK_NONE);
}

static void stops_after_connect(void **state)
{
    (void)state;
    say_good();
    plan.stop_after = PHASE_CONNECT;
    assert_int_equal(play()->reason, REASON_NONE);
    assert_int_equal(result->status, STATUS_PASS);
    assert_int_equal(result->command_count, 0);
    assert_true(result->timing_us[PHASE_CONNECT] >= 0);
    assert_int_equal(address_port(&result->peer), server.port);
}

/* What has no TLS is as far as tls when it is connected. */
static void stops_after_tls(void **state)
{
    (void)state;
    say_good();
    plan.stop_after = PHASE_TLS;
    assert_int_equal(play()->reason, REASON_NONE);
    assert_int_equal(result->status, STATUS_PASS);
    assert_int_equal(result->command_count, 0);
    assert_true(result->timing_us[PHASE_CONNECT] >= 0);
    assert_int_equal(result->timing_us[PHASE_BANNER], CLOCK_NONE);
}

static void a_limit_is_clipped_to_what_is_left_of_the_run(void **state)
{
    (void)state;
    say_good();
    server.silent = true;
    plan.limits_us[LIMIT_RUN] = stage_scale_us(200);
    assert_int_equal(play()->reason, REASON_DEADLINE);
    assert_int_equal(result->status, STATUS_FAIL);
    assert_int_equal(result->failure.phase, PHASE_BANNER);
    assert_int_equal(result->failure.limit_us, stage_scale_us(200));
    assert_true(result->duration_us >= stage_scale_us(200));
    assert_true(result->duration_us < stage_scale_us(200) + stage_scale_us(250));
}

/* Runs the loop, and no longer, until the run waits for the greeting. */
static void turn_to_banner(const struct run *run)
{
    enum phase phase;

    do {
        struct result *seen;

        uv_run(&loop, UV_RUN_NOWAIT);
        assert_false(over);
        seen = run_peek(run, 1);
        phase = seen->failure.phase;
        result_unref(seen);
    } while (phase != PHASE_BANNER);
}

/* A run that is alone on its machine has the kernel's stamps too, from the first byte: it is read late, and
 * that does not show. */
static void alone_and_late_it_shows_when_the_bytes_came(void **state)
{
    struct address at;
    int listener = stage_listen("127.0.0.1", 4, &at), peer;

    (void)state;
    plan.host = "127.0.0.1";
    plan.port = address_port(&at);
    for (int i = 0; i < 4; i++) {
        stage_be_late(50 * CLOCK_US_PER_MS); /* so long the kernel may take to begin, or to stop */
        turn_to_banner(begin());
        peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(peer >= 0);
        stage_say(peer, "220 mx.example.org ESMTP\r\n");
        stage_be_late(stage_scale_us(200));
        uv_run(&loop, UV_RUN_NOWAIT);
        stage_reset(peer);
        assert_true(stage_run_until(&loop, &over));
        assert_int_equal(result->failure.phase, PHASE_EHLO);
        assert_true(result->timing_us[PHASE_BANNER] < stage_scale_us(100));
    }
    close(listener);
}

/* ---- stopped from outside, and looked at from outside ---- */

static void check_stopped(enum phase phase)
{
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(result->status, STATUS_UNKNOWN);
    assert_int_equal(result->failure.reason, REASON_LOCAL_RESOURCE);
    assert_int_equal(result->failure.phase, phase);
    for (enum phase p = phase + 1; p < PHASE_COUNT; p++)
        assert_int_equal(result->timing_us[p], CLOCK_NONE);
}

static void stopped_before_it_began(void **state)
{
    struct run *run = begin();

    (void)state;
    run_stop(run);
    assert_false(over);
    check_stopped(PHASE_DNS);
    assert_int_equal(result->timing_us[PHASE_DNS], CLOCK_NONE);

    plan.host = "127.0.0.1";
    run_stop(begin());
    check_stopped(PHASE_CONNECT);
    assert_int_equal(result->timing_us[PHASE_CONNECT], CLOCK_NONE);
}

static void stopped_while_resolving(void **state)
{
    struct run *run;

    (void)state;
    say_manner(FAKE_SILENT);
    run = begin();
    stage_run_for(&loop, stage_scale_us(20));
    run_stop(run);
    assert_false(over);
    check_stopped(PHASE_DNS);
    assert_true(result->timing_us[PHASE_DNS] > 0);
}

static void stopped_in_the_dialogue(void **state)
{
    struct run *run;

    (void)state;
    plan.host = "127.0.0.1";
    server.silent = true;
    run = begin();
    stage_run_for(&loop, stage_scale_us(20));
    run_stop(run);
    assert_false(over);
    check_stopped(PHASE_BANNER);
    assert_int_equal(address_port(&result->peer), server.port);
}

static struct run *to_be_stopped;

static void on_prepare(uv_prepare_t *prepare)
{
    run_stop(to_be_stopped);
    uv_close((uv_handle_t *)prepare, NULL);
}

/* Between dialling and hearing of the connection, all in one turn: the stop then finds a dialogue. */
static void stopped_just_before_it_connects(void **state)
{
    static uv_prepare_t prepare;

    (void)state;
    plan.host = "127.0.0.1";
    server.silent = true;
    to_be_stopped = begin();
    uv_prepare_init(&loop, &prepare);
    uv_prepare_start(&prepare, on_prepare);
    check_stopped(PHASE_BANNER);
    assert_int_equal(result->timing_us[PHASE_DNS], CLOCK_NONE);
    assert_true(result->timing_us[PHASE_CONNECT] >= 0);
}

static void peek(const struct run *run, enum phase phase, const char *says)
{
    struct result *seen = run_peek(run, 12345);

    assert_int_equal(seen->failure.phase, phase);
    assert_int_equal(seen->failure.reason, REASON_DEADLINE);
    assert_int_equal(seen->failure.limit_us, 12345);
    assert_non_null(strstr(seen->failure.message, says));
    assert_non_null(strstr(seen->failure.message, "when the caller's 12.345 ms were over; the run goes on"));
    assert_false(over);
    result_unref(seen);
}

static void looked_at_before_it_dials(void **state)
{
    struct run *run;

    (void)state;
    plan.host = "127.0.0.1";
    run = begin();
    peek(run, PHASE_CONNECT, "connecting to 127.0.0.1");
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(result->status, STATUS_PASS);
}

static void from_outside_while_it_connects(void **state)
{
    struct result *seen;
    struct run *run;

    (void)state;
    dial_the_hole();
    run = begin();
    stage_run_for(&loop, stage_scale_us(50));
    peek(run, PHASE_CONNECT, "still connecting to 127.0.0.1:");
    seen = run_peek(run, 12345);
    assert_int_equal(seen->status, STATUS_FAIL);
    assert_int_equal(address_port(&seen->peer), plan.port);
    assert_true(seen->timing_us[PHASE_CONNECT] > 0);
    assert_int_equal(seen->failure.elapsed_us, seen->timing_us[PHASE_CONNECT]);
    assert_true(seen->duration_us >= seen->timing_us[PHASE_CONNECT]);
    run_stop(run);
    check_stopped(PHASE_CONNECT);
    assert_true(result->timing_us[PHASE_CONNECT] >= seen->timing_us[PHASE_CONNECT]);
    assert_int_equal(address_port(&result->peer), plan.port);
    result_unref(seen);
    stage_hole_close(&hole);
}

static void looked_at_at_every_stage(void **state)
{
    struct run *run;

    (void)state;
    say_good();
    resolver.a.delay_ms = resolver.aaaa.delay_ms = (int)(stage_scale_us(50) / CLOCK_US_PER_MS);
    server.silent = true;
    plan.limits_us[LIMIT_BANNER] = stage_scale_us(300);
    run = begin();
    peek(run, PHASE_DNS, NAME);
    stage_run_for(&loop, stage_scale_us(10));
    peek(run, PHASE_DNS, NAME);
    for (int i = 0; i < 200 && !server.connections; i++)
        stage_run_for(&loop, stage_scale_us(2));
    stage_run_for(&loop, stage_scale_us(20));
    peek(run, PHASE_BANNER, "greet");
    /* The run itself has not noticed. */
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(result->failure.reason, REASON_TIMEOUT);
    assert_int_equal(result->failure.phase, PHASE_BANNER);
}

/* ---- many ---- */

enum { MANY = 150 };

static size_t ended;
static bool all_ended;

static void on_one_done(void *context, struct result *r)
{
    (void)context;
    assert_int_equal(r->failure.phase, PHASE_BANNER);
    assert_int_equal(r->failure.reason, REASON_TIMEOUT);
    assert_true(r->duration_us < plan.limits_us[LIMIT_BANNER] + stage_scale_us(250));
    result_unref(r);
    all_ended = ++ended == MANY;
}

/* Each at its limit; and what they used is given back some time after (the timer for that holds no loop). */
static void many_at_once_end_at_their_limit(void **state)
{
    struct run_order order = {.plan = &plan, .id = "run1", .vantage = "here"};

    (void)state;
    plan.host = "127.0.0.1";
    server.silent = true;
    plan.limits_us[LIMIT_BANNER] = stage_scale_us(300);
    ended = 0;
    all_ended = false;
    for (size_t i = 0; i < MANY; i++)
        run_start(net, &order, on_one_done, NULL);
    assert_true(stage_run_until(&loop, &all_ended));
    assert_int_equal(server.connections, MANY);
}

/* libuv opens what all loops share with the first, and keeps it. */
static int warm_up(void **state)
{
    (void)state;
    return uv_loop_init(&loop) || uv_loop_close(&loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_that_works),
        TEST(a_literal_has_no_dns_phase),
        TEST(d01_no_such_name),
        TEST(d02_no_address),
        TEST(d03_servfail),
        TEST(d04_refused),
        TEST(d05_silent_resolver),
        TEST(d05_silent_until_the_run_is_over),
        TEST(d05_no_resolver_at_all),
        TEST(d07_one_family_is_ill),
        TEST(d08_truncated),
        TEST(d09_alias_loop),
        TEST(d15_a_name_that_leads_to_us),
        TEST(d15_a_network_of_its_addresses),
        TEST(d12_many_addresses),
        TEST(d13_garbage),
        TEST(d14_empty_datagram),
        TEST(d17_late_answer),
        TEST(d17_never_an_answer),
        TEST(d20_slow_but_good),
        TEST(c04_an_earlier_address_fails),
        TEST(c05_other_family_only),
        TEST(a_claimed_source_chooses_the_family),
        TEST(a_source_chooses_the_family),
        TEST(c13_ourselves),
        TEST(nobody_answers),
        TEST(r02_no_descriptor_left),
        TEST(stops_after_dns),
        TEST(stops_after_connect),
        TEST(stops_after_tls),
        TEST(a_limit_is_clipped_to_what_is_left_of_the_run),
        TEST(alone_and_late_it_shows_when_the_bytes_came),
        TEST(stopped_before_it_began),
        TEST(stopped_while_resolving),
        TEST(stopped_in_the_dialogue),
        TEST(stopped_just_before_it_connects),
        TEST(looked_at_before_it_dials),
        TEST(from_outside_while_it_connects),
        TEST(looked_at_at_every_stage),
        TEST(many_at_once_end_at_their_limit),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
