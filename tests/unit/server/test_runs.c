/* SPDX-License-Identifier: Apache-2.0 */
/* Which past runs are kept. */
#include "server/runs.h"

#include "probe/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The snapshot is ours and static. */
static struct snapshot snapshot;
static const struct snapshot_target target = {.plan = {.stop_after = PHASE_COUNT}};

struct snapshot *snapshot_ref(struct snapshot *s)
{
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    (void)s;
}

static unsigned gone_count;
static char last_gone[32];

void letters_forget(struct letters *letters, const struct result *result)
{
    (void)letters;
    gone_count++;
    snprintf(last_gone, sizeof last_gone, "%s", result->id);
}

/* A result of about that size is kept. */
static void add(struct runs *runs, int number, size_t size)
{
    char id[32];
    char *summary = memset(mem_alloc(size + 1), 'x', size);
    struct result draft = {.vantage = "here", .summary = summary};

    snprintf(id, sizeof id, "R%d", number);
    draft.id = id;
    struct result *result = result_publish(&draft);
    struct record *record = record_new(NULL, result, &snapshot, &target, PHASE_RCPT);
    runs_add(runs, record);
    assert_int_equal(record_plan(record).stop_after, PHASE_RCPT);
    record_unref(record);
    result_unref(result);
    free(summary);
}

static bool has(const struct runs *runs, int number)
{
    char id[32];

    snprintf(id, sizeof id, "R%d", number);
    struct record *record = runs_find(runs, id);
    return record != NULL && strcmp(record->result->id, id) == 0;
}

static void test_the_newest_thousand(void **state) /* R11 */
{
    struct runs *runs = runs_new(NULL);

    (void)state;
    gone_count = 0;
    for (int i = 0; i < RUNS_KEPT; i++)
        add(runs, i, 10);
    assert_int_equal(gone_count, 0);
    assert_true(has(runs, 0) && has(runs, RUNS_KEPT - 1));
    assert_false(has(runs, RUNS_KEPT));
    add(runs, RUNS_KEPT, 10);
    assert_int_equal(gone_count, 1);
    assert_string_equal(last_gone, "R0");
    assert_false(has(runs, 0));
    assert_true(has(runs, 1) && has(runs, RUNS_KEPT));
    runs_free(runs);
}

static void test_not_more_than_so_many_bytes(void **state)
{
    struct runs *runs = runs_new(NULL);

    (void)state;
    gone_count = 0;
    for (int i = 0; i < 4; i++)
        add(runs, i, RUNS_MAX_BYTES / 4 - 4096);
    assert_int_equal(gone_count, 0);
    add(runs, 4, 3 * 4096);
    assert_int_equal(gone_count, 0);
    add(runs, 5, RUNS_MAX_BYTES / 2 - 8 * 4096);
    assert_int_equal(gone_count, 2);
    assert_true(!has(runs, 1) && has(runs, 2) && has(runs, 3) && has(runs, 4) && has(runs, 5));
    add(runs, 6, RUNS_MAX_BYTES); /* the newest stays whatever it takes */
    assert_int_equal(gone_count, 6);
    assert_true(!has(runs, 5) && has(runs, 6));
    add(runs, 7, 10);
    assert_true(!has(runs, 6) && has(runs, 7));
    runs_free(runs);
}

/* A part may have what others do not need, until they do; then each has its share. */
static void test_bytes_of_several_parts(void **state)
{
    struct runs_sum sum = {.loops = 2};
    struct runs *one = runs_new(&sum), *other = runs_new(&sum);

    (void)state;
    gone_count = 0;
    for (int i = 0; i < 8; i++)
        add(one, i, RUNS_MAX_BYTES / 8 - 4096);
    for (int i = 8; i < 11; i++)
        add(other, i, RUNS_MAX_BYTES / 8 - 4096);
    assert_int_equal(gone_count, 0);
    assert_true(sum.bytes > RUNS_MAX_BYTES);
    runs_prune(other); /* it has no more than its share */
    assert_int_equal(gone_count, 0);
    runs_prune(one);
    assert_int_equal(gone_count, 3);
    assert_true(sum.bytes <= RUNS_MAX_BYTES);
    assert_true(!has(one, 2) && has(one, 3) && has(one, 7) && has(other, 8) && has(other, 10));
    for (int i = 11; i < 16; i++)
        add(other, i, RUNS_MAX_BYTES / 8 - 4096);
    runs_prune(one);
    runs_prune(other);
    assert_true(sum.bytes <= RUNS_MAX_BYTES);
    assert_true(has(one, 4) && has(other, 15));
    add(one, 16, RUNS_MAX_BYTES); /* the newest stays, here, too */
    runs_prune(one);
    runs_prune(other);
    assert_true(has(one, 16) && has(other, 15));
    runs_free(one);
    runs_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_thousand),
        cmocka_unit_test(test_not_more_than_so_many_bytes),
        cmocka_unit_test(test_bytes_of_several_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
