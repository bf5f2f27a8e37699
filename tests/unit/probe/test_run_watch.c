/* SPDX-License-Identifier: Apache-2.0 */
/* Looking on at a run: everything is seen when it happens, nothing of it is taken back, and it changes
 * nothing. */
#include "probe/run.h"
#include "tests/unit/probe/fake_smtp.h"
#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MAX_SEEN 64

static uv_loop_t loop;
static struct fake_smtp server;
static struct plan plan;
static struct result *result;
static bool over;
static unsigned looks;
static size_t commands;           /* so many stood in the draft at the last look */
static bool sent[MAX_SEEN];       /* which of them were seen to be sent */
static bool sent_alone[MAX_SEEN]; /* and when: before their reply was there */

static void on_done(void *context, struct result *r)
{
    (void)context;
    result = r;
    over = true;
}

static void on_watch(void *context, const struct result *draft)
{
    assert_ptr_equal(context, &plan);
    assert_false(over);
    assert_true(draft->command_count >= commands && draft->command_count <= MAX_SEEN);
    assert_int_not_equal(address_family(&draft->local), AF_UNSPEC);
    commands = draft->command_count;
    looks++;
    for (size_t i = 0; i < commands; i++) {
        if (draft->commands[i].at_us == CLOCK_NONE || sent[i])
            continue;
        sent[i] = true;
        sent_alone[i] = !draft->commands[i].replied;
    }
}

static int set_up(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    server = (struct fake_smtp){0};
    fake_smtp_start(&server, &loop);
    plan = (struct plan){.target = "mx",
                         .host = "127.0.0.1",
                         .port = server.port,
                         .helo = "probe.example.org",
                         .stop_after = PHASE_COUNT};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        plan.limits_us[l] = stage_scale_us(2000);
    looks = 0;
    commands = 0;
    over = false;
    memset(sent, 0, sizeof sent);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    result_unref(result);
    fake_smtp_stop(&server);
    return stage_close(&loop);
}

static void play(run_watch *watch)
{
    struct run_net *net = run_net_new(&(struct run_net_order){.loop = &loop});
    struct run_order order = {
        .plan = &plan, .id = "run1", .vantage = "here", .watch = watch, .watch_context = &plan};

    run_start(net, &order, on_done, NULL);
    assert_true(stage_run_until(&loop, &over));
    run_net_free(net);
}

static void test_everything_is_seen(void **state)
{
    (void)state;
    play(on_watch);
    assert_int_equal(result->status, STATUS_PASS);
    assert_int_equal(result->command_count, 3); /* the greeting, EHLO, QUIT */
    assert_int_equal(commands, result->command_count);
    assert_true(looks >= 5);
    for (size_t i = 0; i < result->command_count; i++)
        assert_true(sent[i] && sent_alone[i]);
}

static void test_nobody_looks_on(void **state)
{
    (void)state;
    play(NULL);
    assert_int_equal(result->status, STATUS_PASS);
    assert_int_equal(result->command_count, 3);
    assert_int_equal(looks, 0);
}

/* The end is not: it is the result's. Where there is no connection there is nothing to see. */
static void test_what_fails(void **state)
{
    (void)state;
    server.silent = true;
    plan.limits_us[LIMIT_RUN] = stage_scale_us(100);
    play(on_watch);
    assert_int_equal(result->failure.phase, PHASE_BANNER);
    assert_int_equal(looks, 1);
    result_unref(result);
    looks = 0;
    over = false;
    plan.family = FAMILY_IPV6;
    play(on_watch);
    assert_int_equal(result->failure.reason, REASON_NO_ADDRESS_FOR_FAMILY);
    assert_int_equal(looks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_looks_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_fails, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("probe/run_watch", tests, NULL, NULL);
}
