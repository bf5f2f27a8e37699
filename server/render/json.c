/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON views. Every key is always there: what is absent, or belongs to something this result has not got,
 * is null, an empty list or an empty object. How a document is built is doc.c's.
 */
#include "server/render/doc.h"
#include "server/render/json_delivery.h"

#include "probe/base/clock.h"

static json_t *age(const struct result *r, int64_t now_us)
{
    return doc_age(r->ended_mono_us, now_us);
}

static json_t *failure(struct doc *d, const struct result_failure *f, const char *last_ok_run)
{
    if (f->reason == REASON_NONE)
        return json_null();
    json_t *o = json_object();
    doc_set(d, o, "phase", json_string(phase_name(f->phase)));
    doc_set(d, o, "reason", json_string(reason_name(f->reason)));
    doc_set(d, o, "route", doc_string(d, f->route));
    doc_set(d, o, "code", doc_code(f->code));
    doc_set(d, o, "enhanced", doc_enhanced(f->enhanced));
    doc_set(d, o, "message", doc_string(d, f->message));
    doc_set(d, o, "limit_ms", doc_milliseconds(f->limit_us));
    doc_set(d, o, "elapsed_ms", doc_milliseconds(f->elapsed_us));
    doc_set(d, o, "last_ok_run", doc_string(d, last_ok_run));
    return o;
}

static json_t *peer(struct doc *d, const struct result *r)
{
    json_t *o = json_object();
    doc_set(d, o, "host", doc_string(d, r->host));
    doc_set(d, o, "port", doc_port(r->port));
    doc_set(d, o, "address", doc_address(&r->peer));
    doc_set(d, o, "family", doc_family(&r->peer));
    doc_set(d, o, "name", doc_said(d, r->peer_name));
    return o;
}

static json_t *local(struct doc *d, const struct result *r)
{
    if (address_family(&r->local) == AF_UNSPEC)
        return json_null();
    json_t *o = json_object();
    doc_set(d, o, "address", doc_address(&r->local));
    doc_set(d, o, "port", doc_port(address_port(&r->local)));
    return o;
}

static json_t *claimed(struct doc *d, const struct result_claimed *from)
{
    json_t *o = json_object();
    doc_set(d, o, "proxy", doc_string(d, from->proxy));
    doc_set(d, o, "xclient", doc_string(d, from->xclient));
    doc_set(d, o, "honoured",
            from->honoured == RESULT_HONOUR_UNKNOWN ? json_null()
                                                    : json_boolean(from->honoured == RESULT_HONOURED));
    return o;
}

static json_t *timing(struct doc *d, const int64_t us[PHASE_COUNT])
{
    json_t *o = json_object();
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        if (phase_is_timed(p))
            doc_set(d, o, phase_name(p), doc_milliseconds(us[p]));
    return o;
}

static json_t *certificate(struct doc *d, const struct result_certificate *from)
{
    json_t *o = json_object();
    json_t *names = json_array();

    for (size_t i = 0; i < from->name_count; i++)
        doc_append(d, names, doc_said(d, from->names[i]));
    doc_set(d, o, "subject", doc_said(d, from->subject));
    doc_set(d, o, "issuer", doc_said(d, from->issuer));
    doc_set(d, o, "names", names);
    doc_set(d, o, "not_before", doc_when(from->not_before_wall_us));
    doc_set(d, o, "not_after", doc_when(from->not_after_wall_us));
    doc_set(d, o, "sha256", doc_string(d, from->sha256));
    doc_set(d, o, "key", doc_string(d, from->key));
    return o;
}

static json_t *tls(struct doc *d, const struct result_tls *from)
{
    if (!from)
        return json_null();
    json_t *o = json_object();
    json_t *chain = json_array();
    for (size_t i = 0; i < from->chain_count; i++)
        doc_append(d, chain, certificate(d, &from->chain[i]));
    doc_set(d, o, "version", doc_string(d, from->version));
    doc_set(d, o, "cipher", doc_string(d, from->cipher));
    doc_set(d, o, "group", doc_string(d, from->group));
    doc_set(d, o, "alert", doc_string(d, from->alert));
    doc_set(d, o, "verified", doc_tri(from->verified));
    doc_set(d, o, "reason",
            from->reason == REASON_NONE ? json_null() : json_string(reason_name(from->reason)));
    doc_set(d, o, "chain", chain);
    return o;
}

static json_t *extensions(struct doc *d, const struct result *r)
{
    json_t *o = json_object();
    struct render_share lines = d->share;
    for (size_t i = 0; i < r->extension_count; i++) {
        const char *keyword = r->extensions[i].keyword;
        if (keyword[render_take(&d->share, keyword)] == '\0') /* a part of a keyword would be another one */
            doc_set(d, o, doc_utf8(d, keyword), doc_said(d, r->extensions[i].params));
    }
    d->share = lines;
    return o;
}

static json_t *reply(struct doc *d, const struct result_reply *from)
{
    json_t *o = json_object();
    json_t *lines = json_array();

    size_t count = render_lines(&d->share, from);
    for (size_t i = 0; i < count; i++)
        doc_append(d, lines, doc_said(d, from->lines[i]));
    if (count < from->line_count)
        doc_append(d, lines, json_string("..."));
    doc_set(d, o, "code", doc_code(from->code));
    doc_set(d, o, "enhanced", doc_enhanced(from->enhanced));
    doc_set(d, o, "lines", lines);
    doc_set(d, o, "escaped", json_boolean(from->escaped));
    return o;
}

static json_t *command(struct doc *d, const struct result *r, const struct result_command *c)
{
    json_t *o = json_object();
    doc_set(d, o, "phase", json_string(phase_name(c->phase)));
    doc_set(d, o, "route", c->route < 0 ? json_null() : doc_string(d, r->routes[c->route].name));
    doc_set(d, o, "sent", doc_string(d, c->sent));
    doc_set(d, o, "at_ms", doc_milliseconds(c->at_us));
    doc_set(d, o, "first_byte_ms", doc_milliseconds(c->first_byte_us));
    doc_set(d, o, "reply_ms", doc_milliseconds(c->reply_us));
    doc_set(d, o, "reply", c->replied ? reply(d, &c->reply) : json_null());
    doc_set(d, o, "expected", doc_string(d, c->expected));
    doc_set(d, o, "ok", json_boolean(c->ok));
    return o;
}

static json_t *commands(struct doc *d, const struct result *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->command_count; i++)
        doc_append(d, list, command(d, r, &r->commands[i]));
    return list;
}

static json_t *expects(struct doc *d, unsigned set_of)
{
    json_t *list = json_array();
    for (unsigned e = EXPECT_ACCEPTED; e <= EXPECT_LAST; e <<= 1)
        if (set_of & e)
            doc_append(d, list, json_string(expect_name((enum expect)e)));
    return list;
}

static json_t *recipients(struct doc *d, const struct result_route *route)
{
    json_t *list = json_array();
    for (size_t i = 0; i < route->recipient_count; i++) {
        const struct result_recipient *from = &route->recipients[i];
        json_t *o = json_object();
        doc_set(d, o, "to", doc_string(d, from->to));
        doc_set(d, o, "code", doc_code(from->code));
        doc_set(d, o, "enhanced", doc_enhanced(from->enhanced));
        doc_set(d, o, "text", doc_said(d, from->text));
        doc_set(d, o, "ok", doc_tri(from->ok));
        doc_append(d, list, o);
    }
    return list;
}

static json_t * final(struct doc *d, const struct result_final *from)
{
    if (!from->code)
        return json_null();
    json_t *o = json_object();
    doc_set(d, o, "code", doc_code(from->code));
    doc_set(d, o, "enhanced", doc_enhanced(from->enhanced));
    doc_set(d, o, "text", doc_said(d, from->text));
    return o;
}

static json_t *routes(struct doc *d, const struct result *r, int64_t now_us)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->route_count; i++) {
        const struct result_route *from = &r->routes[i];
        json_t *o = json_object();
        doc_set(d, o, "name", doc_string(d, from->name));
        doc_set(d, o, "from", doc_string(d, from->from));
        doc_set(d, o, "expect", expects(d, from->expect));
        doc_set(d, o, "state", doc_string(d, route_state_name(from->state)));
        doc_set(d, o, "ok", doc_tri(from->ok));
        doc_set(d, o, "message_id", doc_string(d, from->message_id));
        doc_set(d, o, "queue_id", doc_string(d, from->queue_id));
        doc_set(d, o, "recipients", recipients(d, from));
        doc_set(d, o, "final", final(d, &from->final));
        doc_set(d, o, "delivery", json_delivery(d, &from->delivery, now_us));
        doc_append(d, list, o);
    }
    return list;
}

/* An attempt that went on to a dialogue has its times in the result itself. */
static json_t *attempt_timing(struct doc *d, const struct result_attempt *a)
{
    int64_t us[PHASE_COUNT];
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        us[p] = p == PHASE_CONNECT ? a->connect_us : CLOCK_NONE;
    return timing(d, a->host ? a->timing_us : us);
}

static json_t *attempts(struct doc *d, const struct result *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->attempt_count; i++) {
        const struct result_attempt *from = &r->attempts[i];
        const struct result_failure *f = &from->failure;
        enum status status = from->host ? from->status : verdict_status(f->phase, f->reason, 0);
        json_t *o = json_object();
        doc_set(d, o, "address", doc_address(&from->address));
        doc_set(d, o, "status", json_string(status_name(status)));
        doc_set(d, o, "failure", failure(d, f, NULL));
        doc_set(d, o, "timing_ms", attempt_timing(d, from));
        doc_set(d, o, "id", doc_string(d, from->id));
        doc_set(d, o, "host", doc_string(d, from->host ? from->host : r->host));
        doc_append(d, list, o);
    }
    return list;
}

static json_t *result(struct doc *d, const struct result *r, int64_t now_us)
{
    json_t *o = json_object();
    doc_set(d, o, "status", json_string(status_name(r->status)));
    doc_set(d, o, "target", doc_string(d, r->target));
    doc_set(d, o, "id", doc_string(d, r->id));
    doc_set(d, o, "vantage", doc_string(d, r->vantage));
    doc_set(d, o, "summary", doc_string(d, r->summary));
    doc_set(d, o, "failure", failure(d, &r->failure, r->last_ok.run));
    doc_set(d, o, "flags", doc_flags(d, r->flags));
    doc_set(d, o, "started_at", doc_wall_time(r->started_wall_us));
    doc_set(d, o, "duration_ms", doc_milliseconds(r->duration_us));
    doc_set(d, o, AGE_KEY, age(r, now_us));
    doc_set(d, o, "peer", peer(d, r));
    doc_set(d, o, "local", local(d, r));
    doc_set(d, o, "claimed", claimed(d, &r->claimed));
    doc_set(d, o, "timing_ms", timing(d, r->timing_us));
    doc_set(d, o, "extensions", extensions(d, r));
    doc_set(d, o, "tls", tls(d, r->tls));
    doc_set(d, o, "commands", commands(d, r));
    doc_set(d, o, "routes", routes(d, r, now_us));
    doc_set(d, o, "attempts", attempts(d, r));
    doc_set(d, o, "dane", json_null());
    doc_set(d, o, "mta_sts", json_null());
    return o;
}

void json_result(struct buffer *out, const struct result *r, int64_t now_us)
{
    struct doc d = {.share = render_share_whole};
    size_t from = out->len;

    doc_finish(&d, result(&d, r, now_us), out);
    doc_mark_ages(out, from, now_us);
}

static json_t *counts(struct doc *d, const struct render_set *of)
{
    static const enum status order[] = {STATUS_PASS, STATUS_WARN, STATUS_FAIL, STATUS_UNKNOWN};
    size_t count[STATUS_COUNT];
    json_t *o = json_object();

    render_set_count(of, count);
    for (size_t i = 0; i < STATUS_COUNT; i++)
        doc_set(d, o, status_name(order[i]), json_integer((json_int_t)count[order[i]]));
    return o;
}

void json_set(struct buffer *out, const struct render_set *of, int64_t now_us)
{
    struct doc d = {0};
    char summary[RENDER_SUMMARY_SIZE];
    size_t from = out->len;
    json_t *root = json_object();
    json_t *targets = json_object();

    render_set_summary(of, summary);
    for (size_t i = 0; i < of->count; i++) {
        d.share = render_share_set;
        doc_set(&d, targets, doc_utf8(&d, of->results[i]->target), result(&d, of->results[i], now_us));
    }
    doc_set(&d, root, "status", json_string(status_name(render_set_status(of))));
    doc_set(&d, root, "summary", json_string(summary));
    doc_set(&d, root, "counts", counts(&d, of));
    doc_set(&d, root, "targets", targets);
    doc_finish_without(&d, root, targets, out);
    doc_mark_ages(out, from, now_us);
}

static json_t *tags(struct doc *d, const struct snapshot_target *from)
{
    json_t *list = json_array();

    for (size_t i = 0; i < from->tag_count; i++)
        doc_append(d, list, doc_string(d, from->tags[i]));
    return list;
}

static json_t *drained(struct doc *d, const struct render_drain *from)
{
    if (!from)
        return json_null();
    json_t *o = json_object();
    doc_set(d, o, "since", doc_wall_time(from->since_wall_us));
    doc_set(d, o, "until",
            from->until_wall_us == CLOCK_NONE ? json_null() : doc_wall_time(from->until_wall_us));
    doc_set(d, o, "reason", doc_string(d, *from->reason ? from->reason : NULL));
    doc_set(d, o, "mode", doc_string(d, from->mode));
    return o;
}

static json_t *target(struct doc *d, const struct snapshot_target *from, const struct result *last,
                      const struct render_drain *drain, int64_t now_us)
{
    char host[RENDER_HOST_SIZE];
    json_t *o = json_object();

    render_target(&from->plan, host);
    doc_set(d, o, "name", doc_string(d, from->name));
    doc_set(d, o, "tags", tags(d, from));
    doc_set(d, o, "address", doc_string(d, host));
    doc_set(d, o, "status", last ? json_string(status_name(last->status)) : json_null());
    doc_set(d, o, AGE_KEY, last ? age(last, now_us) : json_null());
    doc_set(d, o, "id", last ? doc_string(d, last->id) : json_null());
    doc_set(d, o, "summary", last ? doc_string(d, last->summary) : json_null());
    doc_set(d, o, "drained", drained(d, drain));
    return o;
}

void json_targets(struct buffer *out, const struct snapshot *snapshot, const struct result *const *latest,
                  const struct render_drain *const *drains, int64_t now_us)
{
    struct doc d = {0};
    json_t *root = json_object();
    json_t *list = json_array();

    for (size_t i = 0; i < snapshot->target_count; i++)
        doc_append(&d, list, target(&d, &snapshot->targets[i], latest[i], drains[i], now_us));
    doc_set(&d, root, "targets", list);
    doc_finish(&d, root, out);
}

void json_target(struct buffer *out, const struct snapshot_target *from, const struct result *latest,
                 const struct render_drain *drain, int64_t now_us)
{
    struct doc d = {0};

    doc_finish(&d, target(&d, from, latest, drain, now_us), out);
}

void json_problem(struct buffer *out, const struct problem *problem)
{
    struct doc d = {0};
    json_t *root = json_object();

    doc_set(&d, root, "type", json_string("about:blank"));
    doc_set(&d, root, "title", doc_string(&d, problem->title));
    doc_set(&d, root, "status", json_integer(problem->status));
    doc_set(&d, root, "detail", doc_string(&d, problem->detail));
    if (problem->parameter)
        doc_set(&d, root, "parameter", doc_string(&d, problem->parameter));
    doc_finish(&d, root, out);
}

const char *json_version(void)
{
    return jansson_version_str();
}
