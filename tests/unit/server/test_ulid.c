/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ulid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS INT64_C(1000)

/* The example of the specification: 1469918176385 ms is "01ARYZ6S41". */
static void test_time_part(void **state)
{
    struct ulid ulid = {0};
    char id[ULID_SIZE];

    (void)state;
    ulid_next(&ulid, INT64_C(1469918176385) * MS, id);
    assert_int_equal(strlen(id), 26);
    assert_memory_equal(id, "01ARYZ6S41", 10);
    assert_int_equal(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
}

static void test_same_millisecond_counts_up(void **state)
{
    struct ulid ulid = {0};
    char before[ULID_SIZE];
    char id[ULID_SIZE];

    (void)state;
    ulid_next(&ulid, 1000 * MS, before);
    for (int i = 0; i < 5000; i++) {
        ulid_next(&ulid, 1000 * MS + i % 1000, id);
        assert_true(strcmp(before, id) < 0);
        memcpy(before, id, sizeof id);
    }
}

static void test_clock_that_steps_back(void **state)
{
    struct ulid ulid = {0};
    char before[ULID_SIZE];
    char id[ULID_SIZE];

    (void)state;
    ulid_next(&ulid, 5000 * MS, before);
    ulid_next(&ulid, 10 * MS, id);
    assert_true(strcmp(before, id) < 0);
    ulid_next(&ulid, -1, id);
    assert_true(strcmp(before, id) < 0);
}

static void test_random_part_carries(void **state)
{
    struct ulid ulid = {.ms = 7, .high = 0x1234, .low = UINT64_MAX};
    char id[ULID_SIZE];

    (void)state;
    ulid_next(&ulid, 7 * MS, id);
    assert_int_equal(ulid.ms, 7);
    assert_int_equal(ulid.high, 0x1235);
    assert_int_equal(ulid.low, 0);
    ulid = (struct ulid){.ms = 7, .high = UINT16_MAX, .low = UINT64_MAX};
    ulid_next(&ulid, 7 * MS, id);
    assert_int_equal(ulid.ms, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_part),
        cmocka_unit_test(test_same_millisecond_counts_up),
        cmocka_unit_test(test_clock_that_steps_back),
        cmocka_unit_test(test_random_part_carries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
