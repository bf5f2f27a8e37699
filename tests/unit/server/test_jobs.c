/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who shares a run with whom, and who is told when. The runs here are puppets that take the place of
 * probe/run: they end when the test says so, so that every order of events can be had.
 */
#include "server/jobs.h"

#include "config/route.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/run_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- puppets ---- */

#define MAX_RUNS 16

struct run {
    run_done *done;
    void *context;
    char id[32];
    const char *last_ok; /* the id that it was lent; null = none */
    const char *target;
    enum phase stop_after;
    int64_t began_us;
    bool over;
    bool stopped;
    bool waiting; /* in line */
};

static struct run runs[MAX_RUNS];
static size_t run_count;

static unsigned limit_of_runs, limit_of_waiting;

struct run_net *run_net_new(const struct run_net_order *order)
{
    struct run_net *net = mem_alloc(sizeof *net);

    limit_of_runs = order->max_runs;
    limit_of_waiting = order->max_waiting;
    net->loop = order->loop;
    return net;
}

void run_net_set_limits(struct run_net *net, const struct run_net_order *order)
{
    (void)net;
    limit_of_runs = order->max_runs;
    limit_of_waiting = order->max_waiting;
}

unsigned run_net_in_flight(const struct run_net *net)
{
    (void)net;
    return (unsigned)run_count;
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

    (void)net;
    *run = (struct run){
        .done = done,
        .context = context,
        .target = order->plan->target,
        .last_ok = order->last_ok != NULL ? order->last_ok->id : NULL,
        .stop_after = order->plan->stop_after,
        .began_us = clock_mono_us(),
    };
    strcpy(run->id, order->id);
    return run;
}

/* Each has sent a message, which is to be forgotten with it. */
static const struct result_route sent = {.name = "in",
                                         .from = "",
                                         .state = ROUTE_QUEUED,
                                         .token = "ehlod-000102030405060708090a0b0c0d0e0f1011121314151617",
                                         .sent_us = 1};

static struct result *make_result(const struct run *run, enum status status, int64_t limit_us)
{
    struct result draft = {
        .routes = &sent,
        .route_count = 1,
        .status = status,
        .target = run->target,
        .id = run->id,
        .vantage = "here",
        .summary = "done",
        .started_mono_us = run->began_us,
        .ended_mono_us = clock_mono_us(),
        .failure = {.limit_us = limit_us},
    };

    return result_publish(&draft);
}

static void end_run(struct run *run, enum status status)
{
    run->over = true;
    run->done(run->context, make_result(run, status, CLOCK_NONE));
}

struct result *run_peek(const struct run *run, int64_t limit_us)
{
    assert_false(run->over);
    return make_result(run, STATUS_FAIL, limit_us);
}

bool run_is_waiting(const struct run *run)
{
    return run->waiting;
}

void run_stop(struct run *run)
{
    run->stopped = true;
}

/* ---- the stage ---- */

static struct snapshot_target targets[2];
static struct snapshot snapshot = {.server_name = "here", .targets = targets, .target_count = 2};

/* The snapshot is ours and static. */
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

struct stage {
    uv_loop_t loop;
    struct log log;
    struct jobs *jobs;
    bool stopped;
};

/* One who waits. */
struct caller {
    struct jobs_waiter *waiter;
    struct result *result;
};

static int set_up(void **state)
{
    struct stage *stage = mem_alloc(sizeof *stage);

    run_count = 0;
    targets[0] = (struct snapshot_target){.name = "mx1", .cache_ttl_us = 50 * CLOCK_US_PER_MS};
    targets[1] = (struct snapshot_target){.name = "mx2", .cache_ttl_us = 50 * CLOCK_US_PER_MS};
    for (size_t i = 0; i < 2; i++) {
        targets[i].plan.target = targets[i].name;
        targets[i].plan.stop_after = PHASE_COUNT;
        targets[i].plan.limits_us[LIMIT_RUN] = 10 * CLOCK_US_PER_S;
    }
    uv_loop_init(&stage->loop);
    log_init(&stage->log, -1, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    stage->jobs =
        jobs_new(&(struct jobs_order){.loop = &stage->loop, .log = &stage->log, .snapshot = &snapshot});
    *state = stage;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *stage = *state;

    jobs_free(stage->jobs);
    uv_run(&stage->loop, UV_RUN_DEFAULT);
    int closed = uv_loop_close(&stage->loop);
    free(stage);
    return closed;
}

static void pass_time(struct stage *stage, unsigned ms)
{
    int64_t until_us = clock_mono_us() + ms * CLOCK_US_PER_MS;

    do {
        uv_run(&stage->loop, UV_RUN_NOWAIT);
        usleep(1000);
    } while (clock_mono_us() < until_us);
}

/* One that waits is answered, however slow the machine is. */
static void await_answer(struct stage *stage, const struct caller *caller)
{
    for (int turns = 0; caller->result == NULL && turns < 10000; turns++)
        pass_time(stage, 1);
    assert_non_null(caller->result);
}

static void on_result(void *context, struct result *result)
{
    struct caller *caller = context;

    assert_null(caller->result);
    caller->result = result;
    caller->waiter = NULL;
}

static void ask(struct stage *stage, struct caller *caller, size_t target, enum phase stop_after,
                int64_t timeout_us)
{
    struct jobs_ask question = {.target = &targets[target],
                                .stop_after = stop_after,
                                .max_age_us = CLOCK_NONE,
                                .timeout_us = timeout_us,
                                .wait_us = CLOCK_NONE};

    *caller = (struct caller){0};
    caller->waiter = jobs_wait(stage->jobs, &question, on_result, caller);
}

static struct result *recall(struct stage *stage, int64_t max_age_us, enum phase stop_after)
{
    struct jobs_ask question = {
        .target = &targets[0], .stop_after = stop_after, .max_age_us = max_age_us, .timeout_us = CLOCK_NEVER};

    return jobs_recall(stage->jobs, &question);
}

/* A target that is not in the config. */
static struct snapshot_target guest_target;
static struct snapshot guest_snapshot = {.targets = &guest_target, .target_count = 1};

static struct jobs_ask ask_guest(struct stage *stage, const char *key)
{
    struct guests *guests = jobs_guests(stage->jobs);
    const struct guest *guest = guests_find(guests, key);

    guest_target = targets[0];
    guest_target.name = guest_target.plan.target = "mx9.example.org:25";
    guest_target.cache_ttl_us = 3600 * CLOCK_US_PER_S;
    if (guest == NULL)
        guest = guests_add(guests, key, &guest_snapshot);
    return (struct jobs_ask){.target = &guest_target,
                             .guest = guest,
                             .stop_after = PHASE_COUNT,
                             .max_age_us = CLOCK_NONE,
                             .timeout_us = CLOCK_NEVER,
                             .wait_us = CLOCK_NONE};
}

static struct metrics_own counted(struct stage *stage, struct arena *arena)
{
    struct metrics_own own = {0};

    metrics_sum_show(jobs_metrics_sum(stage->jobs, arena), &own);
    return own;
}

/* Of the last result of the first target; null when there is none. */
static const char *latest_id(struct stage *stage)
{
    struct result *latest = jobs_latest(stage->jobs, &targets[0]);
    const char *id = NULL;

    for (size_t i = 0; latest != NULL && i < run_count; i++)
        if (strcmp(runs[i].id, latest->id) == 0)
            id = runs[i].id;
    result_unref(latest);
    return id;
}

static void drop(struct caller *caller)
{
    result_unref(caller->result);
    caller->result = NULL;
}

/* ---- tests ---- */

static void test_many_callers_share_one_run(void **state) /* H06 */
{
    struct stage *stage = *state;
    struct caller callers[200];

    for (size_t i = 0; i < 200; i++)
        ask(stage, &callers[i], 0, PHASE_COUNT, CLOCK_NEVER);
    assert_int_equal(run_count, 1);
    end_run(&runs[0], STATUS_PASS);
    for (size_t i = 0; i < 200; i++) {
        assert_ptr_equal(callers[i].result, callers[0].result);
        if (i > 0)
            drop(&callers[i]);
    }
    drop(&callers[0]);
}

static void test_only_equal_plans_share(void **state)
{
    struct stage *stage = *state;
    struct caller whole, other, shorter, same;

    targets[0].plan.stop_after = PHASE_RCPT;
    ask(stage, &whole, 0, PHASE_COUNT, CLOCK_NEVER);
    ask(stage, &other, 1, PHASE_COUNT, CLOCK_NEVER);
    ask(stage, &shorter, 0, PHASE_EHLO, CLOCK_NEVER);
    ask(stage, &same, 0, PHASE_RCPT, CLOCK_NEVER); /* what the target says anyway */
    assert_int_equal(run_count, 3);
    assert_int_equal(runs[2].stop_after, PHASE_EHLO);
    for (size_t i = 0; i < 3; i++)
        end_run(&runs[i], STATUS_PASS);
    assert_ptr_equal(whole.result, same.result);
    assert_ptr_not_equal(whole.result, shorter.result);
    assert_string_equal(latest_id(stage), whole.result->id);
    drop(&whole);
    drop(&other);
    drop(&shorter);
    drop(&same);
}

/* One that runs by itself: for the interval and the timeout together, but only as the whole plan, and not for
 * longer than a caller says. */
static void test_a_regular_result_stands_until_the_next(void **state)
{
    struct stage *stage = *state;
    struct caller caller;

    targets[0].interval_us = 40 * CLOCK_US_PER_MS;
    targets[0].plan.limits_us[LIMIT_RUN] = 40 * CLOCK_US_PER_MS;
    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    end_run(&runs[0], STATUS_PASS);
    pass_time(stage, 60); /* older than cache_ttl */
    struct result *kept = recall(stage, CLOCK_NONE, PHASE_COUNT);
    assert_true(kept != NULL || clock_mono_us() - caller.result->ended_mono_us >= 80 * CLOCK_US_PER_MS);
    result_unref(kept);
    assert_null(recall(stage, 50 * CLOCK_US_PER_MS, PHASE_COUNT));
    pass_time(stage, 30);
    assert_null(recall(stage, CLOCK_NONE, PHASE_COUNT));
    drop(&caller);
}

static void test_what_is_outdated_is_no_answer(void **state)
{
    struct stage *stage = *state;
    struct caller caller;

    targets[0].cache_ttl_us = CLOCK_US_PER_S * 3600;
    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    end_run(&runs[0], STATUS_PASS);
    drop(&caller);
    pass_time(stage, 1);
    jobs_outdate(stage->jobs, &targets[0]);
    assert_null(recall(stage, CLOCK_NONE, PHASE_COUNT));
    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    end_run(&runs[1], STATUS_PASS);
    struct result *kept = recall(stage, CLOCK_NONE, PHASE_COUNT);
    assert_ptr_equal(kept, caller.result);
    result_unref(kept);
    drop(&caller);
}

/* A server that was worked on is not what it was when the run began. */
static void test_what_is_outdated_under_way_is_no_answer(void **state)
{
    struct stage *stage = *state;
    struct caller before, after;

    targets[0].cache_ttl_us = CLOCK_US_PER_S * 3600;
    targets[0].stale_if_error_us = CLOCK_US_PER_S * 3600;
    ask(stage, &before, 0, PHASE_COUNT, CLOCK_NEVER);
    pass_time(stage, 1);
    jobs_outdate(stage->jobs, &targets[0]);
    ask(stage, &after, 0, PHASE_COUNT, CLOCK_NEVER);
    assert_int_equal(run_count, 2); /* nobody joins the old one */
    end_run(&runs[0], STATUS_FAIL);
    assert_int_equal(before.result->status, STATUS_FAIL);
    assert_null(recall(stage, CLOCK_NONE, PHASE_COUNT));
    end_run(&runs[1], STATUS_UNKNOWN);
    assert_int_equal(after.result->status, STATUS_UNKNOWN); /* nor does it stand in */
    drop(&before);
    drop(&after);
}

/* The older run is over later. */
static void test_older_news_do_not_take_the_place_of_newer(void **state)
{
    struct stage *stage = *state;
    struct caller before, after;

    targets[0].cache_ttl_us = CLOCK_US_PER_S * 3600;
    ask(stage, &before, 0, PHASE_COUNT, CLOCK_NEVER);
    pass_time(stage, 1);
    jobs_outdate(stage->jobs, &targets[0]);
    ask(stage, &after, 0, PHASE_COUNT, CLOCK_NEVER);
    end_run(&runs[1], STATUS_PASS);
    end_run(&runs[0], STATUS_FAIL);
    struct result *kept = recall(stage, CLOCK_NONE, PHASE_COUNT);
    assert_string_equal(kept->id, runs[1].id);
    assert_string_equal(latest_id(stage), runs[1].id);
    result_unref(kept);
    drop(&before);
    drop(&after);
}

/* Of a target that runs by itself what was known stays over a reload, where its plan does. */
static void test_a_regular_result_outlives_a_reload(void **state)
{
    struct stage *stage = *state;
    static struct snapshot_target new_targets[2];
    static struct snapshot reloaded = {.server_name = "here", .targets = new_targets, .target_count = 2};
    struct jobs_ask question = {.target = &new_targets[0],
                                .stop_after = PHASE_COUNT,
                                .max_age_us = CLOCK_NONE,
                                .timeout_us = CLOCK_NEVER,
                                .wait_us = CLOCK_NONE};
    struct caller before, after = {0};

    targets[0].interval_us = CLOCK_US_PER_S;
    memcpy(new_targets, targets, sizeof targets);
    ask(stage, &before, 0, PHASE_COUNT, CLOCK_NEVER);
    jobs_reload(stage->jobs, &reloaded, 0);
    assert_false(jobs_knows(stage->jobs, &question));
    after.waiter = jobs_wait(stage->jobs, &question, on_result, &after);
    assert_int_equal(run_count, 1); /* the run under way is joined */
    end_run(&runs[0], STATUS_PASS);
    assert_ptr_equal(before.result, after.result);
    assert_true(jobs_knows(stage->jobs, &question));
    question.stop_after = PHASE_BANNER; /* no regular run is of that plan */
    assert_false(jobs_knows(stage->jobs, &question));
    question.stop_after = PHASE_COUNT;
    new_targets[0].plan_hash = 1;
    assert_false(jobs_knows(stage->jobs, &question));
    new_targets[0].plan_hash = 0;
    reloaded.server_name = "there"; /* results name it */
    assert_false(jobs_knows(stage->jobs, &question));
    reloaded.server_name = "here";
    new_targets[0].interval_us = 0;
    assert_false(jobs_knows(stage->jobs, &question));
    jobs_reload(stage->jobs, &snapshot, 0);
    drop(&before);
    drop(&after);
}

static void test_kept_result_is_shared_while_young(void **state)
{
    struct stage *stage = *state;
    struct caller caller;

    assert_null(recall(stage, CLOCK_NONE, PHASE_COUNT));
    assert_null(latest_id(stage));
    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    assert_null(recall(stage, CLOCK_NONE, PHASE_COUNT));
    end_run(&runs[0], STATUS_FAIL);
    struct result *kept = recall(stage, CLOCK_NONE, PHASE_COUNT);
    assert_ptr_equal(kept, caller.result);
    result_unref(kept);
    assert_null(recall(stage, CLOCK_NONE, PHASE_EHLO)); /* another plan */
    assert_null(recall(stage, 0, PHASE_COUNT));         /* max_age=0 */
    pass_time(stage, 60);
    assert_null(recall(stage, CLOCK_NONE, PHASE_COUNT)); /* older than cache_ttl */
    kept = recall(stage, CLOCK_US_PER_S, PHASE_COUNT);   /* but not than max_age */
    assert_ptr_equal(kept, caller.result);
    result_unref(kept);
    drop(&caller);
}

static void test_timeout_ends_only_the_waiting(void **state)
{
    struct stage *stage = *state;
    struct caller patient, hasty, joined;

    ask(stage, &hasty, 0, PHASE_COUNT, 20 * CLOCK_US_PER_MS); /* even who began the run */
    ask(stage, &patient, 0, PHASE_COUNT, CLOCK_NEVER);
    ask(stage, &joined, 0, PHASE_COUNT, 400 * CLOCK_US_PER_MS);
    await_answer(stage, &hasty);
    assert_int_equal(hasty.result->failure.limit_us, 20 * CLOCK_US_PER_MS);
    assert_null(joined.result);
    await_answer(stage, &joined);
    assert_int_equal(joined.result->failure.limit_us, 400 * CLOCK_US_PER_MS);
    assert_null(patient.result);
    assert_null(recall(stage, CLOCK_US_PER_S, PHASE_COUNT)); /* a peek is nobody else's */
    assert_false(runs[0].over);
    end_run(&runs[0], STATUS_PASS);
    assert_int_equal(patient.result->status, STATUS_PASS);
    drop(&patient);
    drop(&hasty);
    drop(&joined);
}

static void test_run_outlives_its_callers(void **state) /* H08 */
{
    struct stage *stage = *state;
    struct caller caller;

    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    jobs_leave(caller.waiter);
    pass_time(stage, 2);
    assert_false(runs[0].stopped);
    end_run(&runs[0], STATUS_PASS);
    assert_null(caller.result);
    assert_string_equal(latest_id(stage), runs[0].id);
}

/* One that has not begun is not begun for nobody: it leaves nothing behind, and who asks meanwhile gets his
 * own. */
static void test_run_in_line_that_nobody_waits_for(void **state)
{
    struct stage *stage = *state;
    struct caller first, second, other;

    ask(stage, &first, 0, PHASE_COUNT, CLOCK_NEVER);
    ask(stage, &second, 0, PHASE_COUNT, CLOCK_NEVER);
    runs[0].waiting = true;
    jobs_leave(first.waiter);
    assert_false(runs[0].stopped); /* somebody waits still */
    jobs_leave(second.waiter);
    assert_true(runs[0].stopped);
    ask(stage, &other, 0, PHASE_COUNT, CLOCK_NEVER);
    assert_int_equal(run_count, 2);
    end_run(&runs[0], STATUS_UNKNOWN);
    assert_null(latest_id(stage));
    assert_null(jobs_find(stage->jobs, runs[0].id));
    assert_null(other.result);
    end_run(&runs[1], STATUS_PASS);
    assert_string_equal(latest_id(stage), runs[1].id);
    drop(&other);
}

/* A caller whose own time is over has been answered; the run goes on. */
static void test_run_in_line_goes_on_after_a_timeout(void **state)
{
    struct stage *stage = *state;
    struct caller hasty;

    ask(stage, &hasty, 0, PHASE_COUNT, 5 * CLOCK_US_PER_MS);
    runs[0].waiting = true;
    pass_time(stage, 20);
    assert_non_null(hasty.result);
    assert_false(runs[0].stopped);
    end_run(&runs[0], STATUS_PASS);
    assert_string_equal(latest_id(stage), runs[0].id);
    drop(&hasty);
}

static void test_last_good_run_is_lent_to_the_next(void **state)
{
    struct stage *stage = *state;
    struct caller caller;
    static const enum status statuses[] = {STATUS_PASS, STATUS_FAIL, STATUS_UNKNOWN, STATUS_WARN,
                                           STATUS_FAIL};
    const size_t lent[] = {SIZE_MAX, 0, 0, 0, 3};

    for (size_t i = 0; i < 5; i++) {
        ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
        if (lent[i] == SIZE_MAX)
            assert_null(runs[i].last_ok);
        else
            assert_string_equal(runs[i].last_ok, runs[lent[i]].id);
        end_run(&runs[i], statuses[i]);
        drop(&caller);
    }
    /* A shorter run is no evidence for the whole, nor the other way round. */
    ask(stage, &caller, 0, PHASE_EHLO, CLOCK_NEVER);
    assert_null(runs[5].last_ok);
    end_run(&runs[5], STATUS_PASS);
    drop(&caller);
    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    assert_string_equal(runs[6].last_ok, runs[3].id);
    end_run(&runs[6], STATUS_PASS);
    drop(&caller);
}

/* ---- asked for afresh, reloaded, unknown ---- */

static void ask_fresh(struct stage *stage, struct caller *caller)
{
    struct jobs_ask question = {.target = &targets[0],
                                .stop_after = PHASE_COUNT,
                                .max_age_us = CLOCK_NONE,
                                .timeout_us = CLOCK_NEVER,
                                .wait_us = CLOCK_NONE,
                                .fresh = true};

    *caller = (struct caller){0};
    assert_null(jobs_recall(stage->jobs, &question));
    caller->waiter = jobs_wait(stage->jobs, &question, on_result, caller);
}

/* POST: never an old result, and no run that somebody else asked for without sending. */
static void test_a_fresh_run_is_shared_with_its_like_alone(void **state)
{
    struct stage *stage = *state;
    struct caller plain, fresh, same, later;

    ask(stage, &plain, 0, PHASE_COUNT, CLOCK_NEVER);
    ask_fresh(stage, &fresh);
    ask_fresh(stage, &same);
    assert_int_equal(run_count, 2);
    end_run(&runs[0], STATUS_PASS);
    assert_null(fresh.result);
    end_run(&runs[1], STATUS_PASS);
    assert_string_equal(fresh.result->id, runs[1].id);
    assert_string_equal(same.result->id, runs[1].id);
    assert_string_equal(latest_id(stage), runs[1].id);
    ask_fresh(stage, &later);
    assert_int_equal(run_count, 3);
    end_run(&runs[2], STATUS_PASS);
    struct result *kept = recall(stage, CLOCK_US_PER_S, PHASE_COUNT);
    assert_string_equal(kept->id, runs[0].id); /* a fresh one is no equal plan */
    result_unref(kept);
    drop(&plain);
    drop(&fresh);
    drop(&same);
    drop(&later);
}

static void test_f20_a_reload_keeps_runs_and_shares_none(void **state)
{
    struct stage *stage = *state;
    static struct snapshot_target new_targets[2];
    static struct snapshot reloaded = {.server_name = "here", .targets = new_targets, .target_count = 2};
    struct caller before, after;

    ask(stage, &before, 0, PHASE_COUNT, CLOCK_NEVER);
    new_targets[0] = targets[1]; /* mx2 goes on, mx1 is gone, mx3 is new */
    new_targets[1] = targets[0];
    new_targets[1].name = "mx3";
    jobs_reload(stage->jobs, &reloaded, 7);
    assert_int_equal(limit_of_runs, 7);
    end_run(&runs[0], STATUS_PASS);
    assert_int_equal(before.result->status, STATUS_PASS);
    assert_null(jobs_latest(stage->jobs, &new_targets[1]));
    drop(&before);

    jobs_reload(stage->jobs, &snapshot, 0);
    ask(stage, &before, 1, PHASE_COUNT, CLOCK_NEVER);
    jobs_reload(stage->jobs, &reloaded, 0);
    struct jobs_ask question = {.target = &new_targets[0],
                                .stop_after = PHASE_COUNT,
                                .max_age_us = CLOCK_NONE,
                                .timeout_us = CLOCK_NEVER,
                                .wait_us = CLOCK_NONE};
    after = (struct caller){0};
    after.waiter = jobs_wait(stage->jobs, &question, on_result, &after);
    assert_int_equal(run_count, 3); /* the run under way is of another config */
    end_run(&runs[1], STATUS_PASS);
    assert_null(after.result);
    assert_null(jobs_recall(stage->jobs, &question));
    struct result *latest = jobs_latest(stage->jobs, &new_targets[0]);
    assert_string_equal(latest->id, runs[1].id); /* filed under its name all the same */
    result_unref(latest);
    end_run(&runs[2], STATUS_PASS);
    assert_string_equal(after.result->id, runs[2].id);
    jobs_reload(stage->jobs, &snapshot, 0);
    drop(&before);
    drop(&after);
}

static void test_an_older_verdict_stands_in_for_unknown(void **state)
{
    struct stage *stage = *state;
    struct caller caller;

    targets[0].stale_if_error_us = 40 * CLOCK_US_PER_MS;
    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    end_run(&runs[0], STATUS_UNKNOWN);
    assert_int_equal(caller.result->status, STATUS_UNKNOWN); /* there is none */
    drop(&caller);
    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    end_run(&runs[1], STATUS_FAIL);
    assert_int_equal(caller.result->flags, 0);
    drop(&caller);
    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    end_run(&runs[2], STATUS_UNKNOWN);
    assert_int_equal(caller.result->status, STATUS_FAIL);
    assert_string_equal(caller.result->id, runs[1].id);
    assert_int_equal(caller.result->flags, UINT64_C(1) << FLAG_STALE);
    drop(&caller);
    pass_time(stage, 50);
    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    end_run(&runs[3], STATUS_UNKNOWN);
    assert_int_equal(caller.result->status, STATUS_UNKNOWN); /* too old by now */
    drop(&caller);
}

static void test_a_verdict_that_was_overtaken_by_unknown_stands_in(void **state)
{
    struct stage *stage = *state;
    static struct snapshot_target new_targets[2];
    static struct snapshot reloaded = {.server_name = "here", .targets = new_targets, .target_count = 2};
    struct caller slow, quick;

    memcpy(new_targets, targets, sizeof targets);
    new_targets[0].stale_if_error_us = targets[0].stale_if_error_us = 3600 * CLOCK_US_PER_S;
    jobs_reload(stage->jobs, &reloaded, 0);
    struct jobs_ask question = {.target = &new_targets[0],
                                .stop_after = PHASE_COUNT,
                                .max_age_us = 0,
                                .timeout_us = CLOCK_NEVER,
                                .wait_us = CLOCK_NONE};
    slow = (struct caller){0};
    slow.waiter = jobs_wait(stage->jobs, &question, on_result, &slow);
    pass_time(stage, 2);
    jobs_reload(stage->jobs, &snapshot, 0); /* so who asks now shares no run with it */
    ask(stage, &quick, 0, PHASE_COUNT, CLOCK_NEVER);
    end_run(&runs[1], STATUS_UNKNOWN);
    assert_int_equal(quick.result->status, STATUS_UNKNOWN);
    end_run(&runs[0], STATUS_PASS);
    drop(&quick);
    ask(stage, &quick, 0, PHASE_COUNT, CLOCK_NEVER);
    end_run(&runs[2], STATUS_UNKNOWN);
    assert_int_equal(quick.result->status, STATUS_PASS);
    assert_string_equal(quick.result->id, runs[0].id);
    drop(&slow);
    drop(&quick);
}

/* What the old config's run showed is of another question, or of another server. */
static void test_the_verdict_of_another_plan_is_not_shown_nor_stands_in(void **state)
{
    struct stage *stage = *state;
    static struct snapshot_target new_targets[2];
    static struct snapshot reloaded = {.server_name = "here", .targets = new_targets, .target_count = 2};

    targets[0].stale_if_error_us = CLOCK_US_PER_S * 3600;
    for (uint64_t other = 0; other < 2; other++) {
        struct caller old, new;
        size_t first = run_count;
        ask(stage, &old, 0, PHASE_COUNT, CLOCK_NEVER);
        end_run(&runs[first], STATUS_PASS);
        drop(&old);
        memcpy(new_targets, targets, sizeof new_targets);
        new_targets[0].plan_hash = targets[0].plan_hash + other;
        jobs_reload(stage->jobs, &reloaded, 0);
        struct jobs_ask question = {
            .target = &new_targets[0], .stop_after = PHASE_COUNT, .timeout_us = CLOCK_NEVER};
        struct result *latest = jobs_latest(stage->jobs, &new_targets[0]);
        assert_int_equal(latest == NULL, other);
        result_unref(latest);
        new = (struct caller){0};
        new.waiter = jobs_wait(stage->jobs, &question, on_result, &new);
        end_run(&runs[first + 1], STATUS_UNKNOWN);
        assert_int_equal(new.result->status, other ? STATUS_UNKNOWN : STATUS_PASS);
        drop(&new);
        jobs_reload(stage->jobs, &snapshot, 0);
    }
}

static void test_past_runs_are_found(void **state)
{
    struct stage *stage = *state;
    struct caller caller;

    assert_null(jobs_find(stage->jobs, "01JD9K"));
    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    assert_null(jobs_find(stage->jobs, runs[0].id)); /* not past yet */
    end_run(&runs[0], STATUS_PASS);
    struct result *past = jobs_find(stage->jobs, runs[0].id);
    assert_string_equal(past->id, runs[0].id);
    result_unref(past);
    drop(&caller);
}

/* Asks again from inside its answer. */
struct insatiable {
    struct stage *stage;
    struct caller next;
};

static void on_result_ask_again(void *context, struct result *result)
{
    struct insatiable *again = context;

    result_unref(result);
    ask(again->stage, &again->next, 0, PHASE_COUNT, CLOCK_NEVER);
}

static void test_asking_again_from_the_answer_begins_another(void **state)
{
    struct stage *stage = *state;
    struct insatiable again = {.stage = stage};
    struct jobs_ask question = {
        .target = &targets[0], .stop_after = PHASE_COUNT, .max_age_us = 0, .timeout_us = CLOCK_NEVER};

    jobs_wait(stage->jobs, &question, on_result_ask_again, &again);
    end_run(&runs[0], STATUS_PASS);
    assert_int_equal(run_count, 2);
    end_run(&runs[1], STATUS_PASS);
    assert_non_null(again.next.result);
    drop(&again.next);
}

static void on_stopped(void *context)
{
    struct stage *stage = context;

    assert_false(stage->stopped);
    stage->stopped = true;
}

static void test_stop_gives_grace_then_cuts(void **state) /* L01 */
{
    struct stage *stage = *state;
    struct caller quick, slow, joined, late;

    ask(stage, &quick, 0, PHASE_COUNT, CLOCK_NEVER);
    ask(stage, &slow, 1, PHASE_COUNT, CLOCK_NEVER);
    jobs_stop(stage->jobs, 40, on_stopped, stage);
    ask(stage, &joined, 1, PHASE_COUNT, CLOCK_NEVER);
    assert_non_null(joined.waiter);
    end_run(&runs[0], STATUS_PASS);
    ask(stage, &late, 0, PHASE_COUNT, CLOCK_NEVER);
    assert_true(runs[2].stopped); /* before it begins */
    end_run(&runs[2], STATUS_UNKNOWN);
    assert_int_equal(late.result->status, STATUS_UNKNOWN);
    pass_time(stage, 20);
    assert_false(runs[1].stopped);
    pass_time(stage, 40);
    assert_true(runs[1].stopped);
    assert_false(stage->stopped);
    end_run(&runs[1], STATUS_UNKNOWN);
    assert_true(stage->stopped);
    assert_int_equal(slow.result->status, STATUS_UNKNOWN);
    assert_ptr_equal(slow.result, joined.result);
    drop(&quick);
    drop(&slow);
    drop(&joined);
    drop(&late);
}

static void test_second_stop_cuts_at_once(void **state) /* L02 */
{
    struct stage *stage = *state;
    struct caller caller;

    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    jobs_stop(stage->jobs, 60000, on_stopped, stage);
    jobs_stop(stage->jobs, 0, on_stopped, stage);
    pass_time(stage, 5);
    assert_true(runs[0].stopped);
    end_run(&runs[0], STATUS_UNKNOWN);
    assert_true(stage->stopped);
    drop(&caller);
}

static void test_stop_of_idle_jobs_is_told_later(void **state)
{
    struct stage *stage = *state;

    jobs_stop(stage->jobs, 60000, on_stopped, stage);
    assert_false(stage->stopped);
    pass_time(stage, 5);
    assert_true(stage->stopped);
}

static void test_free_stops_what_nobody_waits_for(void **state)
{
    struct stage *stage = *state;
    struct caller caller;

    ask(stage, &caller, 0, PHASE_COUNT, CLOCK_NEVER);
    jobs_leave(caller.waiter);
    jobs_free(stage->jobs);
    stage->jobs = NULL;
    assert_true(runs[0].stopped);
    pass_time(stage, 2);
    end_run(&runs[0], STATUS_UNKNOWN);
    assert_null(caller.result);
}

static void on_result_free(void *context, struct result *result)
{
    struct stage *stage = context;

    result_unref(result);
    jobs_free(stage->jobs);
    stage->jobs = NULL;
}

static void test_free_from_the_last_answer(void **state)
{
    struct stage *stage = *state;
    struct jobs_ask question = {
        .target = &targets[0], .stop_after = PHASE_COUNT, .max_age_us = 0, .timeout_us = CLOCK_NEVER};

    jobs_wait(stage->jobs, &question, on_result_free, stage);
    end_run(&runs[0], STATUS_PASS);
    assert_null(stage->jobs);
}

/* Several runs are one job. Those of an address need no resolver. */
static void test_several_runs_are_shared_and_each_is_kept(void **state)
{
    struct stage *stage = *state;
    struct caller callers[2];

    targets[0].plan.host = "192.0.2.1";
    targets[0].plan.family = FAMILY_EACH;
    for (size_t i = 0; i < 2; i++)
        ask(stage, &callers[i], 0, PHASE_COUNT, CLOCK_NEVER);
    assert_int_equal(run_count, 1);
    end_run(&runs[0], STATUS_PASS);
    assert_ptr_equal(callers[0].result, callers[1].result);
    const struct result *whole = callers[0].result;
    assert_int_equal(whole->attempt_count, 1);
    assert_string_equal(whole->attempts[0].id, runs[0].id);
    assert_string_not_equal(whole->id, runs[0].id);
    struct result *latest = jobs_latest(stage->jobs, &targets[0]);
    struct result *part = jobs_find(stage->jobs, runs[0].id);
    struct result *again = jobs_find(stage->jobs, whole->id);
    assert_string_equal(latest->id, whole->id);
    assert_int_equal(part->attempt_count, 0);
    assert_int_equal(again->attempt_count, 1);
    result_unref(latest);
    result_unref(part);
    result_unref(again);
    for (size_t i = 0; i < 2; i++)
        drop(&callers[i]);
}

static void test_several_runs_are_seen_and_stopped(void **state)
{
    struct stage *stage = *state;
    struct caller hasty;

    targets[0].plan.host = "192.0.2.1";
    targets[0].plan.family = FAMILY_EACH;
    ask(stage, &hasty, 0, PHASE_COUNT, 5 * CLOCK_US_PER_MS);
    for (int i = 0; i < 5000 && hasty.result == NULL; i++)
        pass_time(stage, 1);
    assert_int_equal(hasty.result->attempt_count, 1);
    assert_int_equal(hasty.result->attempts[0].status, STATUS_FAIL);
    drop(&hasty);
    jobs_stop(stage->jobs, 0, on_stopped, stage);
    for (int i = 0; i < 5000 && !runs[0].stopped; i++)
        pass_time(stage, 1);
    assert_true(runs[0].stopped);
    assert_false(stage->stopped);
    end_run(&runs[0], STATUS_UNKNOWN);
    assert_true(stage->stopped);
}

/* Asking for all targets fills no line. */
static void test_the_line_has_room_for_several_runs_of_each(void **state)
{
    struct stage *stage = *state;

    targets[0].plan.mx = true;
    snapshot.max_runs = 1;
    jobs_reload(stage->jobs, &snapshot, 1);
    snapshot.max_runs = 0;
    assert_int_equal(limit_of_waiting, PLAN_MAX_ADDRESSES + 1);
}

#define JOBS_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void test_guests_share_like_anybody(void **state)
{
    struct stage *stage = *state;
    struct arena arena = {0};
    struct caller one = {0}, two = {0}, other = {0};
    struct jobs_ask question = ask_guest(stage, "a");

    one.waiter = jobs_wait(stage->jobs, &question, on_result, &one);
    two.waiter = jobs_wait(stage->jobs, &question, on_result, &two);
    struct jobs_ask another = ask_guest(stage, "b");
    other.waiter = jobs_wait(stage->jobs, &another, on_result, &other);
    assert_int_equal(run_count, 2);
    assert_string_equal(runs[0].target, "mx9.example.org:25");
    end_run(&runs[0], STATUS_PASS);
    assert_non_null(one.result);
    assert_ptr_equal(one.result, two.result);
    question = ask_guest(stage, "a");
    struct result *kept = jobs_recall(stage->jobs, &question);
    assert_ptr_equal(kept, one.result);
    result_unref(kept);

    /* Another config: what was known of it is gone, what runs goes on. */
    jobs_reload(stage->jobs, &snapshot, 0);
    question = ask_guest(stage, "a");
    assert_null(jobs_recall(stage->jobs, &question));
    end_run(&runs[1], STATUS_FAIL);
    assert_non_null(other.result);

    struct metrics_own own = counted(stage, &arena);
    assert_int_equal(own.shared[METRICS_JOINED], 1);
    assert_int_equal(own.shared[METRICS_CACHED], 1);
    assert_int_equal(own.run_count, 1);
    assert_null(own.runs[0]->target); /* whatever a caller names makes no series */
    assert_int_equal(own.runs[0]->ended[STATUS_PASS], 1);
    assert_int_equal(own.runs[0]->ended[STATUS_FAIL], 1);
    result_unref(one.result);
    result_unref(two.result);
    result_unref(other.result);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOBS_TEST(test_many_callers_share_one_run),
        JOBS_TEST(test_guests_share_like_anybody),
        JOBS_TEST(test_several_runs_are_shared_and_each_is_kept),
        JOBS_TEST(test_several_runs_are_seen_and_stopped),
        JOBS_TEST(test_the_line_has_room_for_several_runs_of_each),
        JOBS_TEST(test_only_equal_plans_share),
        JOBS_TEST(test_a_regular_result_stands_until_the_next),
        JOBS_TEST(test_what_is_outdated_is_no_answer),
        JOBS_TEST(test_what_is_outdated_under_way_is_no_answer),
        JOBS_TEST(test_older_news_do_not_take_the_place_of_newer),
        JOBS_TEST(test_a_regular_result_outlives_a_reload),
        JOBS_TEST(test_kept_result_is_shared_while_young),
        JOBS_TEST(test_timeout_ends_only_the_waiting),
        JOBS_TEST(test_run_outlives_its_callers),
        JOBS_TEST(test_run_in_line_that_nobody_waits_for),
        JOBS_TEST(test_run_in_line_goes_on_after_a_timeout),
        JOBS_TEST(test_last_good_run_is_lent_to_the_next),
        JOBS_TEST(test_asking_again_from_the_answer_begins_another),
        JOBS_TEST(test_stop_gives_grace_then_cuts),
        JOBS_TEST(test_second_stop_cuts_at_once),
        JOBS_TEST(test_a_fresh_run_is_shared_with_its_like_alone),
        JOBS_TEST(test_f20_a_reload_keeps_runs_and_shares_none),
        JOBS_TEST(test_an_older_verdict_stands_in_for_unknown),
        JOBS_TEST(test_a_verdict_that_was_overtaken_by_unknown_stands_in),
        JOBS_TEST(test_the_verdict_of_another_plan_is_not_shown_nor_stands_in),
        JOBS_TEST(test_past_runs_are_found),
        JOBS_TEST(test_stop_of_idle_jobs_is_told_later),
        JOBS_TEST(test_free_stops_what_nobody_waits_for),
        JOBS_TEST(test_free_from_the_last_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
