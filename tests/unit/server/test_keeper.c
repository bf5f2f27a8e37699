/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that writes: everything is kept, in the newest form, and told once it is safe; while the disk
 * refuses nothing stops, and nothing grows without limit. */
#include "server/keeper.h"

#include "probe/base/clock.h"
#include "tests/unit/server/history_stage.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

struct stage {
    uv_loop_t loop;
    struct log log;
    int log_read;
    struct keeper *keeper;
    size_t saved;
    uint64_t last_serial;
    char last_token[TOKEN_SIZE];
};

static char error[HISTORY_ERROR_SIZE];

static void on_saved(void *context, const char *token, uint64_t serial)
{
    struct stage *s = context;

    s->saved++;
    s->last_serial = serial;
    snprintf(s->last_token, sizeof s->last_token, "%s", token);
}

static int set_up(void **state)
{
    static struct stage s;
    int ends[2];

    s = (struct stage){0};
    *state = &s;
    if (history_stage_up(NULL) != 0 || uv_loop_init(&s.loop) != 0 || pipe2(ends, O_NONBLOCK) != 0)
        return -1;
    s.log_read = ends[0];
    log_init(&s.log, ends[1], LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    s.keeper = keeper_new(&(struct keeper_order){.loop = &s.loop,
                                                 .log = &s.log,
                                                 .history = history_open(history_stage_path(), error),
                                                 .keep_us = 3600 * CLOCK_US_PER_S,
                                                 .saved = on_saved,
                                                 .context = &s});
    return s.keeper != NULL ? 0 : -1;
}

static void stop(struct stage *s)
{
    keeper_free(s->keeper);
    s->keeper = NULL;
    uv_run(&s->loop, UV_RUN_DEFAULT);
}

static int tear_down(void **state)
{
    struct stage *s = *state;

    stop(s);
    close(s->log.fd);
    close(s->log_read);
    return uv_loop_close(&s->loop) == 0 ? history_stage_down(NULL) : -1;
}

static void wait_saved(struct stage *s, size_t count)
{
    while (s->saved < count)
        uv_run(&s->loop, UV_RUN_ONCE);
}

static void save(struct stage *s, unsigned number, uint64_t serial)
{
    struct ledger_row row = history_stage_row("in", number);

    row.serial = serial;
    row.opened_us = clock_wall_us();
    keeper_calls.save(s->keeper, &row);
}

static void assert_logged(struct stage *s, const char *wanted, bool is_there)
{
    char text[4096];
    ssize_t got = read(s->log_read, text, sizeof text - 1);

    text[got > 0 ? got : 0] = '\0';
    if ((strstr(text, wanted) != NULL) != is_there)
        fail_msg("%s: %s", wanted, text);
}

static void test_it_is_kept_and_told(void **state)
{
    struct stage *s = *state;

    save(s, 1, 7);
    assert_int_equal(s->saved, 0); /* never from inside the call */
    wait_saved(s, 1);
    assert_int_equal(s->last_serial, 7);
    assert_string_equal(s->last_token, history_stage_row("in", 1).token);
    assert_int_equal(history_stage_rows(), 1);
    keeper_calls.drop(s->keeper, s->last_token);
    save(s, 2, 8);
    wait_saved(s, 2);
    assert_int_equal(history_stage_rows(), 1);
    assert_int_equal(keeper_dropped(s->keeper), 0);
}

/* However many saves there are of one message, the last one is told; and one that was overtaken need not be.
 */
static void test_the_last_save_is_told(void **state)
{
    struct stage *s = *state;

    for (uint64_t i = 1; i <= 5000; i++)
        save(s, 1, i);
    while (s->last_serial < 5000)
        uv_run(&s->loop, UV_RUN_ONCE);
    assert_true(s->saved <= 5000);
    assert_int_equal(history_stage_rows(), 1);
}

static void test_what_waits_at_the_end_is_written(void **state)
{
    struct stage *s = *state;

    for (unsigned i = 0; i < 3000; i++)
        save(s, i, i + 1);
    stop(s);
    assert_int_equal(s->saved, 0); /* nobody is there to be told */
    assert_int_equal(history_stage_rows(), 3000);
    assert_logged(s, "error", false);
}

/* R05: the disk refuses for a while. */
static void test_r05_it_tries_again(void **state)
{
    struct stage *s = *state;
    struct rlimit all, none;

    save(s, 1, 1);
    wait_saved(s, 1);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    none = all;
    none.rlim_cur = 1;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    save(s, 2, 2);
    while (s->log_read >= 0) {
        char c;
        uv_run(&s->loop, UV_RUN_ONCE);
        if (read(s->log_read, &c, 1) == 1)
            break;
    }
    assert_logged(s, "history cannot be written why=\"history.path: ", true);
    save(s, 2, 3); /* overtakes what failed */
    save(s, 3, 4);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    wait_saved(s, 3);
    assert_int_equal(s->last_serial, 4);
    assert_logged(s, "history is written again dropped=0", true);
    assert_int_equal(history_stage_rows(), 3);
}

/* R05: it never comes back. What waits is bounded, and the end is not held up. */
static void test_r05_it_gives_up(void **state)
{
    struct stage *s = *state;
    sqlite3 *other;

    assert_int_equal(sqlite3_open(history_stage_path(), &other), SQLITE_OK);
    sqlite3_busy_timeout(other, 10000); /* it may be pruning */
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", 0, 0, 0), SQLITE_OK);
    for (unsigned i = 0; i < KEEPER_MAX_ROWS + 2000; i++)
        save(s, i, i + 1);
    uint64_t dropped = keeper_dropped(s->keeper);
    assert_in_range(dropped, 1000, 2000); /* a thousand may be on their way */
    stop(s);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", 0, 0, 0), SQLITE_OK);
    sqlite3_close(other);
    assert_int_equal(s->saved, 0);
    assert_int_equal(history_stage_rows(), 0);
    assert_logged(s, "rows could not be written", true);
}

static void note_drain(void *context, const struct drain *drain)
{
    char *text = context;

    snprintf(text + strlen(text), 200, "%s/%s/%s/%lld/%lld/%lld ", drain->target,
             drain_mode_name(drain->mode), drain->reason, (long long)drain->since_us,
             (long long)drain->until_us, (long long)drain->ended_us);
}

/* All there are take the place of all there were. */
static void test_drains_are_kept(void **state)
{
    struct stage *s = *state;
    const struct drain list[] = {
        {.target = "a", .reason = "why", .since_us = 1, .until_us = CLOCK_NONE, .ended_us = CLOCK_NONE},
        {.target = "b", .mode = DRAIN_MODE_MAINT, .reason = "", .since_us = 2, .until_us = 3, .ended_us = 4}};
    char text[1000] = "", expected[1000];

    keeper_set_drains(s->keeper, list, 1);
    keeper_set_drains(s->keeper, list + 1, 1);
    keeper_set_drains(s->keeper, list, 2);
    stop(s);
    struct history *h = history_open(history_stage_path(), error);
    assert_int_equal(history_read_drains(h, note_drain, text, error), 0);
    snprintf(expected, sizeof expected, "a/drain/why/1/%lld/%lld b/maint//2/3/4 ", (long long)CLOCK_NONE,
             (long long)CLOCK_NONE);
    assert_string_equal(text, expected);
    history_close(h);
}

static void test_old_rows_go(void **state)
{
    struct stage *s = *state;

    stop(s);
    struct history *h = history_open(history_stage_path(), error);
    history_begin(h);
    for (unsigned i = 0; i < 1200; i++) {
        struct ledger_row row = history_stage_row("in", i); /* of 1970 */
        row.settled_us = 2;
        history_put(h, &row);
    }
    assert_int_equal(history_end(h, error), 0);
    s->keeper = keeper_new(&(struct keeper_order){.loop = &s->loop,
                                                  .log = &s->log,
                                                  .history = h,
                                                  .keep_us = 3600 * CLOCK_US_PER_S,
                                                  .saved = on_saved,
                                                  .context = s});
    int64_t until_us = clock_mono_us() + 30 * CLOCK_US_PER_S;
    while (history_stage_rows() > 1 && clock_mono_us() < until_us)
        uv_run(&s->loop, UV_RUN_NOWAIT);
    assert_int_equal(history_stage_rows(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_drains_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_is_kept_and_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_save_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_waits_at_the_end_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_r05_it_tries_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_r05_it_gives_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_old_rows_go, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
