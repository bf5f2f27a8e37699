/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What blackbox_exporter cannot tell of a run: where it failed and why, each phase, each route, each
 * delivery. A family is a row. Label values come from the config and from closed lists of ours, never from a
 * server, so none can make series without end.
 */
#include "server/render/metrics.h"

#include "probe/base/clock.h"
#include "probe/proto/ehlo.h"

#include <stdio.h>
#include <string.h>

/* One run's part of a family; target stands in a label where there are several runs. */
struct part {
    const struct result *r;
    const char *label; /* "target", or null: then it ends the labels */
    const char *target;
};
#define TARGET(p) (p)->label, (p)->target, NULL

static bool offers(const struct result *r, const char *keyword)
{
    for (size_t i = 0; i < r->extension_count; i++)
        if (strcmp(r->extensions[i].keyword, keyword) == 0)
            return true;
    return false;
}

static void hello(struct exposition *e, const struct part *p)
{
    const struct result_command *said = result_command_of(p->r, PHASE_EHLO);

    for (size_t i = 0; said && said->ok && i < EHLO_KNOWN; i++)
        exposition_whole(e, offers(p->r, ehlo_keywords[i]), "keyword", ehlo_keywords[i], TARGET(p));
}

static void failure(struct exposition *e, const struct part *p)
{
    const struct result_failure *f = &p->r->failure;

    if (f->reason != REASON_NONE)
        exposition_whole(e, 1, "phase", phase_name(f->phase), "reason", reason_name(f->reason), TARGET(p));
}

static void phases(struct exposition *e, const struct part *p)
{
    for (enum phase phase = 0; phase < PHASE_COUNT; phase++)
        if (phase_is_timed(phase) && p->r->timing_us[phase] != CLOCK_NONE)
            exposition_seconds(e, p->r->timing_us[phase], "phase", phase_name(phase), TARGET(p));
}

static void codes(struct exposition *e, const struct part *p)
{
    for (enum phase phase = 0; phase < PHASE_COUNT; phase++) {
        const struct result_command *c = result_command_of(p->r, phase);
        if (c && c->reply.code > 0)
            exposition_whole(e, c->reply.code, "phase", phase_name(phase), TARGET(p));
    }
}

static void states(struct exposition *e, const struct part *p)
{
    for (size_t i = 0; i < p->r->route_count; i++) {
        const struct result_route *route = &p->r->routes[i];
        for (enum route_state s = ROUTE_NONE + 1; s < ROUTE_STATE_COUNT; s++)
            exposition_whole(e, s == route->state, "route", route->name, "state", route_state_name(s),
                             TARGET(p));
    }
}

static void successes(struct exposition *e, const struct part *p)
{
    for (size_t i = 0; i < p->r->route_count; i++)
        if (p->r->routes[i].ok != TRI_NULL)
            exposition_whole(e, p->r->routes[i].ok == TRI_TRUE, "route", p->r->routes[i].name, TARGET(p));
}

static void deliveries(struct exposition *e, const struct part *p)
{
    for (size_t i = 0; i < p->r->route_count; i++) {
        const struct delivery *d = &p->r->routes[i].delivery;
        if (d->state != ROUTE_NONE && d->latency_us != CLOCK_NONE)
            exposition_seconds(e, d->latency_us, "route", p->r->routes[i].name, TARGET(p));
    }
}

/* How long a message stayed at each hop; less than 0 where clocks differ. */
static void hops(struct exposition *e, const struct part *p)
{
    for (size_t i = 0; i < p->r->route_count; i++) {
        const struct result_route *route = &p->r->routes[i];
        const struct evidence *found = route->delivery.state != ROUTE_NONE ? route->delivery.evidence : NULL;
        char number[24];
        for (size_t k = 0; found && k < found->hop_count; k++) {
            snprintf(number, sizeof(number), "%zu", k + 1);
            if (found->hops[k].delay_us != CLOCK_NONE)
                exposition_seconds(e, found->hops[k].delay_us, "route", route->name, "hop", number,
                                   TARGET(p));
        }
    }
}

static void last_deliveries(struct exposition *e, const struct part *p)
{
    for (size_t i = 0; i < p->r->route_count; i++) {
        const struct delivery *d = &p->r->routes[i].delivery;
        if (d->state != ROUTE_NONE && d->last_good_us > 0)
            exposition_seconds(e, p->r->started_wall_us + d->last_good_us - p->r->started_mono_us, "route",
                               p->r->routes[i].name, TARGET(p));
    }
}

static void started(struct exposition *e, const struct part *p)
{
    exposition_seconds(e, p->r->started_wall_us, TARGET(p));
}

static void statuses(struct exposition *e, const struct part *p)
{
    for (enum status s = 0; s < STATUS_COUNT; s++)
        exposition_whole(e, s == p->r->status, "status", status_name(s), TARGET(p));
}

static const struct {
    const char *name;
    const char *help;
    void (*write)(struct exposition *e, const struct part *p);
} families[] = {
    {"smtp_delivery_duration_seconds",
     "How long the last message of each route that was seen took from its dot to the mailbox in seconds",
     deliveries},
    {"smtp_delivery_hop_seconds",
     "How long the last message of each route stayed at each hop in seconds, the first hop first", hops},
    {"smtp_delivery_last_success_timestamp_seconds",
     "When the last message of each route was seen in its mailbox in time, in unixtime", last_deliveries},
    {"smtp_extension_supported", "Whether the server offers it in its last reply to EHLO", hello},
    {"smtp_failure_info", "In which phase the run failed, and why", failure},
    {"smtp_phase_duration_seconds", "How long each phase that was begun took in seconds", phases},
    {"smtp_reply_code", "The last reply code of each phase", codes},
    {"smtp_route_state", "What became of each route: 1 for the state that holds, 0 for the others", states},
    {"smtp_route_success", "Whether each route went as wanted", successes},
    {"smtp_run_timestamp_seconds", "When the run began, in unixtime", started},
    {"smtp_status", "The verdict: 1 for the status that holds, 0 for the others", statuses},
};

void metrics_smtp(struct exposition *e, const struct result *const *results, size_t count, bool labelled)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        exposition_family(e, EXPOSITION_GAUGE, families[i].name, families[i].help);
        for (size_t k = 0; k < count; k++)
            families[i].write(e, &(struct part){.r = results[k],
                                                .label = labelled ? "target" : NULL,
                                                .target = results[k]->target});
    }
}

void metrics_set(struct buffer *out, const struct render_set *set, enum exposition_format format)
{
    struct exposition e;

    exposition_begin(&e, out, format);
    metrics_smtp(&e, set->results, set->count, true);
    exposition_end(&e);
}
