/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what was seen to the verdict and its sentence: what a person reads first; and again, when it is known
 * what became of the messages. The rule itself is verdict_status(). Pure: no clock, no system call.
 */
#include "probe/conclude.h"

#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/base/text.h"
#include "probe/conclude_delivery.h"

#include <string.h>

enum { SUMMARY_MOST = 2048, SECONDS_PER_DAY = 86400 };

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

/* The end of the certificate that ends first, as sent; CLOCK_NONE = none can be read. */
static int64_t first_not_after(const struct result *draft)
{
    int64_t first_us = CLOCK_NONE;

    for (size_t i = 0; draft->tls && i < draft->tls->chain_count; i++) {
        int64_t us = draft->tls->chain[i].not_after_wall_us;
        if (us != CLOCK_NONE && (first_us == CLOCK_NONE || us < first_us))
            first_us = us;
    }
    return first_us;
}

static void flag_certificate(struct result *draft, const struct plan *plan)
{
    int64_t end_us = first_not_after(draft);

    if (plan->warn_certificate_us > 0 && end_us != CLOCK_NONE &&
        end_us - draft->started_wall_us < plan->warn_certificate_us)
        draft->flags |= UINT64_C(1) << FLAG_CERTIFICATE_EXPIRING;
}

static void say_certificate(struct buffer *b, const struct result *draft, const struct plan *plan)
{
    double days = (double)plan->warn_certificate_us / (double)CLOCK_US_PER_S / SECONDS_PER_DAY;
    char end[TEXT_TIME_SIZE];

    text_time(first_not_after(draft), end);
    buffer_printf(b, " (at %.*sZ, warn.certificate is %g d)", (int)strcspn(end, "."), end, days);
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

/* What of the messages is not as it was sent, for the first of them that was altered. */
static void say_changes(struct buffer *b, const struct result *draft)
{
    const char *separator = " (";

    for (size_t i = 0; i < draft->route_count; i++) {
        const struct evidence *e = draft->routes[i].delivery.evidence;
        for (size_t k = 0; e && k < e->change_count; k++) {
            buffer_printf(b, "%s%s", separator, e->changes[k]);
            separator = ", ";
        }
        if (e && e->change_count)
            break;
    }
    if (*separator == ',')
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
        if (f == FLAG_CERTIFICATE_EXPIRING)
            say_certificate(b, draft, plan);
        if (f == FLAG_ALTERED)
            say_changes(b, draft);
        if (f == FLAG_ADDRESS_UNREACHABLE && draft->attempt_count)
            buffer_printf(b, " (%s)", draft->attempts[0].failure.message);
    }
}

static void say_script(struct buffer *b, const struct result *draft)
{
    size_t good = 0, said = 0, messages = 0;

    for (size_t i = 0; i < draft->command_count; i++) {
        const struct result_command *c = &draft->commands[i];
        bool is_message = result_is_message(c);
        messages += is_message && c->reply.code / 100 == 2;
        said += c->sent && !is_message && c->phase != PHASE_QUIT;
        good += c->sent && !is_message && c->phase != PHASE_QUIT && c->ok;
    }
    buffer_printf(b, "%zu of %zu %s as wanted", good, said, said == 1 ? "command" : "commands");
    if (messages)
        buffer_printf(b, ", %zu %s accepted", messages, messages == 1 ? "message" : "messages");
}

static void say_routes(struct buffer *b, const struct result *draft, const struct plan *plan)
{
    size_t good = 0, count = 0;

    for (size_t i = 0; i < draft->route_count; i++) {
        bool is_pending = draft->routes[i].state == ROUTE_PENDING;
        good += draft->routes[i].ok == TRI_TRUE || is_pending;
        count += draft->routes[i].ok != TRI_NULL || is_pending;
    }
    if (plan->script && plan->stop_after == PHASE_COUNT)
        say_script(b, draft);
    else if (count)
        buffer_printf(b, "%zu of %zu %s as wanted", good, count, count == 1 ? "route" : "routes");
    else if (plan->stop_after < PHASE_COUNT)
        buffer_printf(b, "works as far as %s, where it was told to stop", phase_name(plan->stop_after));
    else if (draft->login)
        buffer_printf(b, "logged in as %s; there are no routes to try", draft->login);
    else if (plan->login.wanted)
        buffer_puts(b, "the login was refused, as wanted; there are no routes to try");
    else
        buffer_printf(b, "the server greets and answers %s; there are no routes to try",
                      protocol_hello(plan->protocol));
}

/* The slowest of the deliveries that are shown; null when there is none. */
static const struct delivery *slowest(const struct result *draft)
{
    const struct delivery *slowest = NULL;

    for (size_t i = 0; i < draft->route_count; i++) {
        const struct delivery *d = &draft->routes[i].delivery;
        bool is_there = d->state == ROUTE_DELIVERED || d->state == ROUTE_ALTERED;
        if (is_there && (!slowest || d->latency_us > slowest->latency_us))
            slowest = d;
    }
    return slowest;
}

static void say_deliveries(struct buffer *b, const struct result *draft)
{
    const struct delivery *d = slowest(draft);
    char duration[TEXT_DURATION_SIZE];

    if (d) {
        text_duration(d->latency_us, duration);
        buffer_printf(b, ", delivered in %s", duration);
    }
    if (d && !conclude_is_own(draft, d)) {
        int64_t age_us = draft->ended_mono_us - d->settled_us;
        text_duration(age_us >= CLOCK_US_PER_S ? age_us / CLOCK_US_PER_S * CLOCK_US_PER_S : age_us, duration);
        buffer_printf(b, " (%s ago)", duration);
    }
    for (size_t i = 0; i < draft->route_count; i++) {
        if (draft->routes[i].state == ROUTE_PENDING) {
            buffer_puts(b, ", delivery pending");
            return;
        }
    }
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
    say_deliveries(&b, draft);
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
    flag_certificate(draft, plan);
    draft->status = verdict_status(failure->phase, failure->reason, draft->flags);
    draft->summary = summary(draft, plan, arena);
    draft->last_ok = (struct result_last_ok){.elapsed_us = CLOCK_NONE};
    if (failure->reason != REASON_NONE && last_ok)
        draft->last_ok = compare(failure, last_ok);
}

struct result *conclude_delivered(const struct result *result, const struct plan *plan,
                                  const struct conclude_delivery *deliveries)
{
    struct arena arena = {0};
    struct result draft = *result, *concluded;
    struct result_route *routes = arena_alloc(&arena, (result->route_count + 1) * sizeof(*routes));

    for (size_t i = 0; i < result->route_count; i++) {
        routes[i] = result->routes[i];
        conclude_merge(&draft, &routes[i], &plan->routes[i], &deliveries[i], &arena);
    }
    draft.routes = routes;
    draft.status = verdict_status(draft.failure.phase, draft.failure.reason, draft.flags);
    draft.summary = summary(&draft, plan, &arena);
    concluded = result_publish(&draft);
    arena_free(&arena);
    return concluded;
}

struct result *conclude_stale(const struct result *result)
{
    struct result draft = *result;

    draft.flags |= UINT64_C(1) << FLAG_STALE;
    return result_publish(&draft);
}
