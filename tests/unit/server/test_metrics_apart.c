/* SPDX-License-Identifier: Apache-2.0 */
/* What is written on a thread is what would have been written on the loop, at the moment when its turn came.
 */
#include "server/metrics_apart.h"

#include "probe/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define TARGETS 10000
#define PHASES  7

static struct metrics_runs *runs;
static const struct metrics_runs **list;
static struct exposition_histogram *histograms; /* so many phases as most runs have */
static char names[TARGETS][16];
static unsigned in_flight;
static size_t shown_targets;

static uv_loop_t loop;
static struct metrics_apart *apart;

/* What came of the questions, in the order of their answers. */
static struct {
    struct http_request *request;
    int status;
    struct buffer body;
} answers[4];
static size_t answer_count;

void http_answer(struct http_request *request, const struct http_reply *reply)
{
    answers[answer_count].request = request;
    answers[answer_count].status = reply->status;
    answers[answer_count++].body = *reply->body;
    buffer_init(reply->body, 0);
}

static const struct metrics_runs *const *copy(struct arena *arena)
{
    const struct metrics_runs **copies = arena_alloc(arena, shown_targets * sizeof(struct metrics_runs *));

    for (size_t i = 0; i < shown_targets; i++) {
        struct metrics_runs *to = arena_alloc(arena, sizeof *to);
        *to = *list[i];
        to->target = arena_dup(arena, to->target);
        for (enum phase p = 0; p < PHASE_COUNT; p++)
            if (to->phases[p] != NULL)
                to->phases[p] =
                    memcpy(arena_alloc(arena, sizeof *to->phases[p]), to->phases[p], sizeof *to->phases[p]);
        copies[i] = to;
    }
    return copies;
}

static void gather(void *context, struct arena *arena, struct metrics_own *own_r)
{
    struct metrics_requests *requests = arena_alloc(arena, sizeof *requests);
    struct metrics_mailbox *mailbox = arena_alloc(arena, sizeof *mailbox);

    *requests = (struct metrics_requests){"/metrics", 200, 7};
    *mailbox = (struct metrics_mailbox){arena_dup(arena, "local"), true};
    *own_r = (struct metrics_own){.version = "1",
                                  .vantage = arena_dup(arena, "here"),
                                  .runs = copy(arena),
                                  .run_count = shown_targets,
                                  .in_flight = in_flight,
                                  .requests = requests,
                                  .request_count = 1,
                                  .mailboxes = mailbox,
                                  .mailbox_count = 1};
    (*(int *)context)++;
}

static int gathered;

static int set_up(void **state)
{
    (void)state;
    runs = mem_alloc(TARGETS * sizeof *runs);
    histograms = mem_alloc(TARGETS * PHASES * sizeof *histograms);
    list = mem_alloc(TARGETS * sizeof(struct metrics_runs *));
    for (size_t i = 0; i < TARGETS; i++) {
        snprintf(names[i], sizeof names[i], "t%05zu", i);
        runs[i].target = names[i];
        runs[i].ended[STATUS_PASS] = i;
        for (enum phase p = PHASE_BANNER; p < PHASE_BANNER + PHASES; p++) {
            runs[i].phases[p] = &histograms[i * PHASES + p - PHASE_BANNER];
            runs[i].phases[p]->counts[3] = i;
        }
        list[i] = &runs[i];
    }
    in_flight = 1;
    shown_targets = 300;
    answer_count = 0;
    gathered = 0;
    uv_loop_init(&loop);
    apart = metrics_apart_new(
        &(struct metrics_apart_order){.loop = &loop, .gather = gather, .context = &gathered});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    metrics_apart_free(apart);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < answer_count; i++)
        buffer_free(&answers[i].body);
    free(runs);
    free(histograms);
    free(list);
    return uv_loop_close(&loop);
}

static struct question *ask(struct http_request *request, enum exposition_format format)
{
    struct question *q = question_new(request);

    metrics_apart_ask(apart, q, format);
    return q;
}

static void leave(struct question *q)
{
    q->leave(q);
    question_drop(q);
}

static struct buffer expected(enum exposition_format format)
{
    struct arena arena = {0};
    struct metrics_own own;
    struct buffer out;

    buffer_init(&out, METRICS_MOST);
    gather(&gathered, &arena, &own);
    metrics_own(&out, &own, format);
    arena_free(&arena);
    return out;
}

static void check_answer(size_t i, const struct http_request *request, struct buffer *wanted)
{
    assert_ptr_equal(answers[i].request, request);
    assert_int_equal(answers[i].status, 200);
    assert_int_equal(answers[i].body.len, wanted->len);
    assert_memory_equal(answers[i].body.data, wanted->data, wanted->len);
    buffer_free(wanted);
}

static void test_it_is_as_it_was_when_its_turn_came(void **state)
{
    struct http_request first = {.method = "GET"}, second = {.method = "GET"};
    struct buffer before = expected(EXPOSITION_TEXT);

    (void)state;
    gathered = 0;
    ask(&first, EXPOSITION_TEXT);
    ask(&second, EXPOSITION_OPENMETRICS);
    assert_int_equal(gathered, 1); /* the other one stands in line */
    assert_int_equal(answer_count, 0);
    for (size_t i = 0; i < TARGETS; i++) {
        runs[i].ended[STATUS_PASS] += 5;
        runs[i].phases[PHASE_BANNER]->counts[3] += 7;
        names[i][0] = 'x';
    }
    in_flight = 9;
    shown_targets = 200;
    struct buffer after = expected(EXPOSITION_OPENMETRICS);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(answer_count, 2);
    check_answer(0, &first, &before);
    check_answer(1, &second, &after);
}

static void test_who_leaves_is_not_answered(void **state)
{
    struct http_request requests[3] = {{.method = "GET"}, {.method = "GET"}, {.method = "GET"}};
    struct question *under_way = ask(&requests[0], EXPOSITION_TEXT);
    struct question *in_line = ask(&requests[1], EXPOSITION_TEXT);

    (void)state;
    ask(&requests[2], EXPOSITION_TEXT);
    leave(in_line);
    leave(under_way);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(answer_count, 1);
    assert_ptr_equal(answers[0].request, &requests[2]);
    assert_int_equal(gathered, 2);
}

static void test_the_end_while_one_is_written(void **state)
{
    struct http_request request = {.method = "GET"};

    (void)state;
    leave(ask(&request, EXPOSITION_TEXT));
    metrics_apart_free(apart);
    apart = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(answer_count, 0);
}

/* ---- several loops: here it is one, so that the order is known ---- */

enum { LOOPS = 3 };

static struct metrics_apart_turn *turn;
static struct post *posts[LOOPS];
static struct metrics_apart *parts[LOOPS];
static int gathered_of[LOOPS];
static uv_timer_t alive; /* notes alone keep no loop */

static void on_alive(uv_timer_t *timer)
{
    (void)timer;
}

static int set_up_several(void **state)
{
    set_up(state);
    turn = metrics_apart_turn_new();
    uv_timer_init(&loop, &alive);
    uv_timer_start(&alive, on_alive, 3600 * 1000, 0);
    for (size_t i = 0; i < LOOPS; i++) {
        gathered_of[i] = 0;
        posts[i] = post_new(&loop);
        parts[i] = metrics_apart_new(&(struct metrics_apart_order){
            .loop = &loop, .gather = gather, .context = &gathered_of[i], .turn = turn, .post = posts[i]});
    }
    return 0;
}

static int tear_down_several(void **state)
{
    for (size_t i = 0; i < LOOPS; i++) {
        metrics_apart_free(parts[i]);
        post_free(posts[i]);
    }
    metrics_apart_turn_free(turn);
    uv_close((uv_handle_t *)&alive, NULL);
    return tear_down(state);
}

static struct question *ask_part(size_t i, struct http_request *request)
{
    struct question *q = question_new(request);

    metrics_apart_ask(parts[i], q, EXPOSITION_TEXT);
    return q;
}

static int gathered_in_all(void)
{
    return gathered_of[0] + gathered_of[1] + gathered_of[2];
}

static void test_several_loops_write_one_at_a_time(void **state)
{
    struct http_request requests[4] = {
        {.method = "GET"}, {.method = "GET"}, {.method = "GET"}, {.method = "GET"}};
    static const size_t asked[] = {0, 0, 1, 2}, answered_as[] = {0, 2, 3, 1};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        ask_part(asked[i], &requests[i]);
    for (size_t written = 0; written < 4; written = answer_count) {
        assert_int_equal(gathered_in_all(), written + 1);
        while (answer_count == written || (answer_count < 4 && gathered_in_all() == (int)answer_count))
            uv_run(&loop, UV_RUN_ONCE);
    }
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(answers[i].request, &requests[answered_as[i]]);
}

static void test_a_turn_that_nobody_wants_any_more(void **state)
{
    struct http_request requests[3] = {{.method = "GET"}, {.method = "GET"}, {.method = "GET"}};

    (void)state;
    ask_part(0, &requests[0]);
    struct question *gone = ask_part(1, &requests[1]);
    ask_part(2, &requests[2]);
    leave(gone);
    while (answer_count < 2)
        uv_run(&loop, UV_RUN_ONCE);
    assert_ptr_equal(answers[1].request, &requests[2]);
    assert_int_equal(gathered_of[1], 0);
}

/* Whenever it is asked, its turn may just have come. */
static void test_a_turn_that_is_used_before_it_is_told(void **state)
{
    struct http_request requests[4] = {
        {.method = "GET"}, {.method = "GET"}, {.method = "GET"}, {.method = "GET"}};

    (void)state;
    for (int turns = 0; turns < 4; turns++) {
        int before = gathered_in_all();
        size_t answered = answer_count = 0;
        ask_part(0, &requests[0]);
        struct question *gone = ask_part(1, &requests[1]);
        ask_part(2, &requests[2]);
        leave(gone);
        while (answer_count == 0)
            uv_run(&loop, UV_RUN_ONCE);
        for (int i = 0; i < turns; i++)
            uv_run(&loop, UV_RUN_NOWAIT);
        ask_part(1, &requests[3]);
        while (answer_count < 3) {
            assert_true(gathered_in_all() - before <= (int)answer_count + 1);
            uv_run(&loop, UV_RUN_ONCE);
        }
        for (; answered < answer_count; answered++)
            buffer_free(&answers[answered].body);
        answer_count = 0;
    }
}

static void test_the_end_while_others_wait(void **state)
{
    struct http_request request = {.method = "GET"};

    (void)state;
    leave(ask_part(0, &request));
    leave(ask_part(1, &request));
    metrics_apart_free(parts[0]); /* which has the turn, and lets go of it */
    parts[0] = NULL;
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(gathered_in_all(), 1);
    assert_int_equal(answer_count, 0);
}

static void test_packed(void **state)
{
    struct http_request request = {.method = "GET", .accept_encoding = "gzip"};

    (void)state;
    ask(&request, EXPOSITION_TEXT);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_memory_equal(answers[0].body.data, "\x1f\x8b", 2);
}

static void test_too_many(void **state)
{
    struct http_request request = {.method = "GET"};
    struct timespec begun, over;

    (void)state;
    shown_targets = TARGETS;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
    ask(&request, EXPOSITION_TEXT);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &over);
    print_message("%zu targets held the loop for %ld us\n", shown_targets,
                  (over.tv_sec - begun.tv_sec) * 1000000 + (over.tv_nsec - begun.tv_nsec) / 1000);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(answers[0].status, 500);
    assert_non_null(strstr(answers[0].body.data, "There are too many series (server.metrics_by_target)."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_is_as_it_was_when_its_turn_came, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_leaves_is_not_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_end_while_one_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several_loops_write_one_at_a_time, set_up_several,
                                        tear_down_several),
        cmocka_unit_test_setup_teardown(test_a_turn_that_nobody_wants_any_more, set_up_several,
                                        tear_down_several),
        cmocka_unit_test_setup_teardown(test_a_turn_that_is_used_before_it_is_told, set_up_several,
                                        tear_down_several),
        cmocka_unit_test_setup_teardown(test_the_end_while_others_wait, set_up_several, tear_down_several),
        cmocka_unit_test_setup_teardown(test_packed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
