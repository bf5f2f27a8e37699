/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of messages, for people. A delivery may be of an earlier run's message; then it says whose.
 * What the message says itself was written by others, so all of it is of the server's share.
 */
#include "server/render/text_delivery.h"

#include "probe/base/clock.h"
#include "probe/base/text.h"
#include "server/render/age.h"

#include <stdio.h>
#include <string.h>

bool text_delivery_is_own(const struct result *r, const struct delivery *d)
{
    return d->run && r->id && strcmp(d->run, r->id) == 0;
}

static void said(struct buffer *out, const char *before, const char *text, struct render_share *share)
{
    if (!text)
        return;
    size_t part = render_take(share, text);
    buffer_printf(out, "%s%.*s%s", before, (int)part, text, text[part] ? "..." : "");
}

/* delivered: seen in local after 812.000 ms (run 01JD9J, 12.3 s ago) */
static void state(struct buffer *out, const struct result *r, const struct delivery *d, int64_t now_us)
{
    const char *name = route_state_name(d->state);
    const char *mailbox = d->mailbox ? d->mailbox : "a mailbox";
    bool own = text_delivery_is_own(r, d);
    char ms[RENDER_NUMBER_SIZE], age[RENDER_NUMBER_SIZE];

    render_ms(d->latency_us, ms);
    age_seconds(d->settled_us, now_us, age);
    buffer_printf(out, "  %s", name);
    if (d->latency_us != CLOCK_NONE)
        buffer_printf(out, ": seen in %s after %s ms", d->found ? d->found : mailbox, ms);
    else if (d->state == ROUTE_PENDING || d->state == ROUTE_LOST)
        buffer_printf(out, ": not %sseen in %s", d->state == ROUTE_PENDING ? "yet " : "", mailbox);
    if (d->state == ROUTE_ELSEWHERE)
        buffer_printf(out, ", not in %s where it belongs", mailbox);
    if (!own)
        buffer_printf(out, " (run %s", d->run ? d->run : "unknown");
    if (!own && d->settled_us != CLOCK_NONE)
        buffer_printf(out, ", %s s ago", age);
    buffer_puts(out, own ? "\n" : ")\n");
}

/* "3 s", "-1 s", "?" */
static void delay(int64_t us, char out_r[TEXT_DURATION_SIZE])
{
    if (us == CLOCK_NONE || us == 0) { /* dates are of whole seconds */
        snprintf(out_r, TEXT_DURATION_SIZE, "%s", us == 0 ? "0 s" : "?");
        return;
    }
    bool negative = us < 0;
    char text[TEXT_DURATION_SIZE];
    text_duration(negative ? -us : us, text);
    snprintf(out_r, TEXT_DURATION_SIZE, "%s%.30s", negative ? "-" : "", text);
}

/* 2  2026-11-23T02:25:04Z          3 s  mx.example.org, from client.example.org, with ESMTPS */
static void hop(struct buffer *out, size_t number, const struct evidence_hop *h, struct render_share *share)
{
    char at[TEXT_TIME_SIZE] = "?", next[TEXT_DURATION_SIZE];
    bool is_skewed = h->delay_us < 0 && h->delay_us != CLOCK_NONE;

    if (h->at_wall_us != CLOCK_NONE) {
        text_time(h->at_wall_us, at);
        snprintf(strchr(at, '.'), 2, "Z"); /* a header knows no fractions */
    }
    delay(h->delay_us, next);
    buffer_printf(out, "    %3zu  %-20s  %11s  ", number, at, next);
    said(out, "", h->by ? h->by : "?", share);
    said(out, ", from ", h->from, share);
    said(out, ", with ", h->with, share);
    buffer_puts(out, is_skewed ? "; the clocks differ\n" : "\n");
}

static void hops(struct buffer *out, const struct evidence *e, struct render_share *share)
{
    if (e->hop_count)
        buffer_puts(out, "    hop  at                    to the next  by\n");
    if (e->hop_total > e->hop_count)
        buffer_printf(out, "         (%zu before these)\n", e->hop_total - e->hop_count);
    for (size_t i = 0; i < e->hop_count; i++)
        hop(out, e->hop_total - e->hop_count + i + 1, &e->hops[i], share);
}

static void evidence(struct buffer *out, const struct evidence *e, struct render_share *share)
{
    hops(out, e, share);
    for (size_t i = 0; i < e->auth_count; i++) {
        said(out, "    Authentication-Results: ", e->auth[i], share);
        buffer_puts(out, "\n");
    }
    for (size_t i = 0; i < e->change_count; i++)
        said(out, i ? ", " : "    not as it was sent: ", e->changes[i], share);
    if (e->change_count)
        buffer_puts(out, "\n");
}

/* failed 5.1.1 for b@example.org, says mx.example.org: smtp; 550 5.1.1 no such user */
static void bounce(struct buffer *out, const struct bounce *b, struct render_share *share)
{
    buffer_printf(out, "    %s", b->action ? b->action : "failed");
    said(out, " ", b->status, share);
    said(out, " for ", b->recipient, share);
    said(out, ", says ", b->reporter, share);
    said(out, ": ", b->diagnostic, share);
    buffer_puts(out, "\n");
}

void text_delivery_facts(struct buffer *out, const struct result *r, const struct delivery *d, int64_t now_us,
                         struct render_share *share)
{
    if (d->state == ROUTE_NONE)
        return;
    state(out, r, d, now_us);
    if (d->bounce)
        bounce(out, d->bounce, share);
    if (d->why) {
        said(out, "    ", d->why, share);
        buffer_puts(out, "\n");
    }
    if (d->evidence)
        evidence(out, d->evidence, share);
}

const char *text_delivery_since(const struct delivery *d)
{
    switch (d->state) {
    case ROUTE_DELIVERED:
    case ROUTE_LATE:
        return ", and was delivered all the same";
    case ROUTE_ALTERED:
        return ", and was delivered all the same, but not as it was sent";
    case ROUTE_ELSEWHERE:
        return ", and was delivered all the same, but not where it belongs";
    case ROUTE_BOUNCED:
        return ", and a report came back instead";
    case ROUTE_LOST:
        return ", and was not delivered";
    default:
        return ": it may be delivered all the same";
    }
}

const char *text_delivery_why(const struct result *r)
{
    for (size_t i = 0; i < r->route_count && r->failure.route; i++) {
        const struct result_route *route = &r->routes[i];
        if (r->failure.reason == REASON_MAILBOX_UNREACHABLE && route->name &&
            strcmp(route->name, r->failure.route) == 0)
            return route->delivery.why;
    }
    return NULL;
}
