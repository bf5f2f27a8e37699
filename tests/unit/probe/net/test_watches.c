/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net/watches.h"

#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>

static uv_loop_t loop;
static struct watches watches;
static int pair[2];
static bool told, reading, writing;
static int fd_told;
static bool ends_it; /* the library closes the socket from inside */

static void on_ready(void *context, int fd, bool r, bool w)
{
    assert_ptr_equal(context, &told);
    told = true;
    reading = r;
    writing = w;
    fd_told = fd;
    if (!ends_it)
        return;
    watches_set(&watches, fd, false, false);
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    told = reading = writing = ends_it = false;
    watches = (struct watches){.loop = &loop, .ready = on_ready, .context = &told};
    return uv_loop_init(&loop) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
}

static int tear_down(void **state)
{
    (void)state;
    watches_set(&watches, pair[0], false, false);
    if (!ends_it)
        close(pair[0]);
    close(pair[1]);
    assert_null(watches.list);
    return stage_close(&loop);
}

static void tells_what_was_asked_for(void **state)
{
    (void)state;
    watches_set(&watches, pair[0], true, false);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_false(told);
    stage_say(pair[1], "x");
    assert_true(stage_run_until(&loop, &told));
    assert_true(fd_told == pair[0] && reading && !writing);

    told = false;
    watches_set(&watches, pair[0], false, true);
    assert_true(stage_run_until(&loop, &told));
    assert_true(writing && !reading);

    told = false;
    watches_set(&watches, pair[0], true, true);
    assert_true(stage_run_until(&loop, &told));
    assert_true(writing && reading);
}

static void tells_nothing_any_more(void **state)
{
    (void)state;
    watches_set(&watches, pair[0], true, true);
    watches_set(&watches, pair[0], false, false);
    watches_set(&watches, pair[0], false, false); /* what is not known is fine */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_false(told);
}

static void the_library_may_close_it_from_inside(void **state)
{
    (void)state;
    ends_it = true;
    watches_set(&watches, pair[0], true, true);
    assert_true(stage_run_until(&loop, &told));
    told = false;
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_false(told);
}

/* As of a resolver that is not there: the error must be found by the library, and the watch go on. */
static void an_error_is_told_as_readiness_for_all(void **state)
{
    struct address nobody;
    int bound = stage_closed_port("127.0.0.1", &nobody); /* TCP; over UDP nobody is there at all */
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char byte;

    (void)state;
    assert_int_equal(connect(fd, &nobody.any, address_len(&nobody)), 0);
    watches_set(&watches, fd, true, false);
    uv_run(&loop, UV_RUN_NOWAIT);
    for (int i = 0; i < 3; i++) {
        told = false;
        assert_int_equal(send(fd, "x", 1, 0), 1);
        assert_true(stage_run_until(&loop, &told));
        assert_true(reading);
        assert_int_equal(recv(fd, &byte, 1, 0), -1);
    }
    watches_set(&watches, fd, false, false);
    close(fd);
    close(bound);
}

static void what_cannot_be_watched_is_left_alone(void **state)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    (void)state;
    watches_set(&watches, file, true, false);
    watches_set(&watches, file, true, true);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_false(told);
    watches_set(&watches, file, false, false);
    close(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tells_what_was_asked_for),
        TEST(tells_nothing_any_more),
        TEST(the_library_may_close_it_from_inside),
        TEST(an_error_is_told_as_readiness_for_all),
        TEST(what_cannot_be_watched_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
