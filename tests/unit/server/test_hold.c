/* SPDX-License-Identifier: Apache-2.0 */
/* Loops in threads that each want all others to stand still, over and over, at the same time. */
#include "server/hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

enum { LOOPS = 4, TURNS = 300, HOLD_EACH = 3 };

struct one {
    uv_loop_t loop;
    uv_thread_t thread;
    uv_timer_t timer;
    struct post *post;
    struct hold_seat seat;
    unsigned turns;
    unsigned mine; /* written by its own loop, and by whoever holds */
    unsigned seen; /* what a holder found wrong */
    bool over;
};

static struct one all[LOOPS];
static struct hold *hold;
static unsigned held; /* by whoever holds alone */
static atomic_uint finished;

static void touch_all(struct one *one)
{
    unsigned before[LOOPS];

    hold_begin(&one->seat);
    held++;
    for (int i = 0; i < LOOPS; i++)
        before[i] = ++all[i].mine;
    for (int k = 0; k < 100; k++)
        for (int i = 0; i < LOOPS; i++)
            one->seen += all[i].mine != before[i];
    hold_end(&one->seat);
}

/* The last to finish lets all go; until then each must be there to stand still. */
static void on_turn(uv_timer_t *timer)
{
    struct one *one = timer->data;

    if (one->over && atomic_load(&finished) == LOOPS) {
        uv_close((uv_handle_t *)timer, NULL);
        return;
    }
    if (one->over)
        return;
    one->mine++;
    if (one->turns % HOLD_EACH == 0)
        touch_all(one);
    if (++one->turns < TURNS)
        return;
    one->over = true;
    atomic_fetch_add(&finished, 1);
}

static void run(void *context)
{
    struct one *one = context;

    uv_run(&one->loop, UV_RUN_DEFAULT);
}

static void test_holders_take_turns(void **state)
{
    (void)state;
    hold = hold_new();
    for (int i = 0; i < LOOPS; i++) {
        struct one *one = &all[i];
        uv_loop_init(&one->loop);
        one->post = post_new(&one->loop);
        uv_timer_init(&one->loop, &one->timer);
        one->timer.data = one;
        uv_timer_start(&one->timer, on_turn, 1, 1);
        hold_join(hold, &one->seat, one->post);
    }
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(uv_thread_create(&all[i].thread, run, &all[i]), 0);
    for (int i = 0; i < LOOPS; i++)
        uv_thread_join(&all[i].thread);
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(all[i].seen, 0);
        assert_int_equal(all[i].mine, TURNS + LOOPS * (TURNS / HOLD_EACH));
        hold_leave(&all[i].seat);
        post_free(all[i].post);
        uv_run(&all[i].loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&all[i].loop), 0);
    }
    assert_int_equal(held, LOOPS * (TURNS / HOLD_EACH));
    hold_free(hold);
}

static void test_nobody_else_is_nothing(void **state)
{
    struct hold_seat alone = {0};

    (void)state;
    hold_begin(NULL);
    hold_end(NULL);
    hold_leave(&alone); /* has joined nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holders_take_turns),
        cmocka_unit_test(test_nobody_else_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
