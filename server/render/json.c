/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON views. Every key is always there: what is absent, or belongs to something this result has not got,
 * is null, an empty list or an empty object. How a document is written is pen.c's.
 */
#include "server/render/json_delivery.h"

#include "probe/base/clock.h"

static void age(struct pen *p, const char *key, const struct result *r, int64_t now_us)
{
    pen_age(p, key, r->ended_mono_us, now_us);
}

static void failure(struct pen *p, const char *key, const struct result_failure *f, const char *last_ok_run)
{
    if (f->reason == REASON_NONE) {
        pen_null(p, key);
        return;
    }
    pen_object(p, key);
    pen_string(p, "phase", phase_name(f->phase));
    pen_string(p, "reason", reason_name(f->reason));
    pen_string(p, "route", f->route);
    pen_code(p, "code", f->code);
    pen_enhanced(p, "enhanced", f->enhanced);
    pen_string(p, "message", f->message);
    pen_milliseconds(p, "limit_ms", f->limit_us);
    pen_milliseconds(p, "elapsed_ms", f->elapsed_us);
    pen_string(p, "last_ok_run", last_ok_run);
    pen_end(p);
}

static void peer(struct pen *p, const char *key, const struct result *r)
{
    pen_object(p, key);
    pen_string(p, "host", r->host);
    pen_port(p, "port", r->port);
    pen_address(p, "address", &r->peer);
    pen_family(p, "family", &r->peer);
    pen_said(p, "name", r->peer_name);
    pen_end(p);
}

static void local(struct pen *p, const char *key, const struct result *r)
{
    if (address_family(&r->local) == AF_UNSPEC) {
        pen_null(p, key);
        return;
    }
    pen_object(p, key);
    pen_address(p, "address", &r->local);
    pen_port(p, "port", address_port(&r->local));
    pen_end(p);
}

static void claimed(struct pen *p, const char *key, const struct result_claimed *from)
{
    pen_object(p, key);
    pen_string(p, "proxy", from->proxy);
    pen_string(p, "xclient", from->xclient);
    if (from->honoured == RESULT_HONOUR_UNKNOWN)
        pen_null(p, "honoured");
    else
        pen_bool(p, "honoured", from->honoured == RESULT_HONOURED);
    pen_end(p);
}

static void timing(struct pen *p, const char *key, const int64_t us[PHASE_COUNT])
{
    pen_object(p, key);
    for (enum phase of = 0; of < PHASE_COUNT; of++)
        if (phase_is_timed(of))
            pen_milliseconds(p, phase_name(of), us[of]);
    pen_end(p);
}

static void certificate(struct pen *p, const char *key, const struct result_certificate *from)
{
    pen_object(p, key);
    pen_said(p, "subject", from->subject);
    pen_said(p, "issuer", from->issuer);
    pen_list(p, "names");
    for (size_t i = 0; i < from->name_count; i++)
        pen_said(p, NULL, from->names[i]);
    pen_end(p);
    pen_when(p, "not_before", from->not_before_wall_us);
    pen_when(p, "not_after", from->not_after_wall_us);
    pen_string(p, "sha256", from->sha256);
    pen_string(p, "key", from->key);
    pen_end(p);
}

static void tls(struct pen *p, const char *key, const struct result_tls *from)
{
    if (!from) {
        pen_null(p, key);
        return;
    }
    pen_object(p, key);
    pen_string(p, "version", from->version);
    pen_string(p, "cipher", from->cipher);
    pen_string(p, "group", from->group);
    pen_string(p, "alert", from->alert);
    pen_tri(p, "verified", from->verified);
    pen_string(p, "reason", from->reason == REASON_NONE ? NULL : reason_name(from->reason));
    pen_list(p, "chain");
    for (size_t i = 0; i < from->chain_count; i++)
        certificate(p, NULL, &from->chain[i]);
    pen_end(p);
    pen_end(p);
}

static void extensions(struct pen *p, const char *key, const struct result *r)
{
    pen_object(p, key);
    struct render_share lines = p->share;
    for (size_t i = 0; i < r->extension_count; i++) {
        const char *keyword = r->extensions[i].keyword;
        if (keyword[render_take(&p->share, keyword)] == '\0') /* a part of a keyword would be another one */
            pen_said(p, pen_key(p, keyword), r->extensions[i].params);
    }
    p->share = lines;
    pen_end(p);
}

static void reply(struct pen *p, const char *key, const struct result_reply *from)
{
    size_t count = render_lines(&p->share, from);

    pen_object(p, key);
    pen_code(p, "code", from->code);
    pen_enhanced(p, "enhanced", from->enhanced);
    pen_list(p, "lines");
    for (size_t i = 0; i < count; i++)
        pen_said(p, NULL, from->lines[i]);
    if (count < from->line_count)
        pen_string(p, NULL, "...");
    pen_end(p);
    pen_bool(p, "escaped", from->escaped);
    pen_end(p);
}

static void command(struct pen *p, const char *key, const struct result *r, const struct result_command *c)
{
    pen_object(p, key);
    pen_string(p, "phase", phase_name(c->phase));
    pen_string(p, "route", c->route < 0 ? NULL : r->routes[c->route].name);
    pen_string(p, "sent", c->sent);
    pen_milliseconds(p, "at_ms", c->at_us);
    pen_milliseconds(p, "first_byte_ms", c->first_byte_us);
    pen_milliseconds(p, "reply_ms", c->reply_us);
    if (c->replied)
        reply(p, "reply", &c->reply);
    else
        pen_null(p, "reply");
    pen_string(p, "expected", c->expected);
    pen_bool(p, "ok", c->ok);
    pen_end(p);
}

static void commands(struct pen *p, const char *key, const struct result *r)
{
    pen_list(p, key);
    for (size_t i = 0; i < r->command_count; i++)
        command(p, NULL, r, &r->commands[i]);
    pen_end(p);
}

static void expects(struct pen *p, const char *key, unsigned set_of)
{
    pen_list(p, key);
    for (unsigned e = EXPECT_ACCEPTED; e <= EXPECT_LAST; e <<= 1)
        if (set_of & e)
            pen_string(p, NULL, expect_name((enum expect)e));
    pen_end(p);
}

static void recipients(struct pen *p, const char *key, const struct result_route *route)
{
    pen_list(p, key);
    for (size_t i = 0; i < route->recipient_count; i++) {
        const struct result_recipient *from = &route->recipients[i];
        pen_object(p, NULL);
        pen_string(p, "to", from->to);
        pen_code(p, "code", from->code);
        pen_enhanced(p, "enhanced", from->enhanced);
        pen_said(p, "text", from->text);
        pen_tri(p, "ok", from->ok);
        pen_end(p);
    }
    pen_end(p);
}

static void final(struct pen *p, const char *key, const struct result_final *from)
{
    if (!from->code) {
        pen_null(p, key);
        return;
    }
    pen_object(p, key);
    pen_code(p, "code", from->code);
    pen_enhanced(p, "enhanced", from->enhanced);
    pen_said(p, "text", from->text);
    pen_end(p);
}

static void routes(struct pen *p, const char *key, const struct result *r, int64_t now_us)
{
    pen_list(p, key);
    for (size_t i = 0; i < r->route_count; i++) {
        const struct result_route *from = &r->routes[i];
        pen_object(p, NULL);
        pen_string(p, "name", from->name);
        pen_string(p, "from", from->from);
        expects(p, "expect", from->expect);
        pen_string(p, "state", route_state_name(from->state));
        pen_tri(p, "ok", from->ok);
        pen_string(p, "message_id", from->message_id);
        pen_string(p, "queue_id", from->queue_id);
        recipients(p, "recipients", from);
        final(p, "final", &from->final);
        json_delivery(p, "delivery", &from->delivery, now_us);
        pen_end(p);
    }
    pen_end(p);
}

/* An attempt that went on to a dialogue has its times in the result itself. */
static void attempt_timing(struct pen *p, const char *key, const struct result_attempt *a)
{
    int64_t us[PHASE_COUNT];

    for (enum phase of = 0; of < PHASE_COUNT; of++)
        us[of] = of == PHASE_CONNECT ? a->connect_us : CLOCK_NONE;
    timing(p, key, a->host ? a->timing_us : us);
}

static void attempts(struct pen *p, const char *key, const struct result *r)
{
    pen_list(p, key);
    for (size_t i = 0; i < r->attempt_count; i++) {
        const struct result_attempt *from = &r->attempts[i];
        const struct result_failure *f = &from->failure;
        enum status status = from->host ? from->status : verdict_status(f->phase, f->reason, 0);
        pen_object(p, NULL);
        pen_address(p, "address", &from->address);
        pen_string(p, "status", status_name(status));
        failure(p, "failure", f, NULL);
        attempt_timing(p, "timing_ms", from);
        pen_string(p, "id", from->id);
        pen_string(p, "host", from->host ? from->host : r->host);
        pen_end(p);
    }
    pen_end(p);
}

static void result(struct pen *p, const char *key, const struct result *r, int64_t now_us)
{
    pen_object(p, key);
    pen_string(p, "status", status_name(r->status));
    pen_string(p, "target", r->target);
    pen_string(p, "id", r->id);
    pen_string(p, "vantage", r->vantage);
    pen_string(p, "summary", r->summary);
    failure(p, "failure", &r->failure, r->last_ok.run);
    pen_flags(p, "flags", r->flags);
    pen_wall_time(p, "started_at", r->started_wall_us);
    pen_milliseconds(p, "duration_ms", r->duration_us);
    age(p, "age_ms", r, now_us);
    peer(p, "peer", r);
    local(p, "local", r);
    claimed(p, "claimed", &r->claimed);
    timing(p, "timing_ms", r->timing_us);
    extensions(p, "extensions", r);
    tls(p, "tls", r->tls);
    commands(p, "commands", r);
    routes(p, "routes", r, now_us);
    attempts(p, "attempts", r);
    pen_null(p, "dane");
    pen_null(p, "mta_sts");
    pen_end(p);
}

void json_result(struct buffer *out, const struct result *r, int64_t now_us)
{
    struct pen p;

    pen_init(&p, out, &render_share_whole);
    result(&p, NULL, r, now_us);
    pen_finish(&p);
}

static void counts(struct pen *p, const char *key, const struct render_set *of)
{
    static const enum status order[] = {STATUS_PASS, STATUS_WARN, STATUS_FAIL, STATUS_UNKNOWN};
    size_t count[STATUS_COUNT];

    render_set_count(of, count);
    pen_object(p, key);
    for (size_t i = 0; i < STATUS_COUNT; i++)
        pen_integer(p, status_name(order[i]), (int64_t)count[order[i]]);
    pen_end(p);
}

/* One that is too long keeps its verdict, and does without the results. */
void json_set(struct buffer *out, const struct render_set *of, int64_t now_us)
{
    struct pen p;
    char summary[RENDER_SUMMARY_SIZE];

    render_set_summary(of, summary);
    pen_init(&p, out, &render_share_set);
    pen_object(&p, NULL);
    pen_string(&p, "status", status_name(render_set_status(of)));
    pen_string(&p, "summary", summary);
    counts(&p, "counts", of);
    pen_object(&p, "targets");
    struct pen_place empty = pen_place(&p);
    bool fits = !out->full;
    for (size_t i = 0; i < of->count && !out->full; i++) {
        p.share = render_share_set;
        result(&p, pen_key(&p, of->results[i]->target), of->results[i], now_us);
    }
    if (fits && (out->full || out->limit - out->len < 2)) /* no room for what ends it */
        pen_return(&p, &empty);
    pen_end(&p);
    pen_end(&p);
    pen_finish(&p);
}

static void tags(struct pen *p, const char *key, const struct snapshot_target *from)
{
    pen_list(p, key);
    for (size_t i = 0; i < from->tag_count; i++)
        pen_string(p, NULL, from->tags[i]);
    pen_end(p);
}

static void drained(struct pen *p, const char *key, const struct render_drain *from)
{
    if (!from) {
        pen_null(p, key);
        return;
    }
    pen_object(p, key);
    pen_wall_time(p, "since", from->since_wall_us);
    pen_when(p, "until", from->until_wall_us);
    pen_string(p, "reason", *from->reason ? from->reason : NULL);
    pen_string(p, "mode", from->mode);
    pen_end(p);
}

static void target(struct pen *p, const char *key, const struct snapshot_target *from,
                   const struct result *last, const struct render_drain *drain, int64_t now_us)
{
    char host[RENDER_HOST_SIZE];

    render_target(&from->plan, host);
    pen_object(p, key);
    pen_string(p, "name", from->name);
    tags(p, "tags", from);
    pen_string(p, "address", host);
    pen_string(p, "status", last ? status_name(last->status) : NULL);
    if (last)
        age(p, "age_ms", last, now_us);
    else
        pen_null(p, "age_ms");
    pen_string(p, "id", last ? last->id : NULL);
    pen_string(p, "summary", last ? last->summary : NULL);
    drained(p, "drained", drain);
    pen_end(p);
}

void json_targets(struct buffer *out, const struct snapshot *snapshot, const struct result *const *latest,
                  const struct render_drain *const *drains, int64_t now_us)
{
    struct pen p;

    pen_init(&p, out, &render_share_whole);
    pen_object(&p, NULL);
    pen_list(&p, "targets");
    for (size_t i = 0; i < snapshot->target_count; i++)
        target(&p, NULL, &snapshot->targets[i], latest[i], drains[i], now_us);
    pen_end(&p);
    pen_end(&p);
    pen_finish(&p);
}

void json_target(struct buffer *out, const struct snapshot_target *from, const struct result *latest,
                 const struct render_drain *drain, int64_t now_us)
{
    struct pen p;

    pen_init(&p, out, &render_share_whole);
    target(&p, NULL, from, latest, drain, now_us);
    pen_finish(&p);
}

void json_problem(struct buffer *out, const struct problem *problem)
{
    struct pen p;

    pen_init(&p, out, &render_share_whole);
    pen_object(&p, NULL);
    pen_string(&p, "type", "about:blank");
    pen_string(&p, "title", problem->title);
    pen_integer(&p, "status", problem->status);
    pen_string(&p, "detail", problem->detail);
    if (problem->parameter)
        pen_string(&p, "parameter", problem->parameter);
    pen_end(&p);
    pen_finish(&p);
}
