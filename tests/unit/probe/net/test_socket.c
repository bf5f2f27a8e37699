/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net/socket.h"

#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>

static uv_loop_t loop;
static struct sockets *sockets;
static struct socket s;
static int listener, peer, stamps;
static struct address at, nowhere; /* nowhere: no source */
static bool ready;
static size_t descriptors;

static void on_ready(void *context)
{
    assert_ptr_equal(context, &s);
    ready = true;
}

static int set_up(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    sockets = sockets_new(&loop);
    descriptors = stage_descriptors();
    s = (struct socket){.fd = -1};
    peer = -1;
    listener = stage_listen("127.0.0.1", 16, &at);
    return listener < 0;
}

static int tear_down(void **state)
{
    (void)state;
    socket_close(&s);
    close(listener);
    if (peer >= 0)
        close(peer);
    assert_int_equal(stage_descriptors(), descriptors);
    sockets_free(sockets);
    return stage_close(&loop);
}

static bool turn(void)
{
    ready = false;
    return stage_run_until(&loop, &ready);
}

static void connect_both(void)
{
    struct socket_error error;

    ready = false;
    assert_int_equal(socket_open(&s, sockets, &at, &nowhere, on_ready, &s, &error), 0);
    assert_false(ready);
    assert_true(turn());
    assert_int_equal(socket_connected(&s, &error), 1);
    peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer >= 0);
    socket_watch(&s, false, on_ready, &s);
}

static int read_some(char data[64], int64_t *stamp_us_r, struct socket_error *error_r)
{
    size_t len = 0;
    int got = socket_read(&s, data, 63, &len, stamp_us_r, error_r);

    data[got > 0 ? len : 0] = '\0';
    return got;
}

static void connects_and_knows_both_ends(void **state)
{
    struct address seen;
    int on;
    socklen_t len = sizeof on;

    (void)state;
    connect_both();
    socket_peer(&s, &nowhere, &seen);
    assert_true(address_same_host(&seen, &at) && address_port(&seen) == address_port(&at));
    assert_int_not_equal(address_port(&s.local), 0);
    assert_true(fcntl(s.fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(s.fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(getsockopt(s.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_not_equal(on, 0);
}

static void dials_from_the_source(void **state)
{
    struct socket_error error;
    struct address source;

    (void)state;
    address_parse("127.0.0.77", 0, &source);
    assert_int_equal(socket_open(&s, sockets, &at, &source, on_ready, &s, &error), 0);
    assert_true(turn());
    assert_int_equal(socket_connected(&s, &error), 1);
    assert_true(address_same_host(&s.local, &source));
}

static void a_source_that_is_not_ours(void **state)
{
    struct socket_error error = {0};
    struct address source;

    (void)state;
    address_parse("192.0.2.7", 0, &source);
    assert_int_equal(socket_open(&s, sockets, &at, &source, on_ready, &s, &error), -1);
    assert_int_equal(error.number, EADDRNOTAVAIL);
    assert_string_equal(error.doing, "bind");
    assert_int_equal(socket_reason(&error), REASON_LOCAL_RESOURCE);
    assert_int_equal(s.fd, -1);
}

static void refused(void **state)
{
    struct socket_error error = {0};
    struct address closed;
    int bound = stage_closed_port("127.0.0.1", &closed);

    (void)state;
    if (!socket_open(&s, sockets, &closed, &nowhere, on_ready, &s, &error)) {
        assert_true(turn());
        assert_int_equal(socket_connected(&s, &error), -1);
    }
    assert_int_equal(socket_reason(&error), REASON_REFUSED);
    close(bound);
}

static void reads_what_came(void **state)
{
    struct socket_error error = {0};
    char data[64];
    int64_t stamp_us;

    (void)state;
    connect_both();
    assert_int_equal(read_some(data, &stamp_us, &error), 0);
    stage_say(peer, "220 hello\r\n");
    assert_true(turn());
    assert_int_equal(read_some(data, &stamp_us, &error), 1);
    assert_string_equal(data, "220 hello\r\n");
    assert_int_equal(read_some(data, &stamp_us, &error), 0);
    close(peer);
    peer = -1;
    assert_true(turn());
    assert_int_equal(read_some(data, &stamp_us, &error), -1);
    assert_int_equal(error.number, 0);
}

static void knows_whether_anything_is_left(void **state)
{
    struct socket_error error = {0};
    char data[64];
    int64_t stamp_us;

    (void)state;
    connect_both();
    stage_say(peer, "220 hello\r\n");
    assert_true(turn());
    assert_int_equal(read_some(data, &stamp_us, &error), 1);
    assert_true(socket_is_drained(&s));
    stage_say(peer, "a line that is longer than what is read at once, which is 63 octets\r\n");
    assert_true(turn());
    assert_int_equal(read_some(data, &stamp_us, &error), 1);
    assert_false(socket_is_drained(&s));
    assert_int_equal(read_some(data, &stamp_us, &error), 1);
    assert_true(socket_is_drained(&s));
}

static void the_end_behind_it_is_left(void **state)
{
    struct socket_error error = {0};
    char data[64];
    int64_t stamp_us;

    (void)state;
    connect_both();
    stage_say(peer, "421 bye\r\n");
    close(peer);
    peer = -1;
    assert_true(turn());
    assert_int_equal(read_some(data, &stamp_us, &error), 1);
    assert_false(socket_is_drained(&s));
    assert_int_equal(read_some(data, &stamp_us, &error), -1);
    assert_int_equal(error.number, 0);
}

static void unwatched_it_is_silent(void **state)
{
    (void)state;
    connect_both();
    socket_unwatch(&s);
    stage_say(peer, "220 hello\r\n");
    ready = false;
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_false(ready);
    socket_watch(&s, false, on_ready, &s);
    assert_true(turn());
}

/* The kernel's stamp, not the time of reading. */
static void a_late_read_shows_when_the_bytes_came(void **state)
{
    int64_t said_us, heard_us, stamp_us, lateness_us = stage_scale_us(300);
    struct socket_error error;
    char data[64];

    (void)state;
    connect_both();
    said_us = clock_mono_us();
    stage_say(peer, "220 hello\r\n");
    heard_us = clock_mono_us();
    stage_be_late(lateness_us);
    assert_int_equal(read_some(data, &stamp_us, &error), 1);
    assert_true(clock_mono_us() - heard_us >= lateness_us);
    /* The two clocks are read one after the other: allow for what lies between. */
    assert_in_range(stamp_us - said_us + 20 * CLOCK_US_PER_MS, 0,
                    heard_us - said_us + 40 * CLOCK_US_PER_MS + stage_scale_us(100));
}

static void stamps_never_run_backwards(void **state)
{
    int64_t stamp_us, last_us;
    struct socket_error error;
    char data[64];

    (void)state;
    connect_both();
    last_us = s.stamp_us;
    for (int i = 0; i < 200; i++) {
        stage_say(peer, "x");
        assert_true(turn());
        assert_int_equal(read_some(data, &stamp_us, &error), 1);
        assert_true(stamp_us >= last_us && stamp_us <= clock_mono_us());
        last_us = stamp_us;
    }
}

static void reset_is_not_closed(void **state)
{
    struct socket_error error = {0};
    int64_t stamp_us;
    char data[64];

    (void)state;
    connect_both();
    stage_reset(peer);
    peer = -1;
    assert_true(turn());
    assert_int_equal(read_some(data, &stamp_us, &error), -1);
    assert_int_equal(error.number, ECONNRESET);
}

/* The system tells an error once; a write that was told must not make the read look like an orderly end. */
static void reset_that_a_write_was_told(void **state)
{
    struct socket_error error = {0};
    int64_t stamp_us;
    char data[64];
    size_t len;

    (void)state;
    connect_both();
    stage_reset(peer);
    peer = -1;
    assert_true(turn());
    assert_int_equal(socket_write(&s, span_of("QUIT\r\n"), &len), -1);
    assert_int_equal(read_some(data, &stamp_us, &error), -1);
    assert_int_not_equal(error.number, 0);
}

/* C06: it was connected, so it is no refusal; the reading says that it was reset. */
static void c06_connected_and_reset_at_once(void **state)
{
    struct socket_error error = {0};
    int64_t stamp_us;
    char data[64];

    (void)state;
    assert_int_equal(socket_open(&s, sockets, &at, &nowhere, on_ready, &s, &error), 0);
    stage_reset(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    assert_true(turn());
    assert_int_equal(socket_connected(&s, &error), 1);
    assert_int_equal(read_some(data, &stamp_us, &error), -1);
    assert_int_equal(error.number, ECONNRESET);
}

static void a_full_pipe_is_no_error(void **state)
{
    static char much[64 * 1024];
    size_t len, sent = 0;
    int put;

    (void)state;
    connect_both();
    while ((put = socket_write(&s, (struct span){much, sizeof much}, &len)) > 0)
        sent += len;
    assert_int_equal(put, 0);
    assert_true(sent > 0);
    socket_watch(&s, true, on_ready, &s);
    ready = false;
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_false(ready); /* no room, and nothing to read */
    while (recv(peer, much, sizeof much, MSG_DONTWAIT) > 0)
        ;
    assert_true(turn());
    assert_int_equal(socket_write(&s, span_of("x"), &len), 1);
}

/* What the peer did not take would otherwise be kept and sent on by the system. */
static void reset_drops_what_was_not_sent(void **state)
{
    static char much[64 * 1024];
    size_t len;
    ssize_t got;

    (void)state;
    connect_both();
    while (socket_write(&s, (struct span){much, sizeof much}, &len) > 0)
        ;
    socket_reset(&s);
    assert_int_equal(s.fd, -1);
    do
        got = recv(peer, much, sizeof much, 0);
    while (got > 0);
    assert_int_equal(got, -1);
    assert_int_equal(errno, ECONNRESET);
}

static void closing_silences_it(void **state)
{
    (void)state;
    connect_both();
    stage_say(peer, "220 hello\r\n");
    ready = false;
    socket_close(&s);
    socket_close(&s);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_false(ready);
}

/* Q14: the byte is not of the stream, and nothing spins because of it. */
static void q14_urgent_data(void **state)
{
    struct socket_error error;
    char all[128] = "", data[64];
    int64_t stamp_us;
    int turns = 0;

    (void)state;
    connect_both();
    stage_say(peer, "220 ");
    assert_int_equal(send(peer, "!", 1, MSG_OOB), 1);
    stage_say(peer, "hello\r\n");
    while (strlen(all) < 11 && turns++ < 10) {
        assert_true(turn());
        while (read_some(data, &stamp_us, &error) > 0)
            strcat(all, data);
    }
    assert_string_equal(all, "220 hello\r\n");
    ready = false;
    stage_run_for(&loop, 20 * CLOCK_US_PER_MS);
    assert_false(ready);
}

/* R02 */
static void r02_no_descriptor_left(void **state)
{
    struct rlimit before, none;
    struct socket_error error = {0};

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int opened = socket_open(&s, sockets, &at, &nowhere, on_ready, &s, &error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(opened, -1);
    assert_int_equal(error.number, EMFILE);
    assert_int_equal(socket_reason(&error), REASON_LOCAL_RESOURCE);
}

static void what_an_error_means(void **state)
{
    static const struct {
        int number;
        const char *doing;
        enum reason reason;
    } rows[] = {
        {ECONNREFUSED, "connect", REASON_REFUSED},     {ENETUNREACH, "connect", REASON_UNREACHABLE},
        {EHOSTUNREACH, "connect", REASON_UNREACHABLE}, {EACCES, "connect", REASON_UNREACHABLE},
        {EAFNOSUPPORT, "socket", REASON_UNREACHABLE},  {ETIMEDOUT, "connect", REASON_TIMEOUT},
        {ECONNRESET, "connect", REASON_RESET},         {EMFILE, "socket", REASON_LOCAL_RESOURCE},
        {ENFILE, "socket", REASON_LOCAL_RESOURCE},     {ENOBUFS, "connect", REASON_LOCAL_RESOURCE},
        {ENOMEM, "connect", REASON_LOCAL_RESOURCE},    {EADDRNOTAVAIL, "connect", REASON_LOCAL_RESOURCE},
        {EADDRINUSE, "bind", REASON_LOCAL_RESOURCE},   {EPERM, "connect", REASON_LOCAL_RESOURCE},
        {EINVAL, "connect", REASON_UNREACHABLE},       {EINVAL, "bind", REASON_LOCAL_RESOURCE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct socket_error error = {.number = rows[i].number, .doing = rows[i].doing};

        if (socket_reason(&error) != rows[i].reason)
            fail_msg("%s of %s", strerrorname_np(rows[i].number), rows[i].doing);
    }
}

/* Of a Unix socket some numbers mean something else. */
static void what_an_error_of_a_path_means(void **state)
{
    static const struct {
        int number;
        enum reason reason;
    } rows[] = {
        {ECONNREFUSED, REASON_REFUSED}, {ENOENT, REASON_REFUSED},        {ENOTDIR, REASON_REFUSED},
        {EPROTOTYPE, REASON_REFUSED},   {EACCES, REASON_LOCAL_RESOURCE}, {EPERM, REASON_LOCAL_RESOURCE},
        {ELOOP, REASON_LOCAL_RESOURCE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct socket_error error = {.number = rows[i].number, .doing = "connect", .is_path = true};

        if (socket_reason(&error) != rows[i].reason)
            fail_msg("%s of a path", strerrorname_np(rows[i].number));
        assert_false(socket_is_full(&error));
    }
    assert_true(socket_is_full(&(struct socket_error){.number = EAGAIN, .is_path = true}));
    assert_false(socket_is_full(&(struct socket_error){.number = EAGAIN}));
    assert_int_equal(
        socket_reason(&(struct socket_error){.number = EMFILE, .doing = "socket", .is_path = true}),
        REASON_LOCAL_RESOURCE);
}

/* A link-local address says nothing without the interface that it is on. */
static void an_ipv6_address_that_lacks_its_scope(void **state)
{
    struct socket_error error = {0};
    struct address to, source;

    (void)state;
    address_parse("fe80::1", 25, &to);
    assert_int_equal(socket_open(&s, sockets, &to, &nowhere, on_ready, &s, &error), -1);
    assert_int_equal(socket_reason(&error), REASON_UNREACHABLE);

    address_parse("fe80::2", 0, &source);
    address_parse("2001:db8::1", 25, &to);
    assert_int_equal(socket_open(&s, sockets, &to, &source, on_ready, &s, &error), -1);
    assert_int_equal(socket_reason(&error), REASON_LOCAL_RESOURCE);
}

static void errors_have_name_and_sentence(void **state)
{
    char text[SOCKET_ERROR_SIZE];

    (void)state;
    socket_error_text(EHOSTUNREACH, text);
    assert_string_equal(text, "EHOSTUNREACH (No route to host)");
    socket_error_text(99999, text);
    assert_string_equal(text, "error (unknown)");
}

static void knows_its_own_addresses(void **state)
{
    struct address a;

    (void)state;
    address_parse("127.0.0.5", 25, &a);
    assert_true(socket_is_local(&a));
    address_parse("192.0.2.1", 25, &a);
    assert_false(socket_is_local(&a));
}

/* The kernel begins to stamp some time after it was first asked to. */
static int warm_up(void **state)
{
    (void)state;
    stamps = socket_keep_stamps();
    stage_be_late(50 * CLOCK_US_PER_MS);
    return stamps < 0;
}

static int cool_down(void **state)
{
    (void)state;
    return close(stamps);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connects_and_knows_both_ends),
        TEST(dials_from_the_source),
        TEST(a_source_that_is_not_ours),
        TEST(refused),
        TEST(reads_what_came),
        TEST(knows_whether_anything_is_left),
        TEST(the_end_behind_it_is_left),
        TEST(unwatched_it_is_silent),
        TEST(a_late_read_shows_when_the_bytes_came),
        TEST(stamps_never_run_backwards),
        TEST(reset_is_not_closed),
        TEST(reset_that_a_write_was_told),
        TEST(c06_connected_and_reset_at_once),
        TEST(a_full_pipe_is_no_error),
        TEST(reset_drops_what_was_not_sent),
        TEST(closing_silences_it),
        TEST(q14_urgent_data),
        TEST(r02_no_descriptor_left),
        TEST(what_an_error_means),
        TEST(what_an_error_of_a_path_means),
        TEST(an_ipv6_address_that_lacks_its_scope),
        TEST(errors_have_name_and_sentence),
        TEST(knows_its_own_addresses),
    };

    return cmocka_run_group_tests(tests, warm_up, cool_down);
}
