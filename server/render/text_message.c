/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the view for people says of messages: which one, and what the server said to it. What became of it
 * since is text_delivery.c's.
 */
#include "server/render/text_message.h"

#include "probe/base/clock.h"
#include "server/render/render.h"
#include "server/render/text_delivery.h"

#include <string.h>

void text_message_reply(struct buffer *out, int code, struct enhanced enhanced, const char *text,
                        struct render_share *share)
{
    char enhanced_code[ENHANCED_TEXT_SIZE];
    size_t part = text ? render_take(share, text) : 0;

    enhanced_text(enhanced, enhanced_code);
    buffer_printf(out, "%d%s%s", code, *enhanced_code ? " " : "", enhanced_code);
    if (text && *text)
        buffer_printf(out, " %.*s%s", (int)part, text, text[part] ? "..." : "");
}

/* message <...>: 250 2.0.0 Ok: queued as 4Z1x */
static void final(struct buffer *out, const struct result_route *route, struct render_share *share)
{
    if (!route->message_id)
        return;
    buffer_printf(out, "  message %s: ", route->message_id);
    if (route->final.code) {
        text_message_reply(out, route->final.code, route->final.enhanced, route->final.text, share);
        buffer_puts(out, "\n");
    } else {
        buffer_puts(out, route->sent_us == CLOCK_NONE ? "not sent whole\n" : "no reply\n");
    }
}

void text_message_route(struct buffer *out, const struct result *r, const struct result_route *route,
                        int64_t now_us, struct render_share *share)
{
    final(out, route, share);
    text_delivery_facts(out, r, &route->delivery, now_us, share);
}

/* message <...>, 512 octets, queue id 4Z1x */
static void message(struct buffer *out, const struct result_route *route)
{
    if (!route->message_id)
        return;
    buffer_printf(out, "  message %s", route->message_id);
    if (route->octets == 0)
        buffer_puts(out, ": nothing of it was sent\n");
    else if (route->sent_us == CLOCK_NONE)
        buffer_printf(out, ": %zu of %zu octets were sent\n", route->octets_sent, route->octets);
    else if (route->state == ROUTE_UNCERTAIN)
        buffer_printf(out, ", %zu octets, was sent whole%s\n", route->octets,
                      text_delivery_since(&route->delivery));
    else
        buffer_printf(out, ", %zu octets%s%s\n", route->octets, route->queue_id ? ", queue id " : "",
                      route->queue_id ? route->queue_id : "");
}

/* Of a failure that is about a message: which one, and what became of it. */
void text_message_failed(struct buffer *out, const struct result *r)
{
    for (size_t i = 0; i < r->route_count && r->failure.route && r->failure.phase >= PHASE_DATA; i++) {
        const struct result_route *route = &r->routes[i];
        if (!route->name || strcmp(route->name, r->failure.route) != 0)
            continue;
        if (route->state == ROUTE_PENDING && !text_delivery_is_own(r, &route->delivery))
            buffer_puts(out, "  that was the last one that is settled; the present one is still under way\n");
        else if (route->delivery.state != ROUTE_NONE && !text_delivery_is_own(r, &route->delivery))
            buffer_puts(out, "  that was the last one; none was sent this time\n");
        message(out, route);
    }
}

/* the server ACCEPTED the message (250 2.0.0 Ok: queued as 4Z1x); it was not yet seen in local */
void text_message_pending(struct buffer *out, const struct result *r)
{
    for (size_t i = 0; i < r->route_count; i++) {
        const struct result_route *route = &r->routes[i];
        const char *mailbox = route->delivery.mailbox ? route->delivery.mailbox : "its mailbox";
        char enhanced[ENHANCED_TEXT_SIZE];
        if (route->state != ROUTE_PENDING)
            continue;
        enhanced_text(route->final.enhanced, enhanced);
        buffer_printf(out, "  route %s: ", route->name ? route->name : "");
        if (route->final.code)
            buffer_printf(out, "the server ACCEPTED the message (%d%s%s); it was not yet seen in %s\n",
                          route->final.code, *enhanced ? " " : "", enhanced, mailbox);
        else
            buffer_printf(out, "the message of an earlier run was not yet seen in %s\n", mailbox);
        message(out, route);
    }
}
