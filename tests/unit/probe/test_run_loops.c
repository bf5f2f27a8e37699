/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs on several loops, each in a thread of its own, that share their lines. The servers are on the test's
 * own loop and count: whoever has connected and not said QUIT has a place, as he leaves it after the reply to
 * that.
 */
#include "probe/net/handle.h"
#include "probe/net/post.h"
#include "probe/run.h"

#include "tests/unit/probe/fake_smtp.h"
#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/resource.h>

enum { LOOPS = 4, RUNS = 120, SERVERS = 2, SILENT = SERVERS };

struct asked {
    struct loop *of;
    struct plan plan;
    struct run *run; /* null: over */
    enum status status;
    enum reason reason;
    bool full; /* the line was */
};

struct loop {
    uv_loop_t loop;
    uv_thread_t thread;
    struct run_net *net;
    struct run_net_order limits;
    struct asked asked[RUNS];
    bool begun;
    size_t count;
    size_t over;
    unsigned limit_turn; /* of those who change limits */
    uv_timer_t *timer;
    struct post_note note; /* to the test's loop: all runs are over */
    bool left_over;        /* some count was not right at the end */
    int closed;
    unsigned seed;
};

static uv_loop_t main_loop;
static struct post *main_post;
static struct run_gates *gates;
static struct fake_smtp servers[SERVERS + 1];
static int most_of_one, most_of_all;
static struct loop loops[LOOPS];
static size_t loop_count, loops_over;
static bool all_over;
static size_t descriptors;

static int inside(const struct fake_smtp *server)
{
    return server->connections - server->polite;
}

static void on_counted(struct fake_smtp *server)
{
    int all = 0;

    for (size_t i = 0; i < SERVERS; i++)
        all += inside(&servers[i]);
    if (all > most_of_all)
        most_of_all = all;
    if (inside(server) > most_of_one)
        most_of_one = inside(server);
}

static int set_up(void **state)
{
    (void)state;
    descriptors = stage_descriptors();
    uv_loop_init(&main_loop);
    main_post = post_new(&main_loop);
    for (size_t i = 0; i <= SERVERS; i++) {
        servers[i] = (struct fake_smtp){.silent = i == SILENT, .counted = i == SILENT ? NULL : on_counted};
        fake_smtp_start(&servers[i], &main_loop);
    }
    most_of_one = most_of_all = 0;
    memset(loops, 0, sizeof loops);
    loops_over = 0;
    all_over = false;
    return 0;
}

static int tear_down(void **state)
{
    int closed;

    (void)state;
    run_gates_free(gates); /* minds whoever is still in a line */
    post_free(main_post);
    for (size_t i = 0; i <= SERVERS; i++)
        fake_smtp_stop(&servers[i]);
    closed = stage_close(&main_loop);
    assert_int_equal(closed, 0);
    assert_int_equal(stage_descriptors(), descriptors);
    return closed;
}

/* ---- in a thread ---- */

static void on_loop_over(void *context)
{
    (void)context;
    all_over = ++loops_over == loop_count;
}

static void on_done(void *context, struct result *result)
{
    struct asked *a = context;
    struct loop *l = a->of;

    a->run = NULL;
    a->status = result->status;
    a->reason = result->failure.reason;
    a->full = result->failure.message && strstr(result->failure.message, "the line is full");
    result_unref(result);
    if (++l->over < l->count)
        return;
    l->left_over = run_net_in_flight(l->net) || run_net_waiting(l->net);
    run_net_free(l->net);
    handle_close_timer(l->timer);
}

/* All at once, as a loop whose timer has come does. */
static void begin_all(struct loop *l)
{
    l->begun = true;
    for (size_t i = 0; i < l->count; i++) {
        struct asked *a = &l->asked[i];
        struct run_order order = {.plan = &a->plan, .id = "run1", .vantage = "here"};
        a->run = run_start(l->net, &order, on_done, a);
    }
}

static void live(void *context)
{
    struct loop *l = context;

    if (!l->begun)
        begin_all(l);
    uv_run(&l->loop, UV_RUN_DEFAULT);
    l->closed = uv_loop_close(&l->loop);
    post_send(main_post, &l->note);
}

/* ---- the test's own ---- */

static struct plan plan_to(const struct fake_smtp *server, int64_t timeout_ms)
{
    struct plan plan = {.target = "mx",
                        .host = "127.0.0.1",
                        .port = server->port,
                        .helo = "probe.example.org",
                        .stop_after = PHASE_COUNT};

    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        plan.limits_us[l] = stage_scale_us(timeout_ms);
    return plan;
}

static void new_loops(size_t count, size_t runs, struct run_net_order limits)
{
    gates = run_gates_new(&limits);
    loop_count = count;
    for (size_t i = 0; i < count; i++) {
        struct loop *l = &loops[i];
        uv_loop_init(&l->loop);
        l->limits = limits;
        l->limits.loop = &l->loop;
        l->limits.gates = gates;
        l->net = run_net_new(&l->limits);
        l->note.called = on_loop_over;
        l->count = runs;
        l->seed = (unsigned)i + 1;
        for (size_t k = 0; k < runs; k++) {
            l->asked[k].of = l;
            l->asked[k].plan = plan_to(&servers[(i + k) % SERVERS], 50000);
        }
    }
}

static void play_loops(void)
{
    for (size_t i = 0; i < loop_count; i++)
        assert_int_equal(uv_thread_create(&loops[i].thread, live, &loops[i]), 0);
    for (int tries = 0; tries < 10 && !all_over; tries++) /* of five seconds each */
        stage_run_until(&main_loop, &all_over);
    assert_true(all_over);
    for (size_t i = 0; i < loop_count; i++) {
        uv_thread_join(&loops[i].thread);
        assert_int_equal(loops[i].closed, 0);
        assert_int_equal(loops[i].over, loops[i].count);
        assert_false(loops[i].left_over);
    }
}

static size_t count_status(enum status status)
{
    size_t count = 0;

    for (size_t i = 0; i < loop_count; i++)
        for (size_t k = 0; k < loops[i].count; k++)
            count += loops[i].asked[k].status == status;
    return count;
}

static void check_shared(size_t count)
{
    new_loops(count, RUNS, (struct run_net_order){.max_runs = 3, .max_per_address = 2});
    play_loops();
    assert_int_equal(count_status(STATUS_PASS), count * RUNS);
    assert_int_equal(servers[0].connections + servers[1].connections, count * RUNS);
    assert_in_range(most_of_all, 1, 3);
    assert_in_range(most_of_one, 1, 2);
}

static void two_loops_share_the_limits(void **state)
{
    (void)state;
    check_shared(2);
}

static void four_loops_share_the_limits(void **state)
{
    (void)state;
    check_shared(4);
}

/* One after another, whichever loop they are of: no two are ever connected at once. */
static void one_place_for_all_loops(void **state)
{
    (void)state;
    new_loops(3, RUNS / 2, (struct run_net_order){.max_runs = 1});
    play_loops();
    assert_int_equal(count_status(STATUS_PASS), 3 * (RUNS / 2));
    assert_int_equal(most_of_all, 1);
}

static void without_limits_nobody_waits(void **state)
{
    (void)state;
    new_loops(3, RUNS, (struct run_net_order){0});
    play_loops();
    assert_int_equal(count_status(STATUS_PASS), 3 * RUNS);
}

/* Who waits until his time is over, or has a server that says nothing, goes while others are called. */
static void they_leave_while_they_are_called(void **state)
{
    (void)state;
    new_loops(4, RUNS, (struct run_net_order){.max_runs = 3, .max_per_address = 2});
    for (size_t i = 0; i < loop_count; i++)
        for (size_t k = 0; k < RUNS; k++)
            loops[i].asked[k].plan = plan_to(&servers[k % (SERVERS + 1)], 3 + (int64_t)(k * 7 + i) % 60);
    play_loops();
    assert_int_equal(count_status(STATUS_FAIL) + count_status(STATUS_UNKNOWN) + count_status(STATUS_PASS),
                     4 * RUNS);
    assert_true(count_status(STATUS_UNKNOWN) > 0);
}

/* Now and then one is stopped, wherever it is. */
static void on_stop_some(uv_timer_t *timer)
{
    struct loop *l = timer->data;

    for (int i = 0; i < 5; i++) {
        struct asked *a = &l->asked[(size_t)rand_r(&l->seed) % l->count];
        if (a->run)
            run_stop(a->run);
    }
}

static void they_are_stopped_while_they_are_called(void **state)
{
    (void)state;
    new_loops(4, RUNS, (struct run_net_order){.max_runs = 3, .max_per_address = 2});
    for (size_t i = 0; i < loop_count; i++) {
        loops[i].timer = handle_timer(&loops[i].loop, &loops[i]);
        uv_timer_start(loops[i].timer, on_stop_some, 1, 1);
    }
    play_loops();
    assert_int_equal(count_status(STATUS_UNKNOWN) + count_status(STATUS_PASS), 4 * RUNS);
}

/* Each loop changes the limits of all. */
static void on_new_limits(uv_timer_t *timer)
{
    struct loop *l = timer->data;

    l->limits.max_runs = 1 + l->limit_turn % 6;
    l->limits.max_per_address = 1 + l->limit_turn % 4;
    l->limit_turn += 5;
    run_net_set_limits(l->net, &l->limits);
}

static void limits_change_while_they_are_called(void **state)
{
    (void)state;
    new_loops(3, RUNS, (struct run_net_order){.max_runs = 3, .max_per_address = 2});
    for (size_t i = 0; i < loop_count; i++) {
        loops[i].limit_turn = (unsigned)i;
        loops[i].timer = handle_timer(&loops[i].loop, &loops[i]);
        uv_timer_start(loops[i].timer, on_new_limits, 1, 1);
    }
    play_loops();
    assert_int_equal(count_status(STATUS_PASS), 3 * RUNS);
    assert_in_range(most_of_all, 1, 6);
    assert_in_range(most_of_one, 1, 4);
}

/* The one line of all is so long: one under way and two in line, of all that come. */
static void the_length_of_the_line_counts_over_all_loops(void **state)
{
    size_t full = 0;

    (void)state;
    new_loops(3, 20, (struct run_net_order){.max_runs = 1, .max_waiting = 2});
    for (size_t i = 0; i < loop_count; i++)
        for (size_t k = 0; k < 20; k++)
            loops[i].asked[k].plan = plan_to(&servers[SILENT], 100);
    for (size_t i = 0; i < loop_count; i++)
        begin_all(&loops[i]); /* before any of them turns, so that none of these is over */
    play_loops();
    for (size_t i = 0; i < loop_count; i++)
        for (size_t k = 0; k < 20; k++)
            full += loops[i].asked[k].full;
    assert_int_equal(full, 3 * 20 - 3);
}

/* ---- two loops in one thread, for what has an order ---- */

static void turn_both(int64_t us)
{
    int64_t end_us = clock_mono_us() + us;

    while (clock_mono_us() < end_us) {
        stage_run_for(&loops[0].loop, 1000);
        stage_run_for(&loops[1].loop, 1000);
        stage_run_for(&main_loop, 1000);
    }
}

static struct asked *begin(size_t loop, size_t i, const struct fake_smtp *server)
{
    struct asked *a = &loops[loop].asked[i];
    struct run_order order = {.plan = &a->plan, .id = "run1", .vantage = "here"};

    a->plan = plan_to(server, 20000);
    a->run = run_start(loops[loop].net, &order, on_done, a);
    return a;
}

static void until_over(const struct asked *a)
{
    for (int i = 0; i < 1000 && a->run; i++)
        turn_both(stage_scale_us(3));
    assert_null(a->run);
}

/* Each loop counts its own; who waits is told what is under way in all. */
static void each_loop_counts_its_own(void **state)
{
    struct asked *holder, *waiting;
    struct result *seen;

    (void)state;
    new_loops(2, 1, (struct run_net_order){.max_runs = 1, .max_waiting = 5});
    holder = begin(0, 0, &servers[SILENT]);
    waiting = begin(1, 0, &servers[0]);
    assert_int_equal(run_net_in_flight(loops[0].net), 1);
    assert_int_equal(run_net_waiting(loops[0].net), 0);
    assert_int_equal(run_net_in_flight(loops[1].net), 0);
    assert_int_equal(run_net_waiting(loops[1].net), 1);
    turn_both(stage_scale_us(20));
    seen = run_peek(waiting->run, 12345);
    assert_non_null(strstr(seen->failure.message, "in line: 1 run was under way (server.max_runs)"));
    result_unref(seen);
    run_stop(holder->run);
    until_over(waiting);
    assert_int_equal(waiting->status, STATUS_PASS);
    assert_int_equal(holder->reason, REASON_LOCAL_RESOURCE);
    assert_int_equal(uv_loop_close(&loops[0].loop) | uv_loop_close(&loops[1].loop), 0);
}

static int warm_up(void **state)
{
    struct rlimit limit;

    (void)state;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return -1;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) || uv_loop_init(&main_loop) || uv_loop_close(&main_loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_loops_share_the_limits),
        TEST(four_loops_share_the_limits),
        TEST(one_place_for_all_loops),
        TEST(without_limits_nobody_waits),
        TEST(they_leave_while_they_are_called),
        TEST(they_are_stopped_while_they_are_called),
        TEST(limits_change_while_they_are_called),
        TEST(the_length_of_the_line_counts_over_all_loops),
        TEST(each_loop_counts_its_own),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
