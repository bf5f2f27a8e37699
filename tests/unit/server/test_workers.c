/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that come and go without any of their parts, and a system that does not give each of them a thread.
 */
#include "server/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

enum { COUNT = 4, NEVER_MS = 3600 * 1000 };

static struct log quiet;
static struct workers *workers;
static uv_timer_t timer;
static unsigned threads; /* that the system still gives */
static unsigned held;
static unsigned ended;

/* In libuv's place. */
int uv_thread_create(uv_thread_t *thread, uv_thread_cb call, void *context)
{
    if (threads == 0)
        return UV_EAGAIN;
    threads--;
    return uv_thread_create_ex(thread, &(uv_thread_options_t){.flags = UV_THREAD_NO_FLAGS}, call, context);
}

/* The timer keeps the first one's loop going until then. */
static void on_ended(void *context)
{
    (void)context;
    ended++;
    uv_close((uv_handle_t *)&timer, NULL);
    workers_end_first(workers);
}

/* On the first one's loop, as a drain that ends by itself does. */
static void on_time(uv_timer_t *due)
{
    (void)due;
    hold_begin(workers_seat(workers));
    held++;
    hold_end(workers_seat(workers));
    workers_end(workers);
}

static void begin(unsigned count, unsigned threads_given)
{
    held = ended = 0;
    threads = threads_given;
    workers = workers_new(&(struct workers_order){.count = count, .log = &quiet, .ended = on_ended});
    uv_timer_init(&workers_first(workers)->loop, &timer);
    uv_timer_start(&timer, on_time, 1, NEVER_MS);
}

static void run_to_the_end(void)
{
    worker_run(workers_first(workers));
    assert_int_equal(held, 1);
    assert_int_equal(ended, 1);
    workers_free(workers);
}

static int open_log(void **state)
{
    (void)state;
    log_init(&quiet, open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    return 0;
}

static int close_log(void **state)
{
    (void)state;
    return close(quiet.fd);
}

static void all_come_and_go(void **state)
{
    (void)state;
    begin(COUNT, COUNT - 1);
    assert_int_equal(workers_go(workers), 0);
    assert_int_equal(threads, 0);
    run_to_the_end();
}

static void one_has_nobody_to_wait_for(void **state)
{
    (void)state;
    begin(1, 0);
    assert_null(workers_seat(workers));
    assert_int_equal(workers_go(workers), 0);
    run_to_the_end();
}

static void before_they_go_nobody_waits_for_them(void **state)
{
    (void)state;
    begin(COUNT, 0);
    run_to_the_end();
}

static void who_has_no_thread_is_not_waited_for(void **state)
{
    (void)state;
    for (unsigned given = 0; given < COUNT - 1; given++) {
        begin(COUNT, given);
        assert_int_equal(workers_go(workers), -1);
        run_to_the_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_come_and_go),
        cmocka_unit_test(one_has_nobody_to_wait_for),
        cmocka_unit_test(before_they_go_nobody_waits_for_them),
        cmocka_unit_test(who_has_no_thread_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, open_log, close_log);
}
