/* SPDX-License-Identifier: Apache-2.0 */
#include "server/callers.h"

#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uv_loop_t loop;
static const struct address nobody; /* a Unix socket's */
static struct callers *callers;
static struct caller *late;
static struct caller *gone;
static bool told; /* late or gone */

static void on_late(void *context, struct caller *caller)
{
    (void)context;
    late = caller;
    told = true;
}

static void on_gone(void *context, struct caller *caller)
{
    (void)context;
    gone = caller;
    caller->waiting = false;
    told = true;
}

static int set_up(void **state)
{
    (void)state;
    late = gone = NULL;
    told = false;
    if (uv_loop_init(&loop) != 0)
        return -1;
    callers = callers_new(
        &(struct callers_order){.loop = &loop, .seats = 2, .reserve = 1, .late = on_late, .gone = on_gone});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    callers_free(callers);
    return stage_close(&loop);
}

static void who_comes_last_sits_in_the_reserve(void **state)
{
    struct caller a = {0}, b = {0}, c = {0};

    (void)state;
    assert_true(callers_are_gone(callers));
    callers_enter(callers, &a, 10, &nobody);
    assert_false(callers_are_many(callers));
    callers_enter(callers, &b, 11, &nobody);
    assert_true(callers_are_many(callers));
    assert_false(a.reserved || b.reserved || callers_are_gone(callers));
    callers_enter(callers, &c, 12, &nobody);
    assert_true(c.reserved && callers_seat(callers, &nobody) == CALLERS_NONE);
    assert_int_equal(c.fd, 12);
    callers_promote(callers, &c);
    assert_true(c.reserved); /* no other seat is free */
    callers_leave(callers, &b);
    assert_true(c.reserved && callers_seat(callers, &nobody) == CALLERS_SEAT);
    callers_promote(callers, &c);
    assert_false(c.reserved);
    callers_enter(callers, &b, 13, &nobody);
    assert_true(b.reserved); /* its seat is c's now */
    callers_leave(callers, &a);
    callers_leave(callers, &b);
    callers_leave(callers, &c);
    assert_true(callers_are_gone(callers));
}

static void a_deadline_is_told_once_and_not_early(void **state)
{
    int64_t begun_us = clock_mono_us();
    struct caller a = {.deadline_us = CLOCK_NEVER};
    struct caller b = {.deadline_us = begun_us + 20 * CLOCK_US_PER_MS};

    (void)state;
    callers_enter(callers, &a, 10, &nobody);
    callers_enter(callers, &b, 11, &nobody);
    assert_true(stage_run_until(&loop, &told));
    assert_ptr_equal(late, &b);
    assert_true(clock_mono_us() - begun_us >= 20 * CLOCK_US_PER_MS);
    assert_true(b.deadline_us == CLOCK_NEVER);
    late = NULL;
    stage_run_for(&loop, 600 * CLOCK_US_PER_MS); /* one sweep more */
    assert_null(late);
    callers_leave(callers, &a);
    callers_leave(callers, &b);
}

static void a_client_that_left_is_told_when_it_waits(void **state)
{
    struct caller a = {.deadline_us = CLOCK_NEVER}, b = {.deadline_us = CLOCK_NEVER, .waiting = true};
    int first[2], second[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, first), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, second), 0);
    callers_enter(callers, &a, first[0], &nobody);
    callers_enter(callers, &b, second[0], &nobody);
    shutdown(second[1], SHUT_WR); /* it may well read the answer */
    close(first[1]);              /* gone, but does not wait */
    stage_run_for(&loop, 600 * CLOCK_US_PER_MS);
    assert_null(gone);
    close(second[1]);
    assert_true(stage_run_until(&loop, &told));
    assert_ptr_equal(gone, &b);
    callers_leave(callers, &a);
    callers_leave(callers, &b);
    close(first[0]);
    close(second[0]);
}

static void count(void *context, struct caller *caller)
{
    unsigned *sum = context;

    *sum += (unsigned)caller->fd;
}

static void everybody_can_be_called(void **state)
{
    struct caller a = {0}, b = {0}, c = {0};
    unsigned sum = 0;

    (void)state;
    callers_enter(callers, &a, 1, &nobody);
    callers_enter(callers, &b, 2, &nobody);
    callers_enter(callers, &c, 4, &nobody);
    callers_each(callers, count, &sum);
    assert_int_equal(sum, 7);
    callers_leave(callers, &b); /* from the middle */
    sum = 0;
    callers_each(callers, count, &sum);
    assert_int_equal(sum, 5);
    callers_leave(callers, &c);
    callers_leave(callers, &a);
}

static struct address at(const char *literal)
{
    struct address a;

    assert_int_equal(address_parse(literal, 4711, &a), 0);
    return a;
}

static void enter_all(struct caller *crowd, size_t count, const char *literal)
{
    struct address from = at(literal);

    for (size_t i = 0; i < count; i++)
        callers_enter(callers, &crowd[i], 10, &from);
}

static enum callers_seat seat_for(const char *literal)
{
    struct address from = at(literal);

    return callers_seat(callers, &from);
}

static int set_up_crowd(void **state)
{
    (void)state;
    if (uv_loop_init(&loop) != 0)
        return -1;
    callers = callers_new(&(struct callers_order){
        .loop = &loop, .seats = 8, .reserve = 4, .per_address = 4, .late = on_late, .gone = on_gone});
    return 0;
}

/* H05: it gets half of the seats and half of the reserve, and all others find theirs. */
static void h05_one_address_cannot_take_all(void **state)
{
    struct caller one[6] = {{0}}, other[4] = {{0}};

    (void)state;
    enter_all(one, 6, "192.0.2.1");
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(one[i].reserved, i >= 4);
    assert_int_equal(seat_for("192.0.2.1"), CALLERS_NONE);
    assert_int_equal(seat_for("::ffff:192.0.2.1"), CALLERS_NONE);
    assert_int_equal(seat_for("192.0.2.2"), CALLERS_SEAT);
    enter_all(other, 4, "192.0.2.2");
    assert_true(callers_are_many(callers));
    assert_int_equal(seat_for("192.0.2.3"), CALLERS_RESERVE);
    callers_promote(callers, &one[4]);
    assert_true(one[4].reserved);
    callers_leave(callers, &other[0]);
    callers_promote(callers, &one[4]); /* there is a seat, but not for this one */
    assert_true(one[4].reserved);
    callers_leave(callers, &one[0]);
    callers_promote(callers, &one[4]);
    assert_false(one[4].reserved);
    for (size_t i = 1; i < 6; i++)
        callers_leave(callers, &one[i]);
    for (size_t i = 1; i < 4; i++)
        callers_leave(callers, &other[i]);
}

/* Of IPv6 a /64 is one. */
static void h05_ipv6_is_counted_by_network(void **state)
{
    struct caller one[6] = {{0}};

    (void)state;
    enter_all(one, 3, "2001:db8:0:1::1");
    enter_all(one + 3, 3, "2001:db8:0:1:ffff::1");
    assert_int_equal(seat_for("2001:db8:0:1:2::1"), CALLERS_NONE);
    assert_int_equal(seat_for("2001:db8:0:2::1"), CALLERS_SEAT);
    assert_int_equal(seat_for("192.0.2.1"), CALLERS_SEAT);
    for (size_t i = 0; i < 6; i++)
        callers_leave(callers, &one[i]);
}

/* Behind a proxy on this machine are all of its callers. */
static void this_machine_has_no_limit_of_its_own(void **state)
{
    static const char *const locals[] = {"127.0.0.1", "127.255.0.1", "::1"};
    struct caller one[12] = {{0}};

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        enter_all(one, 12, locals[k]);
        assert_int_equal(callers_seat(callers, &nobody), CALLERS_NONE);
        assert_int_equal(seat_for("192.0.2.1"), CALLERS_NONE);
        for (size_t i = 0; i < 12; i++)
            callers_leave(callers, &one[i]);
    }
}

static void one_that_has_left_is_seen(void **state)
{
    struct caller a = {0};
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    callers_enter(callers, &a, pair[0], &nobody);
    assert_false(callers_has_left(&a));
    shutdown(pair[1], SHUT_WR);
    assert_false(callers_has_left(&a));
    close(pair[1]);
    assert_true(callers_has_left(&a));
    callers_leave(callers, &a);
    close(pair[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_comes_last_sits_in_the_reserve, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_deadline_is_told_once_and_not_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_left_is_told_when_it_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(everybody_can_be_called, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_has_left_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(h05_one_address_cannot_take_all, set_up_crowd, tear_down),
        cmocka_unit_test_setup_teardown(h05_ipv6_is_counted_by_network, set_up_crowd, tear_down),
        cmocka_unit_test_setup_teardown(this_machine_has_no_limit_of_its_own, set_up_crowd, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
