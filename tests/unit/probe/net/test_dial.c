/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net/dial.h"

#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>

enum { MAX = 4 };

static uv_loop_t loop;
static struct sockets *sockets;
static struct dial dial;
static struct arena arena;
static struct dial_lines *lines;
static struct plan plan;
static struct address addresses[MAX], good, closed;
static int listener, bound;
static bool over;
static size_t descriptors;

static int set_up(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    sockets = sockets_new(&loop);
    descriptors = stage_descriptors();
    dial = (struct dial){.socket = {.fd = -1}};
    arena = (struct arena){0};
    plan = (struct plan){0};
    lines = dial_lines_new(0);
    over = false;
    listener = stage_listen("127.0.0.1", 16, &good);
    bound = stage_closed_port("127.0.0.1", &closed);
    return listener < 0 || bound < 0;
}

static int tear_down(void **state)
{
    (void)state;
    dial_clear(&dial);
    dial_lines_free(lines);
    arena_free(&arena);
    close(listener);
    close(bound);
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

static struct dial_order order_of(size_t count, int64_t limit_us)
{
    return (struct dial_order){.plan = &plan,
                               .addresses = addresses,
                               .count = count,
                               .lines = lines,
                               .sockets = sockets,
                               .limit_us = limit_us,
                               .ends_us = CLOCK_NEVER};
}

static void start_as(const struct dial_order *order)
{
    dial_start(&dial, &loop, &arena, order, on_done, &dial);
    assert_false(over); /* never from inside */
}

static void start(size_t count, int64_t limit_us)
{
    struct dial_order order = order_of(count, limit_us);

    start_as(&order);
}

static void dial_all(size_t count, int64_t limit_us)
{
    start(count, limit_us);
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(dial.socket.fd >= 0,
                     dial.attempts[dial.attempt_count - 1].failure.reason == REASON_NONE);
}

static const struct result_failure *failure_of(size_t i)
{
    assert_true(i < dial.attempt_count);
    return &dial.attempts[i].failure;
}

static void connects(void **state)
{
    (void)state;
    addresses[0] = good;
    dial_all(1, stage_scale_us(2000));
    assert_int_equal(dial.attempt_count, 1);
    assert_true(dial.socket.fd >= 0);
    assert_true(address_same_host(&dial.peer, &good));
    assert_int_equal(dial.asked_us + dial.attempts[0].connect_us, dial.socket.stamp_us);
    assert_int_equal(dial_took_us(&dial, dial.socket.stamp_us), dial.attempts[0].connect_us);
}

static void c01_refused(void **state)
{
    char text[DIAL_TEXT_SIZE], message[DIAL_TEXT_SIZE + 64];

    (void)state;
    addresses[0] = closed;
    dial_all(1, stage_scale_us(2000));
    assert_int_equal(failure_of(0)->phase, PHASE_CONNECT);
    assert_int_equal(failure_of(0)->reason, REASON_REFUSED);
    assert_int_equal(failure_of(0)->limit_us, CLOCK_NONE);
    dial_text(&closed, text);
    snprintf(message, sizeof message, "connect to %s: connection refused", text);
    assert_string_equal(failure_of(0)->message, message);
    assert_true(dial.attempts[0].connect_us < stage_scale_us(500));
}

static void goes_on_until_one_answers(void **state)
{
    (void)state;
    addresses[0] = addresses[1] = closed;
    addresses[2] = good;
    addresses[3] = closed; /* is not asked any more */
    dial_all(4, stage_scale_us(2000));
    assert_int_equal(dial.attempt_count, 3);
    assert_int_equal(failure_of(0)->reason, REASON_REFUSED);
    assert_int_equal(failure_of(2)->reason, REASON_NONE);
}

/* C04: each has its share, and what one does not use up is the others'. */
static void c04_a_dead_address_gets_its_share(void **state)
{
    struct stage_hole hole;
    int64_t begun_us = clock_mono_us(), took_us;

    (void)state;
    stage_hole_open(&hole);
    addresses[0] = closed;
    addresses[1] = hole.at;
    addresses[2] = good;
    dial_all(3, stage_scale_us(400));
    took_us = clock_mono_us() - begun_us;
    assert_int_equal(dial.attempt_count, 3);
    assert_int_equal(failure_of(1)->reason, REASON_TIMEOUT);
    assert_non_null(strstr(failure_of(1)->message, "its share of timeouts.connect"));
    assert_true(failure_of(1)->limit_us > stage_scale_us(180));
    assert_true(failure_of(1)->limit_us <= stage_scale_us(200));
    assert_true(took_us >= failure_of(1)->limit_us && took_us < stage_scale_us(400));
    assert_int_equal(failure_of(2)->reason, REASON_NONE);
    stage_hole_close(&hole);
}

static void nobody_answers(void **state)
{
    struct stage_hole hole;
    int64_t begun_us = clock_mono_us(), took_us;

    (void)state;
    stage_hole_open(&hole);
    for (size_t i = 0; i < MAX; i++)
        addresses[i] = hole.at;
    dial_all(4, stage_scale_us(400));
    took_us = clock_mono_us() - begun_us;
    assert_int_equal(dial.attempt_count, 4);
    assert_true(took_us >= stage_scale_us(400) && took_us < stage_scale_us(400) + stage_scale_us(250));
    for (size_t i = 0; i < MAX; i++)
        assert_int_equal(failure_of(i)->reason, REASON_TIMEOUT);
    stage_hole_close(&hole);
}

static void the_end_of_the_run_is_a_deadline(void **state)
{
    struct stage_hole hole;
    struct dial_order order = order_of(1, stage_scale_us(2000));

    (void)state;
    stage_hole_open(&hole);
    addresses[0] = hole.at;
    order.ends_us = clock_mono_us() + stage_scale_us(100);
    start_as(&order);
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(failure_of(0)->reason, REASON_DEADLINE);
    assert_non_null(strstr(failure_of(0)->message, "s, when the time of the run was over (timeout, "));
    stage_hole_close(&hole);
}

/* The loop comes back when all time is over: what has happened until then counts. */
static void a_late_loop_still_sees_the_connection(void **state)
{
    (void)state;
    addresses[0] = good;
    start(1, stage_scale_us(50));
    stage_be_late(stage_scale_us(100));
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(failure_of(0)->reason, REASON_NONE);
    assert_true(dial.attempts[0].connect_us < stage_scale_us(50)); /* and when it was made */
}

static void c13_a_listener_of_our_own_is_a_loop(void **state)
{
    struct address own;

    (void)state;
    own = good;
    plan.own = &own;
    plan.own_count = 1;
    addresses[0] = good;
    dial_all(1, stage_scale_us(2000));
    assert_int_equal(failure_of(0)->reason, REASON_LOOP);
    assert_int_equal(dial.socket.fd, -1);
}

/* 0.0.0.0 is dialled as 127.0.0.1, and a listener on every address is on this one too. */
static void c13_under_another_name(void **state)
{
    struct address own, any;

    (void)state;
    address_parse("0.0.0.0", address_port(&good), &any);
    own = good;
    plan.own = &own;
    plan.own_count = 1;
    addresses[0] = any;
    dial_all(1, stage_scale_us(2000));
    assert_int_equal(failure_of(0)->reason, REASON_LOOP);

    over = false;
    dial_clear(&dial);
    plan.own = &any;
    addresses[0] = good;
    dial_all(1, stage_scale_us(2000));
    assert_int_equal(failure_of(0)->reason, REASON_LOOP);
}

/* IPv4 written as IPv6 leads to the same listener. */
static void c13_written_as_ipv6(void **state)
{
    struct address own = good;

    (void)state;
    plan.own = &own;
    plan.own_count = 1;
    address_parse("::ffff:127.0.0.1", address_port(&good), &addresses[0]);
    dial_all(1, stage_scale_us(2000));
    assert_int_equal(failure_of(0)->reason, REASON_LOOP);
}

static void another_port_of_ours_is_no_loop(void **state)
{
    (void)state;
    plan.own = &closed;
    plan.own_count = 1;
    addresses[0] = good;
    dial_all(1, stage_scale_us(2000));
    assert_int_equal(failure_of(0)->reason, REASON_NONE);
}

/* D15: the address that is dialled is judged, and what may not be dialled sees no packet. */
static void d15_what_is_not_allowed_is_not_dialled(void **state)
{
    static const char *const names[] = {"mx.example.org"};
    struct allow allow = {.names = names, .name_count = 1};
    char text[DIAL_TEXT_SIZE], message[DIAL_TEXT_SIZE + 64];

    (void)state;
    plan.host = "mx.example.org";
    plan.allow = &allow;
    addresses[0] = addresses[1] = good;
    dial_all(2, stage_scale_us(2000));
    assert_int_equal(dial.attempt_count, 2);
    assert_int_equal(failure_of(1)->phase, PHASE_CONNECT);
    assert_int_equal(failure_of(1)->reason, REASON_NOT_ALLOWED);
    dial_text(&good, text);
    snprintf(message, sizeof message, "%s may not be dialled (server.probe_allow)", text);
    assert_string_equal(failure_of(0)->message, message);
    assert_int_equal(dial_took_us(&dial, clock_mono_us()), CLOCK_NONE);
    assert_int_equal(poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, 0), 0);
}

static void d15_an_address_that_is_allowed_is_dialled(void **state)
{
    struct allow_net net = {.bits = 32};
    struct allow allow = {.nets = &net, .net_count = 1};

    (void)state;
    plan.host = "mx.example.org";
    plan.allow = &allow;
    net.network = good;
    address_parse("127.0.0.9", address_port(&good), &addresses[0]);
    addresses[1] = good;
    dial_all(2, stage_scale_us(2000));
    assert_int_equal(failure_of(0)->reason, REASON_NOT_ALLOWED);
    assert_int_equal(failure_of(1)->reason, REASON_NONE);
}

/* Dialled from the very port that is dialled: TCP connects the socket with itself. */
static void a_closed_port_that_is_our_own_end_is_refused(void **state)
{
    struct address itself;

    (void)state;
    /* The port is free again, and its owner asks to dial from it. */
    close(bound);
    itself = closed;
    plan.source = itself;
    addresses[0] = itself;
    dial_all(1, stage_scale_us(2000));
    bound = stage_closed_port("127.0.0.1", &closed);
    assert_int_equal(failure_of(0)->reason, REASON_REFUSED);
}

static void an_address_that_cannot_be_begun_with_is_an_attempt(void **state)
{
    (void)state;
    address_parse("127.0.0.1", 0, &plan.source);
    address_parse("::1", address_port(&good), &addresses[0]);
    addresses[1] = good;
    dial_all(2, stage_scale_us(2000));
    assert_int_equal(dial.attempt_count, 2);
    assert_int_not_equal(failure_of(0)->reason, REASON_NONE);
    assert_non_null(strstr(failure_of(0)->message, "from 127.0.0.1 to [::1]"));
    assert_int_equal(failure_of(1)->reason, REASON_NONE);
}

static void c11_no_descriptor_left(void **state)
{
    struct rlimit before, none;

    (void)state;
    addresses[0] = addresses[1] = good;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    start(2, stage_scale_us(2000));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(dial.attempt_count, 2);
    assert_int_equal(failure_of(0)->reason, REASON_LOCAL_RESOURCE);
    assert_non_null(strstr(failure_of(0)->message, "EMFILE"));
}

static void cleared_in_the_middle_it_is_silent(void **state)
{
    (void)state;
    addresses[0] = good;
    start(1, stage_scale_us(50));
    dial_clear(&dial);
    stage_run_for(&loop, stage_scale_us(80));
    assert_false(over);
}

/* ---- in line ---- */

static void nothing_to_note(void *context)
{
    (void)context;
}

/* Somebody else's connection to that address: as many as may be. */
static struct dial_place other;

static void occupy(const struct address *at)
{
    dial_lines_set_limit(lines, 1, NULL);
    other = (struct dial_place){.place = {.called = nothing_to_note}};
    assert_true(dial_lines_enter(lines, &other, at));
}

/* The time for dialling stands still, and what was waited is no time of the attempt. */
static void waits_until_another_connection_is_closed(void **state)
{
    int64_t begun_us = clock_mono_us(), took_us;

    (void)state;
    addresses[0] = good;
    occupy(&good);
    start(1, stage_scale_us(50));
    stage_run_for(&loop, stage_scale_us(100));
    assert_false(over);
    assert_true(dial.waiting);
    assert_int_equal(dial_took_us(&dial, clock_mono_us()), CLOCK_NONE);
    assert_true(dial_waited_us(&dial, clock_mono_us()) >= stage_scale_us(100));
    dial_lines_leave(&other);
    assert_false(over);
    assert_true(stage_run_until(&loop, &over));
    took_us = clock_mono_us() - begun_us;
    assert_int_equal(dial.attempt_count, 1);
    assert_int_equal(failure_of(0)->reason, REASON_NONE);
    assert_true(dial.attempts[0].connect_us <= took_us - stage_scale_us(100));
    assert_true(dial.waited_us >= stage_scale_us(100) && dial.waited_us <= took_us);
}

/* Its share of the time is what it was: 50 of 100, though it waited for longer than that. */
static void what_is_waited_is_nobodys_share(void **state)
{
    struct stage_hole hole;

    (void)state;
    stage_hole_open(&hole);
    addresses[0] = hole.at;
    addresses[1] = good;
    occupy(&hole.at);
    start(2, stage_scale_us(200));
    stage_run_for(&loop, stage_scale_us(250));
    dial_lines_leave(&other);
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(dial.attempt_count, 2);
    assert_int_equal(failure_of(0)->reason, REASON_TIMEOUT);
    assert_true(failure_of(0)->limit_us > stage_scale_us(80));
    assert_true(failure_of(0)->limit_us <= stage_scale_us(100));
    assert_int_equal(failure_of(1)->reason, REASON_NONE);
    stage_hole_close(&hole);
}

static void only_the_end_of_the_run_ends_the_waiting(void **state)
{
    struct dial_order order = order_of(2, stage_scale_us(10));
    char text[DIAL_TEXT_SIZE], message[DIAL_TEXT_SIZE + 64];

    (void)state;
    addresses[0] = closed;
    addresses[1] = good;
    occupy(&good);
    order.ends_us = clock_mono_us() + stage_scale_us(100);
    start_as(&order);
    assert_true(stage_run_until(&loop, &over));
    assert_true(clock_mono_us() >= order.ends_us);
    assert_true(dial.gave_up);
    assert_int_equal(dial.socket.fd, -1);
    assert_int_equal(dial.attempt_count, 2);
    assert_int_equal(failure_of(0)->reason, REASON_REFUSED);
    assert_int_equal(failure_of(1)->reason, REASON_LOCAL_RESOURCE);
    assert_int_equal(failure_of(1)->phase, PHASE_CONNECT);
    assert_int_equal(dial.attempts[1].connect_us, CLOCK_NONE);
    dial_text(&good, text);
    snprintf(message, sizeof message, "s: 1 connection to %s was open (server.max_per_address)", text);
    assert_non_null(strstr(failure_of(1)->message, message));
    dial_lines_leave(&other);
}

/* Its turn came, but the loop came back after the run's end: nobody is dialled. */
static void called_too_late(void **state)
{
    struct dial_order order = order_of(1, stage_scale_us(50));

    (void)state;
    addresses[0] = good;
    occupy(&good);
    order.ends_us = clock_mono_us() + stage_scale_us(50);
    start_as(&order);
    dial_lines_leave(&other);
    stage_be_late(stage_scale_us(60));
    assert_true(stage_run_until(&loop, &over));
    assert_true(dial.gave_up);
    assert_int_equal(failure_of(0)->reason, REASON_LOCAL_RESOURCE);
    assert_int_equal(dial.attempts[0].connect_us, CLOCK_NONE);
}

/* An attempt that failed keeps nobody waiting; a connection does until it is closed, whoever closed it. */
static void keeps_its_place_as_long_as_the_connection(void **state)
{
    struct dial_place next = {.place = {.called = nothing_to_note}};

    (void)state;
    dial_lines_set_limit(lines, 1, NULL);
    addresses[0] = closed;
    addresses[1] = good;
    dial_all(2, stage_scale_us(2000));
    assert_true(dial_lines_enter(lines, &next, &closed));
    dial_lines_leave(&next);
    assert_false(dial_lines_enter(lines, &next, &good));
    socket_close(&dial.socket);
    assert_int_equal(next.place.where, LINE_WAITING);
    dial_clear(&dial);
    assert_int_equal(next.place.where, LINE_INSIDE);
    dial_lines_leave(&next);
}

static void cleared_while_it_waits_it_is_silent(void **state)
{
    (void)state;
    addresses[0] = good;
    occupy(&good);
    start(1, stage_scale_us(50));
    dial_clear(&dial);
    dial_lines_leave(&other);
    stage_run_for(&loop, stage_scale_us(80));
    assert_false(over);
}

static void writes_addresses_with_ports(void **state)
{
    struct address a;
    char text[DIAL_TEXT_SIZE];

    (void)state;
    address_parse("192.0.2.1", 25, &a);
    dial_text(&a, text);
    assert_string_equal(text, "192.0.2.1:25");
    address_parse("2001:db8::1", 587, &a);
    dial_text(&a, text);
    assert_string_equal(text, "[2001:db8::1]:587");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connects),
        TEST(c01_refused),
        TEST(goes_on_until_one_answers),
        TEST(c04_a_dead_address_gets_its_share),
        TEST(nobody_answers),
        TEST(the_end_of_the_run_is_a_deadline),
        TEST(a_late_loop_still_sees_the_connection),
        TEST(c13_a_listener_of_our_own_is_a_loop),
        TEST(c13_under_another_name),
        TEST(c13_written_as_ipv6),
        TEST(d15_what_is_not_allowed_is_not_dialled),
        TEST(d15_an_address_that_is_allowed_is_dialled),
        TEST(another_port_of_ours_is_no_loop),
        TEST(a_closed_port_that_is_our_own_end_is_refused),
        TEST(an_address_that_cannot_be_begun_with_is_an_attempt),
        TEST(c11_no_descriptor_left),
        TEST(cleared_in_the_middle_it_is_silent),
        TEST(waits_until_another_connection_is_closed),
        TEST(what_is_waited_is_nobodys_share),
        TEST(only_the_end_of_the_run_ends_the_waiting),
        TEST(called_too_late),
        TEST(keeps_its_place_as_long_as_the_connection),
        TEST(cleared_while_it_waits_it_is_silent),
        TEST(writes_addresses_with_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
