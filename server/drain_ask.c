/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking targets out of service by HTTP. Nothing is dialled for it. The answer is the target as /targets
 * shows it, so whoever asked sees what is in force.
 */
#include "server/drain_ask.h"

#include "config/nearest.h"
#include "config/value.h"
#include "probe/base/clock.h"
#include "server/check.h"
#include "server/drains.h"
#include "server/render/render.h"

#include <string.h>

static int read_for(struct question *q, int64_t *us_r)
{
    const char *text = url_value(&q->url, "for");
    int64_t us = CLOCK_NONE;

    *us_r = CLOCK_NONE;
    if (text == NULL)
        return 0;
    if (value_duration(text, &us) == 0 && us > 0 && us <= DRAINS_MAX_US) {
        *us_r = us;
        return 0;
    }
    question_refuse(q, 400, "for",
                    arena_printf(&q->arena,
                                 "The parameter for is to be " VALUE_DURATION_EXPECTED
                                 ", longer than 0 and at most 30d, not %s.",
                                 text));
    return -1;
}

static int read_reason(struct question *q, const char **reason_r)
{
    const char *text = url_value(&q->url, "reason");

    *reason_r = text != NULL ? text : "";
    if (strlen(*reason_r) <= DRAIN_MAX_REASON)
        return 0;
    question_refuse(q, 400, "reason",
                    arena_printf(&q->arena, "The parameter reason is to have at most %d octets, not %zu.",
                                 DRAIN_MAX_REASON, strlen(text)));
    return -1;
}

static int read_mode(struct question *q, enum drain_mode *mode_r)
{
    const char *text = url_value(&q->url, "mode");
    const char *names[DRAIN_MODE_COUNT];

    *mode_r = text != NULL ? drain_mode_by_name(text) : DRAIN_MODE_DRAIN;
    if (*mode_r != DRAIN_MODE_COUNT)
        return 0;
    for (enum drain_mode m = 0; m < DRAIN_MODE_COUNT; m++)
        names[m] = drain_mode_name(m);
    const char *near = nearest(text, names, DRAIN_MODE_COUNT);
    return question_refuse_value(
        q, "mode",
        near != NULL ? arena_printf(&q->arena, "drain or maint (did you mean %s?)", near) : "drain or maint");
}

const struct render_drain *drain_ask_shown(const struct desk *desk, struct question *q, const char *target)
{
    const struct drain *drain = drains_find(desk->drains, target);

    if (drain == NULL)
        return NULL;
    struct render_drain *shown = arena_alloc(&q->arena, sizeof *shown);
    *shown = (struct render_drain){.mode = drain_mode_name(drain->mode),
                                   .since_wall_us = drain->since_us,
                                   .until_wall_us = drain->until_us,
                                   .reason = arena_dup(&q->arena, drain->reason)};
    return shown;
}

static const struct snapshot_target *find_target(const struct desk *desk, const struct question *q)
{
    return snapshot_target(desk->snapshot, q->url.segments[1]);
}

static bool is_there(const struct desk *desk, struct question *q)
{
    bool there = find_target(desk, q) != NULL;

    if (!there)
        check_refuse_name(desk, q, q->url.segments[1], 404, NULL);
    return there;
}

/* What is done to the target, and how it stands then. */
struct change {
    bool ends;
    enum drain_mode mode;
    int64_t for_us;
    const char *reason;
    const struct snapshot_target *target;
    struct result *latest; /* null: none */
    const struct render_drain *shown;
};

/* While all stand still: another config may have come before that. */
static void make_change(struct desk *desk, struct question *q, struct change *c)
{
    hold_begin(desk->seat);
    c->target = find_target(desk, q);
    if (c->target != NULL) {
        if (c->ends)
            drains_end(desk->drains, c->target->name);
        else
            drains_begin(desk->drains, c->target->name, c->mode, c->for_us, c->reason);
        c->latest = jobs_latest(desk->jobs, c->target);
        c->shown = drain_ask_shown(desk, q, c->target->name);
    }
    hold_end(desk->seat);
}

static void change(struct desk *desk, struct question *q, struct change *c)
{
    struct buffer body;

    make_change(desk, q, c);
    if (!is_there(desk, q))
        return;
    buffer_init(&body, RENDER_MAX_RESULT);
    json_target(&body, c->target, c->latest, c->shown, clock_mono_us());
    result_unref(c->latest);
    question_answer(
        q, &(struct question_answer){
               .status = 200, .content_type = "application/json", .body = &body, .age_us = CLOCK_NONE});
}

void drain_ask_begin(struct desk *desk, struct question *q)
{
    struct change c = {.ends = false};

    if (is_there(desk, q) && read_for(q, &c.for_us) == 0 && read_reason(q, &c.reason) == 0 &&
        read_mode(q, &c.mode) == 0)
        change(desk, q, &c);
}

void drain_ask_end(struct desk *desk, struct question *q)
{
    struct change c = {.ends = true};

    if (is_there(desk, q))
        change(desk, q, &c);
}
