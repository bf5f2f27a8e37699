/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a dialogue, real or as somebody who waits no longer sees it: fills in what only the end shows,
 * without touching the client (see client_finish in client.h).
 */
#include "probe/base/clock.h"
#include "probe/proto/client_step.h"

#include <string.h>

/* A route without a verdict: not gone to by order (stop_after) decides nothing, anything else is a failure.
 * Of a message that was sent whole and not answered (LMTP: for one recipient) nobody knows what becomes; a
 * route that broke before there was any answer is skipped, as those after it. */
static void complete_route(const struct client *c, size_t i, struct result_route *route)
{
    bool by_order = c->plan->stop_after < PHASE_RCPT || route->state == ROUTE_SKIPPED;
    bool is_begun = c->route_begun && i == c->route;
    bool broken_off = is_begun && (c->recipient < route->recipient_count || route->ok == TRI_NULL);

    if (broken_off && route->sent_us != CLOCK_NONE)
        route->state = ROUTE_UNCERTAIN;
    if (broken_off && !by_order)
        route->ok = TRI_FALSE;
    if (route->state == ROUTE_NONE)
        route->state = ROUTE_SKIPPED;
    if (route->ok != TRI_NULL)
        return;
    if (!broken_off)
        route->state = ROUTE_SKIPPED;
    route->ok = by_order ? TRI_NULL : TRI_FALSE;
}

static bool was_asked_for(const struct client *c)
{
    const struct result_command *last = &c->draft->commands[c->draft->command_count - 1];
    return last->phase == PHASE_RCPT && last->sent;
}

/* The recipient that was asked for when it broke is not as wanted; those after it were never asked for. But
 * of those for whom no reply to the message came (LMTP) none is. */
static void complete_recipients(const struct client *c, struct arena *arena, struct result_route *route)
{
    struct result_recipient *copy = arena_alloc(arena, route->recipient_count * sizeof(*copy));
    memcpy(copy, route->recipients, route->recipient_count * sizeof(*copy));
    if (copy[c->recipient].ok == TRI_NULL && was_asked_for(c))
        copy[c->recipient].ok = TRI_FALSE;
    for (size_t i = c->recipient; i < route->recipient_count && route->sent_us != CLOCK_NONE; i++)
        if (copy[i].ok == TRI_NULL)
            copy[i].ok = TRI_FALSE;
    route->recipients = copy;
}

static void complete_routes(const struct client *c, struct arena *arena, struct result *draft)
{
    struct result_route *copy = arena_alloc(arena, draft->route_count * sizeof(*copy));
    if (draft->route_count)
        memcpy(copy, draft->routes, draft->route_count * sizeof(*copy));
    for (size_t i = 0; i < draft->route_count; i++) {
        complete_route(c, i, &copy[i]);
        if (c->route_begun && i == c->route && c->recipient < copy[i].recipient_count)
            complete_recipients(c, arena, &copy[i]);
    }
    draft->routes = copy;
}

/* What came of the reply that is awaited. */
static void complete_reply(const struct client *c, struct arena *arena, struct result *draft)
{
    struct result_command *copy = arena_alloc(arena, draft->command_count * sizeof(*copy));
    struct reply_parser parser = c->parser;
    struct span line = buffer_span(&c->parser.line);

    memcpy(copy, draft->commands, draft->command_count * sizeof(*copy));
    struct result_command *last = &copy[draft->command_count - 1];
    parser.arena = arena;
    buffer_init(&parser.line, REPLY_MAX_LINE);
    buffer_put(&parser.line, line.data, line.len);
    const char *const *lines = parser.reply.lines;
    if (parser.reply.line_count) { /* the parser may still write behind its own lines */
        const char **more = arena_alloc(arena, (parser.reply.line_count + 1) * 2 * sizeof(*more));
        memcpy(more, lines, parser.reply.line_count * sizeof(*more));
        parser.reply.lines = more;
    }
    reply_break(&parser);
    if (last->phase == PHASE_AUTH)
        client_auth_hide(arena, &parser.reply);
    last->replied = parser.reply.line_count > 0;
    last->reply = parser.reply;
    draft->flags |= parser.flags;
    draft->commands = copy;
    reply_free(&parser);
}

/* The step that is under way, shown as if it ended now. */
static void complete_step(const struct client *c, struct arena *arena, struct result *draft, int64_t now_us,
                          int64_t limit_us)
{
    if (!client_step_is_silent(c) && !client_auth_is_answering(c))
        complete_reply(c, arena, draft);
    client_add_time(draft, c->step->phase, now_us > c->step_us ? now_us - c->step_us : 0);
    if (client_decided(c) || draft->failure.reason != REASON_NONE)
        return;
    draft->failure = (struct result_failure){
        .phase = c->step->phase,
        .reason = REASON_DEADLINE,
        .route = c->route_begun ? c->plan->routes[c->route].name : NULL,
        .message = client_script_say(c, arena, client_say_unfinished(c, arena, now_us, limit_us)),
        .limit_us = limit_us,
        .elapsed_us = now_us - c->step_us};
    draft->duration_us = now_us - c->start_us;
}

void client_finish(const struct client *c, struct arena *arena, struct result *draft, int64_t now_us,
                   int64_t limit_us)
{
    if (!client_is_over(c))
        complete_step(c, arena, draft, now_us, limit_us);
    complete_routes(c, arena, draft);
}
