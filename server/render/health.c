/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The view for readers of draft-inadarei-api-health-check-06. A target is a component: one check of how long
 * its verdict took, one list of what became of its routes, and one of the latencies of its messages. What
 * decides nothing has no status there, and what is good no output, as the draft wants it. Only words of ours
 * and the summary are shown, which in a set has its share.
 */
#include "server/render/health.h"

#include "probe/base/clock.h"
#include "server/render/doc.h"

#define HEALTH_NOTE "ehlod itself could not tell: this is no evidence against the mail server"

/* What there is beside the result while it is shown. */
struct health {
    struct doc *doc;
    json_t *checks;
    enum status unknown_as;
};

static json_t *status_of(const struct health *h, enum status status)
{
    return json_string(status_name(status == STATUS_UNKNOWN ? h->unknown_as : status));
}

/* A summary, where there is something to say; that it is not known has no other place among the checks. */
static json_t *output_of(struct doc *d, const struct result *r)
{
    if (r->status != STATUS_UNKNOWN)
        return doc_said(d, r->summary);
    return doc_said(d, arena_printf(&d->arena, "unknown: %s", r->summary));
}

/* type may be null. */
static json_t *observed(struct health *h, const char *id, const char *type, json_t *value)
{
    json_t *o = json_object();

    doc_set(h->doc, o, "componentId", doc_string(h->doc, id));
    if (type)
        doc_set(h->doc, o, "componentType", json_string(type));
    doc_set(h->doc, o, "observedValue", value);
    return o;
}

/* When it was observed, and where all of it stands. */
static void origin(struct health *h, json_t *o, const struct result *r)
{
    json_t *links = json_object();
    int64_t took_us = r->duration_us > 0 ? r->duration_us : 0;

    doc_set(h->doc, links, "run", doc_string(h->doc, arena_printf(&h->doc->arena, "/runs/%s", r->id)));
    doc_set(h->doc, o, "time", doc_wall_time(r->started_wall_us + took_us));
    doc_set(h->doc, o, "links", links);
}

static void add(struct health *h, const struct result *r, const char *measured, json_t *list)
{
    const char *key = arena_printf(&h->doc->arena, "%s:%s", doc_utf8(h->doc, r->target), measured);

    if (json_array_size(list) > 0)
        doc_set(h->doc, h->checks, key, list);
    else
        json_decref(list);
}

static void add_verdict(struct health *h, const struct result *r)
{
    json_t *list = json_array();
    json_t *o = observed(h, r->target, "system", doc_milliseconds(r->duration_us));

    doc_set(h->doc, o, "observedUnit", json_string("ms"));
    doc_set(h->doc, o, "status", status_of(h, r->status));
    origin(h, o, r);
    if (r->status != STATUS_PASS)
        doc_set(h->doc, o, "output", output_of(h->doc, r));
    doc_append(h->doc, list, o);
    add(h, r, "responseTime", list);
}

/* What our own fault kept from working is no failure of the route. */
static enum status route_status(const struct result *r, const struct result_route *route)
{
    if (route->ok == TRI_TRUE)
        return STATUS_PASS;
    return r->status == STATUS_UNKNOWN || route->state == ROUTE_UNVERIFIED ? STATUS_UNKNOWN : STATUS_FAIL;
}

static void add_routes(struct health *h, const struct result *r)
{
    json_t *states = json_array();
    json_t *latencies = json_array();

    for (size_t i = 0; i < r->route_count; i++) {
        const struct result_route *route = &r->routes[i];
        json_t *o = observed(h, route->name, NULL, doc_string(h->doc, route_state_name(route->state)));
        if (route->ok != TRI_NULL)
            doc_set(h->doc, o, "status", status_of(h, route_status(r, route)));
        doc_append(h->doc, states, o);
        if (route->delivery.state == ROUTE_NONE || route->delivery.latency_us == CLOCK_NONE)
            continue;
        json_t *latency = observed(h, route->name, NULL, doc_milliseconds(route->delivery.latency_us));
        doc_set(h->doc, latency, "observedUnit", json_string("ms"));
        doc_append(h->doc, latencies, latency);
    }
    add(h, r, "route", states);
    add(h, r, "delivery", latencies);
}

static void add_target(struct health *h, const struct result *r)
{
    add_verdict(h, r);
    add_routes(h, r);
}

/* Around the checks, which it takes. output: what is wrong, already made; null = nothing. */
static json_t *head(struct health *h, enum status status, const char *description, json_t *output)
{
    json_t *root = json_object();
    json_t *notes = json_array();

    doc_set(h->doc, root, "status", status_of(h, status));
    doc_set(h->doc, root, "version", json_string("1"));
    doc_set(h->doc, root, "releaseId", json_string(EHLOD_VERSION));
    doc_set(h->doc, root, "description", doc_string(h->doc, description));
    if (output)
        doc_set(h->doc, root, "output", output);
    if (status == STATUS_UNKNOWN)
        doc_append(h->doc, notes, json_string(HEALTH_NOTE));
    if (json_array_size(notes) > 0)
        doc_set(h->doc, root, "notes", notes);
    else
        json_decref(notes);
    doc_set(h->doc, root, "checks", h->checks);
    return root;
}

void health_result(struct buffer *out, const struct result *r, enum status unknown_as)
{
    struct doc d = {.share = render_share_whole};
    struct health h = {.doc = &d, .checks = json_object(), .unknown_as = unknown_as};
    json_t *output = r->status != STATUS_PASS ? output_of(&d, r) : NULL;
    const char *description = arena_printf(&d.arena, "%s, seen from %s", r->target, r->vantage);

    add_target(&h, r);
    doc_finish(&d, head(&h, r->status, description, output), out);
}

void health_set(struct buffer *out, const struct render_set *set, enum status unknown_as)
{
    struct doc d = {0};
    struct health h = {.doc = &d, .checks = json_object(), .unknown_as = unknown_as};
    enum status status = render_set_status(set);
    char summary[RENDER_SUMMARY_SIZE];

    render_set_summary(set, summary);
    json_t *output = status != STATUS_PASS ? json_string(summary) : NULL;
    for (size_t i = 0; i < set->count; i++) {
        d.share = render_share_set;
        add_target(&h, set->results[i]);
    }
    json_t *root = head(&h, status, "all targets that were asked for", output);
    doc_finish_without(&d, root, h.checks, out);
}
