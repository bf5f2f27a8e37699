/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the replies to MAIL, RCPT, DATA and the message mean for the route that is being played. A reply's
 * class is the outcome; the route says which outcomes are wanted where, and may want a certain code of the
 * reply that decides. The whole rule is in wanted_at() and judge().
 */
#include "probe/proto/client_step.h"

#define REFUSALS (EXPECT_DEFERRED | EXPECT_REJECTED)
#define GOALS    (EXPECT_ACCEPTED | EXPECT_QUEUED | EXPECT_DELIVERED)

/* Where a route is decided: by who may write to whom, or by the message itself. */
enum place { AT_ENVELOPE, AT_MESSAGE };

static const struct plan_route *route_of(const struct client *c)
{
    return &c->plan->routes[c->route];
}

static enum expect outcome_of(const struct result_reply *reply)
{
    switch (reply->code / 100) {
    case 2:
        return EXPECT_ACCEPTED;
    case 4:
        return EXPECT_DEFERRED;
    default:
        return EXPECT_REJECTED;
    }
}

/* The outcomes that are wanted there: a set of accepted, deferred, rejected. A route that sends wants to get
 * as far as the message, and looks for a refusal in one place only. */
static unsigned wanted_at(const struct plan_route *route, enum place place)
{
    unsigned refusals = route->expect & REFUSALS;
    unsigned accepted = route->expect & GOALS ? EXPECT_ACCEPTED : 0;

    if (!plan_route_sends(route))
        return refusals | accepted;
    if (place == AT_MESSAGE)
        return (route->at_final ? refusals : 0) | accepted;
    return (route->at_final ? 0 : refusals) | EXPECT_ACCEPTED;
}

/* That a route which sends gets as far as its message decides nothing yet. */
static bool decides(const struct plan_route *route, enum place place, enum expect outcome)
{
    return place == AT_MESSAGE || outcome != EXPECT_ACCEPTED || !plan_route_sends(route);
}

/* what is wanted, as it is shown */

static const char *classes(unsigned outcomes)
{
    static const char *const names[] = {
        [EXPECT_ACCEPTED] = "2xx",
        [EXPECT_DEFERRED] = "4xx",
        [EXPECT_REJECTED] = "5xx",
        [EXPECT_ACCEPTED | EXPECT_DEFERRED] = "2xx or 4xx",
        [EXPECT_ACCEPTED | EXPECT_REJECTED] = "2xx or 5xx",
        [EXPECT_DEFERRED | EXPECT_REJECTED] = "4xx or 5xx",
        [EXPECT_ACCEPTED | EXPECT_DEFERRED | EXPECT_REJECTED] = "2xx, 4xx or 5xx",
    };
    return names[outcomes];
}

static const char *code_wanted(struct client *c)
{
    const struct plan_route *route = route_of(c);
    char enhanced[ENHANCED_TEXT_SIZE];

    enhanced_text(route->reply_enhanced, enhanced);
    return arena_printf(c->arena, "%d%s%s", route->reply_code, *enhanced ? " " : "", enhanced);
}

/* A step on the way that must succeed, unless it is refused as wanted. */
static const char *or_refusals(struct client *c, const char *success, unsigned refusals)
{
    int code = route_of(c)->reply_code;

    if (!refusals || (code && code / 100 < 4))
        return success;
    if (code)
        return arena_printf(c->arena, "%s or %s", success, code_wanted(c));
    return arena_printf(c->arena, "%s%s%s", success, refusals == REFUSALS ? ", " : " or ", classes(refusals));
}

const char *client_judge_mail_wanted(struct client *c)
{
    return or_refusals(c, "2xx", wanted_at(route_of(c), AT_ENVELOPE) & REFUSALS);
}

const char *client_judge_rcpt_wanted(struct client *c)
{
    const struct plan_route *route = route_of(c);
    unsigned wanted = wanted_at(route, AT_ENVELOPE);

    if (!route->reply_code)
        return classes(wanted);
    return plan_route_sends(route) ? or_refusals(c, "2xx", wanted & REFUSALS) : code_wanted(c);
}

const char *client_judge_data_wanted(struct client *c)
{
    return or_refusals(c, "354", wanted_at(route_of(c), AT_MESSAGE) & REFUSALS);
}

const char *client_judge_message_wanted(struct client *c)
{
    const struct plan_route *route = route_of(c);

    return route->reply_code ? code_wanted(c) : classes(wanted_at(route, AT_MESSAGE));
}

/* the rule */

static bool is_reply_wanted(const struct plan_route *route, const struct result_reply *reply)
{
    if (route->reply_code && route->reply_code != reply->code)
        return false;
    return !route->reply_enhanced.class || enhanced_same(route->reply_enhanced, reply->enhanced);
}

/* REASON_NONE when the reply is as wanted. A refusal where another kind of refusal was wanted is a wrong
 * reply: the server did refuse. */
static enum reason judge(const struct plan_route *route, enum place place, const struct result_reply *reply)
{
    enum expect outcome = outcome_of(reply);
    unsigned wanted = wanted_at(route, place);

    if (wanted & outcome)
        return !decides(route, place, outcome) || is_reply_wanted(route, reply) ? REASON_NONE
                                                                                : REASON_WRONG_REPLY;
    if (outcome == EXPECT_ACCEPTED)
        return REASON_ACCEPTED;
    if (!(wanted & EXPECT_ACCEPTED))
        return REASON_WRONG_REPLY;
    return outcome == EXPECT_DEFERRED ? REASON_DEFERRED : REASON_REJECTED;
}

static const char *sentence(struct client *c, enum reason reason, const char *command, const char *wanted,
                            const struct result_reply *reply)
{
    const char *got = client_say_quote(c, reply);

    if (reason == REASON_ACCEPTED)
        return arena_printf(c->arena, "%s was accepted but must be refused: wanted %s, got %s", command,
                            wanted, got);
    if (reason == REASON_WRONG_REPLY)
        return arena_printf(c->arena, "%s: wanted %s, got %s", command, wanted, got);
    return arena_printf(c->arena, "%s was refused%s: %s", command,
                        reason == REASON_DEFERRED ? " for now" : "", got);
}

static enum route_state state_of(const struct result_reply *reply)
{
    enum expect outcome = outcome_of(reply);

    return outcome == EXPECT_ACCEPTED   ? ROUTE_ACCEPTED
           : outcome == EXPECT_DEFERRED ? ROUTE_DEFERRED
                                        : ROUTE_REJECTED;
}

/* The state that is shown is that of the first recipient which is not as wanted, else of the first. A route
 * that sends is not decided by one recipient that is as wanted. */
static void settle(struct client *c, enum reason reason, const char *command, const char *wanted,
                   const struct result_reply *reply)
{
    struct result_route *route = &c->routes[c->route];

    if (route->state == ROUTE_NONE || (reason != REASON_NONE && route->ok != TRI_FALSE))
        route->state = state_of(reply);
    if (reason != REASON_NONE) {
        client_fail(c, reason, reply, sentence(c, reason, command, wanted, reply));
        route->ok = TRI_FALSE;
    } else if (route->ok == TRI_NULL && !plan_route_sends(route_of(c))) {
        route->ok = TRI_TRUE;
    }
}

static const struct result_recipient *keep_reply(struct client *c, size_t recipient,
                                                 const struct result_reply *reply, bool ok)
{
    struct result_recipient *to = &c->recipients[c->route][recipient];

    to->code = reply->code;
    to->enhanced = reply->enhanced;
    to->text = reply_text(c->arena, reply);
    to->ok = ok ? TRI_TRUE : TRI_FALSE;
    return to;
}

bool client_judge_mail_refused(struct client *c, const struct result_reply *reply)
{
    struct result_route *route = &c->routes[c->route];
    enum reason reason = judge(route_of(c), AT_ENVELOPE, reply);

    settle(c, reason, arena_printf(c->arena, "MAIL FROM:<%s>", route->from), client_judge_rcpt_wanted(c),
           reply);
    if (reason == REASON_NONE)
        route->ok = TRI_TRUE;
    for (size_t i = 0; i < route->recipient_count; i++)
        keep_reply(c, i, reply, reason == REASON_NONE);
    return reason == REASON_NONE;
}

bool client_judge_recipient(struct client *c, const struct result_reply *reply)
{
    enum reason reason = judge(route_of(c), AT_ENVELOPE, reply);
    const struct result_recipient *recipient = keep_reply(c, c->recipient, reply, reason == REASON_NONE);

    settle(c, reason, arena_printf(c->arena, "RCPT TO:<%s>", recipient->to), client_judge_rcpt_wanted(c),
           reply);
    return reason == REASON_NONE;
}

/* Whether the server would take a message for any of the recipients. */
static bool any_accepted(const struct result_route *route)
{
    for (size_t i = 0; i < route->recipient_count; i++)
        if (route->recipients[i].code / 100 == 2)
            return true;
    return false;
}

bool client_judge_recipients(struct client *c)
{
    struct result_route *route = &c->routes[c->route];
    const struct plan_letter *letters = c->plan->letters;

    if (!plan_route_sends(route_of(c)) || route->ok == TRI_FALSE)
        return false;
    if (!any_accepted(route)) {
        route->ok = TRI_TRUE;
        return false;
    }
    if (c->plan->stop_after < PHASE_FINAL) {
        route->state = ROUTE_SKIPPED;
        return false;
    }
    route->state = ROUTE_ACCEPTED;
    if (letters && letters[c->route].token)
        return true;
    route->ok = TRI_TRUE;
    return false;
}

/* the message */

static void keep_final(struct client *c, const struct result_reply *reply)
{
    c->routes[c->route].final =
        (struct result_final){reply->code, reply->enhanced, reply_text(c->arena, reply)};
}

bool client_judge_message(struct client *c, const struct result_reply *reply)
{
    struct result_route *route = &c->routes[c->route];
    enum reason reason = judge(route_of(c), AT_MESSAGE, reply);
    const char *what = c->step->phase == PHASE_DATA ? "DATA" : "the message";

    keep_final(c, reply);
    route->state = outcome_of(reply) == EXPECT_ACCEPTED ? ROUTE_QUEUED : state_of(reply);
    route->ok = reason == REASON_NONE ? TRI_TRUE : TRI_FALSE;
    if (reason != REASON_NONE)
        client_fail(c, reason, reply, sentence(c, reason, what, client_judge_message_wanted(c), reply));
    return reason == REASON_NONE;
}

/* What is shown of the route is the first reply that is not as wanted, else the last that took the message.
 */
bool client_judge_final(struct client *c, const struct result_reply *reply)
{
    struct result_route *route = &c->routes[c->route];
    enum reason reason = judge(route_of(c), AT_MESSAGE, reply);
    const struct result_recipient *to = keep_reply(c, c->recipient, reply, reason == REASON_NONE);
    bool taken = outcome_of(reply) == EXPECT_ACCEPTED;

    if (route->ok != TRI_FALSE && (reason != REASON_NONE || taken || route->state != ROUTE_QUEUED)) {
        keep_final(c, reply);
        route->state = taken ? ROUTE_QUEUED : state_of(reply);
    }
    if (reason != REASON_NONE) {
        route->ok = TRI_FALSE;
        client_fail(c, reason, reply,
                    sentence(c, reason, arena_printf(c->arena, "the message for <%s>", to->to),
                             client_judge_message_wanted(c), reply));
    }
    return reason == REASON_NONE;
}

void client_judge_all_final(struct client *c)
{
    struct result_route *route = &c->routes[c->route];

    if (route->ok == TRI_NULL)
        route->ok = TRI_TRUE;
}

void client_judge_early(struct client *c, const struct result_reply *reply)
{
    struct result_route *route = &c->routes[c->route];
    bool deferred = outcome_of(reply) == EXPECT_DEFERRED;

    keep_final(c, reply);
    route->state = state_of(reply);
    route->ok = TRI_FALSE;
    client_fail(c, deferred ? REASON_DEFERRED : REASON_REJECTED, reply,
                arena_printf(c->arena, "the message was refused%s after %s: %s", deferred ? " for now" : "",
                             client_say_part_sent(c, c->arena), client_say_quote(c, reply)));
}

void client_judge_senseless(struct client *c, const struct result_reply *reply)
{
    struct result_route *route = &c->routes[c->route];

    if (c->step->phase == PHASE_RCPT) {
        keep_reply(c, c->recipient, reply, false);
        return;
    }
    if (client_lmtp_recipient(c))
        keep_reply(c, c->recipient, reply, false);
    keep_final(c, reply);
    route->ok = TRI_FALSE;
    if (c->step->phase == PHASE_FINAL)
        route->state = ROUTE_UNCERTAIN;
}

void client_judge_unplayed(struct client *c, size_t from, const struct result_reply *reply)
{
    enum reason reason = reply->code / 100 == 4   ? REASON_DEFERRED
                         : reply->code / 100 == 5 ? REASON_REJECTED
                                                  : REASON_UNEXPECTED_REPLY;
    bool is_begun = c->route_begun && from == c->route;

    if (from >= c->plan->route_count)
        return;
    client_fail(c, reason, reply,
                arena_printf(c->arena, "the server ended the session %s route %s%s: %s",
                             is_begun ? "in the middle of" : "before", c->plan->routes[from].name,
                             is_begun ? "" : " was played", client_say_quote(c, reply)));
    for (size_t i = from; i < c->plan->route_count; i++) {
        if (c->routes[i].state == ROUTE_NONE)
            c->routes[i].state = ROUTE_SKIPPED;
        c->routes[i].ok = TRI_FALSE;
    }
}
