/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of a route's message, as a part of its result: which delivery counts, and the sentence that
 * says what went wrong with it. Pure: no clock, no system call.
 */
#include "probe/conclude_delivery.h"

#include "probe/base/clock.h"
#include "probe/base/text.h"

#include <string.h>
#include <strings.h>

bool conclude_is_own(const struct result *draft, const struct delivery *d)
{
    return d->run && draft->id && strcmp(d->run, draft->id) == 0;
}

/* It came as it should; or there was nothing to come, and its sending ended as it should. */
static bool is_good(const struct delivery *d)
{
    switch (d->state) {
    case ROUTE_DELIVERED:
    case ROUTE_ALTERED:
        return true;
    case ROUTE_ELSEWHERE:
    case ROUTE_LATE:
    case ROUTE_LOST:
    case ROUTE_BOUNCED:
    case ROUTE_UNCERTAIN:
    case ROUTE_UNVERIFIED:
        return false;
    default:
        return d->ok;
    }
}

/* "the message (250 2.0.0)", "the message of run 01JD9K" */
static const char *which(const struct result *draft, const struct result_route *route,
                         const struct delivery *d, struct arena *arena)
{
    char enhanced[ENHANCED_TEXT_SIZE];

    if (!conclude_is_own(draft, d))
        return arena_printf(arena, "the message of run %s", d->run ? d->run : "before");
    enhanced_text(route->final.enhanced, enhanced);
    return arena_printf(arena, "the message (%d%s%s)", route->final.code, *enhanced ? " " : "", enhanced);
}

/* Accepted, and not there in time. */
static struct result_failure not_delivered(const struct delivery *d, const char *message, struct arena *arena)
{
    const char *mailbox = d->mailbox ? d->mailbox : "the mailbox";
    bool late = d->state == ROUTE_LATE;
    char within[TEXT_DURATION_SIZE], latency[TEXT_DURATION_SIZE];

    text_duration(d->within_us, within);
    text_duration(d->latency_us, latency);
    message = late ? arena_printf(arena,
                                  "the server ACCEPTED %s, but it was seen in %s only after %s "
                                  "(deliver_within is %s)",
                                  message, mailbox, latency, within)
                   : arena_printf(arena,
                                  "the server ACCEPTED %s, but it was not seen in %s within %s "
                                  "(deliver_within)",
                                  message, mailbox, within);
    return (struct result_failure){.phase = PHASE_DELIVERY,
                                   .reason = late ? REASON_LATE : REASON_LOST,
                                   .message = message,
                                   .limit_us = d->within_us,
                                   .elapsed_us = late ? d->latency_us : d->within_us};
}

/* Accepted, and found where it should not be. */
static struct result_failure gone_elsewhere(const struct delivery *d, const char *message,
                                            struct arena *arena)
{
    return (struct result_failure){
        .phase = PHASE_DELIVERY,
        .reason = REASON_ELSEWHERE,
        .message = arena_printf(arena, "the server ACCEPTED %s, but it was seen in %s instead of %s", message,
                                d->found ? d->found : "another mailbox", d->mailbox ? d->mailbox : "its own"),
        .limit_us = CLOCK_NONE,
        .elapsed_us = d->settled_us - d->sent_us};
}

/* What the report says: "5.1.1 (550 5.1.1 no such user)". */
static const char *bounce_text(const struct bounce *b, struct arena *arena)
{
    const char *diagnostic = b && b->diagnostic ? b->diagnostic : NULL;
    const char *status = b && b->status ? b->status : NULL;

    if (diagnostic && strncasecmp(diagnostic, "smtp;", 5) == 0)
        diagnostic += 5 + strspn(diagnostic + 5, " ");
    if (status && diagnostic && *diagnostic)
        return arena_printf(arena, "%s (%s)", status, diagnostic);
    return status ? status : diagnostic && *diagnostic ? diagnostic : "the report does not say why";
}

/* Accepted, and then a report came back instead. */
static struct result_failure sent_back(const struct delivery *d, const char *message, struct arena *arena)
{
    struct result_failure f = {
        .phase = PHASE_DELIVERY,
        .reason = REASON_BOUNCED,
        .message = arena_printf(arena, "the server ACCEPTED %s and sent it back: %s, seen in %s", message,
                                bounce_text(d->bounce, arena), d->found ? d->found : "a mailbox"),
        .limit_us = CLOCK_NONE,
        .elapsed_us = d->settled_us - d->sent_us};
    size_t len;

    if (d->bounce && d->bounce->status && enhanced_parse(span_of(d->bounce->status), &f.enhanced, &len) != 1)
        f.enhanced = (struct enhanced){0};
    return f;
}

/* Accepted, and our own mailbox could not be looked into. */
static struct result_failure not_verified(const struct delivery *d, const char *message, struct arena *arena)
{
    const char *why =
        d->why ? d->why
               : arena_printf(arena, "%s took no mail for a time", d->mailbox ? d->mailbox : "the mailbox");

    return (struct result_failure){
        .phase = PHASE_DELIVERY,
        .reason = REASON_MAILBOX_UNREACHABLE,
        .message =
            arena_printf(arena, "the server ACCEPTED %s; ehlod could not look for it: %s", message, why),
        .limit_us = CLOCK_NONE,
        .elapsed_us = d->within_us};
}

/* How an earlier run's message went wrong before it could be delivered. */
static struct result_failure not_sent(const struct plan_route *plan, const struct delivery *d,
                                      const char *message, struct arena *arena)
{
    static const struct {
        enum phase phase;
        enum reason reason;
        unsigned outcome;
        const char *what;
    } endings[ROUTE_STATE_COUNT] = {
        [ROUTE_ACCEPTED] = {PHASE_MESSAGE, REASON_CLOSED, 0, "could not be sent"},
        [ROUTE_QUEUED] = {PHASE_FINAL, REASON_ACCEPTED, 0, "was accepted, but not as wanted"},
        [ROUTE_REJECTED] = {PHASE_FINAL, REASON_REJECTED, EXPECT_REJECTED, "was refused"},
        [ROUTE_DEFERRED] = {PHASE_FINAL, REASON_DEFERRED, EXPECT_DEFERRED, "was refused for now"},
        [ROUTE_UNCERTAIN] = {PHASE_FINAL, REASON_TIMEOUT, 0,
                             "was sent and not answered: nobody knows what became of it"},
    };
    bool kind_wanted = plan->at_final && (plan->expect & endings[d->state].outcome);
    struct result_failure f = {.phase = endings[d->state].phase,
                               .reason = kind_wanted ? REASON_WRONG_REPLY : endings[d->state].reason,
                               .limit_us = CLOCK_NONE,
                               .elapsed_us = CLOCK_NONE};

    if (d->reason != REASON_NONE) {
        f.phase = d->phase;
        f.reason = d->reason;
    }
    f.message = arena_printf(arena, "%s %s", message,
                             kind_wanted ? "was not refused as wanted" : endings[d->state].what);
    return f;
}

static void fail_delivery(struct result *draft, const struct result_route *route,
                          const struct plan_route *plan, struct arena *arena)
{
    const struct delivery *d = &route->delivery;
    const char *message = which(draft, route, d, arena);

    /* What is known to be wrong goes before what is not known. */
    if (draft->failure.reason != REASON_NONE &&
        (draft->failure.reason != REASON_MAILBOX_UNREACHABLE || d->state == ROUTE_UNVERIFIED))
        return;
    if (d->state == ROUTE_UNVERIFIED)
        draft->failure = not_verified(d, message, arena);
    else if (d->state == ROUTE_LATE || d->state == ROUTE_LOST)
        draft->failure = not_delivered(d, message, arena);
    else if (d->state == ROUTE_ELSEWHERE)
        draft->failure = gone_elsewhere(d, message, arena);
    else if (d->state == ROUTE_BOUNCED)
        draft->failure = sent_back(d, message, arena);
    else
        draft->failure = not_sent(plan, d, message, arena);
    draft->failure.route = route->name;
}

/* Shows the delivery that counts for the route, and lets it count. */
static void count_as(struct result *draft, struct result_route *route, const struct plan_route *plan,
                     const struct delivery *d, struct arena *arena)
{
    route->delivery = *d;
    draft->flags |= d->flags;
    if (d->state != ROUTE_PENDING && !is_good(d))
        fail_delivery(draft, route, plan, arena);
}

void conclude_merge(struct result *draft, struct result_route *route, const struct plan_route *plan,
                    const struct conclude_delivery *news, struct arena *arena)
{
    bool is_open = route->ok == TRI_TRUE && plan_route_sends(plan) &&
                   (route->state == ROUTE_QUEUED || route->state == ROUTE_ACCEPTED);
    bool has_own = news->own.state != ROUTE_NONE;
    const struct delivery *settled = has_own || route->state == ROUTE_QUEUED ? &news->own : &news->last;

    if (!is_open) {
        route->delivery = news->own;
        draft->flags |= news->own.flags;
        return;
    }
    if (news->own.state == ROUTE_PENDING) {
        bool has_last = news->last.state != ROUTE_NONE;
        route->state = ROUTE_PENDING;
        route->ok = TRI_NULL;
        draft->flags |= has_last ? 0 : UINT64_C(1) << FLAG_DELIVERY_PENDING;
        count_as(draft, route, plan, has_last ? &news->last : &news->own, arena);
        return;
    }
    if (settled->state == ROUTE_NONE)
        return;
    route->state = settled->state;
    route->ok = is_good(settled) ? TRI_TRUE : settled->state == ROUTE_UNVERIFIED ? TRI_NULL : TRI_FALSE;
    count_as(draft, route, plan, settled, arena);
}
