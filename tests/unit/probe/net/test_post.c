/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net/post.h"

#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { FEW = 5, MANY = 5000, SENDERS = 3 };

/* A note, and what is known of it. */
struct letter {
    struct post_note note;
    size_t number;
    unsigned times;
    int sender;
};

static uv_loop_t loop;
static struct post *post;
static struct letter few[FEW], many[SENDERS][MANY];
static size_t order[FEW * 2];
static size_t called;
static bool all_called;

static int set_up(void **state)
{
    (void)state;
    called = 0;
    all_called = false;
    memset(few, 0, sizeof few);
    memset(many, 0, sizeof many);
    uv_loop_init(&loop);
    post = post_new(&loop);
    return 0;
}

static int tear_down(void **state)
{
    int closed;

    (void)state;
    post_free(post);
    closed = stage_close(&loop);
    assert_int_equal(closed, 0);
    return closed;
}

static void on_few(void *context)
{
    struct letter *l = context;

    l->times++;
    order[called++] = l->number;
}

static void put(size_t number, post_called *then)
{
    few[number].number = number;
    few[number].note.called = then;
    few[number].note.context = &few[number];
    post_send(post, &few[number].note);
}

/* As long as nothing else goes on there, a loop does not even look whether there are notes. */
static void turn(void)
{
    uv_timer_t alive;

    uv_timer_init(&loop, &alive);
    uv_timer_start(&alive, stage_wake, 1000000, 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    uv_close((uv_handle_t *)&alive, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

/* ---- one thread ---- */

static void called_later_and_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < FEW; i++)
        put(i, on_few);
    assert_int_equal(called, 0);
    turn();
    assert_int_equal(called, FEW);
    for (size_t i = 0; i < FEW; i++)
        assert_int_equal(order[i], i);
    turn();
    assert_int_equal(called, FEW);
}

static void the_loop_does_not_go_on_for_it(void **state)
{
    (void)state;
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
}

static void a_cancelled_note_is_not_called(void **state)
{
    (void)state;
    for (size_t i = 0; i < FEW; i++)
        put(i, on_few);
    assert_true(post_cancel(post, &few[0].note));
    assert_true(post_cancel(post, &few[2].note));
    assert_true(post_cancel(post, &few[4].note));
    assert_false(post_cancel(post, &few[4].note));
    turn();
    assert_int_equal(called, 2);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 3);
    assert_false(post_cancel(post, &few[1].note));
}

static void cancelled_and_sent_again_it_is_the_last(void **state)
{
    (void)state;
    put(0, on_few);
    put(1, on_few);
    assert_true(post_cancel(post, &few[0].note));
    put(0, on_few);
    turn();
    assert_int_equal(called, 2);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 0);
}

/* When all were cancelled, the next one has to wake the loop again. */
static void an_empty_wake_takes_nothing_from_the_next(void **state)
{
    (void)state;
    put(0, on_few);
    assert_true(post_cancel(post, &few[0].note));
    turn();
    put(1, on_few);
    turn();
    assert_int_equal(called, 1);
    assert_int_equal(order[0], 1);
}

static void cancel_the_next(void *context)
{
    struct letter *l = context;

    on_few(context);
    assert_true(post_cancel(post, &few[l->number + 1].note));
}

static void a_note_may_cancel_the_next(void **state)
{
    (void)state;
    put(0, cancel_the_next);
    put(1, on_few);
    put(2, on_few);
    turn();
    assert_int_equal(called, 2);
    assert_int_equal(order[1], 2);
}

static void send_itself(void *context)
{
    struct letter *l = context;

    on_few(context);
    if (l->times < 3)
        put(l->number, send_itself);
}

/* Each time in another turn: what comes while notes are called does not hold up the loop. */
static void a_note_may_send_itself_again(void **state)
{
    uv_timer_t alive;

    (void)state;
    uv_timer_init(&loop, &alive);
    uv_timer_start(&alive, stage_wake, 1000000, 0);
    put(0, send_itself);
    for (unsigned turns = 1; turns <= 3; turns++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        assert_int_equal(few[0].times, turns);
    }
    uv_close((uv_handle_t *)&alive, NULL);
    turn();
    assert_int_equal(few[0].times, 3);
}

static void free_it(void *context)
{
    on_few(context);
    post_free(post);
    post = NULL;
}

static void the_last_note_may_free_it(void **state)
{
    (void)state;
    put(0, on_few);
    put(1, free_it);
    turn();
    assert_int_equal(called, 2);
}

static void takes_no_descriptor(void **state)
{
    struct post *others[FEW];
    size_t before = stage_descriptors();

    (void)state;
    for (size_t i = 0; i < FEW; i++)
        others[i] = post_new(&loop);
    assert_int_equal(stage_descriptors(), before);
    for (size_t i = 0; i < FEW; i++)
        post_free(others[i]);
    post_free(NULL);
}

/* ---- several threads ---- */

/* What the sender wrote is there, each note came once, and those of one sender in their order. */
static void on_many(void *context)
{
    static size_t next[SENDERS];
    struct letter *l = context;

    if (called == 0)
        memset(next, 0, sizeof next);
    assert_int_equal(++l->times, 1);
    assert_int_equal(l->number, next[l->sender]++);
    all_called = ++called == (size_t)SENDERS * MANY;
}

static void send_many(void *context)
{
    const int *sender = context;

    for (size_t i = 0; i < MANY; i++) {
        struct letter *l = &many[*sender][i];
        l->number = i;
        l->sender = *sender;
        l->note.called = on_many;
        l->note.context = l;
        post_send(post, &l->note);
    }
}

static void from_many_threads_each_once_and_in_order(void **state)
{
    uv_thread_t threads[SENDERS];
    int senders[SENDERS];

    (void)state;
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = i;
        assert_int_equal(uv_thread_create(&threads[i], send_many, &senders[i]), 0);
    }
    assert_true(stage_run_until(&loop, &all_called));
    for (int i = 0; i < SENDERS; i++)
        uv_thread_join(&threads[i]);
    turn();
    assert_int_equal(called, SENDERS * MANY);
}

/* A ball between two loops, each in a thread of its own. Who has it counts. */
struct side {
    uv_loop_t loop;
    uv_timer_t end;
    struct post *post;
    struct side *other;
    struct post_note ball;
    bool over;
};

static struct side sides[2];
static size_t throws;

static void side_over(struct side *s)
{
    s->over = true;
    uv_close((uv_handle_t *)&s->end, NULL);
    post_free(s->post);
}

static void on_late(uv_timer_t *timer)
{
    side_over(timer->data);
}

/* Who throws for the last time goes, as nothing comes back; and who catches that. */
static void on_ball(void *context)
{
    struct side *s = context;

    if (s->over)
        return;
    throws++;
    bool last = throws >= (size_t)MANY - 1;
    if (throws < MANY)
        post_send(s->other->post, &s->other->ball);
    if (last)
        side_over(s);
}

static void play_side(void *context)
{
    struct side *s = context;

    uv_run(&s->loop, UV_RUN_DEFAULT);
}

static void two_loops_throw_each_other_a_ball(void **state)
{
    uv_thread_t threads[2];

    (void)state;
    throws = 0;
    for (int i = 0; i < 2; i++) {
        struct side *s = &sides[i];
        *s = (struct side){.other = &sides[!i], .ball = {.called = on_ball, .context = s}};
        uv_loop_init(&s->loop);
        uv_timer_init(&s->loop, &s->end);
        s->end.data = s;
        uv_timer_start(&s->end, on_late, (uint64_t)(stage_scale_us(20000) / CLOCK_US_PER_MS), 0);
        s->post = post_new(&s->loop);
    }
    post_send(sides[0].post, &sides[0].ball);
    for (int i = 0; i < 2; i++)
        assert_int_equal(uv_thread_create(&threads[i], play_side, &sides[i]), 0);
    for (int i = 0; i < 2; i++)
        uv_thread_join(&threads[i]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(uv_loop_close(&sides[i].loop), 0);
    assert_int_equal(throws, MANY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(called_later_and_in_order),
        TEST(the_loop_does_not_go_on_for_it),
        TEST(a_cancelled_note_is_not_called),
        TEST(cancelled_and_sent_again_it_is_the_last),
        TEST(an_empty_wake_takes_nothing_from_the_next),
        TEST(a_note_may_cancel_the_next),
        TEST(a_note_may_send_itself_again),
        TEST(the_last_note_may_free_it),
        TEST(takes_no_descriptor),
        TEST(from_many_threads_each_once_and_in_order),
        TEST(two_loops_throw_each_other_a_ball),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
