/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pace of looks. While a message is expected the steps grow by half, from first_us to most_us, and when
 * it is not any more they go on growing to idle_us, for it may come late; each new expectation begins again
 * with the first. Failures double their own wait and are forgotten with the first good look.
 */
#include "probe/verify/pace.h"

#include "probe/base/clock.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void pace_init(struct pace *p, const struct pace_limits *limits)
{
    *p = (struct pace){.limits = limits, .step_us = limits->idle_us, .expected_us = CLOCK_NONE};
}

void pace_expect(struct pace *p, int64_t until_us)
{
    p->step_us = p->limits->first_us;
    if (p->expected_us == CLOCK_NONE || until_us > p->expected_us)
        p->expected_us = until_us;
}

void pace_ask(struct pace *p)
{
    p->at_once = true;
}

void pace_begin(struct pace *p)
{
    p->at_once = false;
}

static bool is_expected(const struct pace *p, int64_t now_us)
{
    return p->expected_us != CLOCK_NONE && now_us <= p->expected_us;
}

static int64_t after_failure(struct pace *p, int64_t now_us)
{
    int64_t wait_us = p->failing_us > 0 ? 2 * p->failing_us : p->limits->first_us;

    p->failing_us = least(wait_us, p->limits->patience_us);
    return now_us + (p->at_once ? p->limits->first_us : p->failing_us);
}

int64_t pace_next(struct pace *p, bool good, int64_t now_us)
{
    if (!good)
        return after_failure(p, now_us);
    p->failing_us = 0;
    if (p->at_once)
        return now_us;
    int64_t due_us = now_us + p->step_us;
    p->step_us =
        least(p->step_us + p->step_us / 2, is_expected(p, now_us) ? p->limits->most_us : p->limits->idle_us);
    return due_us;
}

int64_t pace_sooner(const struct pace *p, int64_t due_us, int64_t now_us)
{
    if (p->at_once)
        return least(due_us, p->failing_us > 0 ? now_us + p->limits->first_us : now_us);
    if (p->failing_us > 0 || !is_expected(p, now_us))
        return due_us;
    return least(due_us, now_us + p->step_us);
}
