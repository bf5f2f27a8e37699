/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the view for people says of messages: which one, what the server said to it, what became of it since.
 * A delivery that is shown may be an earlier run's; then it says whose.
 */
#include "server/render/text_message.h"

#include "probe/base/clock.h"
#include "server/render/render.h"

#include <string.h>

static bool is_own(const struct result *r, const struct delivery *d)
{
    return d->run && r->id && strcmp(d->run, r->id) == 0;
}

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

/* seen in local after 812.000 ms (run 01JD9J, 12.3 s ago) */
static void delivery(struct buffer *out, const struct result *r, const struct delivery *d, int64_t now_us)
{
    const char *mailbox = d->mailbox ? d->mailbox : "a mailbox";
    char ms[RENDER_NUMBER_SIZE], age[RENDER_NUMBER_SIZE];

    if (d->state == ROUTE_NONE)
        return;
    render_ms(d->latency_us, ms);
    render_seconds(render_since_us(d->settled_us, now_us) / 100000 * 100000, age);
    if (d->latency_us != CLOCK_NONE)
        buffer_printf(out, "  %s: seen in %s after %s ms", route_state_name(d->state), mailbox, ms);
    else if (d->state == ROUTE_PENDING || d->state == ROUTE_LOST)
        buffer_printf(out, "  %s: not %sseen in %s", route_state_name(d->state),
                      d->state == ROUTE_PENDING ? "yet " : "", mailbox);
    else
        buffer_printf(out, "  %s", route_state_name(d->state));
    if (!is_own(r, d))
        buffer_printf(out, " (run %s", d->run ? d->run : "unknown");
    if (!is_own(r, d) && d->settled_us != CLOCK_NONE)
        buffer_printf(out, ", %s s ago", age);
    buffer_puts(out, is_own(r, d) ? "\n" : ")\n");
}

void text_message_route(struct buffer *out, const struct result *r, const struct result_route *route,
                        int64_t now_us, struct render_share *share)
{
    final(out, route, share);
    delivery(out, r, &route->delivery, now_us);
}

/* What is known of a message that was not answered. */
static const char *since(const struct result_route *route)
{
    switch (route->delivery.state) {
    case ROUTE_DELIVERED:
    case ROUTE_LATE:
        return ", and was delivered all the same";
    case ROUTE_LOST:
        return ", and was not delivered";
    default:
        return ": it may be delivered all the same";
    }
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
        buffer_printf(out, ", %zu octets, was sent whole%s\n", route->octets, since(route));
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
        if (route->state == ROUTE_PENDING && !is_own(r, &route->delivery))
            buffer_puts(out, "  that was the last one that is settled; the present one is still under way\n");
        else if (route->delivery.state != ROUTE_NONE && !is_own(r, &route->delivery))
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
