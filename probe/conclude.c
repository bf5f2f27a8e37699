/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what was seen to the verdict and its sentence: what a person reads first. The rule itself is
 * verdict_status(). Pure: no clock, no system call.
 */
#include "probe/conclude.h"

#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/base/text.h"

enum { SUMMARY_MOST = 2048 };

static bool is_slow(int64_t took_us, int64_t warn_us)
{
    return warn_us > 0 && took_us != CLOCK_NONE && took_us > warn_us;
}

static void flag_slow(struct result *draft, const struct plan *plan)
{
    bool slow = is_slow(draft->duration_us, plan->warn_duration_us);

    for (enum phase p = 0; p < PHASE_COUNT; p++)
        slow = slow || is_slow(draft->timing_us[p], plan->warn_us[p]);
    if (slow)
        draft->flags |= UINT64_C(1) << FLAG_SLOW;
}

static void say_took(struct buffer *b, const char **separator, const char *what, int64_t took_us,
                     int64_t warn_us)
{
    char limit[TEXT_DURATION_SIZE];

    text_duration(warn_us, limit);
    buffer_printf(b, "%s%s took %.3f s, warn.%s is %s", *separator, what,
                  (double)took_us / (double)CLOCK_US_PER_S, what, limit);
    *separator = "; ";
}

static void say_slow(struct buffer *b, const struct result *draft, const struct plan *plan)
{
    const char *separator = " (";

    if (is_slow(draft->duration_us, plan->warn_duration_us))
        say_took(b, &separator, "duration", draft->duration_us, plan->warn_duration_us);
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        if (is_slow(draft->timing_us[p], plan->warn_us[p]))
            say_took(b, &separator, phase_name(p), draft->timing_us[p], plan->warn_us[p]);
    buffer_puts(b, ")");
}

static void say_warnings(struct buffer *b, const struct result *draft, const struct plan *plan)
{
    const char *separator = ", but ";

    for (enum flag f = 0; f < FLAG_COUNT; f++) {
        if (!(draft->flags >> f & 1) || !flag_warns(f))
            continue;
        buffer_printf(b, "%s%s", separator, flag_name(f));
        separator = ", ";
        if (f == FLAG_SLOW)
            say_slow(b, draft, plan);
        if (f == FLAG_ADDRESS_UNREACHABLE && draft->attempt_count)
            buffer_printf(b, " (%s)", draft->attempts[0].failure.message);
    }
}

static void say_routes(struct buffer *b, const struct result *draft, const struct plan *plan)
{
    size_t good = 0, open = 0;

    for (size_t i = 0; i < draft->route_count; i++) {
        good += draft->routes[i].ok == TRI_TRUE;
        open += draft->routes[i].ok == TRI_NULL;
    }
    if (good + open < draft->route_count || open < draft->route_count)
        buffer_printf(b, "%zu of %zu %s as wanted", good, draft->route_count,
                      draft->route_count == 1 ? "route" : "routes");
    else if (plan->stop_after < PHASE_COUNT)
        buffer_printf(b, "works as far as %s, where it was told to stop", phase_name(plan->stop_after));
    else
        buffer_puts(b, "the server greets and answers EHLO; there are no routes to try");
}

static const char *summary(const struct result *draft, const struct plan *plan, struct arena *arena)
{
    const struct result_failure *failure = &draft->failure;
    struct buffer b;
    char *text;

    if (failure->reason != REASON_NONE)
        return arena_printf(arena, "%s/%s: %s", phase_name(failure->phase), reason_name(failure->reason),
                            failure->message);
    buffer_init(&b, SUMMARY_MOST);
    say_routes(&b, draft, plan);
    say_warnings(&b, draft, plan);
    text = arena_dup_span(arena, buffer_span(&b));
    buffer_free(&b);
    return text;
}

/* What the last good run got where this one failed. */
static struct result_last_ok compare(const struct result_failure *failure, const struct result *last_ok)
{
    const struct result_command *then = result_command_of(last_ok, failure->phase);

    return (struct result_last_ok){.run = last_ok->id,
                                   .started_wall_us = last_ok->started_wall_us,
                                   .code = then ? then->reply.code : 0,
                                   .elapsed_us = last_ok->timing_us[failure->phase]};
}

void conclude(struct result *draft, const struct plan *plan, const struct result *last_ok,
              struct arena *arena)
{
    const struct result_failure *failure = &draft->failure;

    flag_slow(draft, plan);
    draft->status = verdict_status(failure->phase, failure->reason, draft->flags);
    draft->summary = summary(draft, plan, arena);
    draft->last_ok = (struct result_last_ok){.elapsed_us = CLOCK_NONE};
    if (failure->reason != REASON_NONE && last_ok)
        draft->last_ok = compare(failure, last_ok);
}
