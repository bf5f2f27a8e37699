/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net/dial_lines.h"

#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct dial_lines *lines;
static size_t called;

static void note(void *context)
{
    (void)context;
    called++;
}

static struct dial_place new_place(void)
{
    return (struct dial_place){.place = {.called = note}};
}

static bool enter(struct dial_place *place, const char *host, uint16_t port)
{
    struct address to;

    assert_int_equal(address_parse(host, port, &to), 0);
    *place = new_place();
    return dial_lines_enter(lines, place, &to);
}

static int set_up(void **state)
{
    (void)state;
    called = 0;
    lines = dial_lines_new(1);
    return 0;
}

/* It minds whoever was forgotten. */
static int tear_down(void **state)
{
    (void)state;
    dial_lines_free(lines);
    return 0;
}

static void each_address_and_port_has_its_own(void **state)
{
    struct dial_place a, b, c, d, again;

    (void)state;
    assert_true(enter(&a, "192.0.2.1", 25));
    assert_true(enter(&b, "192.0.2.1", 587));
    assert_true(enter(&c, "192.0.2.2", 25));
    assert_true(enter(&d, "2001:db8::1", 25));
    assert_false(enter(&again, "192.0.2.1", 25));
    assert_int_equal(dial_lines_inside(&again), 1);
    dial_lines_leave(&b);
    dial_lines_leave(&c);
    dial_lines_leave(&d);
    assert_int_equal(called, 0);
    dial_lines_leave(&a);
    assert_int_equal(called, 1);
    assert_int_equal(again.place.where, LINE_INSIDE);
    dial_lines_leave(&again);
    dial_lines_leave(&again); /* nowhere */
    assert_int_equal(dial_lines_inside(&again), 0);
}

/* The server counts them as one client's, however they are written. */
static void ipv4_as_ipv6_is_the_same(void **state)
{
    struct dial_place a, b;

    (void)state;
    assert_true(enter(&a, "192.0.2.1", 25));
    assert_false(enter(&b, "::ffff:192.0.2.1", 25));
    dial_lines_leave(&a);
    dial_lines_leave(&b);
}

static void the_limit_is_raised_for_all(void **state)
{
    struct dial_place places[3][3];
    const char *hosts[3] = {"192.0.2.1", "192.0.2.2", "2001:db8::1"};

    (void)state;
    for (size_t h = 0; h < 3; h++)
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(enter(&places[h][i], hosts[h], 25), i == 0);
    dial_lines_set_limit(lines, 2, NULL);
    assert_int_equal(called, 3);
    dial_lines_set_limit(lines, 0, NULL);
    assert_int_equal(called, 6);
    for (size_t h = 0; h < 3; h++)
        for (size_t i = 0; i < 3; i++)
            dial_lines_leave(&places[h][i]);
}

/* A limit holds for addresses that come later too. */
static void the_limit_is_lowered_for_all(void **state)
{
    struct dial_place a, b, c;

    (void)state;
    dial_lines_set_limit(lines, 2, NULL);
    assert_true(enter(&a, "192.0.2.1", 25));
    assert_true(enter(&b, "192.0.2.1", 25));
    dial_lines_set_limit(lines, 1, NULL);
    assert_false(enter(&c, "192.0.2.1", 25));
    dial_lines_leave(&a);
    assert_int_equal(called, 0);
    dial_lines_leave(&b);
    assert_int_equal(called, 1);
    assert_true(enter(&a, "192.0.2.2", 25));
    assert_false(enter(&b, "192.0.2.2", 25));
    dial_lines_leave(&c);
    dial_lines_leave(&a);
    dial_lines_leave(&b);
}

enum { ADDRESSES = 100000 };

/* A hundred thousand at once, in ascending order: a search that is linear would take minutes. */
static void there_may_be_many(void **state)
{
    struct dial_place *places = calloc(ADDRESSES, sizeof *places);
    int64_t begun_us = clock_mono_us();

    (void)state;
    for (size_t i = 0; i < ADDRESSES; i++) {
        struct address to = {.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = (in_addr_t)i}};

        places[i] = new_place();
        assert_true(dial_lines_enter(lines, &places[i], &to));
    }
    for (size_t i = 0; i < ADDRESSES; i++)
        dial_lines_leave(&places[i]);
    free(places);
    assert_true(clock_mono_us() - begun_us < stage_scale_us(10000));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_address_and_port_has_its_own),
        TEST(ipv4_as_ipv6_is_the_same),
        TEST(the_limit_is_raised_for_all),
        TEST(the_limit_is_lowered_for_all),
        TEST(there_may_be_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
