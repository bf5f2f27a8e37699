/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/base/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MANY = 8 };

static struct line line;
static struct line_place places[MANY];
static size_t called[MANY];
static size_t called_count;

static void note(void *context)
{
    const struct line_place *place = context;

    assert_int_equal(place->where, LINE_INSIDE);
    called[called_count++] = (size_t)(place - places);
}

static int set_up(void **state)
{
    (void)state;
    line = (struct line){.limit = 2};
    called_count = 0;
    for (size_t i = 0; i < MANY; i++)
        places[i] = (struct line_place){.called = note, .context = &places[i]};
    return 0;
}

static size_t enter(size_t count)
{
    size_t inside = 0;

    for (size_t i = 0; i < count; i++)
        inside += line_enter(&line, &places[i]);
    assert_int_equal(called_count, 0); /* who comes in at once knows it */
    return inside;
}

static void check(unsigned inside, unsigned waiting)
{
    unsigned counted = 0;

    assert_int_equal(line.inside, inside);
    assert_int_equal(line.waiting, waiting);
    for (const struct line_place *p = line.first; p; p = p->next)
        counted++;
    assert_int_equal(counted, waiting);
    counted = 0;
    for (const struct line_place *p = line.last; p; p = p->prev)
        counted++;
    assert_int_equal(counted, waiting);
}

static void as_many_as_may_come_in(void **state)
{
    (void)state;
    assert_true(line_has_room(&line));
    assert_int_equal(enter(5), 2);
    assert_false(line_has_room(&line));
    check(2, 3);
}

static void who_came_first_goes_first(void **state)
{
    (void)state;
    enter(6);
    line_leave(&line, &places[1]);
    line_leave(&line, &places[0]);
    line_leave(&line, &places[2]);
    assert_int_equal(called_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(called[i], i + 2);
    check(2, 1);
}

/* Whoever left may come back, but behind those who wait. */
static void nobody_overtakes(void **state)
{
    (void)state;
    enter(4);
    line_leave(&line, &places[0]);
    assert_false(line_enter(&line, &places[0]));
    line_leave(&line, &places[1]);
    line_leave(&line, &places[2]);
    assert_int_equal(called_count, 3);
    assert_int_equal(called[0], 2);
    assert_int_equal(called[1], 3);
    assert_int_equal(called[2], 0);
    check(2, 0);
}

static void who_waits_may_leave_from_everywhere(void **state)
{
    (void)state;
    enter(7);
    line_leave(&line, &places[2]); /* the first */
    check(2, 4);
    line_leave(&line, &places[6]); /* the last */
    check(2, 3);
    line_leave(&line, &places[4]); /* between */
    check(2, 2);
    line_leave(&line, &places[4]); /* is outside already */
    check(2, 2);
    assert_int_equal(called_count, 0);
    line_leave(&line, &places[0]);
    line_leave(&line, &places[1]);
    assert_int_equal(called_count, 2);
    assert_int_equal(called[0], 3);
    assert_int_equal(called[1], 5);
}

static void a_higher_limit_calls(void **state)
{
    (void)state;
    enter(7);
    line_set_limit(&line, 4);
    assert_int_equal(called_count, 2);
    assert_int_equal(called[0], 2);
    assert_int_equal(called[1], 3);
    check(4, 3);
    line_set_limit(&line, 0);
    assert_int_equal(called_count, 5);
    check(7, 0);
}

static void a_lower_limit_waits_until_there_is_room(void **state)
{
    (void)state;
    line.limit = 4;
    enter(6);
    line_set_limit(&line, 1);
    check(4, 2);
    for (size_t i = 0; i < 3; i++)
        line_leave(&line, &places[i]);
    assert_int_equal(called_count, 0);
    check(1, 2);
    line_leave(&line, &places[3]);
    assert_int_equal(called_count, 1);
    assert_int_equal(called[0], 4);
    check(1, 1);
}

static void without_a_limit_nobody_waits(void **state)
{
    (void)state;
    line.limit = 0;
    assert_int_equal(enter(MANY), MANY);
    check(MANY, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(as_many_as_may_come_in),
        TEST(who_came_first_goes_first),
        TEST(nobody_overtakes),
        TEST(who_waits_may_leave_from_everywhere),
        TEST(a_higher_limit_calls),
        TEST(a_lower_limit_waits_until_there_is_room),
        TEST(without_a_limit_nobody_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
