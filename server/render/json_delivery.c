/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A delivery in JSON. What the message says itself comes from whoever wrote or passed it on: all of these
 * texts are of the server's share, and in a set so are the lists.
 */
#include "server/render/json_delivery.h"

#include "probe/base/clock.h"

static const struct evidence no_evidence = {.hops = NULL};

static void hop(struct pen *p, const char *key, const struct evidence_hop *from)
{
    bool is_skewed = from->delay_us < 0 && from->delay_us != CLOCK_NONE;

    pen_object(p, key);
    pen_said(p, "by", from->by);
    pen_said(p, "from", from->from);
    pen_said(p, "with", from->with);
    pen_when(p, "at", from->at_wall_us);
    pen_skew(p, "delay_ms", from->delay_us);
    pen_bool(p, "skew", is_skewed);
    pen_end(p);
}

static void hops(struct pen *p, const char *key, const struct evidence *from)
{
    pen_list(p, key);
    for (size_t i = 0; i < from->hop_count; i++)
        hop(p, NULL, &from->hops[i]);
    pen_end(p);
}

static void texts(struct pen *p, const char *key, const char *const *from, size_t count)
{
    pen_list(p, key);
    for (size_t i = 0; i < count; i++)
        pen_said(p, NULL, from[i]);
    pen_end(p);
}

static void header(struct pen *p, const char *name, const char *value)
{
    pen_object(p, NULL);
    pen_said(p, "name", name);
    pen_said(p, "value", value);
    pen_end(p);
}

static void headers(struct pen *p, const char *key, const struct evidence *from)
{
    size_t count = from->field_count < p->share.lines ? from->field_count : p->share.lines;

    pen_list(p, key);
    for (size_t i = 0; i < count; i++)
        header(p, from->fields[i].name, from->fields[i].value);
    if (count < from->field_count) {
        pen_object(p, NULL);
        pen_string(p, "name", "...");
        pen_string(p, "value", "...");
        pen_end(p);
    }
    pen_end(p);
}

static void bounce(struct pen *p, const char *key, const struct bounce *from)
{
    if (!from) {
        pen_null(p, key);
        return;
    }
    pen_object(p, key);
    pen_string(p, "action", from->action);
    pen_string(p, "status", from->status);
    pen_said(p, "diagnostic", from->diagnostic);
    pen_said(p, "recipient", from->recipient);
    pen_said(p, "reporter", from->reporter);
    pen_end(p);
}

static void total(struct pen *p, const char *key, const struct delivery *from, size_t count)
{
    if (from->evidence)
        pen_integer(p, key, (int64_t)count);
    else
        pen_null(p, key);
}

void json_delivery(struct pen *p, const char *key, const struct delivery *from, int64_t now_us)
{
    const struct evidence *e = from->evidence ? from->evidence : &no_evidence;

    if (from->state == ROUTE_NONE) {
        pen_null(p, key);
        return;
    }
    pen_object(p, key);
    pen_string(p, "state", route_state_name(from->state));
    pen_string(p, "mailbox", from->mailbox);
    pen_milliseconds(p, "latency_ms", from->latency_us);
    if (from->settled_us != CLOCK_NONE)
        pen_age(p, "age_ms", from->settled_us, now_us);
    else
        pen_null(p, "age_ms");
    pen_string(p, "run", from->run);
    hops(p, "hops", e);
    texts(p, "authentication_results", e->auth, e->auth_count);
    pen_flags(p, "flags", from->flags);
    pen_string(p, "found", from->found);
    pen_said(p, "why", from->why);
    texts(p, "changes", e->changes, e->change_count);
    bounce(p, "bounce", from->bounce);
    total(p, "size", from, e->size);
    total(p, "hops_total", from, e->hop_total);
    total(p, "headers_total", from, e->field_total);
    headers(p, "headers", e);
    pen_end(p);
}
