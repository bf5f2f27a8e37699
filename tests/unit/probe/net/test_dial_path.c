/* SPDX-License-Identifier: Apache-2.0 */
/* Dialling Unix sockets: where nobody serves, where nobody may, and where too many wait. */
#include "probe/net/dial.h"

#include "tests/unit/probe/stage.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534

static uv_loop_t loop;
static struct sockets *sockets;
static struct dial dial;
static struct arena arena;
static struct dial_lines *lines;
static struct plan plan;
static struct address at;
static char folder[64];
static int listener;
static bool over;
static size_t descriptors;

static const char *path_of(const char *name)
{
    static char path[ADDRESS_MAX_PATH + 1];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static struct address named(const char *name)
{
    struct address a;

    assert_int_equal(address_of_path(path_of(name), &a), 0);
    return a;
}

/* A listening socket of that kind; -1 = none. */
static int serve(const char *name, int type, int backlog)
{
    struct address a = named(name);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, &a.any, address_len(&a)), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ehlod-dial-XXXXXX");
    assert_non_null(mkdtemp(folder));
    uv_loop_init(&loop);
    sockets = sockets_new(&loop);
    descriptors = stage_descriptors();
    dial = (struct dial){.socket = {.fd = -1}};
    arena = (struct arena){0};
    plan = (struct plan){0};
    lines = dial_lines_new(0);
    over = false;
    listener = serve("lmtp", SOCK_STREAM, 16);
    at = named("lmtp");
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"lmtp", "small", "link", "other", "file"};

    (void)state;
    dial_clear(&dial);
    dial_lines_free(lines);
    arena_free(&arena);
    if (listener >= 0)
        close(listener);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(path_of(names[i]));
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(stage_descriptors(), descriptors);
    sockets_free(sockets);
    return stage_close(&loop);
}

static void on_done(void *context)
{
    assert_ptr_equal(context, &dial);
    assert_false(over);
    over = true;
}

static void start(int64_t limit_us)
{
    struct dial_order order = {.plan = &plan,
                               .addresses = &at,
                               .count = 1,
                               .lines = lines,
                               .sockets = sockets,
                               .limit_us = limit_us,
                               .ends_us = CLOCK_NEVER};

    dial_start(&dial, &loop, &arena, &order, on_done, &dial);
    assert_false(over);
}

static void dial_it(void)
{
    start(stage_scale_us(2000));
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(dial.attempt_count, 1);
}

static void check_failed(enum reason reason, const char *what)
{
    const struct result_failure *failure = &dial.attempts[0].failure;

    assert_int_equal(dial.socket.fd, -1);
    assert_int_equal(failure->phase, PHASE_CONNECT);
    assert_int_equal(failure->reason, reason);
    if (!strstr(failure->message, path_of("")) || !strstr(failure->message, what))
        fail_msg("%s", failure->message);
}

static void connects(void **state)
{
    char text[DIAL_TEXT_SIZE];

    (void)state;
    dial_it();
    assert_true(dial.socket.fd >= 0);
    assert_int_equal(address_compare(&dial.peer, &at), 0);
    assert_int_equal(address_family(&dial.socket.local), AF_UNIX);
    assert_string_equal(dial.socket.local.path.sun_path, "");
    dial_text(&dial.peer, text);
    assert_memory_equal(text, "unix:/tmp/", 10);
}

/* The times are those of reading: the kernel stamps nothing here. */
static void reads_what_came(void **state)
{
    char data[16];
    struct socket_error error;
    int64_t stamp_us, before_us;
    size_t len;

    (void)state;
    dial_it();
    int peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    before_us = clock_mono_us();
    stage_say(peer, "220 hello\r\n");
    assert_int_equal(socket_read(&dial.socket, data, sizeof data, &len, &stamp_us, &error), 1);
    assert_int_equal(len, 11);
    assert_true(stamp_us >= before_us && stamp_us <= clock_mono_us());
    close(peer);
    assert_int_equal(socket_read(&dial.socket, data, sizeof data, &len, &stamp_us, &error), -1);
    assert_int_equal(error.number, 0);
}

static void there_is_no_such_path(void **state)
{
    (void)state;
    at = named("none");
    dial_it();
    check_failed(REASON_REFUSED, "ENOENT (No such file or directory)");
}

static void a_part_of_the_path_is_no_folder(void **state)
{
    (void)state;
    at = named("lmtp/x");
    dial_it();
    check_failed(REASON_REFUSED, "ENOTDIR (");
}

static void nobody_listens_any_more(void **state)
{
    (void)state;
    close(listener);
    listener = -1;
    dial_it();
    check_failed(REASON_REFUSED, "connection refused, nobody listens at this path");
}

static void it_is_a_file(void **state)
{
    (void)state;
    close(open(path_of("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    at = named("file");
    dial_it();
    check_failed(REASON_REFUSED, "connection refused, nobody listens at this path");
}

static void it_takes_no_streams(void **state)
{
    int fd = serve("other", SOCK_DGRAM, -1);

    (void)state;
    at = named("other");
    dial_it();
    check_failed(REASON_REFUSED, "EPROTOTYPE (");
    close(fd);
}

/* What ehlod may not do is not the server's fault. */
static void it_may_not_be_written_to(void **state)
{
    bool is_root = geteuid() == 0;

    (void)state;
    assert_int_equal(chmod(path_of("lmtp"), 0), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    if (is_root)
        assert_int_equal(seteuid(NOBODY), 0);
    dial_it();
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    check_failed(REASON_LOCAL_RESOURCE, "EACCES (Permission denied): ehlod may not write to this socket");
}

static void a_listener_of_our_own_is_a_loop(void **state)
{
    struct address own[2];

    (void)state;
    address_parse("127.0.0.1", 8025, &own[0]);
    own[1] = at;
    plan.own = own;
    plan.own_count = 2;
    dial_it();
    check_failed(REASON_LOOP, "is where ehlod itself listens for HTTP");
}

static void under_another_name_it_is_one_too(void **state)
{
    struct address own = at;

    (void)state;
    assert_int_equal(symlink("lmtp", path_of("link")), 0);
    at = named("link");
    plan.own = &own;
    plan.own_count = 1;
    dial_it();
    check_failed(REASON_LOOP, "is where ehlod itself listens for HTTP");
}

static void another_path_of_ours_is_no_loop(void **state)
{
    struct address own[2];

    (void)state;
    own[0] = named("none");
    address_parse("0.0.0.0", 8025, &own[1]);
    plan.own = own;
    plan.own_count = 2;
    dial_it();
    assert_int_equal(dial.attempts[0].failure.reason, REASON_NONE);
}

/* A listener whose queue is full; filler is who waits in it. */
static int serve_full(int *filler)
{
    int fd = serve("small", SOCK_STREAM, 0);

    at = named("small");
    *filler = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(*filler, &at.any, address_len(&at)), 0);
    return fd;
}

/* As with TCP: whoever cannot get in waits, and it is the server's fault when nobody is let in. */
static void a_full_queue_is_a_timeout(void **state)
{
    int filler, fd = serve_full(&filler);
    int64_t limit_us = stage_scale_us(200);

    (void)state;
    start(limit_us);
    assert_true(stage_run_until(&loop, &over));
    check_failed(REASON_TIMEOUT, "timed out after");
    const struct result_failure *failure =
        &dial.attempts[0].failure; /* what was left of the time when it began */
    assert_true(failure->limit_us <= limit_us && failure->limit_us > limit_us / 2);
    assert_true(failure->elapsed_us >= failure->limit_us);
    close(filler);
    close(fd);
}

static void a_full_queue_that_empties_lets_it_in(void **state)
{
    int filler, fd = serve_full(&filler), taken;

    (void)state;
    start(stage_scale_us(5000));
    stage_run_for(&loop, 50 * CLOCK_US_PER_MS);
    assert_false(over);
    taken = accept(fd, NULL, NULL);
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(dial.attempts[0].failure.reason, REASON_NONE);
    assert_true(dial.attempts[0].connect_us >= 50 * CLOCK_US_PER_MS);
    close(taken);
    close(filler);
    close(fd);
}

/* The loop comes back when all time is over: there is room by then. */
static void a_late_loop_still_gets_in(void **state)
{
    int filler, fd = serve_full(&filler), taken;

    (void)state;
    start(stage_scale_us(100));
    uv_run(&loop, UV_RUN_NOWAIT);
    taken = accept(fd, NULL, NULL);
    stage_be_late(stage_scale_us(150));
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(dial.attempts[0].failure.reason, REASON_NONE);
    close(taken);
    close(filler);
    close(fd);
}

/* The server ends while its queue is full. */
static void a_full_queue_that_is_closed(void **state)
{
    int filler, fd = serve_full(&filler);

    (void)state;
    start(stage_scale_us(5000));
    stage_run_for(&loop, 30 * CLOCK_US_PER_MS);
    close(fd);
    assert_true(stage_run_until(&loop, &over));
    check_failed(REASON_REFUSED, "connection refused");
    close(filler);
}

static void cleared_before_a_full_queue_it_is_silent(void **state)
{
    int filler, fd = serve_full(&filler);

    (void)state;
    start(stage_scale_us(5000));
    stage_run_for(&loop, 30 * CLOCK_US_PER_MS);
    dial_clear(&dial);
    stage_run_for(&loop, 30 * CLOCK_US_PER_MS);
    assert_false(over);
    dial = (struct dial){.socket = {.fd = -1}};
    close(filler);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connects),
        TEST(reads_what_came),
        TEST(there_is_no_such_path),
        TEST(a_part_of_the_path_is_no_folder),
        TEST(nobody_listens_any_more),
        TEST(it_is_a_file),
        TEST(it_takes_no_streams),
        TEST(it_may_not_be_written_to),
        TEST(a_listener_of_our_own_is_a_loop),
        TEST(under_another_name_it_is_one_too),
        TEST(another_path_of_ours_is_no_loop),
        TEST(a_full_queue_is_a_timeout),
        TEST(a_full_queue_that_empties_lets_it_in),
        TEST(a_late_loop_still_gets_in),
        TEST(a_full_queue_that_is_closed),
        TEST(cleared_before_a_full_queue_it_is_silent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
