/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope of a route: MAIL and RCPT with the parameters of SIZE (RFC 1870), 8BITMIME (RFC 6152),
 * SMTPUTF8 (RFC 6531) and DSN (RFC 3461), and whether the server offers what the route needs. They are said
 * whether the message is sent in this run or not, so that a route is refused in every run or in none.
 *
 * Known limit: ORCPT is left out where it would make the line longer than COMMAND_MAX_LINE, and for a
 * recipient that is not ASCII.
 */
#include "probe/base/secret.h"
#include "probe/base/text.h"
#include "probe/proto/client_step.h"

#include <stdlib.h>
#include <string.h>

static const struct plan_route *route_of(const struct client *c)
{
    return &c->plan->routes[c->route];
}

/* what is needed */

/* The most octets the server takes, as it says; 0 = it names no limit. */
static size_t size_limit(const struct client *c)
{
    const char *size = ehlo_find(&c->ehlo, "SIZE");

    if (!size || size[strspn(size, "0123456789")] != '\0')
        return 0;
    return strtoull(size, NULL, 10); /* at worst the largest there is */
}

static const char *needs(struct client *c, const char *what, const char *keyword)
{
    return ehlo_find(&c->ehlo, keyword)
               ? NULL
               : arena_printf(c->arena, "%s %s, which the server does not offer", what, keyword);
}

static const char *say_too_large(struct client *c, size_t octets, size_t limit)
{
    const char *most = c->plan->hide_replies ? SECRET_SHOWN : arena_printf(c->arena, "%zu", limit);

    return arena_printf(c->arena, "the message has %zu octets, and the server takes at most %s (SIZE)",
                        octets, most);
}

/* Why the route cannot be played here; null when it can. Whether a message is too large is for the server to
 * say where the route may be refused. */
static const char *lacks(struct client *c)
{
    const struct plan_route *route = route_of(c);
    const char *why = NULL;
    size_t limit = size_limit(c);

    if (route->is_utf8)
        why = needs(c, "an address or the header of the message is not ASCII and needs", "SMTPUTF8");
    if (!why && route->message.is_8bit)
        why = needs(c, "the body of the message is not ASCII and needs", "8BITMIME");
    if (!why && plan_route_wants_dsn(route))
        why = needs(c, "the route's dsn needs", "DSN");
    if (!why && limit && route->message.octets > limit &&
        !(route->expect & (EXPECT_DEFERRED | EXPECT_REJECTED)))
        why = say_too_large(c, route->message.octets, limit);
    return why;
}

enum client_step_id client_envelope_begin(struct client *c)
{
    for (; c->route < c->plan->route_count; c->route++) {
        const char *why = lacks(c);
        if (!why)
            return STEP_MAIL;
        c->step = &client_step_table[STEP_MAIL];
        c->step_us = c->now_us;
        c->route_begun = true;
        client_fail(c, REASON_NOT_OFFERED, NULL, arena_printf(c->arena, "%s; nothing was sent", why));
        c->route_begun = false;
        c->routes[c->route].state = ROUTE_SKIPPED;
        c->routes[c->route].ok = TRI_FALSE;
    }
    return STEP_QUIT;
}

/* parameters */

static const char *size_parameter(struct client *c)
{
    size_t octets = route_of(c)->message.octets;

    return octets && ehlo_find(&c->ehlo, "SIZE") ? arena_printf(c->arena, " SIZE=%zu", octets) : "";
}

char *client_envelope_mail(struct client *c)
{
    const struct plan_route *route = route_of(c);
    static const char *const rets[] = {
        [PLAN_RET_UNSAID] = "", [PLAN_RET_FULL] = " RET=FULL", [PLAN_RET_HDRS] = " RET=HDRS"};
    const char *envid = route->dsn.envid ? command_xtext(c->arena, route->dsn.envid) : NULL;

    return command_build(c->arena, "MAIL FROM:<", route->from, ">", size_parameter(c),
                         route->message.is_8bit ? " BODY=8BITMIME" : "", route->is_utf8 ? " SMTPUTF8" : "",
                         rets[route->dsn.ret], envid ? " ENVID=" : "", envid ? envid : "", COMMAND_END);
}

/* " NOTIFY=FAILURE,DELAY" */
static const char *notify_parameter(struct client *c)
{
    static const struct {
        enum plan_notify notify;
        const char *keyword;
    } keywords[] = {{PLAN_NOTIFY_NEVER, "NEVER"},
                    {PLAN_NOTIFY_SUCCESS, "SUCCESS"},
                    {PLAN_NOTIFY_FAILURE, "FAILURE"},
                    {PLAN_NOTIFY_DELAY, "DELAY"}};
    const char *list = "";

    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
        if (route_of(c)->dsn.notify & keywords[i].notify)
            list = arena_printf(c->arena, "%s%s%s", list, *list ? "," : " NOTIFY=", keywords[i].keyword);
    return list;
}

char *client_envelope_rcpt(struct client *c)
{
    const struct plan_route *route = route_of(c);
    const char *to = route->to[c->recipient], *notify = notify_parameter(c);
    char *line = NULL;

    if (plan_route_wants_dsn(route) && text_is_ascii(span_of(to)))
        line = command_build(c->arena, "RCPT TO:<", to, ">", notify, " ORCPT=rfc822;",
                             command_xtext(c->arena, to), COMMAND_END);
    return line ? line : command_build(c->arena, "RCPT TO:<", to, ">", notify, COMMAND_END);
}
