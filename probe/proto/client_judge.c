/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the replies to MAIL and RCPT mean for the route that is being played. The reply's class is the
 * outcome; the route says which outcomes are wanted, and may want a certain code. The whole rule is in
 * judge().
 */
#include "probe/proto/client_step.h"

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

static const char *classes_wanted(unsigned expect)
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
    return names[expect];
}

const char *client_judge_wanted(struct client *c)
{
    const struct plan_route *route = route_of(c);
    char enhanced[ENHANCED_TEXT_SIZE];

    if (!route->reply_code)
        return classes_wanted(route->expect);
    enhanced_text(route->reply_enhanced, enhanced);
    return arena_printf(c->arena, "%d%s%s", route->reply_code, *enhanced ? " " : "", enhanced);
}

static bool is_reply_wanted(const struct plan_route *route, const struct result_reply *reply)
{
    if (route->reply_code && route->reply_code != reply->code)
        return false;
    return !route->reply_enhanced.class || enhanced_same(route->reply_enhanced, reply->enhanced);
}

/* REASON_NONE when the reply is as wanted. A refusal where another kind of refusal was wanted is a wrong
 * reply: the server did refuse. */
static enum reason judge(const struct plan_route *route, const struct result_reply *reply)
{
    enum expect outcome = outcome_of(reply);

    if (route->expect & outcome)
        return is_reply_wanted(route, reply) ? REASON_NONE : REASON_WRONG_REPLY;
    if (outcome == EXPECT_ACCEPTED)
        return REASON_ACCEPTED;
    if (!(route->expect & EXPECT_ACCEPTED))
        return REASON_WRONG_REPLY;
    return outcome == EXPECT_DEFERRED ? REASON_DEFERRED : REASON_REJECTED;
}

static const char *sentence(struct client *c, enum reason reason, const char *command,
                            const struct result_reply *reply)
{
    const char *wanted = client_judge_wanted(c);
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
    switch (outcome_of(reply)) {
    case EXPECT_ACCEPTED:
        return ROUTE_ACCEPTED;
    case EXPECT_DEFERRED:
        return ROUTE_DEFERRED;
    case EXPECT_REJECTED:
        return ROUTE_REJECTED;
    }
    return ROUTE_NONE;
}

/* The state that is shown is that of the first recipient which is not as wanted, else of the first. */
static void settle(struct client *c, enum reason reason, const char *command,
                   const struct result_reply *reply)
{
    struct result_route *route = &c->routes[c->route];

    if (route->state == ROUTE_NONE || (reason != REASON_NONE && route->ok == TRI_TRUE))
        route->state = state_of(reply);
    if (reason != REASON_NONE) {
        client_fail(c, reason, reply, sentence(c, reason, command, reply));
        route->ok = TRI_FALSE;
    } else if (route->ok == TRI_NULL) {
        route->ok = TRI_TRUE;
    }
}

bool client_judge_mail_refused(struct client *c, const struct result_reply *reply)
{
    struct result_route *route = &c->routes[c->route];
    enum reason reason = judge(route_of(c), reply);

    settle(c, reason, arena_printf(c->arena, "MAIL FROM:<%s>", route->from), reply);
    for (size_t i = 0; i < route->recipient_count; i++)
        c->recipients[c->route][i].ok = reason == REASON_NONE ? TRI_TRUE : TRI_FALSE;
    return reason == REASON_NONE;
}

static struct result_recipient *keep_reply(struct client *c, const struct result_reply *reply, bool ok)
{
    struct result_recipient *recipient = &c->recipients[c->route][c->recipient];

    recipient->code = reply->code;
    recipient->enhanced = reply->enhanced;
    recipient->text = reply_text(reply);
    recipient->ok = ok ? TRI_TRUE : TRI_FALSE;
    return recipient;
}

bool client_judge_recipient(struct client *c, const struct result_reply *reply)
{
    enum reason reason = judge(route_of(c), reply);
    const struct result_recipient *recipient = keep_reply(c, reply, reason == REASON_NONE);

    settle(c, reason, arena_printf(c->arena, "RCPT TO:<%s>", recipient->to), reply);
    return reason == REASON_NONE;
}

void client_judge_senseless(struct client *c, const struct result_reply *reply)
{
    keep_reply(c, reply, false);
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
