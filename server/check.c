/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a question to runs and back: reads the parameters, asks server/jobs for each target (a kept result,
 * else a run), waits until the last is there, has it rendered and gives it the HTTP status that its verdict
 * means.
 */
#include "server/check.h"

#include "config/nearest.h"
#include "config/tags.h"
#include "config/value.h"
#include "probe/base/clock.h"
#include "server/render/render.h"
#include "server/runs.h"
#include "server/shown.h"
#include "server/views.h"

#include <string.h>

struct check;

/* A target's share of a check. */
struct part {
    struct check *check;
    struct jobs_waiter *waiter; /* null once there is a result */
    struct result *result;
};

struct check {
    struct question *q;
    struct shown *shown;
    int unknown_status; /* of the config when it was asked */
    const struct view *view;
    bool whole;      /* several targets, shown as a set */
    const char *tag; /* of them those with this tag; null: all */
    size_t min_pass; /* so many are enough; 0: all must pass */
    size_t open;     /* parts without a result */
    size_t count;
    struct part *parts;
};

/* ---- answering ---- */

static int http_status(int unknown_status, enum status status)
{
    if (status == STATUS_FAIL)
        return 503;
    return status == STATUS_UNKNOWN ? unknown_status : 200;
}

static void drop_results(struct check *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->parts[i].waiter != NULL)
            jobs_leave(c->parts[i].waiter);
        result_unref(c->parts[i].result);
    }
}

static void show(struct check *c, struct buffer *out, struct question_answer *answer)
{
    const struct result **results = arena_alloc(&c->q->arena, (c->count + 1) * sizeof(struct result *));
    struct render_set set = {.results = results, .count = c->count, .min_pass = c->min_pass};
    int64_t now_us = clock_mono_us();

    for (size_t i = 0; i < c->count; i++) {
        results[i] = c->parts[i].result;
        if (render_age_us(results[i], now_us) > answer->age_us)
            answer->age_us = render_age_us(results[i], now_us);
    }
    answer->status = http_status(c->unknown_status, render_set_status(&set));
    answer->content_type = c->view->content_type;
    if (c->whole)
        shown_set(c->shown, c->view, out, &set, now_us);
    else
        shown_one(c->shown, c->view, out, results[0], now_us);
}

static void answer_check(struct check *c)
{
    struct question_answer answer = {.age_us = CLOCK_NONE, .negotiated = true};
    struct buffer body;

    buffer_init(&body, c->whole ? RENDER_MAX_SET : RENDER_MAX_RESULT);
    show(c, &body, &answer);
    drop_results(c);
    if (body.full) {
        buffer_free(&body);
        question_refuse(c->q, 500, NULL, "The answer is too long.");
        return;
    }
    answer.body = &body;
    question_answer(c->q, &answer);
}

static void answer_when_done(struct check *c)
{
    if (c->open == 0)
        answer_check(c);
}

/* ---- asking ---- */

static void on_result(void *context, struct result *result)
{
    struct part *part = context;

    part->waiter = NULL;
    part->result = result;
    part->check->open--;
    answer_when_done(part->check);
}

static void leave(struct question *q)
{
    drop_results(q->waiting);
}

/* Asks for count targets from the first on, but for those without the tag. The ask's own target is not looked
 * at. In the reserve nobody may wait for a run: a verdict that is known must do. */
static void begin(struct check *c, struct desk *desk, const struct snapshot_target *first, size_t count,
                  const struct jobs_ask *ask)
{
    c->parts = arena_alloc(&c->q->arena, (count + 1) * sizeof *c->parts);
    c->q->waiting = c;
    c->q->leave = leave;
    for (size_t i = 0; i < count; i++) {
        if (c->tag != NULL && !tags_has(&first[i], c->tag))
            continue;
        struct part *part = &c->parts[c->count++];
        struct jobs_ask one = *ask;
        one.target = &first[i];
        part->check = c;
        part->result = one.fresh ? NULL : drains_result(desk->drains, desk->jobs, &first[i]);
        if (part->result != NULL)
            continue;
        if (c->q->request->reserved)
            one.at_hand = CHECK_RESERVED;
        part->result = one.at_hand != NULL ? jobs_at_hand(desk->jobs, &one) : jobs_recall(desk->jobs, &one);
        if (part->result != NULL)
            continue;
        part->waiter = jobs_wait(desk->jobs, &one, on_result, part);
        c->open++;
    }
    answer_when_done(c);
}

static struct check *new_check(struct desk *desk, struct question *q)
{
    struct check *c = arena_alloc(&q->arena, sizeof *c);

    c->q = q;
    c->shown = desk->shown;
    c->unknown_status = desk->snapshot->unknown_status;
    return c;
}

void check_refuse_name(const struct desk *desk, struct question *q, const char *name, int status,
                       const char *parameter)
{
    const struct snapshot *s = desk->snapshot;
    const char **names = arena_alloc(&q->arena, (s->target_count + 1) * sizeof(char *));

    for (size_t i = 0; i < s->target_count; i++)
        names[i] = s->targets[i].name;
    const char *near = nearest(name, names, s->target_count);
    const char *hint =
        near != NULL ? arena_printf(&q->arena, "Did you mean %s?", near) : "GET /targets lists them.";
    question_refuse(q, status, parameter,
                    arena_printf(&q->arena, "There is no target named %s. %s", name, hint));
}

/* ---- parameters ---- */

static int read_duration(struct question *q, const char *name, bool zero, int64_t *us_r)
{
    const char *text = url_value(&q->url, name);
    int64_t us;

    if (text == NULL)
        return 0;
    if (value_duration(text, &us) != 0 || us < 0)
        return question_refuse_value(q, name, VALUE_DURATION_EXPECTED);
    if (us == 0 && !zero)
        return question_refuse_value(q, name, "longer than 0");
    *us_r = us;
    return 0;
}

static int read_stop_after(struct question *q, enum phase *phase_r)
{
    const char *text = url_value(&q->url, "stop_after");
    const char *names[PHASE_COUNT];
    size_t count = 0;

    if (text == NULL)
        return 0;
    enum phase phase = phase_by_name(text);
    if (phase != PHASE_COUNT && phase_is_timed(phase)) {
        *phase_r = phase;
        return 0;
    }
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        if (phase_is_timed(p))
            names[count++] = phase_name(p);
    const char *near = nearest(text, names, count);
    return question_refuse_value(q, "stop_after",
                                 near != NULL ? arena_printf(&q->arena, "a phase (did you mean %s?)", near)
                                              : "a phase such as banner, ehlo, mail or rcpt");
}

/* As the target says. */
const struct jobs_ask check_plain_ask = {
    .stop_after = PHASE_COUNT, .max_age_us = CLOCK_NONE, .timeout_us = CLOCK_NEVER, .wait_us = CLOCK_NONE};

/* What /check and /check/{target} take. -1 once the question was refused. */
static int read_ask(struct question *q, const struct desk *desk, struct jobs_ask *ask_r,
                    const struct view **view_r)
{
    *ask_r = check_plain_ask;
    ask_r->fresh = strcmp(q->request->method, "POST") == 0;
    if (views_choose(q, desk->snapshot->unknown_status, view_r) != 0 ||
        read_duration(q, "max_age", true, &ask_r->max_age_us) != 0 ||
        read_duration(q, "timeout", false, &ask_r->timeout_us) != 0 ||
        read_duration(q, "wait", true, &ask_r->wait_us) != 0)
        return -1;
    return read_stop_after(q, &ask_r->stop_after);
}

/* The tag, which some target must have. */
static int read_tag(struct question *q, const struct snapshot *s, const char **tag_r, size_t *count_r)
{
    const char *tag = url_value(&q->url, "tag");

    *count_r = tag != NULL ? tags_count(s, tag) : s->target_count;
    *tag_r = tag;
    if (tag == NULL || *count_r > 0)
        return 0;
    const char *near = tags_nearest(s, tag);
    const char *hint =
        near != NULL ? arena_printf(&q->arena, "Did you mean %s?", near) : "GET /targets lists them.";
    question_refuse(q, 404, "tag", arena_printf(&q->arena, "No target has the tag %s. %s", tag, hint));
    return -1;
}

/* More than there are could never pass. */
static int read_min_pass(struct question *q, size_t count, size_t *min_r)
{
    const char *text = url_value(&q->url, "min_pass");
    int64_t min;

    if (text == NULL)
        return 0;
    if (value_integer(text, 1, (int64_t)count, &min) != 0)
        return question_refuse_value(
            q, "min_pass",
            arena_printf(&q->arena, "a whole number from 1 to %zu, which is how many targets are asked",
                         count));
    *min_r = (size_t)min;
    return 0;
}

/* ---- the handlers ---- */

void check_one(struct desk *desk, struct question *q)
{
    struct check *c = new_check(desk, q);
    struct jobs_ask ask;

    if (read_ask(q, desk, &ask, &c->view) != 0)
        return;
    const struct snapshot_target *target = snapshot_target(desk->snapshot, q->url.segments[1]);
    if (target == NULL)
        check_refuse_name(desk, q, q->url.segments[1], 404, NULL);
    else
        begin(c, desk, target, 1, &ask);
}

void check_all(struct desk *desk, struct question *q)
{
    struct check *c = new_check(desk, q);
    struct jobs_ask ask;
    size_t count;

    c->whole = true;
    if (read_ask(q, desk, &ask, &c->view) == 0 && read_tag(q, desk->snapshot, &c->tag, &count) == 0 &&
        read_min_pass(q, count, &c->min_pass) == 0)
        begin(c, desk, desk->snapshot->targets, desk->snapshot->target_count, &ask);
}

void check_past(struct desk *desk, struct question *q)
{
    const char *id = q->url.segments[1];
    struct question_answer answer = {.status = 200, .negotiated = true};
    const struct view *view;
    struct buffer body;

    if (views_choose(q, desk->snapshot->unknown_status, &view) != 0)
        return;
    hold_begin(desk->seat);
    struct result *r = jobs_find(desk->jobs, id);
    hold_end(desk->seat);
    if (r == NULL) {
        question_refuse(
            q, 404, NULL,
            arena_printf(&q->arena, "There is no run %s here; the newest %d are kept.", id, RUNS_KEPT));
        return;
    }
    buffer_init(&body, RENDER_MAX_RESULT);
    shown_one(desk->shown, view, &body, r, clock_mono_us());
    answer.content_type = view->content_type;
    answer.body = &body;
    answer.age_us = render_age_us(r, clock_mono_us());
    result_unref(r);
    question_answer(q, &answer);
}
