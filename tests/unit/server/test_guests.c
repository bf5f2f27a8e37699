/* SPDX-License-Identifier: Apache-2.0 */
#include "server/guests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct snapshot snapshot;
static int references;

struct snapshot *snapshot_ref(struct snapshot *s)
{
    return s;
}

const struct snapshot_target *snapshot_target(const struct snapshot *s, const char *name)
{
    (void)s;
    (void)name;
    return NULL;
}

void snapshot_unref(struct snapshot *s)
{
    assert_ptr_equal(s, &snapshot);
    references--;
}

static const struct guest *add(struct guests *guests, const char *key)
{
    references++;
    return guests_add(guests, key, &snapshot);
}

/* The one that nobody has asked for the longest goes. */
static void test_who_makes_room(void **state)
{
    struct guests *guests = guests_new(1);
    char key[16];

    (void)state;
    for (int i = 0; i < GUESTS_KEPT; i++) {
        snprintf(key, sizeof key, "%d", i);
        assert_null(guests_find(guests, key));
        assert_string_equal(add(guests, key)->key, key);
    }
    assert_non_null(guests_find(guests, "0"));
    add(guests, "more");
    assert_int_equal(references, GUESTS_KEPT);
    assert_null(guests_find(guests, "1"));
    assert_non_null(guests_find(guests, "0"));
    assert_non_null(guests_find(guests, "2"));
    assert_non_null(guests_find(guests, "more"));
    guests_free(guests);
    assert_int_equal(references, 0);
}

/* What runs for one that is forgotten holds its shelf itself. */
static void test_a_shelf_that_is_held_stays(void **state)
{
    struct guests *guests = guests_new(1);
    struct shelf *shelf = shelf_ref(add(guests, "a")->shelf);

    (void)state;
    guests_forget(guests);
    assert_int_equal(references, 0);
    assert_null(guests_find(guests, "a"));
    assert_non_null(shelf_place(shelf, PHASE_COUNT, false));
    shelf_unref(shelf);
    add(guests, "a");
    guests_free(guests);
    guests_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_makes_room),
        cmocka_unit_test(test_a_shelf_that_is_held_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
