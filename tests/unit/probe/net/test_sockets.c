/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net/sockets.h"

#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>

enum { PAIRS = 300 };

/* One end is watched, the other is the test's. */
struct pair {
    int watched, ours;
    int told;
    struct pair *victim; /* closed when this is told */
};

static uv_loop_t loop;
static struct sockets *sockets;
static struct pair pairs[PAIRS];
static size_t open_count;
static bool told;

static void open_pairs(size_t count)
{
    for (; open_count < count; open_count++) {
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        pairs[open_count] = (struct pair){.watched = ends[0], .ours = ends[1]};
    }
}

static void close_watched(struct pair *p)
{
    if (sockets) /* or they have ended */
        sockets_forget(sockets, p->watched);
    close(p->watched);
    p->watched = -1;
}

static void on_told(void *context)
{
    struct pair *p = context;

    assert_true(p->watched >= 0);
    told = true;
    p->told++;
    if (p->victim && p->victim->watched >= 0)
        close_watched(p->victim);
}

static void watch(struct pair *p, uint32_t events)
{
    assert_int_equal(sockets_watch(sockets, p->watched, events, on_told, p), 0);
}

static void say(struct pair *p)
{
    assert_int_equal(send(p->ours, "x", 1, 0), 1);
}

static void turn(void)
{
    told = false;
    uv_run(&loop, UV_RUN_NOWAIT);
}

static int set_up(void **state)
{
    (void)state;
    open_count = 0;
    uv_loop_init(&loop);
    sockets = sockets_new(&loop);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < open_count; i++) {
        if (pairs[i].watched >= 0)
            close_watched(&pairs[i]);
        close(pairs[i].ours);
    }
    sockets_free(sockets);
    return stage_close(&loop);
}

static void tells_what_is_watched_for(void **state)
{
    (void)state;
    open_pairs(1);
    watch(&pairs[0], EPOLLIN);
    turn();
    assert_false(told);
    say(&pairs[0]);
    assert_false(told); /* never from inside */
    turn();
    assert_true(told);
    turn();
    assert_true(told); /* as long as it is there */
    watch(&pairs[0], EPOLLOUT);
    assert_int_equal(recv(pairs[0].watched, &(char){0}, 1, 0), 1);
    turn();
    assert_true(told);
    watch(&pairs[0], EPOLLIN);
    turn();
    assert_false(told);
}

static void tells_of_an_end(void **state)
{
    (void)state;
    open_pairs(1);
    watch(&pairs[0], EPOLLIN);
    shutdown(pairs[0].ours, SHUT_RDWR);
    turn();
    assert_true(told);
}

static void unwatched_it_is_silent(void **state)
{
    (void)state;
    open_pairs(2);
    for (int i = 0; i < 2; i++)
        watch(&pairs[i], EPOLLIN);
    shutdown(pairs[0].ours, SHUT_RDWR); /* an error would be told whatever is watched for */
    say(&pairs[1]);
    sockets_unwatch(sockets, pairs[0].watched);
    sockets_unwatch(sockets, pairs[1].watched);
    for (int i = 0; i < 3; i++) {
        turn();
        assert_false(told);
    }
    watch(&pairs[1], EPOLLIN);
    turn();
    assert_int_equal(pairs[1].told, 1);
    assert_int_equal(pairs[0].told, 0);
}

/* Nobody is told of one that was closed, though it was ready as well, nor is somebody else with its number.
 */
static void whoever_has_gone_is_not_told(void **state)
{
    (void)state;
    open_pairs(2);
    for (int i = 0; i < 2; i++) {
        watch(&pairs[i], EPOLLIN);
        pairs[i].victim = &pairs[1 - i];
        say(&pairs[i]);
    }
    turn();
    assert_int_equal(pairs[0].told + pairs[1].told, 1);
    turn();
    assert_int_equal(pairs[0].told + pairs[1].told, 2);
}

static void everybody_has_a_turn(void **state)
{
    (void)state;
    open_pairs(PAIRS);
    for (size_t i = 0; i < PAIRS; i++) {
        watch(&pairs[i], EPOLLIN);
        say(&pairs[i]);
    }
    for (int i = 0; i < 20; i++)
        turn();
    for (size_t i = 0; i < PAIRS; i++)
        assert_true(pairs[i].told > 0);
}

/* And when nothing is watched any more, it does not. */
static void the_loop_goes_on_while_any_is_watched(void **state)
{
    (void)state;
    open_pairs(1);
    assert_false(uv_loop_alive(&loop));
    watch(&pairs[0], EPOLLIN);
    assert_true(uv_loop_alive(&loop));
    watch(&pairs[0], EPOLLIN | EPOLLOUT);
    assert_true(uv_loop_alive(&loop));
    close_watched(&pairs[0]);
    assert_false(uv_loop_alive(&loop));
}

static void what_cannot_be_watched_says_so(void **state)
{
    int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_true(file >= 0);
    assert_int_equal(sockets_watch(sockets, file, EPOLLIN, on_told, NULL), -1);
    assert_int_equal(errno, EPERM);
    sockets_forget(sockets, file);
    close(file);
}

/* It had no room when it was asked first, and has when it is asked again. */
static void it_tries_again_for_room(void **state)
{
    struct rlimit before, none;

    (void)state;
    open_pairs(1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    sockets_free(sockets);
    sockets = sockets_new(&loop);
    int prepared = sockets_prepare(sockets), number = errno;
    int watched = sockets_watch(sockets, pairs[0].watched, EPOLLIN, on_told, &pairs[0]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(prepared, -1);
    assert_int_equal(number, EMFILE);
    assert_int_equal(watched, -1);
    watch(&pairs[0], EPOLLIN);
    say(&pairs[0]);
    turn();
    assert_true(told);
}

static void one_that_watched_nothing_ends_too(void **state)
{
    (void)state;
    sockets_forget(sockets, 5);
    assert_false(uv_loop_alive(&loop));
}

static void on_told_to_end(void *context)
{
    on_told(context);
    sockets_free(sockets);
    sockets = NULL;
}

static void it_may_end_from_inside(void **state)
{
    (void)state;
    open_pairs(2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sockets_watch(sockets, pairs[i].watched, EPOLLIN, on_told_to_end, &pairs[i]), 0);
        say(&pairs[i]);
    }
    turn();
    assert_int_equal(pairs[0].told + pairs[1].told, 1);
    turn();
    assert_false(told);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tells_what_is_watched_for),
        TEST(tells_of_an_end),
        TEST(unwatched_it_is_silent),
        TEST(whoever_has_gone_is_not_told),
        TEST(everybody_has_a_turn),
        TEST(the_loop_goes_on_while_any_is_watched),
        TEST(what_cannot_be_watched_says_so),
        TEST(it_tries_again_for_room),
        TEST(one_that_watched_nothing_ends_too),
        TEST(it_may_end_from_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
