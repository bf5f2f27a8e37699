/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted, for whom, and what becomes of it when the config changes. */
#include "server/metrics.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct snapshot_target targets[] = {{.name = "mx2"}, {.name = "mx1"}, {.name = "mx3"}};
static struct snapshot snapshot = {.targets = targets, .target_count = 3, .metrics_by_target = true};

const struct snapshot_target *snapshot_target(const struct snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->target_count; i++)
        if (strcmp(s->targets[i].name, name) == 0)
            return &s->targets[i];
    return NULL;
}

static void count(struct metrics *m, const char *target, enum status status, int64_t rcpt_us)
{
    struct result r = {.status = status};

    for (enum phase p = 0; p < PHASE_COUNT; p++)
        r.timing_us[p] = CLOCK_NONE;
    r.timing_us[PHASE_RCPT] = rcpt_us;
    metrics_run(m, target, &r);
}

static struct metrics_own show(const struct metrics *m, struct arena *arena)
{
    struct metrics_own own = {0};

    struct metrics_sum *sum = metrics_sum_new(arena);
    metrics_sum_add(sum, m);
    metrics_sum_show(sum, &own);
    return own;
}

static uint64_t total(const struct exposition_histogram *h)
{
    uint64_t sum = 0;

    for (size_t i = 0; i <= EXPOSITION_MAX_BOUNDS; i++)
        sum += h->counts[i];
    return sum;
}

static void test_where_a_bucket_ends(void **state)
{
    struct metrics *m = metrics_new();
    struct arena arena = {0};
    int64_t bound_us = metrics_phase_bounds.us[2];

    (void)state;
    count(m, "mx1", STATUS_PASS, bound_us);
    count(m, "mx1", STATUS_PASS, bound_us + 1);
    count(m, "mx1", STATUS_FAIL, 0);
    count(m, "mx1", STATUS_FAIL, INT64_C(1000000000));
    count(m, "mx1", STATUS_UNKNOWN, CLOCK_NONE);
    struct metrics_own own = show(m, &arena);
    assert_int_equal(own.run_count, 1);
    const struct exposition_histogram *h = own.runs[0]->phases[PHASE_RCPT];
    assert_null(own.runs[0]->target);
    assert_int_equal(h->counts[0], 1);
    assert_int_equal(h->counts[2], 1);
    assert_int_equal(h->counts[3], 1);
    assert_int_equal(h->counts[metrics_phase_bounds.count], 1);
    assert_int_equal(total(h), 4);
    assert_int_equal(h->sum_us, 2 * bound_us + 1 + 1000000000);
    assert_int_equal(own.runs[0]->ended[STATUS_FAIL], 2);
    assert_null(own.runs[0]->phases[PHASE_MAIL]);
    arena_free(&arena);
    metrics_free(m);
}

/* Told apart, in the order of names; those of a target that is gone count on without one. */
static void test_targets_come_and_go(void **state)
{
    struct metrics *m = metrics_new();
    struct arena arena = {0};

    (void)state;
    metrics_follow(m, &snapshot);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k <= i; k++)
            count(m, targets[i].name, STATUS_PASS, 1000);
    metrics_delivery(m, "mx2", 5000);
    struct metrics_own own = show(m, &arena);
    assert_int_equal(own.run_count, 3);
    assert_string_equal(own.runs[0]->target, "mx1");
    assert_string_equal(own.runs[1]->target, "mx2");
    assert_int_equal(own.runs[0]->ended[STATUS_PASS], 2);
    assert_int_equal(own.runs[2]->ended[STATUS_PASS], 3);

    struct snapshot less = {.targets = targets + 1, .target_count = 1, .metrics_by_target = true};
    metrics_follow(m, &less);
    count(m, NULL, STATUS_FAIL, 1000);
    own = show(m, &arena);
    assert_int_equal(own.run_count, 2);
    assert_null(own.runs[0]->target);
    assert_int_equal(own.runs[0]->ended[STATUS_PASS], 4);
    assert_int_equal(own.runs[0]->ended[STATUS_FAIL], 1);
    assert_int_equal(total(own.runs[0]->phases[PHASE_RCPT]), 5);
    assert_int_equal(total(&own.runs[0]->deliveries), 1);
    assert_string_equal(own.runs[1]->target, "mx1");

    less.metrics_by_target = false;
    metrics_follow(m, &less);
    own = show(m, &arena);
    assert_int_equal(own.run_count, 1);
    assert_int_equal(own.runs[0]->ended[STATUS_PASS], 6);
    arena_free(&arena);
    metrics_free(m);
}

static void test_requests(void **state)
{
    struct metrics *m = metrics_new();
    struct arena arena = {0};

    (void)state;
    for (int code = 0; code < 1000; code++)
        metrics_request(m, "/check", code);
    metrics_request(m, "/probe", 1); /* no room: it is passed over */
    metrics_request(m, "/check", 7);
    struct metrics_own own = show(m, &arena);
    assert_in_range(own.request_count, 100, 999);
    assert_int_equal(own.requests[7].code, 7);
    assert_int_equal(own.requests[7].count, 2);
    arena_free(&arena);
    metrics_free(m);
}

static void test_the_rest(void **state)
{
    struct metrics *m = metrics_new();
    struct arena arena = {0};

    (void)state;
    metrics_share(m, METRICS_CACHED);
    metrics_share(m, METRICS_CACHED);
    metrics_share(m, METRICS_STALE);
    struct metrics_own own = show(m, &arena);
    assert_int_equal(own.shared[METRICS_JOINED], 0);
    assert_int_equal(own.shared[METRICS_CACHED], 2);
    assert_int_equal(own.shared[METRICS_STALE], 1);
    arena_free(&arena);
    metrics_free(m);
    metrics_free(NULL);
}

/* Each target once, whoever counted for it, and nothing that comes later. */
static void test_several_loops(void **state)
{
    struct metrics *loops[] = {metrics_new(), metrics_new(), metrics_new()};
    struct arena arena = {0};
    struct metrics_own own = {0};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        metrics_follow(loops[i], &snapshot);
    count(loops[0], "mx3", STATUS_PASS, 1000);
    count(loops[1], "mx2", STATUS_PASS, 1000);
    count(loops[1], "mx3", STATUS_FAIL, 1000);
    count(loops[2], "mx3", STATUS_PASS, CLOCK_NONE);
    count(loops[2], NULL, STATUS_WARN, 1000);
    metrics_delivery(loops[2], "mx1", 5000);
    for (size_t i = 0; i < 3; i++)
        metrics_request(loops[i], i < 2 ? "/check" : "/probe", 200);
    assert_int_equal(metrics_count(loops[2]), 2);
    struct metrics_sum *sum = metrics_sum_new(&arena);
    for (size_t i = 0; i < 3; i++) {
        metrics_sum_add(sum, loops[i]);
        count(loops[i], "mx2", STATUS_PASS, 1000);
        metrics_request(loops[i], "/check", 200);
        metrics_free(loops[i]);
    }
    metrics_sum_show(sum, &own);
    assert_int_equal(own.run_count, 4);
    assert_null(own.runs[0]->target);
    assert_int_equal(own.runs[0]->ended[STATUS_WARN], 1);
    for (size_t i = 1; i < 4; i++)
        assert_string_equal(own.runs[i]->target, ((const char *[]){"mx1", "mx2", "mx3"})[i - 1]);
    assert_int_equal(total(&own.runs[1]->deliveries), 1);
    assert_int_equal(own.runs[2]->ended[STATUS_PASS], 1);
    assert_int_equal(own.runs[3]->ended[STATUS_PASS], 2);
    assert_int_equal(own.runs[3]->ended[STATUS_FAIL], 1);
    assert_int_equal(total(own.runs[3]->phases[PHASE_RCPT]), 2);
    assert_int_equal(own.request_count, 2);
    assert_int_equal(own.requests[0].count, 2);
    assert_int_equal(own.requests[1].count, 1);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_a_bucket_ends),
        cmocka_unit_test(test_targets_come_and_go),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_the_rest),
        cmocka_unit_test(test_several_loops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
