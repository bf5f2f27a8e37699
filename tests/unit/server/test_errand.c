/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one loop asks of another's target: where it is run, who is told, and what is left behind. Both are
 * played by one thread, so that every order of events can be had; the runs are puppets that end when the test
 * says so.
 */
#include "config/route.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/run_net.h"
#include "server/jobs.h"
#include "server/owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- puppets ---- */

#define MAX_RUNS 16

struct run {
    struct run_net *net;
    run_done *done;
    void *context;
    char id[32];
    const struct plan *plan;
    bool waiting;
    bool stopped;
};

static struct run runs[MAX_RUNS];
static size_t run_count;

struct run_net *run_net_new(const struct run_net_order *order)
{
    struct run_net *net = mem_alloc(sizeof *net);

    net->loop = order->loop;
    return net;
}

void run_net_set_limits(struct run_net *net, const struct run_net_order *order)
{
    (void)net;
    (void)order;
}

unsigned run_net_in_flight(const struct run_net *net)
{
    unsigned count = 0;

    for (size_t i = 0; i < run_count; i++)
        count += runs[i].net == net;
    return count;
}

unsigned run_net_waiting(const struct run_net *net)
{
    (void)net;
    return 0;
}

void run_net_free(struct run_net *net)
{
    free(net);
}

struct run *run_start(struct run_net *net, const struct run_order *order, run_done *done, void *context)
{
    struct run *run = &runs[run_count++];

    *run = (struct run){.net = net, .done = done, .context = context, .plan = order->plan};
    snprintf(run->id, sizeof run->id, "%s", order->id);
    return run;
}

static struct result *make_result(const struct run *run, enum status status)
{
    struct result draft = {.status = status,
                           .target = run->plan->target,
                           .id = run->id,
                           .vantage = "here",
                           .summary = "done",
                           .started_mono_us = clock_mono_us(),
                           .ended_mono_us = clock_mono_us(),
                           .failure = {.limit_us = CLOCK_NONE}};

    return result_publish(&draft);
}

static void end_run(struct run *run, enum status status)
{
    run->done(run->context, make_result(run, status));
}

struct result *run_peek(const struct run *run, int64_t limit_us)
{
    (void)limit_us;
    return make_result(run, STATUS_FAIL);
}

bool run_is_waiting(const struct run *run)
{
    return run->waiting;
}

void run_stop(struct run *run)
{
    run->stopped = true;
}

static int references; /* to snapshots, all of which are ours and static */

struct snapshot *snapshot_ref(struct snapshot *s)
{
    references++;
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    references -= s != NULL;
}

const struct snapshot_target *snapshot_target(const struct snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->target_count; i++)
        if (strcmp(s->targets[i].name, name) == 0)
            return &s->targets[i];
    return NULL;
}

void route_plan(const struct snapshot_target *target, const struct route_ask *ask, struct plan *plan_r)
{
    *plan_r = target->plan;
    if (ask->stop_after < plan_r->stop_after)
        plan_r->stop_after = ask->stop_after;
}

/* ---- the stage ---- */

#define LOOPS   2
#define TARGETS 8

static struct snapshot_target targets[LOOPS][TARGETS]; /* before a reload and after it */
static struct snapshot configs[LOOPS] = {
    {.server_name = "here", .targets = targets[0], .target_count = TARGETS, .max_runs = 10},
    {.server_name = "here", .targets = targets[1], .target_count = TARGETS, .max_runs = 10}};
static char names[TARGETS][16];

static uv_loop_t loop;
static uv_timer_t alive; /* notes alone keep no loop */
static struct log logged;
static struct jobs_crew *crew;
static struct jobs *jobs[LOOPS];
static struct away away[LOOPS];
static size_t theirs; /* the first target that is the second loop's */
static bool home[LOOPS];

/* One who waits, on the first loop. */
struct caller {
    struct jobs_waiter *waiter;
    struct result *result;
};

static void fill(struct snapshot_target *list)
{
    for (size_t i = 0; i < TARGETS; i++) {
        snprintf(names[i], sizeof names[i], "mx%zu", i);
        list[i] = (struct snapshot_target){.name = names[i],
                                           .cache_ttl_us = 3600 * CLOCK_US_PER_S,
                                           .stale_if_error_us = 3600 * CLOCK_US_PER_S,
                                           .plan = {.target = names[i], .stop_after = PHASE_COUNT}};
        list[i].plan.limits_us[LIMIT_RUN] = 10 * CLOCK_US_PER_S;
    }
}

static void on_alive(uv_timer_t *timer)
{
    (void)timer;
}

static int set_up(void **state)
{
    (void)state;
    run_count = 0;
    references = 0;
    memset(home, 0, sizeof home);
    memset(away, 0, sizeof away);
    fill(targets[0]);
    fill(targets[1]);
    theirs = 0;
    while (owner_of_target(&targets[0][theirs], LOOPS) != 1)
        theirs++;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &alive);
    uv_timer_start(&alive, on_alive, 3600 * 1000, 0);
    log_init(&logged, -1, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    crew = jobs_crew_new(LOOPS);
    for (unsigned i = 0; i < LOOPS; i++) {
        away[i].post = post_new(&loop);
        jobs[i] = jobs_new(&(struct jobs_order){.loop = &loop,
                                                .log = &logged,
                                                .snapshot = &configs[0],
                                                .crew = crew,
                                                .index = i,
                                                .away = &away[i]});
    }
    return 0;
}

static void turn(void)
{
    for (int i = 0; i < 8; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

static void on_home(void *context)
{
    *(bool *)context = true;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LOOPS; i++)
        away_wait(&away[i], on_home, &home[i]);
    turn();
    for (unsigned i = 0; i < LOOPS; i++) {
        assert_true(home[i]); /* nothing is left under way */
        jobs_free(jobs[i]);
        post_free(away[i].post);
    }
    uv_close((uv_handle_t *)&alive, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    jobs_crew_free(crew);
    assert_int_equal(references, 0);
    return uv_loop_close(&loop);
}

static void on_result(void *context, struct result *result)
{
    struct caller *caller = context;

    assert_null(caller->result);
    caller->result = result;
    caller->waiter = NULL;
}

static struct jobs_ask plain(const struct snapshot_target *target)
{
    return (struct jobs_ask){.target = target,
                             .stop_after = PHASE_COUNT,
                             .max_age_us = CLOCK_NONE,
                             .timeout_us = CLOCK_NEVER,
                             .wait_us = CLOCK_NONE};
}

static void ask(struct caller *caller, const struct jobs_ask *question)
{
    *caller = (struct caller){0};
    caller->waiter = jobs_wait(jobs[0], question, on_result, caller);
    assert_null(caller->result); /* never from inside */
}

static void drop(struct caller *caller)
{
    result_unref(caller->result);
    caller->result = NULL;
}

/* ---- tests ---- */

static void test_it_is_run_where_the_target_belongs(void **state)
{
    struct jobs_ask question = plain(&targets[0][theirs]);
    struct caller callers[3];

    (void)state;
    assert_false(jobs_own(jobs[0], question.target));
    assert_true(jobs_own(jobs[1], question.target));
    assert_null(jobs_recall(jobs[0], &question));
    for (size_t i = 0; i < 3; i++)
        ask(&callers[i], &question);
    turn();
    assert_int_equal(run_count, 1); /* shared */
    assert_int_equal(jobs_in_flight(jobs[0]), 1);
    end_run(&runs[0], STATUS_PASS);
    for (size_t i = 0; i < 3; i++)
        assert_null(callers[i].result); /* it is on its way */
    turn();
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(callers[i].result->id, runs[0].id);
        drop(&callers[i]);
    }
}

static void test_the_last_result_is_seen_from_everywhere(void **state)
{
    struct jobs_ask question = plain(&targets[0][theirs]);
    struct caller caller;

    (void)state;
    ask(&caller, &question);
    turn();
    end_run(&runs[0], STATUS_PASS);
    turn();
    for (unsigned i = 0; i < LOOPS; i++) {
        struct result *known = jobs_recall(jobs[i], &question);
        assert_ptr_equal(known, caller.result);
        result_unref(known);
        known = jobs_latest(jobs[i], question.target);
        assert_ptr_equal(known, caller.result);
        result_unref(known);
        known = jobs_find(jobs[i], runs[0].id);
        assert_ptr_equal(known, caller.result);
        result_unref(known);
    }
    drop(&caller);
    question.stop_after = PHASE_EHLO; /* of another plan it is not */
    assert_null(jobs_recall(jobs[0], &question));
    question.stop_after = PHASE_COUNT;
    jobs_outdate(jobs[0], question.target);
    assert_null(jobs_recall(jobs[0], &question));
    assert_null(jobs_recall(jobs[1], &question));
}

static void test_who_leaves_is_not_told(void **state)
{
    struct jobs_ask question = plain(&targets[0][theirs]);
    struct caller early, late, stays;

    (void)state;
    ask(&early, &question);
    jobs_leave(early.waiter); /* before anybody there knows */
    ask(&stays, &question);
    ask(&late, &question);
    turn();
    end_run(&runs[0], STATUS_PASS);
    jobs_leave(late.waiter); /* the answer is on its way */
    turn();
    assert_null(early.result);
    assert_null(late.result);
    assert_non_null(stays.result);
    assert_int_equal(run_count, 1);
    drop(&stays);
}

static void test_a_run_that_nobody_waits_for_is_not_begun(void **state)
{
    struct jobs_ask question = plain(&targets[0][theirs]);
    struct caller caller;

    (void)state;
    ask(&caller, &question);
    turn();
    runs[0].waiting = true;
    jobs_leave(caller.waiter);
    turn();
    assert_true(runs[0].stopped);
    end_run(&runs[0], STATUS_UNKNOWN);
    turn();
    assert_null(caller.result);
}

static void test_what_is_at_hand(void **state)
{
    struct jobs_ask question = plain(&targets[0][theirs]), shorter = question;
    struct caller caller;

    (void)state;
    question.at_hand = shorter.at_hand = "no room";
    struct result *result = jobs_at_hand(jobs[0], &question);
    assert_int_equal(result->status, STATUS_UNKNOWN);
    result_unref(result);
    shorter.stop_after = PHASE_EHLO; /* that only the owner knows */
    assert_null(jobs_at_hand(jobs[0], &shorter));
    ask(&caller, &shorter);
    turn();
    assert_int_equal(run_count, 0);
    assert_int_equal(caller.result->status, STATUS_UNKNOWN);
    assert_string_equal(caller.result->failure.message, "no room");
    drop(&caller);
}

static void reload(struct snapshot *config)
{
    for (unsigned i = 0; i < LOOPS; i++)
        jobs_reload(jobs[i], config, 10);
}

static void test_a_config_that_comes_between(void **state)
{
    struct jobs_ask question = plain(&targets[0][theirs]), newer = plain(&targets[1][theirs]);
    struct caller old, new;

    (void)state;
    targets[1][theirs].plan_hash = 1;
    ask(&old, &question);
    reload(&configs[1]);
    ask(&new, &newer);
    turn();
    assert_int_equal(run_count, 2); /* they are not of the same plan */
    end_run(&runs[0], STATUS_FAIL);
    turn();
    assert_int_equal(old.result->status, STATUS_FAIL);
    assert_null(new.result);
    assert_null(jobs_recall(jobs[1], &newer)); /* and nothing of it is kept */
    end_run(&runs[1], STATUS_PASS);
    turn();
    assert_int_equal(new.result->status, STATUS_PASS);
    drop(&old);
    drop(&new);
}

static void test_a_config_that_comes_between_and_changes_nothing_of_it(void **state)
{
    struct jobs_ask question = plain(&targets[0][theirs]), newer = plain(&targets[1][theirs]);
    struct caller known, old, new;

    (void)state;
    ask(&known, &question);
    turn();
    end_run(&runs[0], STATUS_PASS);
    turn();
    question.max_age_us = 0;
    ask(&old, &question);
    reload(&configs[1]);
    newer.max_age_us = 0;
    ask(&new, &newer);
    turn();
    assert_int_equal(run_count, 2); /* of both, as if both had been asked after it */
    end_run(&runs[1], STATUS_UNKNOWN);
    turn();
    assert_int_equal(old.result->status, STATUS_PASS); /* what is known stands in */
    assert_int_equal(old.result->flags, UINT64_C(1) << FLAG_STALE);
    assert_ptr_equal(new.result, old.result);
    drop(&known);
    drop(&old);
    drop(&new);
}

static void test_a_guest_belongs_to_one_loop(void **state)
{
    static struct snapshot_target guest_target;
    static struct snapshot guest_config = {.targets = &guest_target, .target_count = 1};
    struct caller caller;
    char key[32];

    (void)state;
    guest_target = targets[0][0];
    guest_target.name = guest_target.plan.target = "mx9.example.org:25";
    for (int i = 0; i == 0 || owner_of_key(key, LOOPS) != 1; i++)
        snprintf(key, sizeof key, "guest %d", i);
    struct jobs_ask question = plain(&guest_target);
    question.guest = guests_add(jobs_guests(jobs[0]), key, snapshot_ref(&guest_config));
    ask(&caller, &question);
    turn();
    const struct guest *there = guests_find(jobs_guests(jobs[1]), key);
    assert_non_null(there);
    end_run(&runs[0], STATUS_PASS);
    turn();
    question.guest = there;
    struct result *known = jobs_recall(jobs[1], &question);
    assert_ptr_equal(known, caller.result);
    result_unref(known);
    drop(&caller);
}

static void test_counts_are_summed(void **state)
{
    struct jobs_ask question = plain(&targets[0][theirs]);
    struct arena arena = {0};
    struct metrics_own own = {0};
    struct caller caller;

    (void)state;
    ask(&caller, &question);
    turn();
    end_run(&runs[0], STATUS_PASS);
    turn();
    result_unref(jobs_recall(jobs[0], &question));
    result_unref(jobs_recall(jobs[1], &question));
    metrics_request(jobs_metrics(jobs[0]), "/check", 200);
    metrics_request(jobs_metrics(jobs[1]), "/check", 200);
    metrics_sum_show(jobs_metrics_sum(jobs[0], &arena), &own);
    assert_int_equal(own.run_count, 1);
    assert_int_equal(own.runs[0]->ended[STATUS_PASS], 1);
    assert_int_equal(own.shared[METRICS_CACHED], 2);
    assert_int_equal(own.request_count, 1);
    assert_int_equal(own.requests[0].count, 2);
    arena_free(&arena);
    drop(&caller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_is_run_where_the_target_belongs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_result_is_seen_from_everywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_leaves_is_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_run_that_nobody_waits_for_is_not_begun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_at_hand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_config_that_comes_between, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_config_that_comes_between_and_changes_nothing_of_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_guest_belongs_to_one_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_counts_are_summed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
