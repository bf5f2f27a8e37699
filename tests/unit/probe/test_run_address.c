/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/probe/callers.h"

/* Runs that wait before an address to which there are connections enough. */

static void one_address_does_not_keep_another(void **state)
{
    struct asked *holder, *same, *other;

    (void)state;
    limited_to(0, 0, 1);
    holder = begin_silent(0, 2000);
    plan.limits_us[LIMIT_RUN] = stage_scale_us(300);
    plan.port = silent.port;
    same = begin(1);
    plan.port = server.port;
    other = begin(2);
    until_ended(1);
    check_passed(other);
    assert_int_equal(run_net_waiting(net), 0); /* it has left the line */
    assert_int_equal(run_net_in_flight(net), 2);
    until_ended(2);
    check_unknown(same->result, PHASE_CONNECT, "s: 1 connection to 127.0.0.1:");
    assert_non_null(strstr(same->result->failure.message, " was open (server.max_per_address)"));
    check_nothing_dialled(same->result);
    assert_int_equal(same->result->attempt_count, 0);
    assert_int_equal(address_port(&same->result->peer), silent.port);
    assert_true(same->took_us >= stage_scale_us(300) && same->took_us < stage_scale_us(300 + 250));
    assert_int_equal(silent.connections, 1);
    run_stop(holder->run);
    until_ended(3);
}

/* Longer than timeouts.connect, but that counts dialling. */
static void waiting_for_an_address_is_not_connecting(void **state)
{
    int64_t limit_us = stage_scale_us(300), waited_us;
    struct asked *holder, *a;

    (void)state;
    limited_to(0, 0, 1);
    resolver.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"127.0.0.1"}};
    server.silent = true;
    plan.limits_us[LIMIT_BANNER] = limit_us;
    holder = begin(0);
    until_connected(&server, 1);
    server.silent = false;
    plan.host = NAME;
    plan.limits_us[LIMIT_CONNECT] = limit_us / 2;
    a = begin(1);
    until_ended(2);
    check_passed(a);
    check_times(a->result);
    assert_true(a->result->timing_us[PHASE_DNS] >= 0);
    assert_true(a->result->timing_us[PHASE_CONNECT] < limit_us / 2);
    /* The holder was there for its limit at the least; a has dialled after that. */
    waited_us = holder->begun_us + limit_us - a->begun_us - a->result->timing_us[PHASE_DNS];
    assert_true(a->took_us >= waited_us);
    assert_true(a->result->duration_us <= a->took_us - waited_us / 2);
}

static void too_little_time_is_left_for_an_address(void **state)
{
    struct asked *a;

    (void)state;
    limited_to(0, 0, 1);
    begin_silent(0, 200);
    plan.port = silent.port;
    plan.limits_us[LIMIT_RUN] = stage_scale_us(400);
    a = begin(1);
    until_ended(2);
    check_unknown(a->result, PHASE_BANNER, "(server.max_per_address)");
    check_times(a->result);
    assert_true(a->took_us >= stage_scale_us(400) && a->took_us < stage_scale_us(400 + 250));
}

/* One address refuses, the other could not be tried: nobody knows whether the target is down. */
static void an_address_that_was_not_tried_is_no_failure(void **state)
{
    struct address refusing, at;
    struct asked *holder, *a;
    int bound = stage_closed_port("127.0.0.3", &refusing);
    static struct fake_smtp own;

    (void)state;
    assert_true(bound >= 0);
    own = (struct fake_smtp){.silent = true};
    limited_to(0, 0, 1);
    /* A server of the same port on the other address. */
    assert_int_equal(address_parse("127.0.0.2", address_port(&refusing), &at), 0);
    uv_tcp_init(&loop, &own.listener);
    own.listener.data = &own;
    assert_int_equal(uv_tcp_bind(&own.listener, &at.any, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&own.listener, 16, fake_connected), 0);
    plan.port = address_port(&refusing);
    plan.host = "127.0.0.2";
    holder = begin(0);
    until_connected(&own, 1);
    resolver.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"127.0.0.3", "127.0.0.2"}};
    plan.host = NAME;
    plan.limits_us[LIMIT_RUN] = stage_scale_us(200);
    a = begin(1);
    until_ended(1);
    check_unknown(a->result, PHASE_CONNECT, "s: 1 connection to 127.0.0.2:");
    assert_int_equal(a->result->attempt_count, 2);
    assert_int_equal(a->result->attempts[0].failure.reason, REASON_REFUSED);
    assert_int_equal(a->result->attempts[1].failure.reason, REASON_LOCAL_RESOURCE);
    assert_true(address_same_host(&a->result->peer, &at));
    run_stop(holder->run);
    until_ended(2);
    fake_smtp_stop(&own);
    close(bound);
}

static void from_outside_while_it_waits_for_an_address(void **state)
{
    struct asked *holder, *a, *next;

    (void)state;
    limited_to(0, 0, 1);
    holder = begin_silent(0, 2000);
    a = begin_silent(1, 2000);
    next = begin_silent(2, 100);
    until_connected(&silent, 1);
    peek(a, PHASE_CONNECT, "s: 1 connection to 127.0.0.1:");
    run_stop(a->run);
    assert_false(a->over);
    until_ended(1);
    check_unknown(a->result, PHASE_CONNECT, "ehlod was stopped");
    check_nothing_dialled(a->result);
    run_stop(holder->run);
    until_ended(3);
    assert_int_equal(next->result->failure.reason, REASON_TIMEOUT);
    assert_int_equal(next->result->failure.phase, PHASE_BANNER);
    assert_int_equal(silent.connections, 2);
}

static void a_raised_limit_lets_them_dial(void **state)
{
    struct run_net_order order;

    (void)state;
    limited_to(0, 0, 1);
    for (size_t i = 0; i < 5; i++)
        begin_silent(i, 2000);
    until_connected(&silent, 1);
    order = limits(0, 0, 5);
    run_net_set_limits(net, &order);
    until_connected(&silent, 5);
    for (size_t i = 0; i < 5; i++)
        run_stop(asked[i].run);
    until_ended(5);
}

static void a_thousand_runs_ten_to_one_address(void **state)
{
    (void)state;
    watch_many(0, 10);
    assert_int_equal(most_in_flight, MANY);
    assert_true(most_open <= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_address_does_not_keep_another),          TEST(waiting_for_an_address_is_not_connecting),
        TEST(too_little_time_is_left_for_an_address),     TEST(an_address_that_was_not_tried_is_no_failure),
        TEST(from_outside_while_it_waits_for_an_address), TEST(a_raised_limit_lets_them_dial),
        TEST(a_thousand_runs_ten_to_one_address),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
