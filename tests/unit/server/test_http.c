/* SPDX-License-Identifier: Apache-2.0 */
/* The handler is a puppet: it answers at once, or keeps the request until the test does. */
#include "server/http.h"

#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>

static uv_loop_t loop;
static struct log quiet;
static struct http *http;

#define MAX_KEPT 8

static struct http_request *kept[MAX_KEPT];
static size_t kept_count;
static bool keeps; /* the handler answers nobody */
static bool asked;
static bool reserved; /* of the last request */
static bool local;
static unsigned gone;
static bool is_gone;
static unsigned left;
static bool drained;

static void answer(struct http_request *request)
{
    http_answer(request, &(struct http_reply){.status = 204});
}

static void handle(void *context, struct http_request *request)
{
    (void)context;
    asked = true;
    reserved = request->reserved;
    local = request->local;
    if (keeps)
        kept[kept_count++] = request;
    else
        answer(request);
}

static void on_gone(void *context, struct http_request *request)
{
    (void)context;
    (void)request;
    gone++;
    is_gone = true;
}

static void on_left(void *context)
{
    (void)context;
    left++;
}

static void on_drained(void *context)
{
    (void)context;
    drained = true;
}

/* The client's end of a connection that http has taken. */
static int connect_from(const char *peer)
{
    struct address address = {0};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    if (peer != NULL)
        assert_int_equal(address_parse(peer, 4711, &address), 0);
    http_take(http, pair[1], &address, NULL);
    return pair[0];
}

/* Whether the other side closes in time, and what it says until then. */
static bool read_all(int fd, char *text, size_t size)
{
    int64_t end_us = clock_mono_us() + stage_scale_us(8000);
    size_t len = 0;
    ssize_t got = -1;

    while (got != 0 && clock_mono_us() < end_us) {
        stage_run_for(&loop, CLOCK_US_PER_MS);
        got = recv(fd, text + len, size - len - 1, 0);
        if (got > 0)
            len += (size_t)got;
        else if (got < 0 && errno != EAGAIN)
            got = 0;
    }
    text[len] = '\0';
    return got == 0;
}

static const char request[] = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n";

static void ask(int fd)
{
    asked = false;
    stage_say(fd, request);
    assert_true(stage_run_until(&loop, &asked));
}

static int set_up(void **state)
{
    (void)state;
    kept_count = 0;
    keeps = asked = reserved = local = is_gone = drained = false;
    gone = left = 0;
    log_init(&quiet, open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    if (uv_loop_init(&loop) != 0)
        return -1;
    http = http_new(&(struct http_order){.loop = &loop,
                                         .log = &quiet,
                                         .max_connections = 2,
                                         .reserve = 1,
                                         .handle = handle,
                                         .gone = on_gone,
                                         .left = on_left});
    return http != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    http_free(http);
    close(quiet.fd);
    return stage_close(&loop);
}

static void a_connection_serves_many(void **state)
{
    int fd = connect_from(NULL);
    char text[512];
    ssize_t len;

    (void)state;
    for (int i = 0; i < 3; i++) {
        ask(fd);
        assert_false(reserved);
        stage_run_for(&loop, 5 * CLOCK_US_PER_MS);
        len = recv(fd, text, sizeof text - 1, 0);
        assert_true(len > 0);
        text[len] = '\0';
        assert_non_null(strstr(text, "HTTP/1.1 204 "));
        assert_null(strstr(text, "close"));
    }
    close(fd);
}

static void who_comes_from_this_machine(void **state)
{
    static const struct {
        const char *peer;
        bool local;
    } rows[] = {{NULL, true},         {"127.0.0.1", true}, {"127.9.9.9", true},    {"::1", true},
                {"192.0.2.1", false}, {"::", false},       {"2001:db8::1", false}, {"128.0.0.1", false}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = connect_from(rows[i].peer);
        ask(fd);
        assert_int_equal(local, rows[i].local);
        close(fd);
        stage_run_for(&loop, 5 * CLOCK_US_PER_MS);
    }
}

/* H05 */
static void the_last_one_is_marked_and_closed(void **state)
{
    int a = connect_from(NULL), b = connect_from(NULL), c = connect_from(NULL), d = connect_from(NULL);
    char text[512];

    (void)state;
    assert_true(read_all(d, text, sizeof text));
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_int_equal(left, 1);
    ask(c);
    assert_true(reserved);
    assert_true(read_all(c, text, sizeof text));
    assert_non_null(strstr(text, "HTTP/1.1 204 "));
    assert_non_null(strstr(text, "Connection: close"));
    assert_int_equal(left, 2);
    close(c);
    close(d);
    ask(a);
    assert_false(reserved);
    ask(b);
    assert_false(reserved);
    close(a);
    close(b);
}

static void who_waits_holds_an_ordinary_place(void **state)
{
    int a = connect_from(NULL), b = connect_from(NULL), c;

    (void)state;
    keeps = true;
    ask(a);
    ask(b);
    keeps = false;
    c = connect_from(NULL);
    ask(c);
    assert_true(reserved);
    close(c);
    answer(kept[0]);
    close(a);
    stage_run_for(&loop, 10 * CLOCK_US_PER_MS);
    c = connect_from(NULL);
    ask(c);
    assert_false(reserved);
    answer(kept[1]);
    close(b);
    close(c);
}

static void what_counts_is_when_it_asks(void **state)
{
    int a = connect_from(NULL), b = connect_from(NULL), c = connect_from(NULL);

    (void)state;
    close(a);
    stage_run_for(&loop, 10 * CLOCK_US_PER_MS);
    ask(c);
    assert_false(reserved);
    close(b);
    close(c);
}

static void over_all_of_it_there_is_a_short_answer(void **state)
{
    int a = connect_from(NULL), b = connect_from(NULL), c = connect_from(NULL), d = connect_from(NULL);
    char text[512];

    (void)state;
    assert_true(read_all(d, text, sizeof text));
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_non_null(strstr(text, "Retry-After: 1\r\n"));
    close(a);
    close(b);
    close(c);
    close(d);
}

/* H01, H02: the reserve is not for those who keep silent. */
static void in_the_reserve_there_is_little_time(void **state)
{
    int a = connect_from(NULL), b = connect_from(NULL), c = connect_from(NULL);
    int64_t begun_us = clock_mono_us();
    char text[512];

    (void)state;
    assert_true(read_all(c, text, sizeof text));
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_true(clock_mono_us() - begun_us >= 900 * CLOCK_US_PER_MS);
    assert_true(clock_mono_us() - begun_us < stage_scale_us(3000));
    assert_true(read_all(a, text, sizeof text) &&
                read_all(b, text, sizeof text)); /* nor for the others then */
    assert_string_equal(text, "");
    assert_true(clock_mono_us() - begun_us < stage_scale_us(3000));
    close(a);
    close(b);
    close(c);
}

/* Who has its answer and keeps the connection gives way to newcomers, and only to them. */
static void when_places_are_wanted_idle_ones_are_closed(void **state)
{
    int a = connect_from(NULL), b, c;
    int64_t begun_us;
    char text[512];

    (void)state;
    ask(a);
    stage_run_for(&loop, 1600 * CLOCK_US_PER_MS);
    assert_true(recv(a, text, sizeof text, 0) > 0);
    ask(a); /* it is still there */
    b = connect_from(NULL);
    begun_us = clock_mono_us();
    c = connect_from(NULL);
    assert_true(read_all(a, text, sizeof text));
    assert_non_null(strstr(text, "HTTP/1.1 204 "));
    assert_true(clock_mono_us() - begun_us < stage_scale_us(3000));
    close(a);
    close(b);
    close(c);
}

static void when_places_are_wanted_answers_close(void **state)
{
    int a = connect_from(NULL), b = connect_from(NULL);
    char text[512];

    (void)state;
    ask(a);
    assert_true(read_all(a, text, sizeof text));
    assert_non_null(strstr(text, "HTTP/1.1 204 "));
    assert_non_null(strstr(text, "Connection: close"));
    close(a);
    close(b);
}

/* H08 */
static void a_client_that_left_is_told_once(void **state)
{
    int fd = connect_from(NULL);

    (void)state;
    keeps = true;
    ask(fd);
    close(fd);
    assert_true(stage_run_until(&loop, &is_gone));
    stage_run_for(&loop, 600 * CLOCK_US_PER_MS);
    assert_int_equal(gone, 1);
}

static void who_still_waits_in_the_end_is_gone(void **state)
{
    int fd = connect_from(NULL);

    (void)state;
    keeps = true;
    ask(fd);
    http_free(http);
    http = NULL;
    assert_int_equal(gone, 1);
    close(fd);
}

/* ---- draining ---- */

static void without_anybody_it_drains_at_once(void **state)
{
    int64_t begun_us = clock_mono_us();

    (void)state;
    http_drain(http, 5000, on_drained, NULL);
    assert_false(drained);
    assert_true(stage_run_until(&loop, &drained));
    assert_true(clock_mono_us() - begun_us < stage_scale_us(200));
}

static void who_is_connected_may_still_ask(void **state)
{
    int fd = connect_from(NULL);
    char text[512];

    (void)state;
    http_drain(http, 5000, on_drained, NULL);
    stage_run_for(&loop, 50 * CLOCK_US_PER_MS);
    assert_false(drained);
    ask(fd);
    assert_true(read_all(fd, text, sizeof text));
    assert_non_null(strstr(text, "HTTP/1.1 204 "));
    assert_non_null(strstr(text, "Connection: close"));
    assert_true(stage_run_until(&loop, &drained));
    close(fd);
}

static void but_an_idle_client_does_not_hold_it(void **state)
{
    int fd = connect_from(NULL);
    int64_t begun_us = clock_mono_us();

    (void)state;
    http_drain(http, 5000, on_drained, NULL);
    assert_true(stage_run_until(&loop, &drained));
    assert_true(clock_mono_us() - begun_us < stage_scale_us(1500));
    close(fd);
}

static void a_request_under_way_holds_it_until_its_answer_or_the_limit(void **state)
{
    int fd = connect_from(NULL), other = connect_from(NULL);

    (void)state;
    keeps = true;
    ask(fd);
    ask(other);
    http_drain(http, 60000, on_drained, NULL);
    answer(kept[0]);
    stage_run_for(&loop, 700 * CLOCK_US_PER_MS);
    assert_false(drained);
    http_drain(http, 50, on_drained, NULL);
    assert_true(stage_run_until(&loop, &drained));
    close(fd);
    close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_connection_serves_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_comes_from_this_machine, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_one_is_marked_and_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_waits_holds_an_ordinary_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_counts_is_when_it_asks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(over_all_of_it_there_is_a_short_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(in_the_reserve_there_is_little_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(when_places_are_wanted_idle_ones_are_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(when_places_are_wanted_answers_close, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_left_is_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_still_waits_in_the_end_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_anybody_it_drains_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_connected_may_still_ask, set_up, tear_down),
        cmocka_unit_test_setup_teardown(but_an_idle_client_does_not_hold_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_under_way_holds_it_until_its_answer_or_the_limit, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
