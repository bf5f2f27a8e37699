/* SPDX-License-Identifier: Apache-2.0 */
/* All workers are played by one thread, and each of their http by a puppet that keeps as many as there may
 * be. */
#include "server/usher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { COUNT = 3, MOST = 2 };

static struct worker list[COUNT];
static struct usher *usher;
static uv_loop_t loop;
static uv_async_t alive; /* as posts keep no loop going */
static unsigned seated[COUNT];
static int last; /* that was taken */
static unsigned rooms;

/* In http's place. */
void http_take(struct http *http, int fd, const struct address *peer, struct https *https)
{
    unsigned index = (unsigned)((uintptr_t)http - 1);

    (void)peer;
    (void)https;
    last = fd;
    if (seated[index] < MOST)
        seated[index]++;
    else
        usher_left(usher, &list[index]);
}

static void leave(unsigned index)
{
    seated[index]--;
    usher_left(usher, &list[index]);
}

static void on_room(void *context)
{
    (void)context;
    rooms++;
}

static void take(int fd)
{
    static const struct address peer;

    usher_take(usher, fd, &peer, NULL);
}

static void run(void)
{
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

static void begin(unsigned count)
{
    rooms = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_async_init(&loop, &alive, NULL), 0);
    for (unsigned i = 0; i < count; i++) {
        list[i] =
            (struct worker){.index = i, .post = post_new(&loop), .http = (struct http *)(uintptr_t)(i + 1)};
        atomic_init(&list[i].connections, 0);
        seated[i] = 0;
    }
    usher = usher_new(&(struct usher_order){.list = list, .count = count, .most = MOST, .room = on_room});
}

static void end(unsigned count)
{
    run();
    usher_free(usher);
    for (unsigned i = 0; i < count; i++)
        post_free(list[i].post);
    uv_close((uv_handle_t *)&alive, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void the_one_with_the_fewest_gets_the_next(void **state)
{
    (void)state;
    begin(COUNT);
    for (int fd = 10; fd < 10 + COUNT; fd++)
        take(fd); /* those on their way count, too */
    run();
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(seated[i], 1);
    leave(1);
    take(20);
    run();
    assert_int_equal(last, 20);
    assert_int_equal(seated[1], 1);
    assert_int_equal(rooms, 0);
    end(COUNT);
}

static void it_is_full_when_all_are(void **state)
{
    (void)state;
    begin(COUNT);
    for (int i = 0; i < COUNT * MOST; i++) {
        assert_false(usher_is_full(usher));
        take(10);
    }
    assert_true(usher_is_full(usher));
    run();
    assert_int_equal(rooms, 0);
    leave(2);
    leave(1);
    assert_int_equal(rooms, 0); /* later */
    run();
    assert_int_equal(rooms, 1);
    assert_false(usher_is_full(usher));
    leave(0); /* nobody wanted it */
    run();
    assert_int_equal(rooms, 1);
    end(COUNT);
}

/* As when a queue is emptied before its listener goes. */
static void room_is_wanted_again_before_it_was_told_of(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= COUNT; count += COUNT - 1) {
        begin(count);
        for (unsigned i = 0; i < count * MOST; i++)
            take(10);
        run();
        for (int i = 0; i < 10; i++) {
            assert_true(usher_is_full(usher));
            take(11); /* is turned away */
        }
        run();
        assert_true(rooms > 0);
        assert_true(usher_is_full(usher));
        rooms = 0;
        leave(0);
        run();
        assert_int_equal(rooms, 1);
        end(count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_with_the_fewest_gets_the_next),
        cmocka_unit_test(it_is_full_when_all_are),
        cmocka_unit_test(room_is_wanted_again_before_it_was_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
