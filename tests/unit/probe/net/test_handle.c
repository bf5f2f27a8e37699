/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net/handle.h"

#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>

static uv_loop_t loop;
static bool called;
static int64_t called_us;

static int set_up(void **state)
{
    (void)state;
    called = false;
    return uv_loop_init(&loop);
}

static int tear_down(void **state)
{
    (void)state;
    return stage_close(&loop);
}

static void on_time(uv_timer_t *timer)
{
    (void)timer;
    called = true;
    called_us = clock_mono_us();
}

static void never_early_whatever_the_microsecond(void **state)
{
    uv_timer_t *timer = handle_timer(&loop, NULL);

    (void)state;
    for (int64_t i = 0; i < 50; i++) {
        int64_t deadline_us = clock_mono_us() + 500 + i * 137;

        called = false;
        handle_at(timer, on_time, deadline_us);
        assert_true(stage_run_until(&loop, &called));
        assert_true(called_us >= deadline_us);
        assert_true(called_us < deadline_us + stage_scale_us(250));
    }
    handle_close_timer(timer);
}

static void a_loop_with_an_old_now_is_not_early(void **state)
{
    uv_timer_t *timer = handle_timer(&loop, NULL);
    int64_t deadline_us;

    (void)state;
    uv_update_time(&loop);
    stage_be_late(30 * CLOCK_US_PER_MS);
    deadline_us = clock_mono_us() + 20 * CLOCK_US_PER_MS;
    handle_at(timer, on_time, deadline_us);
    assert_true(stage_run_until(&loop, &called));
    assert_true(called_us >= deadline_us);
    handle_close_timer(timer);
}

/* Nothing waits for as much as a millisecond to begin. */
static void now_is_the_next_turn(void **state)
{
    uv_timer_t *timer = handle_timer(&loop, NULL);

    (void)state;
    for (int i = 0; i < 200; i++) {
        called = false;
        handle_at(timer, on_time, clock_mono_us());
        uv_run(&loop, UV_RUN_NOWAIT);
        uv_run(&loop, UV_RUN_NOWAIT);
        assert_true(called);
    }
    handle_close_timer(timer);
}

static void a_time_that_is_over_calls_later_not_inside(void **state)
{
    uv_timer_t *timer = handle_timer(&loop, NULL);

    (void)state;
    handle_at(timer, on_time, clock_mono_us() - CLOCK_US_PER_S);
    assert_false(called);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(called);
    handle_close_timer(timer);
}

static void never_takes_back_what_was_set(void **state)
{
    uv_timer_t *timer = handle_timer(&loop, NULL);

    (void)state;
    handle_at(timer, on_time, clock_mono_us());
    handle_at(timer, on_time, CLOCK_NEVER);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_false(called);
    handle_close_timer(timer);
}

static void a_closed_timer_is_silent(void **state)
{
    uv_timer_t *timer = handle_timer(&loop, NULL);

    (void)state;
    handle_at(timer, on_time, clock_mono_us());
    handle_close_timer(timer);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_false(called);
    handle_close_timer(NULL);
    handle_close_poll(NULL);
}

/* epoll refuses files: what stands for a watch that the system has no room for. */
static void a_poll_that_is_refused_is_null(void **state)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_true(file >= 0);
    assert_null(handle_poll(&loop, file, NULL));
    close(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(never_early_whatever_the_microsecond),
        TEST(a_loop_with_an_old_now_is_not_early),
        TEST(now_is_the_next_turn),
        TEST(a_time_that_is_over_calls_later_not_inside),
        TEST(never_takes_back_what_was_set),
        TEST(a_closed_timer_is_silent),
        TEST(a_poll_that_is_refused_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
