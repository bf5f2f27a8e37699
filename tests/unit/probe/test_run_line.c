/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/probe/callers.h"

/* Runs that wait in line until there are few enough under way. */

static void who_came_first_goes_first(void **state)
{
    (void)state;
    limited_to(1, 0, 0);
    for (size_t i = 0; i < 6; i++)
        begin(i);
    assert_int_equal(run_net_in_flight(net), 1);
    assert_int_equal(run_net_waiting(net), 5);
    until_ended(6);
    for (size_t i = 0; i < 6; i++) {
        check_passed(&asked[i]);
        check_times(asked[i].result);
        assert_int_equal(asked[i].place, i);
        assert_true(i == 0 || asked[i].result->started_mono_us >=
                                  asked[i - 1].result->started_mono_us + asked[i - 1].result->duration_us);
    }
    assert_int_equal(server.polite, 6);
}

/* Who asks again when its run is over stands behind those who wait. */
static void on_done_ask_again(void *context, struct result *result)
{
    on_done(context, result);
    begin(3);
}

static void nobody_overtakes(void **state)
{
    struct run_order order = {.plan = &plan, .id = "run1", .vantage = "here"};

    (void)state;
    limited_to(1, 0, 0);
    asked[0].begun_us = clock_mono_us();
    run_start(net, &order, on_done_ask_again, &asked[0]);
    begin(1);
    begin(2);
    until_ended(4);
    for (size_t i = 0; i < 4; i++) {
        check_passed(&asked[i]);
        assert_int_equal(asked[i].place, i);
    }
}

static void names_wait_before_they_are_looked_up(void **state)
{
    struct asked *first, *waiting;

    (void)state;
    resolver.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"127.0.0.1"}};
    limited_to(1, 0, 0);
    first = begin_silent(0, 2000);
    plan.host = NAME;
    waiting = begin(1);
    stage_run_for(&loop, stage_scale_us(50));
    assert_int_equal(resolver.asked, 0);
    run_stop(first->run);
    until_ended(2);
    check_passed(waiting);
    check_times(waiting->result);
    assert_true(waiting->result->timing_us[PHASE_DNS] >= 0);
    assert_true(waiting->result->timing_us[PHASE_DNS] <= waiting->took_us - stage_scale_us(50));
}

static void what_was_waited_is_not_shown(void **state)
{
    int64_t waited_us = stage_scale_us(200), wall_us = clock_wall_us();
    struct asked *a;

    (void)state;
    limited_to(1, 0, 0);
    begin_silent(0, 200);
    a = begin(1);
    until_ended(2);
    check_passed(a);
    check_times(a->result);
    assert_true(a->took_us >= waited_us);
    assert_true(a->result->duration_us <= a->took_us - waited_us);
    assert_true(a->result->started_wall_us >= wall_us + waited_us);
}

static void its_time_goes_by_in_line(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", NAME};
    struct asked *holder;

    (void)state;
    limited_to(1, 0, 0);
    holder = begin_silent(0, 2000);
    plan.limits_us[LIMIT_RUN] = stage_scale_us(150);
    for (size_t i = 0; i < 2; i++) {
        plan.host = hosts[i];
        begin(i + 1);
    }
    until_ended(2);
    for (size_t i = 0; i < 2; i++) {
        const struct result *r = asked[i + 1].result;

        check_unknown(r, i ? PHASE_DNS : PHASE_CONNECT, "s in line: 1 run was under way (server.max_runs)");
        check_nothing_began(r);
        assert_int_equal(r->failure.limit_us, stage_scale_us(150));
        assert_true(r->failure.elapsed_us >= stage_scale_us(150));
        assert_true(asked[i + 1].took_us < stage_scale_us(150) + stage_scale_us(250));
    }
    assert_int_equal(run_net_waiting(net), 0);
    assert_false(holder->over);
    run_stop(holder->run);
    until_ended(3);
    assert_int_equal(resolver.asked, 0);
    assert_int_equal(server.connections, 0);
}

static void on_done_be_late(void *context, struct result *result)
{
    on_done(context, result);
    stage_be_late(stage_scale_us(150));
}

/* Its turn came, but the loop came back after its end: nobody is dialled any more. */
static void called_too_late(void **state)
{
    struct run_order order = {.plan = &asked[0].plan, .id = "run1", .vantage = "here"};
    struct asked *a;

    (void)state;
    limited_to(1, 0, 0);
    asked[0].plan = plan;
    asked[0].plan.stop_after = PHASE_DNS;
    asked[0].begun_us = clock_mono_us();
    run_start(net, &order, on_done_be_late, &asked[0]);
    plan.limits_us[LIMIT_RUN] = stage_scale_us(100);
    a = begin(1);
    until_ended(2);
    check_unknown(a->result, PHASE_CONNECT, "s in line: ");
    check_nothing_began(a->result);
    assert_int_equal(server.connections, 0);
}

/* The server was given half of the time: that it did not greet in it says nothing of the server. */
static void too_little_time_is_left_after_the_line(void **state)
{
    struct asked *a;

    (void)state;
    limited_to(1, 0, 0);
    begin_silent(0, 200);
    plan.port = silent.port;
    plan.limits_us[LIMIT_RUN] = stage_scale_us(400);
    a = begin(1);
    until_ended(2);
    check_unknown(a->result, PHASE_BANNER, "no greeting in ");
    assert_non_null(strstr(a->result->failure.message, "had waited "));
    assert_non_null(strstr(a->result->failure.message, "(server.max_runs)"));
    check_times(a->result);
    assert_true(a->took_us >= stage_scale_us(400) && a->took_us < stage_scale_us(400 + 250));
    assert_true(a->result->failure.limit_us <= stage_scale_us(200));
    assert_true(a->result->duration_us <= a->took_us - stage_scale_us(200));
}

/* A limit of its own was over, not the run's time: however long it has waited, that is the server's. */
static void a_limit_that_was_not_cut_short_is_the_servers(void **state)
{
    struct asked *a;

    (void)state;
    limited_to(1, 0, 0);
    begin_silent(0, 200);
    a = begin_silent(1, 100);
    until_ended(2);
    assert_int_equal(a->result->status, STATUS_FAIL);
    assert_int_equal(a->result->failure.reason, REASON_TIMEOUT);
    assert_int_equal(a->result->failure.limit_us, stage_scale_us(100));
}

static void a_short_wait_is_no_excuse(void **state)
{
    struct asked *a;

    (void)state;
    limited_to(1, 0, 0);
    begin_silent(0, 10);
    plan.port = silent.port;
    plan.limits_us[LIMIT_RUN] = stage_scale_us(1500);
    a = begin(1);
    until_ended(2);
    assert_int_equal(a->result->status, STATUS_FAIL);
    assert_int_equal(a->result->failure.reason, REASON_DEADLINE);
    assert_int_equal(a->result->failure.phase, PHASE_BANNER);
}

static void a_full_line_turns_away(void **state)
{
    struct asked *holder, *waiting, *refused;

    (void)state;
    limited_to(1, 1, 0);
    holder = begin_silent(0, 2000);
    waiting = begin(1);
    refused = begin(2);
    assert_int_equal(run_net_waiting(net), 1);
    until_ended(1);
    assert_true(refused->over);
    check_unknown(refused->result, PHASE_CONNECT,
                  "the line is full: 1 run under way, 1 waiting (server.max_runs)");
    check_nothing_began(refused->result);
    assert_true(refused->took_us < stage_scale_us(250));
    run_stop(holder->run);
    until_ended(3);
    check_passed(waiting);
    begin(3); /* there is room again */
    until_ended(4);
    check_passed(&asked[3]);
}

/* ---- from outside ---- */

static void stopped_in_line(void **state)
{
    struct asked *holder, *stopped, *next;

    (void)state;
    limited_to(1, 0, 0);
    holder = begin_silent(0, 2000);
    stopped = begin(1);
    next = begin(2);
    stage_run_for(&loop, stage_scale_us(20));
    run_stop(stopped->run);
    run_stop(stopped->run);
    assert_false(stopped->over);
    run_stop(holder->run);
    until_ended(3);
    check_unknown(stopped->result, PHASE_CONNECT, "ehlod was stopped");
    check_nothing_began(stopped->result);
    check_passed(next);
}

/* Its turn came, and it is stopped before it could begin: the next one has the turn. */
static void stopped_when_its_turn_came(void **state)
{
    struct run_net_order order;

    (void)state;
    limited_to(1, 0, 0);
    begin_silent(0, 2000);
    begin(1);
    begin(2);
    stage_run_for(&loop, stage_scale_us(20));
    order = limits(2, 0, 0);
    run_net_set_limits(net, &order);
    assert_int_equal(run_net_waiting(net), 1);
    run_stop(asked[1].run);
    assert_int_equal(run_net_waiting(net), 0);
    until_ended(2);
    check_unknown(asked[1].result, PHASE_CONNECT, "ehlod was stopped");
    check_passed(&asked[2]);
    run_stop(asked[0].run);
    until_ended(3);
}

static void all_stopped_at_once(void **state)
{
    (void)state;
    limited_to(2, 50, 0);
    for (size_t i = 0; i < 100; i++)
        begin_silent(i, 2000);
    for (size_t i = 0; i < 100; i++)
        run_stop(asked[i].run);
    until_ended(100);
    for (size_t i = 0; i < 100; i++)
        check_unknown(asked[i].result, PHASE_CONNECT, i < 52 ? "ehlod was stopped" : "the line is full: ");
}

static void looked_at_in_line(void **state)
{
    struct asked *holder, *waiting, *named;

    (void)state;
    limited_to(1, 2, 0);
    resolver.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"127.0.0.1"}};
    holder = begin_silent(0, 2000);
    waiting = begin(1);
    plan.host = NAME;
    named = begin(2);
    begin(3);
    peek(&asked[3], PHASE_DNS, "the line is full: ");
    stage_run_for(&loop, stage_scale_us(20));
    peek(waiting, PHASE_CONNECT, "s in line: 1 run was under way (server.max_runs)");
    peek(named, PHASE_DNS, "s in line: 1 run was under way (server.max_runs)");
    run_stop(holder->run);
    until_ended(4);
    check_passed(waiting);
    check_passed(named);
}

/* Who waits no longer and came after the line: its time was the server's, all of it. */
static void looked_at_after_the_line(void **state)
{
    struct result *seen;
    struct asked *a;

    (void)state;
    limited_to(1, 0, 0);
    begin_silent(0, 200);
    a = begin_silent(1, 1000);
    until_ended(1);
    stage_run_for(&loop, stage_scale_us(100));
    seen = run_peek(a->run, stage_scale_us(50));
    assert_int_equal(seen->status, STATUS_FAIL);
    assert_int_equal(seen->failure.reason, REASON_DEADLINE);
    assert_int_equal(seen->failure.phase, PHASE_BANNER);
    result_unref(seen);
    seen = run_peek(a->run, stage_scale_us(4000));
    check_unknown(seen, PHASE_BANNER, "had waited ");
    result_unref(seen);
    run_stop(a->run);
    until_ended(2);
}

static void a_raised_limit_lets_them_go_on(void **state)
{
    struct run_net_order order;
    struct asked *holder;

    (void)state;
    limited_to(1, 0, 0);
    holder = begin_silent(0, 2000);
    for (size_t i = 1; i < 5; i++)
        begin_silent(i, 2000);
    until_connected(&silent, 1);
    order = limits(3, 0, 0);
    run_net_set_limits(net, &order);
    assert_int_equal(run_net_in_flight(net), 3);
    assert_int_equal(run_net_waiting(net), 2);
    order = limits(0, 0, 0);
    run_net_set_limits(net, &order);
    assert_int_equal(run_net_waiting(net), 0);
    until_connected(&silent, 5);
    assert_false(holder->over);
    for (size_t i = 0; i < 5; i++)
        run_stop(asked[i].run);
    until_ended(5);
}

/* ---- many ---- */

static void a_thousand_runs_ten_at_once(void **state)
{
    (void)state;
    watch_many(10, 0);
    assert_int_equal(most_in_flight, 10);
    assert_true(most_open <= 20);
    for (size_t i = 10; i < MANY; i++)
        assert_true(asked[i].result->started_mono_us >= asked[i - 10].result->started_mono_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_came_first_goes_first),
        TEST(nobody_overtakes),
        TEST(names_wait_before_they_are_looked_up),
        TEST(what_was_waited_is_not_shown),
        TEST(its_time_goes_by_in_line),
        TEST(called_too_late),
        TEST(too_little_time_is_left_after_the_line),
        TEST(a_limit_that_was_not_cut_short_is_the_servers),
        TEST(a_short_wait_is_no_excuse),
        TEST(a_full_line_turns_away),
        TEST(stopped_in_line),
        TEST(stopped_when_its_turn_came),
        TEST(all_stopped_at_once),
        TEST(looked_at_in_line),
        TEST(looked_at_after_the_line),
        TEST(a_raised_limit_lets_them_go_on),
        TEST(a_thousand_runs_ten_at_once),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
