/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net/gate.h"

#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LOOPS = 2, PLACES = 6 };

/* Places 0, 2 and 4 are of the first loop, 1, 3 and 5 of the second. */
static uv_loop_t loops[LOOPS];
static struct post *posts[LOOPS];
static struct gate gate;
static struct gate_place places[PLACES];
static size_t called[PLACES], called_count;

static void note(void *context)
{
    struct gate_place *place = context;

    assert_int_equal(place->where, LINE_INSIDE);
    called[called_count++] = (size_t)(place - places);
}

static int set_up(void **state)
{
    (void)state;
    gate = (struct gate){.line = {.limit = 1}};
    called_count = 0;
    for (size_t i = 0; i < LOOPS; i++) {
        uv_loop_init(&loops[i]);
        posts[i] = post_new(&loops[i]);
    }
    for (size_t i = 0; i < PLACES; i++)
        places[i] = (struct gate_place){.post = posts[i % LOOPS], .called = note, .context = &places[i]};
    return 0;
}

/* Nobody is told anything any more. */
static int tear_down(void **state)
{
    int closed = 0;

    (void)state;
    for (size_t i = 0; i < PLACES; i++)
        gate_leave(&gate, &places[i]);
    assert_int_equal(gate.line.inside + gate.line.waiting, 0);
    for (size_t i = 0; i < LOOPS; i++) {
        post_free(posts[i]);
        closed |= stage_close(&loops[i]);
    }
    return closed;
}

static bool enter(size_t i)
{
    return gate_enter(&gate, &places[i]);
}

static void leave(size_t i)
{
    gate_leave(&gate, &places[i]);
}

static void turn(size_t i)
{
    uv_timer_t alive;

    uv_timer_init(&loops[i], &alive);
    uv_timer_start(&alive, stage_wake, 1000000, 0);
    uv_run(&loops[i], UV_RUN_NOWAIT);
    uv_close((uv_handle_t *)&alive, NULL);
    uv_run(&loops[i], UV_RUN_NOWAIT);
}

static void check_called(size_t count, size_t last)
{
    assert_int_equal(called_count, count);
    if (count)
        assert_int_equal(called[count - 1], last);
}

static void its_own_loop_is_told_at_once(void **state)
{
    (void)state;
    assert_true(enter(0));
    assert_false(enter(2));
    leave(0);
    check_called(1, 2);
    turn(0);
    check_called(1, 2);
}

static void another_loop_is_told_by_a_note_on_it(void **state)
{
    (void)state;
    assert_true(enter(0));
    assert_false(enter(1));
    leave(0);
    turn(0);
    check_called(0, 0);
    assert_int_equal(places[1].where, LINE_WAITING); /* it does not know yet */
    turn(1);
    check_called(1, 1);
    assert_int_equal(places[1].where, LINE_INSIDE);
}

/* The place is taken as soon as it is free, though its taker does not know. */
static void nobody_overtakes_whose_note_is_under_way(void **state)
{
    (void)state;
    assert_true(enter(0));
    assert_false(enter(1));
    leave(0);
    assert_false(enter(2));
    assert_false(enter(3));
    assert_int_equal(gate.line.inside, 1);
    turn(1);
    check_called(1, 1);
    leave(1);
    turn(0);
    check_called(2, 2);
}

static void first_come_first_served_over_all_loops(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLACES; i++)
        assert_int_equal(enter(i), i == 0);
    for (size_t i = 0; i + 1 < PLACES; i++) {
        leave(i);
        turn(0);
        turn(1);
        check_called(i + 1, i + 1);
    }
}

static void who_leaves_before_the_note_comes_is_not_told(void **state)
{
    (void)state;
    assert_true(enter(0));
    assert_false(enter(1));
    assert_false(enter(2));
    leave(0);
    leave(1); /* has been called, and did not know */
    turn(1);
    check_called(0, 0);
    turn(0);
    check_called(1, 2);
    assert_int_equal(gate.line.inside, 1);
}

static void who_leaves_the_line_is_not_told_either(void **state)
{
    (void)state;
    assert_true(enter(0));
    assert_false(enter(1));
    assert_false(enter(3));
    leave(1);
    leave(0);
    turn(1);
    check_called(1, 3);
}

static void left_and_entered_again_it_is_the_last(void **state)
{
    (void)state;
    assert_true(enter(0));
    assert_false(enter(1));
    leave(0); /* calls 1 */
    leave(1);
    assert_true(enter(2));
    assert_false(enter(1));
    turn(1);
    check_called(0, 0);
    leave(2);
    turn(1);
    check_called(1, 1);
}

static void a_higher_limit_calls_those_of_each_loop(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLACES; i++)
        enter(i);
    gate_set_limit(&gate, 4, posts[1]);
    check_called(2, 3); /* 1 and 3 are the caller's own */
    assert_int_equal(called[0], 1);
    turn(0);
    check_called(3, 2);
    gate_set_limit(&gate, 0, posts[0]);
    check_called(4, 4);
    turn(1);
    check_called(5, 5);
}

/* Who has no post is of the only loop there is. */
static void a_loop_that_is_alone_needs_no_post(void **state)
{
    (void)state;
    places[0].post = places[2].post = places[4].post = NULL;
    assert_true(enter(0));
    assert_false(enter(2));
    assert_false(enter(4));
    leave(0);
    check_called(1, 2);
    gate_set_limit(&gate, 2, NULL);
    check_called(2, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_own_loop_is_told_at_once),
        TEST(another_loop_is_told_by_a_note_on_it),
        TEST(nobody_overtakes_whose_note_is_under_way),
        TEST(first_come_first_served_over_all_loops),
        TEST(who_leaves_before_the_note_comes_is_not_told),
        TEST(who_leaves_the_line_is_not_told_either),
        TEST(left_and_entered_again_it_is_the_last),
        TEST(a_higher_limit_calls_those_of_each_loop),
        TEST(a_loop_that_is_alone_needs_no_post),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
