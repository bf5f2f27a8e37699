/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/run_each.h"

#include "tests/unit/probe/callers.h"

/*
 * Several runs for one plan: every address of a name, every host of a mail domain. Those of a domain stop
 * where the names are known, as on loopback there is nothing that an MX record may lead to. The rows named D
 * are those of the catalogue of faults.
 */

enum { MOST_PARTS = 2 * PLAN_MAX_ADDRESSES };

static struct fake_smtp second; /* of the same port, on 127.0.0.2 */
static struct run_each *each;
static struct result *parts[MOST_PARTS];
static size_t part_count;
static size_t named;

static int set_up_each(void **state)
{
    int bad = set_up(state);

    second = (struct fake_smtp){.host = "127.0.0.2", .port = server.port};
    fake_smtp_start(&second, &loop);
    plan.host = NAME;
    plan.family = FAMILY_EACH;
    resolver.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"127.0.0.1", "127.0.0.2"}};
    part_count = named = 0;
    return bad;
}

static int tear_down_each(void **state)
{
    for (size_t i = 0; i < part_count; i++)
        result_unref(parts[i]);
    fake_smtp_stop(&second);
    return tear_down(state);
}

static const char *name_part(void *context)
{
    static char name[16];

    assert_ptr_equal(context, &asked[0]);
    snprintf(name, sizeof name, "part%zu", ++named);
    return name;
}

static void on_part(void *context, struct result *result)
{
    const struct asked *a = context;

    assert_false(a->over);
    assert_true(part_count < MOST_PARTS);
    parts[part_count++] = result_ref(result);
}

static void begin_each(void)
{
    struct asked *a = &asked[0];
    struct run_each_order order = {
        .run = {.plan = &a->plan, .id = "whole", .vantage = "here"}, .name = name_part, .part_over = on_part};

    a->plan = plan;
    a->begun_us = clock_mono_us();
    each = run_each_start(net, &order, on_done, a);
    assert_false(a->over);
}

/* What holds for every whole that has parts. */
static void check_whole(const struct result *r)
{
    assert_string_equal(r->id, "whole");
    assert_true(r->attempt_count > 0);
    for (size_t i = 0; i < r->attempt_count; i++) {
        const struct result_attempt *a = &r->attempts[i];
        assert_non_null(a->host);
        assert_non_null(a->summary);
        assert_int_equal(a->failure.reason != REASON_NONE, a->status > STATUS_WARN);
    }
    assert_int_equal(r->failure.reason != REASON_NONE, r->status > STATUS_WARN);
    check_times(r);
}

static const struct result *run_to_end(void)
{
    const struct result *r;

    begin_each();
    until_ended(1);
    r = asked[0].result;
    if (!r->attempt_count)
        return r;
    check_whole(r);
    assert_int_equal(part_count, r->attempt_count);
    assert_int_equal(named, part_count);
    for (size_t i = 0; i < part_count; i++) {
        size_t k = 0;
        while (strcmp(parts[i]->id, r->attempts[k].id) != 0)
            assert_true(++k < r->attempt_count);
        assert_string_equal(parts[i]->host, r->attempts[k].host);
        assert_int_equal(parts[i]->status, r->attempts[k].status);
        assert_memory_equal(parts[i]->timing_us, r->attempts[k].timing_us, sizeof parts[i]->timing_us);
        assert_int_equal(parts[i]->attempt_count, 0);
        check_times(parts[i]);
        if (r->status <= STATUS_WARN)
            assert_true(parts[i]->status < r->status || parts[i]->duration_us <= r->duration_us);
    }
    return r;
}

static const char *address_at(const struct result *r, size_t i)
{
    static char text[ADDRESS_TEXT_SIZE];

    assert_true(i < r->attempt_count);
    address_text(&r->attempts[i].address, text);
    return text;
}

static bool has(const struct result *r, enum flag flag)
{
    return r->flags >> flag & 1;
}

/* ---- every address ---- */

static void each_address_is_a_run(void **state)
{
    const struct result *r;

    (void)state;
    limited_to(0, 0, 0);
    r = run_to_end();
    assert_int_equal(r->status, STATUS_PASS);
    assert_int_equal(r->attempt_count, 2);
    assert_int_equal(server.connections, 1);
    assert_int_equal(second.connections, 1);
    assert_int_equal(resolver.asked, 2); /* A and AAAA, once for all */
    assert_string_equal(r->host, NAME);
    assert_string_equal(r->summary, "2 of 2 addresses work; the server greets and answers EHLO; there are no "
                                    "routes to try");
    assert_true(r->timing_us[PHASE_DNS] >= 0);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(r->attempts[i].host, NAME);
        assert_true(r->attempts[i].timing_us[PHASE_DNS] == r->timing_us[PHASE_DNS]);
        assert_true(r->attempts[i].timing_us[PHASE_EHLO] >= 0);
    }
    assert_false(address_same_host(&r->attempts[0].address, &r->attempts[1].address));
    assert_int_equal(r->flags, 0);
}

static void the_worst_is_shown(void **state)
{
    const struct result *r;

    (void)state;
    limited_to(0, 0, 0);
    fake_smtp_stop(&second);
    r = run_to_end();
    fake_smtp_start(&second, &loop);
    assert_int_equal(r->status, STATUS_FAIL);
    assert_int_equal(r->failure.phase, PHASE_CONNECT);
    assert_int_equal(r->failure.reason, REASON_REFUSED);
    assert_non_null(strstr(r->failure.message, NAME " [127.0.0.2]: connect to 127.0.0.2:"));
    assert_non_null(strstr(r->summary, "1 of 2 addresses works; " NAME " [127.0.0.2]: connect/refused: "));
    assert_int_equal(r->attempts[0].status + r->attempts[1].status, STATUS_PASS + STATUS_FAIL);
    assert_int_equal(r->command_count, 0);
}

static void any_of_them_will_do(void **state)
{
    const struct result *r;

    (void)state;
    limited_to(0, 0, 0);
    plan.mx_require = MX_REQUIRE_ANY;
    fake_smtp_stop(&second);
    r = run_to_end();
    fake_smtp_start(&second, &loop);
    assert_int_equal(r->status, STATUS_WARN);
    assert_true(has(r, FLAG_ONLY_SOME_WORK));
    assert_non_null(strstr(r->summary, "1 of 2 addresses works (mx_require: any); " NAME
                                       " [127.0.0.2]: connect/refused: "));
}

static void any_and_all_work(void **state)
{
    (void)state;
    limited_to(0, 0, 0);
    plan.mx_require = MX_REQUIRE_ANY;
    assert_int_equal(run_to_end()->status, STATUS_PASS);
    assert_int_equal(asked[0].result->flags, 0);
}

static void any_and_none_works(void **state)
{
    const struct result *r;

    (void)state;
    limited_to(0, 0, 0);
    plan.mx_require = MX_REQUIRE_ANY;
    resolver.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"127.0.0.3", "127.0.0.4"}};
    r = run_to_end();
    assert_int_equal(r->status, STATUS_FAIL);
    assert_false(has(r, FLAG_ONLY_SOME_WORK));
    assert_non_null(strstr(r->summary, "0 of 2 addresses work; "));
}

static void a_literal_is_one_run(void **state)
{
    const struct result *r;

    (void)state;
    limited_to(0, 0, 0);
    plan.host = "127.0.0.2";
    r = run_to_end();
    assert_int_equal(r->status, STATUS_PASS);
    assert_int_equal(r->attempt_count, 1);
    assert_int_equal(r->timing_us[PHASE_DNS], CLOCK_NONE);
    assert_string_equal(r->attempts[0].host, "127.0.0.2");
    assert_non_null(strstr(r->summary, "1 of 1 address works; "));
    assert_int_equal(resolver.asked, 0);
}

static void a_source_leaves_one_family(void **state)
{
    const struct result *r;

    (void)state;
    limited_to(0, 0, 0);
    resolver.aaaa = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"::1"}};
    assert_int_equal(address_parse("127.0.0.5", 0, &plan.source), 0);
    r = run_to_end();
    assert_int_equal(r->attempt_count, 2);
    assert_int_equal(r->status, STATUS_PASS);
}

static void a_name_without_address(void **state)
{
    const struct result *r;

    (void)state;
    limited_to(0, 0, 0);
    resolver.a = (struct fake_rule){.manner = FAKE_RCODE, .code = 3};
    r = run_to_end();
    assert_int_equal(r->status, STATUS_FAIL);
    assert_int_equal(r->failure.phase, PHASE_DNS);
    assert_int_equal(r->failure.reason, REASON_NXDOMAIN);
    assert_int_equal(r->attempt_count, 1);
    assert_int_equal(address_family(&r->attempts[0].address), AF_UNSPEC);
}

/* ---- in line ---- */

static void one_place_is_enough(void **state)
{
    const struct result *r;

    (void)state;
    limited_to(1, 0, 0);
    r = run_to_end();
    assert_int_equal(r->status, STATUS_PASS);
    assert_int_equal(server.connections + second.connections, 2);
}

/* The first of them uses up all the time, so of the other nobody knows. */
static void what_nobody_knows(enum mx_require require, enum status status)
{
    const struct result *r;

    server.silent = second.silent = true;
    limited_to(1, 0, 0);
    plan.mx_require = require;
    plan.limits_us[LIMIT_RUN] = stage_scale_us(400);
    r = run_to_end();
    assert_int_equal(r->status, status);
    assert_int_equal(r->attempts[0].status, STATUS_FAIL);
    assert_int_equal(r->attempts[1].status, STATUS_UNKNOWN);
    assert_int_equal(r->attempts[1].failure.phase, PHASE_CONNECT);
    assert_int_equal(address_family(&r->attempts[1].address), AF_INET); /* though it was not dialled */
    assert_true(asked[0].took_us >= stage_scale_us(400) && asked[0].took_us < stage_scale_us(400 + 250));
}

static void what_nobody_knows_is_no_better_than_a_failure(void **state)
{
    (void)state;
    what_nobody_knows(MX_REQUIRE_ALL, STATUS_FAIL);
}

static void where_any_will_do_it_might_have_worked(void **state)
{
    (void)state;
    what_nobody_knows(MX_REQUIRE_ANY, STATUS_UNKNOWN);
    assert_int_equal(asked[0].result->failure.reason, REASON_LOCAL_RESOURCE);
}

/* The time of the run bounds all of it, the names with it. */
static void one_time_for_all(void **state)
{
    const struct result *r;

    (void)state;
    server.silent = second.silent = true;
    limited_to(0, 0, 0);
    resolver.a.delay_ms = (int)(stage_scale_us(150) / CLOCK_US_PER_MS);
    plan.limits_us[LIMIT_RUN] = stage_scale_us(400);
    r = run_to_end();
    assert_int_equal(r->failure.reason, REASON_DEADLINE);
    assert_int_equal(r->failure.phase, PHASE_BANNER);
    assert_true(r->timing_us[PHASE_DNS] >= stage_scale_us(150));
    assert_true(asked[0].took_us >= stage_scale_us(400) && asked[0].took_us < stage_scale_us(400 + 250));
}

/* ---- the hosts of a domain ---- */

static void a_domain(void)
{
    plan.host = "example.org";
    plan.mx = true;
    plan.family = FAMILY_ANY;
    plan.stop_after = PHASE_DNS;
    resolver.a.manner = FAKE_EMPTY;
    resolver.mx =
        (struct fake_rule){.manner = FAKE_ADDRESSES,
                           .mx = {{20, "mx2.example.org"}, {10, "mx1.example.org"}, {30, "mx3.example.org"}}};
    resolver.names[0] = (struct fake_name){
        .name = "mx1.example.org",
        .a = {.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.1"}},
        .aaaa = {.manner = FAKE_ADDRESSES, .addresses = {"2001:db8::1"}},
    };
    resolver.names[1] = (struct fake_name){
        .name = "mx2.example.org",
        .a = {.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.2"}},
    };
    resolver.names[2] = (struct fake_name){
        .name = "mx3.example.org",
        .aaaa = {.manner = FAKE_ADDRESSES, .addresses = {"2001:db8::3"}},
    };
    limited_to(0, 0, 0);
}

static void each_host_is_a_run(void **state)
{
    static const char *const hosts[] = {"mx1.example.org", "mx2.example.org", "mx3.example.org"};
    const struct result *r;

    (void)state;
    a_domain();
    r = run_to_end();
    assert_int_equal(r->status, STATUS_PASS);
    assert_int_equal(r->attempt_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(r->attempts[i].host, hosts[i]);
    assert_string_equal(r->summary, "3 of 3 MX hosts work; works as far as dns, where it was told to stop");
    assert_int_equal(resolver.asked, 1 + 3 * 2);
}

static void each_address_of_each_host(void **state)
{
    const struct result *r;

    (void)state;
    a_domain();
    plan.family = FAMILY_EACH;
    r = run_to_end();
    assert_int_equal(r->status, STATUS_PASS);
    assert_int_equal(r->attempt_count, 4);
    assert_string_equal(r->attempts[0].host, "mx1.example.org");
    assert_string_equal(r->attempts[1].host, "mx1.example.org");
    assert_string_equal(address_at(r, 2), "192.0.2.2");
    assert_string_equal(address_at(r, 3), "2001:db8::3");
    assert_false(has(r, FLAG_DNS_MANY));
}

static void only_one_family_of_each_host(void **state)
{
    const struct result *r;

    (void)state;
    a_domain();
    plan.family = FAMILY_IPV4;
    r = run_to_end();
    assert_int_equal(r->status, STATUS_FAIL);
    assert_int_equal(r->failure.reason, REASON_NO_ADDRESS_FOR_FAMILY);
    assert_int_equal(r->attempts[0].status, STATUS_PASS);
    assert_int_equal(r->attempts[1].status, STATUS_PASS);
    assert_string_equal(r->failure.message,
                        "mx3.example.org: mx3.example.org has no IPv4 address, only IPv6 ones");
}

static void one_that_does_not_resolve_is_one_of_them(void **state)
{
    const struct result *r;

    (void)state;
    a_domain();
    resolver.names[1].a = resolver.names[1].aaaa = (struct fake_rule){.manner = FAKE_EMPTY};
    resolver.names[2].a = resolver.names[2].aaaa = (struct fake_rule){.manner = FAKE_RCODE, .code = 3};
    r = run_to_end();
    assert_int_equal(r->status, STATUS_FAIL);
    assert_string_equal(r->host, "mx2.example.org");
    assert_int_equal(r->failure.phase, PHASE_DNS);
    assert_int_equal(r->failure.reason, REASON_NO_ADDRESS);
    assert_int_equal(r->attempts[0].status, STATUS_PASS);
    assert_int_equal(r->attempts[1].failure.reason, REASON_NO_ADDRESS);
    assert_int_equal(r->attempts[2].failure.reason, REASON_NXDOMAIN);
    assert_int_equal(address_family(&r->attempts[2].address), AF_UNSPEC);
}

static void d10_the_null_mx(void **state)
{
    const struct result *r;

    (void)state;
    a_domain();
    resolver.mx = (struct fake_rule){.manner = FAKE_ADDRESSES, .mx = {{0, ""}}};
    r = run_to_end();
    assert_int_equal(r->status, STATUS_FAIL);
    assert_int_equal(r->failure.phase, PHASE_DNS);
    assert_int_equal(r->failure.reason, REASON_NULL_MX);
    assert_string_equal(r->id, "whole");
    assert_string_equal(r->host, "example.org");
    assert_int_equal(r->attempt_count, 0);
    assert_int_equal(named, 0);
    assert_true(r->timing_us[PHASE_DNS] >= 0);
    assert_int_equal(r->timing_us[PHASE_CONNECT], CLOCK_NONE);
}

static void d11_records_that_cannot_be_meant(void **state)
{
    const struct result *r;

    (void)state;
    a_domain();
    resolver.mx = (struct fake_rule){.manner = FAKE_ADDRESSES,
                                     .mx = {{0, ""},
                                            {1, "192.0.2.9"},
                                            {2, "localhost"},
                                            {3, "alias.example.org"},
                                            {4, "zero.example.org"},
                                            {5, "loop.example.org"},
                                            {6, "mx1.example.org"}}};
    resolver.names[3] =
        (struct fake_name){.name = "alias.example.org",
                           .a = {.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.4"}, .alias = true}};
    resolver.names[4] = (struct fake_name){
        .name = "zero.example.org", .a = {.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.4", "0.0.0.0"}}};
    resolver.names[5] = (struct fake_name){.name = "loop.example.org",
                                           .aaaa = {.manner = FAKE_ADDRESSES, .addresses = {"::1"}}};
    r = run_to_end();
    assert_int_equal(r->attempt_count, 7);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(r->attempts[i].status, STATUS_FAIL);
        assert_int_equal(r->attempts[i].failure.phase, PHASE_DNS);
        assert_int_equal(r->attempts[i].failure.reason, REASON_MX_INVALID);
        assert_int_equal(address_family(&r->attempts[i].address), AF_UNSPEC);
    }
    assert_int_equal(r->attempts[6].status, STATUS_PASS);
    assert_string_equal(r->attempts[0].host, ".");
    assert_int_equal(r->failure.reason, REASON_MX_INVALID);
}

/* Each address is judged by itself, an alias as a whole. */
static void d11_where_each_address_is_a_run(void **state)
{
    const struct result *r;

    (void)state;
    a_domain();
    plan.family = FAMILY_EACH;
    resolver.mx = (struct fake_rule){.manner = FAKE_ADDRESSES,
                                     .mx = {{3, "alias.example.org"}, {4, "zero.example.org"}}};
    resolver.names[3] = (struct fake_name){
        .name = "alias.example.org",
        .a = {.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.4", "192.0.2.5"}, .alias = true}};
    resolver.names[4] = (struct fake_name){
        .name = "zero.example.org", .a = {.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.4", "0.0.0.0"}}};
    r = run_to_end();
    assert_int_equal(r->attempt_count, 3);
    assert_int_equal(r->attempts[0].failure.reason, REASON_MX_INVALID);
    assert_int_equal(r->attempts[1].status + r->attempts[2].status, STATUS_PASS + STATUS_FAIL);
}

static void without_a_record_the_domain_is_the_host(void **state)
{
    const struct result *r;

    (void)state;
    a_domain();
    resolver.mx.manner = FAKE_EMPTY;
    resolver.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.1"}, .alias = true};
    r = run_to_end();
    assert_int_equal(r->status, STATUS_PASS);
    assert_int_equal(r->attempt_count, 1);
    assert_string_equal(r->attempts[0].host, "example.org");
}

static void with_neither_record_nor_address(void **state)
{
    const struct result *r;

    (void)state;
    a_domain();
    resolver.mx.manner = FAKE_EMPTY;
    r = run_to_end();
    assert_int_equal(r->failure.reason, REASON_NO_ADDRESS);
    assert_string_equal(r->failure.message,
                        "example.org: example.org has neither an MX record nor an address");
}

static void d05_no_answer_about_the_domain(void **state)
{
    const struct result *r;

    (void)state;
    a_domain();
    resolver.mx.manner = FAKE_SILENT;
    plan.limits_us[LIMIT_DNS] = stage_scale_us(300);
    r = run_to_end();
    assert_int_equal(r->status, STATUS_UNKNOWN);
    assert_int_equal(r->failure.phase, PHASE_DNS);
    assert_int_equal(r->failure.reason, REASON_TIMEOUT);
    assert_int_equal(r->failure.limit_us, stage_scale_us(300));
    assert_true(asked[0].took_us >= stage_scale_us(300) && asked[0].took_us < stage_scale_us(300 + 250));
    assert_non_null(strstr(r->failure.message, "(timeouts.dns)"));
}

static void d05_no_answer_and_no_time(void **state)
{
    const struct result *r;

    (void)state;
    a_domain();
    resolver.mx.manner = FAKE_SILENT;
    plan.limits_us[LIMIT_RUN] = stage_scale_us(300);
    r = run_to_end();
    assert_int_equal(r->status, STATUS_UNKNOWN);
    assert_int_equal(r->failure.reason, REASON_DEADLINE);
    assert_non_null(strstr(r->failure.message, "(timeout, "));
}

/* The others are over long before. */
static void d05_one_host_that_does_not_resolve_holds_up_no_other(void **state)
{
    (void)state;
    a_domain();
    resolver.names[0].a = resolver.names[0].aaaa = (struct fake_rule){.manner = FAKE_SILENT};
    plan.limits_us[LIMIT_DNS] = stage_scale_us(500);
    begin_each();
    for (int i = 0; i < 1000 && part_count < 2; i++)
        stage_run_for(&loop, stage_scale_us(1));
    assert_int_equal(part_count, 2);
    assert_true(clock_mono_us() - asked[0].begun_us < stage_scale_us(400));
    assert_false(asked[0].over);
    until_ended(1);
    check_whole(asked[0].result);
    assert_int_equal(asked[0].result->status, STATUS_UNKNOWN);
    assert_int_equal(asked[0].result->attempts[0].failure.reason, REASON_TIMEOUT);
    assert_int_equal(asked[0].result->attempts[0].failure.limit_us, stage_scale_us(500));
    assert_int_equal(asked[0].result->attempts[2].status, STATUS_PASS);
}

/* Where any will do and some work, one of which nobody knows is no reason to be silent. */
static void any_and_one_is_unknown(void **state)
{
    const struct result *r;

    (void)state;
    a_domain();
    plan.mx_require = MX_REQUIRE_ANY;
    resolver.names[0].a = resolver.names[0].aaaa = (struct fake_rule){.manner = FAKE_SILENT};
    plan.limits_us[LIMIT_DNS] = stage_scale_us(200);
    r = run_to_end();
    assert_int_equal(r->status, STATUS_WARN);
    assert_true(has(r, FLAG_ONLY_SOME_WORK));
    assert_int_equal(r->attempts[0].status, STATUS_UNKNOWN);
    assert_non_null(
        strstr(r->summary, "2 of 3 MX hosts work (mx_require: any); mx1.example.org: dns/timeout: "));
}

static void d12_more_hosts_than_are_tried(void **state)
{
    static char names[10][8];
    const struct result *r;

    (void)state;
    a_domain();
    for (int i = 0; i < 10; i++) {
        snprintf(names[i], sizeof names[i], "m%d", i);
        resolver.mx.mx[i] = (struct fake_mx){i, names[i]};
    }
    resolver.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.1"}};
    r = run_to_end();
    assert_int_equal(r->attempt_count, PLAN_MAX_ADDRESSES);
    assert_string_equal(r->attempts[7].host, "m7");
    assert_true(has(r, FLAG_DNS_MANY));
    assert_int_equal(r->status, STATUS_PASS);
}

/* Eight in all: three, three and two. */
static void d12_more_addresses_than_are_tried(void **state)
{
    const struct result *r;

    (void)state;
    a_domain();
    plan.family = FAMILY_EACH;
    for (int i = 0; i < 3; i++)
        resolver.names[i].a = (struct fake_rule){.manner = FAKE_ADDRESSES, .count = 20};
    r = run_to_end();
    assert_int_equal(r->attempt_count, PLAN_MAX_ADDRESSES);
    assert_string_equal(r->attempts[2].host, "mx1.example.org");
    assert_string_equal(r->attempts[3].host, "mx2.example.org");
    assert_string_equal(r->attempts[6].host, "mx3.example.org");
    assert_true(has(r, FLAG_DNS_MANY));
}

/* ---- asked from outside ---- */

/* Whoever leaves early is shown what is known so far. */
static struct result *peek_each(void)
{
    struct result *r = run_each_peek(each, 12345);

    assert_string_equal(r->id, "whole");
    assert_false(asked[0].over);
    return r;
}

static void seen_while_the_domain_is_looked_up(void **state)
{
    struct result *r;

    (void)state;
    a_domain();
    resolver.mx.delay_ms = 50;
    begin_each();
    r = peek_each();
    assert_int_equal(r->status, STATUS_UNKNOWN);
    assert_int_equal(r->failure.reason, REASON_DEADLINE);
    assert_int_equal(r->failure.limit_us, 12345);
    assert_non_null(strstr(r->failure.message, "still looking up the MX records of example.org after "));
    assert_int_equal(r->attempt_count, 0);
    result_unref(r);
    until_ended(1);
    assert_int_equal(asked[0].result->status, STATUS_PASS);
}

static void seen_while_one_host_is_looked_up(void **state)
{
    struct result *r;

    (void)state;
    a_domain();
    resolver.names[1].a.delay_ms = (int)(stage_scale_us(300) / CLOCK_US_PER_MS);
    begin_each();
    for (int i = 0; i < 1000 && part_count < 2; i++)
        stage_run_for(&loop, stage_scale_us(1));
    r = peek_each();
    check_whole(r);
    assert_int_equal(r->attempt_count, 3);
    assert_int_equal(r->attempts[0].status, STATUS_PASS);
    assert_int_equal(r->attempts[1].status, STATUS_UNKNOWN);
    assert_null(r->attempts[1].id);
    assert_string_equal(r->attempts[1].host, "mx2.example.org");
    assert_non_null(strstr(r->failure.message, "mx2.example.org: still looking up mx2.example.org after "));
    result_unref(r);
    until_ended(1);
    assert_int_equal(asked[0].result->status, STATUS_PASS);
}

static void seen_in_the_middle_of_dialogues(void **state)
{
    struct result *r;

    (void)state;
    limited_to(0, 0, 0);
    second.silent = true;
    plan.limits_us[LIMIT_BANNER] = stage_scale_us(300);
    begin_each();
    for (int i = 0; i < 1000 && part_count < 1; i++)
        stage_run_for(&loop, stage_scale_us(1));
    r = peek_each();
    check_whole(r);
    assert_int_equal(r->failure.phase, PHASE_BANNER);
    assert_int_equal(r->failure.reason, REASON_DEADLINE);
    assert_non_null(strstr(r->failure.message, NAME " [127.0.0.2]: "));
    result_unref(r);
    until_ended(1);
    assert_int_equal(asked[0].result->failure.reason, REASON_TIMEOUT);
}

static void check_stopped(void)
{
    const struct result *r;

    run_each_stop(each);
    run_each_stop(each);
    assert_false(asked[0].over);
    until_ended(1);
    r = asked[0].result;
    assert_int_equal(r->status, STATUS_UNKNOWN);
    assert_int_equal(r->failure.reason, REASON_LOCAL_RESOURCE);
    assert_non_null(strstr(r->failure.message, "ehlod was stopped"));
    assert_true(asked[0].took_us < stage_scale_us(1000));
}

static void stopped_while_the_domain_is_looked_up(void **state)
{
    (void)state;
    a_domain();
    resolver.mx.manner = FAKE_SILENT;
    begin_each();
    check_stopped();
    assert_int_equal(asked[0].result->attempt_count, 0);
}

static void stopped_while_hosts_are_looked_up(void **state)
{
    (void)state;
    a_domain();
    resolver.names[1].a.manner = FAKE_SILENT;
    resolver.names[1].aaaa.manner = FAKE_SILENT;
    begin_each();
    for (int i = 0; i < 1000 && part_count < 2; i++)
        stage_run_for(&loop, stage_scale_us(1));
    check_stopped();
    assert_int_equal(asked[0].result->attempts[0].status, STATUS_PASS);
    assert_int_equal(asked[0].result->attempts[1].status, STATUS_UNKNOWN);
}

static void stopped_before_it_began(void **state)
{
    (void)state;
    limited_to(0, 0, 0);
    begin_each();
    check_stopped();

    ended = 0;
    result_unref(asked[0].result);
    asked[0] = (struct asked){.result = NULL};
    plan.host = "127.0.0.1";
    begin_each();
    check_stopped();
    assert_int_equal(server.connections, 0);
    assert_string_equal(address_at(asked[0].result, 0), "127.0.0.1");
}

static void stopped_in_line_and_in_the_dialogue(void **state)
{
    (void)state;
    server.silent = second.silent = true;
    limited_to(1, 0, 0);
    begin_each();
    for (int i = 0; i < 1000 && server.connections + second.connections < 1; i++)
        stage_run_for(&loop, stage_scale_us(1));
    assert_int_equal(run_net_waiting(net), 1);
    check_stopped();
    assert_int_equal(asked[0].result->attempts[0].status, STATUS_UNKNOWN);
    assert_int_equal(asked[0].result->attempts[1].status, STATUS_UNKNOWN);
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up_each, tear_down_each)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(each_address_is_a_run),
        EACH(the_worst_is_shown),
        EACH(any_of_them_will_do),
        EACH(any_and_all_work),
        EACH(any_and_none_works),
        EACH(a_literal_is_one_run),
        EACH(a_source_leaves_one_family),
        EACH(a_name_without_address),
        EACH(one_place_is_enough),
        EACH(what_nobody_knows_is_no_better_than_a_failure),
        EACH(where_any_will_do_it_might_have_worked),
        EACH(one_time_for_all),
        EACH(each_host_is_a_run),
        EACH(each_address_of_each_host),
        EACH(only_one_family_of_each_host),
        EACH(one_that_does_not_resolve_is_one_of_them),
        EACH(d10_the_null_mx),
        EACH(d11_records_that_cannot_be_meant),
        EACH(d11_where_each_address_is_a_run),
        EACH(without_a_record_the_domain_is_the_host),
        EACH(with_neither_record_nor_address),
        EACH(d05_no_answer_about_the_domain),
        EACH(d05_no_answer_and_no_time),
        EACH(d05_one_host_that_does_not_resolve_holds_up_no_other),
        EACH(any_and_one_is_unknown),
        EACH(d12_more_hosts_than_are_tried),
        EACH(d12_more_addresses_than_are_tried),
        EACH(seen_while_the_domain_is_looked_up),
        EACH(seen_while_one_host_is_looked_up),
        EACH(seen_in_the_middle_of_dialogues),
        EACH(stopped_while_the_domain_is_looked_up),
        EACH(stopped_while_hosts_are_looked_up),
        EACH(stopped_before_it_began),
        EACH(stopped_in_line_and_in_the_dialogue),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
