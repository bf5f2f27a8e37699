/* SPDX-License-Identifier: Apache-2.0 */
/* Targets out of service over time, with clocks that are set, reloads and restarts; by clocks of the test's
 * own. */
#include "server/drains.h"

#include "probe/base/mem.h"
#include "probe/net/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE_US (60 * CLOCK_US_PER_S)
#define DAY_US    (24 * 60 * MINUTE_US)

/* ---- puppets ---- */

static int64_t mono_us, wall_us, due_us;
static uv_timer_t timer;
static uv_timer_cb due;

int64_t clock_mono_us(void)
{
    return mono_us;
}

int64_t clock_wall_us(void)
{
    return wall_us;
}

uv_timer_t *handle_timer(uv_loop_t *loop, void *data)
{
    (void)loop;
    timer.data = data;
    return &timer;
}

void handle_at(uv_timer_t *t, uv_timer_cb call, int64_t deadline_us)
{
    assert_ptr_equal(t, &timer);
    due = call;
    due_us = deadline_us;
}

void handle_close_timer(uv_timer_t *t)
{
    assert_ptr_equal(t, &timer);
}

static unsigned outdated;

void jobs_outdate(struct jobs *jobs, const struct snapshot_target *target)
{
    (void)jobs;
    assert_string_equal(target->name, "mx1");
    outdated++;
}

struct result *jobs_drained(struct jobs *jobs, const struct snapshot_target *target, const char *message)
{
    struct result draft = {.target = target->name, .id = "x", .vantage = "x", .summary = message};

    (void)jobs;
    return result_publish(&draft);
}

/* ---- the stage ---- */

static struct snapshot_target targets[1] = {{.name = "mx1"}};
static struct snapshot whole = {.targets = targets, .target_count = 1};
static struct snapshot empty = {.targets = targets, .target_count = 0};

struct snapshot *snapshot_ref(struct snapshot *s)
{
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    (void)s;
}

const struct snapshot_target *snapshot_target(const struct snapshot *s, const char *name)
{
    return s->target_count > 0 && strcmp(name, "mx1") == 0 ? &targets[0] : NULL;
}

static struct drains *drains;
static struct log logged;
static unsigned told_back;
static struct drain kept; /* the last that was kept, of one */
static size_t kept_count;
static char kept_target[32], kept_reason[32];

static void on_told(void *context, const char *target)
{
    (void)context;
    told_back += drains_find(drains, target) == NULL;
}

static void on_keep(void *context, const struct drain *list, size_t count)
{
    (void)context;
    kept_count = count;
    if (count == 0)
        return;
    kept = list[0];
    snprintf(kept_target, sizeof kept_target, "%s", list[0].target);
    snprintf(kept_reason, sizeof kept_reason, "%s", list[0].reason);
    kept.target = kept_target;
    kept.reason = kept_reason;
}

static void begin(void)
{
    drains = drains_new(NULL, &logged, &whole, NULL, NULL);
    drains_set_keeper(drains, on_keep, NULL);
    drains_set_told(drains, on_told, NULL);
}

static int set_up(void **state)
{
    (void)state;
    mono_us = 1000 * CLOCK_US_PER_S;
    wall_us = 1800000000 * CLOCK_US_PER_S;
    due_us = CLOCK_NEVER;
    outdated = told_back = 0;
    kept_count = 0;
    log_init(&logged, -1, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    begin();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    drains_free(drains);
    return 0;
}

static void pass(int64_t us)
{
    for (int64_t end_us = mono_us + us; mono_us < end_us;) {
        int64_t step_us = due_us < end_us ? due_us - mono_us : end_us - mono_us;
        mono_us += step_us;
        wall_us += step_us;
        if (due_us <= mono_us)
            due(&timer);
        assert_true(due_us > mono_us); /* the loop does not spin */
    }
}

/* As another process finds it, that much later. */
static void restart(int64_t after_us)
{
    drains_free(drains);
    mono_us = 5 * CLOCK_US_PER_S;
    wall_us += after_us;
    due_us = CLOCK_NEVER;
    drains = drains_new(NULL, &logged, &whole, NULL, NULL);
    if (kept_count > 0)
        drains_restore(drains, &kept);
    drains_set_keeper(drains, on_keep, NULL);
    drains_set_told(drains, on_told, NULL);
}

static void drain(int64_t for_us)
{
    drains_begin(drains, "mx1", DRAIN_MODE_MAINT, for_us, "why");
}

static bool is_drained(void)
{
    return drains_find(drains, "mx1") != NULL;
}

/* ---- tests ---- */

static void test_it_ends_by_itself_and_is_known_for_a_while(void **state)
{
    (void)state;
    drain(30 * MINUTE_US);
    pass(30 * MINUTE_US - 1);
    assert_true(is_drained() && !drains_was(drains, "mx1"));
    assert_int_equal(outdated, 0);
    pass(1);
    assert_true(!is_drained() && drains_was(drains, "mx1"));
    assert_true(outdated == 1 && told_back == 1);
    pass(DRAINS_AFTER_US - 1);
    assert_true(drains_was(drains, "mx1"));
    pass(1);
    assert_false(drains_was(drains, "mx1"));
    assert_int_equal(kept_count, 0);
    assert_int_equal(due_us, CLOCK_NEVER);
}

/* The loop is late: who asks first sees that it is over, and what was known before is outdated by then. */
static void test_who_asks_before_the_timer_finds_it_over(void **state)
{
    (void)state;
    drain(MINUTE_US);
    struct result *r = drains_result(drains, NULL, &targets[0]);
    assert_non_null(strstr(r->summary, "why"));
    result_unref(r);
    mono_us += MINUTE_US;
    assert_null(drains_result(drains, NULL, &targets[0]));
    assert_true(outdated == 1 && told_back == 1);
    due(&timer);
    assert_true(outdated == 1 && told_back == 1);
}

/* All loops hear of it at once, and until then nobody sees anything of it. */
static void test_of_several_loops_the_timer_ends_it(void **state)
{
    struct hold *hold = hold_new();
    struct hold_seat seat;

    (void)state;
    drains_free(drains);
    hold_join(hold, &seat, NULL); /* the others are elsewhere */
    drains = drains_new(NULL, &logged, &whole, NULL, &seat);
    drain(MINUTE_US);
    mono_us += MINUTE_US;
    assert_true(is_drained() && !drains_was(drains, "mx1"));
    struct result *r = drains_result(drains, NULL, &targets[0]);
    assert_non_null(r);
    result_unref(r);
    assert_int_equal(outdated, 0);
    due(&timer);
    assert_true(!is_drained() && drains_was(drains, "mx1"));
    assert_null(drains_result(drains, NULL, &targets[0]));
    assert_int_equal(outdated, 1);
    hold_leave(&seat);
    hold_free(hold);
}

static void test_a_clock_that_is_set_changes_nothing(void **state)
{
    (void)state;
    for (int64_t step_us = -DAY_US; step_us <= DAY_US; step_us += 2 * DAY_US) {
        drain(30 * MINUTE_US);
        wall_us += step_us;
        pass(29 * MINUTE_US);
        assert_true(is_drained());
        pass(MINUTE_US);
        assert_false(is_drained());
    }
}

static void test_a_restart_goes_on_where_it_was(void **state)
{
    (void)state;
    drain(30 * MINUTE_US);
    restart(10 * MINUTE_US);
    assert_true(is_drained());
    assert_int_equal(drains_find(drains, "mx1")->mode, DRAIN_MODE_MAINT);
    pass(20 * MINUTE_US - 1);
    assert_true(is_drained());
    restart(1);
    assert_true(!is_drained() && drains_was(drains, "mx1"));
    restart(0); /* what was kept says nothing of its end: reckoned anew */
    assert_true(!is_drained() && drains_was(drains, "mx1"));
    pass(DRAINS_AFTER_US);
    assert_false(drains_was(drains, "mx1"));
}

/* Set back by a year while nobody was there: for no longer than is allowed. */
static void test_a_restart_with_another_clock(void **state)
{
    (void)state;
    drain(30 * MINUTE_US);
    restart(-365 * DAY_US);
    assert_true(is_drained());
    pass(DRAINS_MAX_US);
    assert_false(is_drained());
    drain(CLOCK_NONE);
    restart(365 * DAY_US);
    assert_true(is_drained());
}

static void test_a_target_may_be_missing_for_a_while(void **state)
{
    (void)state;
    drain(CLOCK_NONE);
    drains_reload(drains, &empty);
    pass(DAY_US - 1);
    drains_reload(drains, &whole);
    assert_true(is_drained());
    drains_reload(drains, &empty);
    pass(DAY_US);
    drains_reload(drains, &empty);
    assert_int_equal(kept_count, 0);
    drains_reload(drains, &whole);
    assert_false(is_drained());
    assert_int_equal(outdated, 0);
}

/* HAProxy was told drain, and could not be told ready: so it is, once the target is there again. */
static void test_a_drain_that_ends_while_its_target_is_missing(void **state)
{
    (void)state;
    drain(30 * MINUTE_US);
    drains_reload(drains, &empty);
    pass(60 * MINUTE_US);
    drains_reload(drains, &whole);
    assert_true(!is_drained() && drains_was(drains, "mx1"));
    drains_reload(drains, &whole);
    pass(DRAINS_AFTER_US - 1);
    assert_true(drains_was(drains, "mx1"));
    pass(1);
    assert_false(drains_was(drains, "mx1"));
}

static void test_what_makes_no_sense_is_passed_over(void **state)
{
    const struct drain good = {
        .target = "mx1", .reason = "", .since_us = 1, .until_us = CLOCK_NONE, .ended_us = CLOCK_NONE};
    struct drain bad[] = {good, good, good, good, good, good, good};

    (void)state;
    bad[0].target = "a target";
    bad[1].mode = DRAIN_MODE_COUNT;
    bad[2].reason = "two\nlines";
    bad[3].since_us = CLOCK_NONE;
    bad[4].until_us = CLOCK_NEVER;
    bad[5].ended_us = CLOCK_NEVER;
    bad[6].since_us = CLOCK_NEVER;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        drains_restore(drains, &bad[i]);
        assert_true(!is_drained() && !drains_was(drains, "mx1"));
    }
    drains_restore(drains, &good);
    assert_true(is_drained());
}

static void count_drains(void *context, const struct drain *list, size_t count)
{
    (void)context;
    kept_count = count;
    for (size_t i = 1; i < count; i++)
        assert_true(strcmp(list[i - 1].target, list[i].target) < 0);
}

/* Whatever their order, each is found, and none twice. */
static void test_a_thousand(void **state)
{
    char name[16];

    (void)state;
    drains_set_keeper(drains, count_drains, NULL);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "mx%d", i * 7919 % 1000 + 2);
        drains_begin(drains, name, DRAIN_MODE_DRAIN, CLOCK_NONE, "");
    }
    assert_int_equal(kept_count, 1000);
    for (int i = 2; i < 1002; i++) {
        snprintf(name, sizeof name, "mx%d", i);
        assert_string_equal(drains_find(drains, name)->target, name);
    }
    assert_null(drains_find(drains, "mx1"));
    assert_null(drains_find(drains, "zzz"));
}

#define DRAINS_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRAINS_TEST(test_it_ends_by_itself_and_is_known_for_a_while),
        DRAINS_TEST(test_who_asks_before_the_timer_finds_it_over),
        DRAINS_TEST(test_of_several_loops_the_timer_ends_it),
        DRAINS_TEST(test_a_clock_that_is_set_changes_nothing),
        DRAINS_TEST(test_a_restart_goes_on_where_it_was),
        DRAINS_TEST(test_a_restart_with_another_clock),
        DRAINS_TEST(test_a_target_may_be_missing_for_a_while),
        DRAINS_TEST(test_a_drain_that_ends_while_its_target_is_missing),
        DRAINS_TEST(test_what_makes_no_sense_is_passed_over),
        DRAINS_TEST(test_a_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
