/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reload.h"

#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

static uv_loop_t loop;
static struct log quiet;
static char folder[] = "/tmp/ehlod-test-XXXXXX";
static char file[64];
static struct snapshot_source source = {.file = file};
static struct reload *reload;

static unsigned applied;
static size_t applied_targets;
static const char *refusal; /* what apply answers */

static struct told {
    unsigned count;
    bool once;
    bool good;
    size_t mistakes;
    size_t targets;
    char first[256];
} told, told_later;

static const char *apply(void *context, struct snapshot *snapshot)
{
    (void)context;
    applied++;
    applied_targets = snapshot->target_count;
    return refusal;
}

static void on_done(void *context, const struct reload_outcome *outcome)
{
    struct told *t = context;

    t->count++;
    t->once = true;
    t->good = outcome->good;
    t->mistakes = outcome->mistake_count;
    t->targets = outcome->target_count;
    snprintf(t->first, sizeof t->first, "%s", outcome->mistake_count > 0 ? outcome->mistakes[0] : "");
}

/* By renaming: a thread that reads meanwhile sees one or the other. */
static void put(const char *text)
{
    char fresh[sizeof file + 8];

    snprintf(fresh, sizeof fresh, "%s.new", file);
    FILE *f = fopen(fresh, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(rename(fresh, file), 0);
}

#define ONE "{server: {listen: [\"127.0.0.1:8025\"]}, targets: {a: {address: \"192.0.2.1:25\"}}}\n"
#define TWO                                                                                                  \
    "{server: {listen: [\"127.0.0.1:8025\"]}, "                                                              \
    "targets: {a: {address: \"192.0.2.1:25\"}, b: {address: \"192.0.2.2:25\"}}}\n"
#define BAD "{targets: {a: {adress: x}}}\n"

static int set_up(void **state)
{
    (void)state;
    applied = 0;
    refusal = NULL;
    told = told_later = (struct told){0};
    log_init(&quiet, open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    if (uv_loop_init(&loop) != 0)
        return -1;
    reload =
        reload_new(&(struct reload_order){.loop = &loop, .log = &quiet, .source = &source, .apply = apply});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    reload_free(reload);
    close(quiet.fd);
    return stage_close(&loop);
}

static void a_good_file_is_put_into_force(void **state)
{
    (void)state;
    put(TWO);
    reload_ask(reload, on_done, &told);
    assert_int_equal(told.count, 0); /* never from inside */
    assert_true(stage_run_until(&loop, &told.once));
    assert_true(told.good);
    assert_int_equal(told.mistakes, 0);
    assert_int_equal(told.targets, 2);
    assert_int_equal(applied, 1);
    assert_int_equal(applied_targets, 2);
    assert_true(reload_state(reload).good);
}

static void of_a_bad_file_every_mistake_is_told(void **state)
{
    int64_t before_us = reload_state(reload).good_wall_us;

    (void)state;
    put(BAD);
    reload_ask(reload, on_done, &told);
    assert_true(stage_run_until(&loop, &told.once));
    assert_false(told.good);
    assert_int_equal(told.mistakes, 2); /* adress, and no address */
    assert_non_null(strstr(told.first, file));
    assert_int_equal(applied, 0);
    assert_false(reload_state(reload).good);
    assert_true(reload_state(reload).good_wall_us == before_us);
}

static void what_cannot_be_applied_is_told(void **state)
{
    (void)state;
    put(ONE);
    refusal = "cannot listen";
    reload_ask(reload, on_done, &told);
    assert_true(stage_run_until(&loop, &told.once));
    assert_false(told.good || reload_state(reload).good);
    assert_string_equal(told.first, "cannot listen");
    refusal = NULL;
    told.once = false;
    reload_ask(reload, on_done, &told);
    assert_true(stage_run_until(&loop, &told.once));
    assert_true(told.good && reload_state(reload).good);
}

/* F22, L03: however many ask meanwhile, there is one more, and it sees what was changed before they asked. */
static void asks_that_come_meanwhile_share_one_more(void **state)
{
    (void)state;
    put(ONE);
    reload_ask(reload, on_done, &told);
    put(TWO);
    for (int i = 0; i < 100; i++)
        reload_ask(reload, NULL, NULL);
    for (int i = 0; i < 10; i++)
        reload_ask(reload, on_done, &told_later);
    assert_true(stage_run_until(&loop, &told_later.once));
    assert_int_equal(told.count, 1);
    assert_int_equal(told_later.count, 10);
    assert_int_equal(told_later.targets, 2);
    assert_int_equal(applied, 2);
    assert_int_equal(applied_targets, 2);
    stage_run_for(&loop, 50 * CLOCK_US_PER_MS);
    assert_int_equal(applied, 2); /* and no more after it */
}

static void who_has_left_is_not_told(void **state)
{
    struct reload_waiter *now, *later;

    (void)state;
    put(ONE);
    now = reload_ask(reload, on_done, &told);
    later = reload_ask(reload, on_done, &told);
    reload_ask(reload, on_done, &told_later);
    reload_leave(now);
    reload_leave(later);
    assert_true(stage_run_until(&loop, &told_later.once));
    assert_int_equal(told.count, 0);
    assert_int_equal(applied, 2);
}

static void ask_again(void *context, const struct reload_outcome *outcome)
{
    on_done(context, outcome);
    reload_ask(reload, on_done, &told_later);
}

static void who_is_told_may_ask_again(void **state)
{
    (void)state;
    put(ONE);
    reload_ask(reload, ask_again, &told);
    reload_ask(reload, on_done, &told_later);
    reload_ask(reload, on_done, &told_later);
    assert_true(stage_run_until(&loop, &told.once));
    told_later.once = false;
    assert_true(stage_run_until(&loop, &told_later.once));
    assert_int_equal(told.count, 1);
    assert_int_equal(told_later.count, 3); /* all of them asked during the first */
    assert_int_equal(applied, 2);
}

static size_t threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    size_t count = 0;

    while (readdir(tasks) != NULL)
        count++;
    closedir(tasks);
    return count;
}

static void no_thread_stays(void **state)
{
    size_t before = threads();

    (void)state;
    put(ONE);
    reload_ask(reload, on_done, &told);
    assert_true(stage_run_until(&loop, &told.once));
    /* The kernel's list may be a moment behind the join. */
    for (int64_t end_us = clock_mono_us() + stage_scale_us(1000); threads() > before;)
        assert_true(clock_mono_us() < end_us);
}

/* Tearing down right after asking: the loop waits for the thread, and nothing is put into force. */
static void freed_while_it_loads(void **state)
{
    (void)state;
    put(ONE);
    reload_ask(reload, NULL, NULL);
    reload_ask(reload, NULL, NULL);
    reload_free(reload);
    reload = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(applied, 0);
}

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(file, sizeof file, "%s/ehlod.yaml", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(file);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_file_is_put_into_force, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_a_bad_file_every_mistake_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_applied_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(asks_that_come_meanwhile_share_one_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_left_is_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_told_may_ask_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_thread_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(freed_while_it_loads, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
