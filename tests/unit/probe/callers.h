/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROBE_CALLERS_H
#define TESTS_UNIT_PROBE_CALLERS_H

/*
 * Those who ask for runs, many at once, on the test's own loop: what each was told, and when. There are a
 * server that answers, one that greets nobody (so that others wait for whoever is there), and a resolver.
 */
#include "probe/run.h"

#include "tests/unit/probe/fake_smtp.h"
#include "tests/unit/probe/net/fake_dns.h"
#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/resource.h>

enum { MANY = 1000 };

#define NAME "mx.example.org"

/* A run, as its caller sees it. */
struct asked {
    struct plan plan;
    struct run *run;
    struct result *result;
    bool over;
    size_t place; /* in the order of the ends */
    int64_t begun_us;
    int64_t took_us;
};

static uv_loop_t loop;
static struct fake_dns resolver;
static struct fake_smtp server, silent;
static struct run_net *net;
static struct plan plan;
static struct asked asked[MANY];
static size_t ended, awaited;
static bool all_ended;
static size_t descriptors;

static inline int set_up(void **state)
{
    (void)state;
    descriptors = stage_descriptors();
    uv_loop_init(&loop);
    resolver = (struct fake_dns){0};
    fake_dns_start(&resolver, &loop);
    server = (struct fake_smtp){0};
    fake_smtp_start(&server, &loop);
    silent = (struct fake_smtp){.silent = true};
    fake_smtp_start(&silent, &loop);
    plan = (struct plan){.target = "mx",
                         .host = "127.0.0.1",
                         .port = server.port,
                         .helo = "probe.example.org",
                         .stop_after = PHASE_COUNT};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        plan.limits_us[l] = stage_scale_us(2000);
    plan.limits_us[LIMIT_RUN] = stage_scale_us(4000);
    ended = 0;
    return 0;
}

/* Nothing may be left: no run, no handle, no descriptor, no connection. */
static inline int tear_down(void **state)
{
    int closed;

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        result_unref(asked[i].result);
    memset(asked, 0, sizeof asked);
    assert_int_equal(run_net_in_flight(net), 0);
    assert_int_equal(run_net_waiting(net), 0);
    run_net_free(net);
    fake_dns_stop(&resolver);
    fake_smtp_stop(&server);
    fake_smtp_stop(&silent);
    closed = stage_close(&loop);
    assert_int_equal(closed, 0);
    assert_int_equal(server.open + silent.open, 0);
    assert_int_equal(stage_descriptors(), descriptors);
    return closed;
}

static inline struct run_net_order limits(unsigned max_runs, unsigned max_waiting, unsigned max_per_address)
{
    return (struct run_net_order){.loop = &loop,
                                  .servers = resolver.servers,
                                  .max_runs = max_runs,
                                  .max_waiting = max_waiting,
                                  .max_per_address = max_per_address};
}

static inline void limited_to(unsigned max_runs, unsigned max_waiting, unsigned max_per_address)
{
    struct run_net_order order = limits(max_runs, max_waiting, max_per_address);

    net = run_net_new(&order);
}

static inline void on_done(void *context, struct result *result)
{
    struct asked *a = context;

    assert_false(a->over);
    a->over = true;
    a->result = result;
    a->place = ended++;
    a->took_us = clock_mono_us() - a->begun_us;
    all_ended = ended >= awaited;
    assert_true(result->duration_us >= 0 && result->duration_us <= a->took_us);
}

/* As plan says now. */
static inline struct asked *begin(size_t i)
{
    struct run_order order = {.plan = &asked[i].plan, .id = "run1", .vantage = "here"};

    asked[i].plan = plan;
    asked[i].begun_us = clock_mono_us();
    asked[i].run = run_start(net, &order, on_done, &asked[i]);
    assert_false(asked[i].over);
    return &asked[i];
}

/* One that has what others wait for until it is stopped, or for that long. */
static inline struct asked *begin_silent(size_t i, int64_t ms)
{
    struct asked *a;
    struct plan before = plan;

    plan.host = "127.0.0.1";
    plan.port = silent.port;
    plan.limits_us[LIMIT_BANNER] = stage_scale_us(ms);
    a = begin(i);
    plan = before;
    return a;
}

static inline void until_ended(size_t count)
{
    awaited = count;
    all_ended = ended >= awaited;
    assert_true(all_ended || stage_run_until(&loop, &all_ended));
}

static inline void until_connected(const struct fake_smtp *to, int count)
{
    for (int i = 0; i < 1000 && to->connections < count; i++)
        stage_run_for(&loop, stage_scale_us(2));
    assert_int_equal(to->connections, count);
}

/* What ehlod was short of is no fault of the server: unknown, and as far as it came. */
static inline void check_unknown(const struct result *r, enum phase phase, const char *says)
{
    assert_int_equal(r->status, STATUS_UNKNOWN);
    assert_int_equal(r->failure.reason, REASON_LOCAL_RESOURCE);
    assert_int_equal(r->failure.phase, phase);
    if (!strstr(r->failure.message, says))
        fail_msg("\"%s\" does not say \"%s\"", r->failure.message, says);
}

static inline void check_passed(const struct asked *a)
{
    assert_true(a->over);
    if (a->result->status != STATUS_PASS)
        fail_msg("not passed: %s", a->result->summary);
}

/* Nothing was looked up or dialled: no time of it is in any phase. */
static inline void check_nothing_dialled(const struct result *r)
{
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        assert_int_equal(r->timing_us[p], CLOCK_NONE);
    assert_true(r->duration_us < stage_scale_us(50));
    assert_int_equal(address_family(&r->local), AF_UNSPEC);
}

/* Nor did it ever leave the line. */
static inline void check_nothing_began(const struct result *r)
{
    check_nothing_dialled(r);
    assert_int_equal(r->duration_us, 0);
    assert_int_equal(address_family(&r->peer), AF_UNSPEC);
}

/* Times that are shown fit one another. */
static inline void check_times(const struct result *r)
{
    int64_t sum_us = 0;

    for (enum phase p = 0; p < PHASE_QUIT; p++)
        if (r->timing_us[p] != CLOCK_NONE)
            sum_us += r->timing_us[p];
    assert_true(sum_us <= r->duration_us);
    for (size_t i = 0; i < r->command_count; i++) {
        assert_true(r->commands[i].at_us >= r->timing_us[PHASE_CONNECT]);
        if (r->commands[i].phase != PHASE_QUIT)
            assert_true(r->commands[i].reply_us <= r->duration_us);
    }
    assert_true(r->started_mono_us + r->duration_us <= r->ended_mono_us);
}

static inline void peek(const struct asked *a, enum phase phase, const char *says)
{
    struct result *seen = run_peek(a->run, 12345);

    check_unknown(seen, phase, says);
    check_nothing_dialled(seen);
    assert_int_equal(seen->failure.limit_us, 12345);
    assert_false(a->over);
    result_unref(seen);
}

static unsigned most_in_flight;
static int most_open;

static inline void on_check(uv_check_t *check)
{
    (void)check;
    if (run_net_in_flight(net) > most_in_flight)
        most_in_flight = run_net_in_flight(net);
    if (server.open > most_open)
        most_open = server.open;
}

/* The server sees an end later than we do: in the same turn of the loop it may count one twice. */
static inline void watch_many(unsigned max_runs, unsigned max_per_address)
{
    uv_check_t check;

    most_in_flight = 0;
    most_open = 0;
    limited_to(max_runs, 0, max_per_address);
    uv_check_init(&loop, &check);
    uv_check_start(&check, on_check);
    for (size_t i = 0; i < MANY; i++)
        begin(i);
    until_ended(MANY);
    uv_close((uv_handle_t *)&check, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    for (size_t i = 0; i < MANY; i++) {
        check_passed(&asked[i]);
        check_times(asked[i].result);
    }
    assert_int_equal(server.connections, MANY);
    assert_int_equal(server.polite, MANY);
}

/* A thousand connections have two ends here. libuv opens what all loops share with the first, and keeps it.
 */
static inline int warm_up(void **state)
{
    struct rlimit limit;

    (void)state;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return -1;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) || uv_loop_init(&loop) || uv_loop_close(&loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
