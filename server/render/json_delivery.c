/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A delivery in JSON. What the message says itself comes from whoever wrote or passed it on: all of these
 * texts are of the server's share, and in a set so are the lists.
 */
#include "server/render/json_delivery.h"

#include "probe/base/clock.h"

static const struct evidence no_evidence = {.hops = NULL};

static json_t *hop(struct doc *d, const struct evidence_hop *from)
{
    bool is_skewed = from->delay_us < 0 && from->delay_us != CLOCK_NONE;
    json_t *o = json_object();

    doc_set(d, o, "by", doc_said(d, from->by));
    doc_set(d, o, "from", doc_said(d, from->from));
    doc_set(d, o, "with", doc_said(d, from->with));
    doc_set(d, o, "at", doc_when(from->at_wall_us));
    doc_set(d, o, "delay_ms",
            is_skewed ? json_real((double)from->delay_us / 1000.0) : doc_milliseconds(from->delay_us));
    doc_set(d, o, "skew", json_boolean(is_skewed));
    return o;
}

static json_t *hops(struct doc *d, const struct evidence *from)
{
    json_t *list = json_array();

    for (size_t i = 0; i < from->hop_count; i++)
        doc_append(d, list, hop(d, &from->hops[i]));
    return list;
}

static json_t *texts(struct doc *d, const char *const *from, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        doc_append(d, list, doc_said(d, from[i]));
    return list;
}

static json_t *header(struct doc *d, json_t *name, json_t *value)
{
    json_t *o = json_object();

    doc_set(d, o, "name", name);
    doc_set(d, o, "value", value);
    return o;
}

static json_t *headers(struct doc *d, const struct evidence *from)
{
    size_t count = from->field_count < d->share.lines ? from->field_count : d->share.lines;
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        json_t *name = doc_said(d, from->fields[i].name); /* before its value */
        doc_append(d, list, header(d, name, doc_said(d, from->fields[i].value)));
    }
    if (count < from->field_count)
        doc_append(d, list, header(d, json_string("..."), json_string("...")));
    return list;
}

static json_t *bounce(struct doc *d, const struct bounce *from)
{
    if (!from)
        return json_null();
    json_t *o = json_object();
    doc_set(d, o, "action", doc_string(d, from->action));
    doc_set(d, o, "status", doc_string(d, from->status));
    doc_set(d, o, "diagnostic", doc_said(d, from->diagnostic));
    doc_set(d, o, "recipient", doc_said(d, from->recipient));
    doc_set(d, o, "reporter", doc_said(d, from->reporter));
    return o;
}

static json_t *total(const struct delivery *from, size_t count)
{
    return from->evidence ? json_integer((json_int_t)count) : json_null();
}

json_t *json_delivery(struct doc *d, const struct delivery *from, int64_t now_us)
{
    const struct evidence *e = from->evidence ? from->evidence : &no_evidence;
    bool settled = from->settled_us != CLOCK_NONE;

    if (from->state == ROUTE_NONE)
        return json_null();
    json_t *o = json_object();
    doc_set(d, o, "state", json_string(route_state_name(from->state)));
    doc_set(d, o, "mailbox", doc_string(d, from->mailbox));
    doc_set(d, o, "latency_ms", doc_milliseconds(from->latency_us));
    doc_set(d, o, AGE_KEY, settled ? doc_age(from->settled_us, now_us) : json_null());
    doc_set(d, o, "run", doc_string(d, from->run));
    doc_set(d, o, "hops", hops(d, e));
    doc_set(d, o, "authentication_results", texts(d, e->auth, e->auth_count));
    doc_set(d, o, "flags", doc_flags(d, from->flags));
    doc_set(d, o, "found", doc_string(d, from->found));
    doc_set(d, o, "why", doc_said(d, from->why));
    doc_set(d, o, "changes", texts(d, e->changes, e->change_count));
    doc_set(d, o, "bounce", bounce(d, from->bounce));
    doc_set(d, o, "size", total(from, e->size));
    doc_set(d, o, "hops_total", total(from, e->hop_total));
    doc_set(d, o, "headers_total", total(from, e->field_total));
    doc_set(d, o, "headers", headers(d, e));
    return o;
}
