/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON views; the only file that knows jansson. Every key is always there: what is absent, or belongs to
 * something this result has not got, is null, an empty list or an empty object.
 *
 * jansson refuses text that is not UTF-8 and then leaves the key out. No such text should come here; should
 * one all the same, it is shown escaped. Whatever else jansson refuses (it has no memory) breaks the
 * document, and a broken document is never written.
 */
#include "server/render/render.h"

#include "probe/base/clock.h"
#include "probe/base/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Milliseconds with three decimals, below a thousand years: 15 digits hold each of them exactly. */
#define JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

struct doc {
    struct arena arena;        /* for texts that must be escaped after all */
    struct render_share share; /* of what the server said */
    bool broken;
};

/* The one way into an object: value may be null, as a failed json_...() gives it. */
static void set(struct doc *d, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        d->broken = true;
}

static void append(struct doc *d, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        d->broken = true;
}

static const char *utf8(struct doc *d, const char *text)
{
    return text_is_utf8(span_of(text)) ? text : text_escape(&d->arena, span_of(text));
}

static json_t *string(struct doc *d, const char *text)
{
    return text ? json_string(utf8(d, text)) : json_null();
}

/* What the server said, as much of it as is shown. */
static json_t *said(struct doc *d, const char *text)
{
    if (!text)
        return json_null();
    size_t part = render_take(&d->share, text);
    if (text[part] == '\0')
        return string(d, text);
    return string(d, arena_printf(&d->arena, "%.*s...", (int)part, text));
}

static json_t *tri(enum tri value)
{
    return value == TRI_NULL ? json_null() : json_boolean(value == TRI_TRUE);
}

static json_t *milliseconds(int64_t us)
{
    if (us == CLOCK_NONE)
        return json_null();
    return json_real(us < 0 ? 0.0 : (double)us / 1000.0);
}

static json_t *code(int reply_code)
{
    return reply_code ? json_integer(reply_code) : json_null();
}

static json_t *enhanced(struct enhanced value)
{
    char text[ENHANCED_TEXT_SIZE];

    if (value.class == 0)
        return json_null();
    enhanced_text(value, text);
    return json_string(text);
}

static json_t *wall_time(int64_t wall_us)
{
    char text[TEXT_TIME_SIZE];
    text_time(wall_us, text);
    return json_string(text);
}

static json_t *age(const struct result *r, int64_t now_us)
{
    return json_integer(render_age_us(r, now_us) / CLOCK_US_PER_MS);
}

static json_t *address(const struct address *a)
{
    char text[ADDRESS_TEXT_SIZE];

    address_text(a, text);
    return *text ? json_string(text) : json_null();
}

static json_t *port(uint16_t number)
{
    return number ? json_integer(number) : json_null();
}

static json_t *family(const struct address *a)
{
    switch (address_family(a)) {
    case AF_INET:
        return json_string(family_name(FAMILY_IPV4));
    case AF_INET6:
        return json_string(family_name(FAMILY_IPV6));
    case AF_UNIX:
        return json_string("unix");
    default:
        return json_null();
    }
}

static json_t *failure(struct doc *d, const struct result_failure *f, const char *last_ok_run)
{
    if (f->reason == REASON_NONE)
        return json_null();
    json_t *o = json_object();
    set(d, o, "phase", json_string(phase_name(f->phase)));
    set(d, o, "reason", json_string(reason_name(f->reason)));
    set(d, o, "route", string(d, f->route));
    set(d, o, "code", code(f->code));
    set(d, o, "enhanced", enhanced(f->enhanced));
    set(d, o, "message", string(d, f->message));
    set(d, o, "limit_ms", milliseconds(f->limit_us));
    set(d, o, "elapsed_ms", milliseconds(f->elapsed_us));
    set(d, o, "last_ok_run", string(d, last_ok_run));
    return o;
}

static json_t *flags(struct doc *d, uint64_t set_of)
{
    json_t *list = json_array();
    for (enum flag f = 0; f < FLAG_COUNT; f++)
        if (set_of >> f & 1)
            append(d, list, json_string(flag_name(f)));
    return list;
}

static json_t *peer(struct doc *d, const struct result *r)
{
    json_t *o = json_object();
    set(d, o, "host", string(d, r->host));
    set(d, o, "port", port(r->port));
    set(d, o, "address", address(&r->peer));
    set(d, o, "family", family(&r->peer));
    set(d, o, "name", said(d, r->peer_name));
    return o;
}

static json_t *local(struct doc *d, const struct result *r)
{
    if (address_family(&r->local) == AF_UNSPEC)
        return json_null();
    json_t *o = json_object();
    set(d, o, "address", address(&r->local));
    set(d, o, "port", port(address_port(&r->local)));
    return o;
}

static json_t *claimed(struct doc *d, const struct result_claimed *from)
{
    json_t *o = json_object();
    set(d, o, "proxy", string(d, from->proxy));
    set(d, o, "xclient", string(d, from->xclient));
    set(d, o, "honoured",
        from->honoured == RESULT_HONOUR_UNKNOWN ? json_null()
                                                : json_boolean(from->honoured == RESULT_HONOURED));
    return o;
}

static json_t *timing(struct doc *d, const int64_t us[PHASE_COUNT])
{
    json_t *o = json_object();
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        if (phase_is_timed(p))
            set(d, o, phase_name(p), milliseconds(us[p]));
    return o;
}

static json_t *when(int64_t wall_us)
{
    return wall_us == CLOCK_NONE ? json_null() : wall_time(wall_us);
}

static json_t *certificate(struct doc *d, const struct result_certificate *from)
{
    json_t *o = json_object();
    json_t *names = json_array();

    for (size_t i = 0; i < from->name_count; i++)
        append(d, names, said(d, from->names[i]));
    set(d, o, "subject", said(d, from->subject));
    set(d, o, "issuer", said(d, from->issuer));
    set(d, o, "names", names);
    set(d, o, "not_before", when(from->not_before_wall_us));
    set(d, o, "not_after", when(from->not_after_wall_us));
    set(d, o, "sha256", string(d, from->sha256));
    set(d, o, "key", string(d, from->key));
    return o;
}

static json_t *tls(struct doc *d, const struct result_tls *from)
{
    if (!from)
        return json_null();
    json_t *o = json_object();
    json_t *chain = json_array();
    for (size_t i = 0; i < from->chain_count; i++)
        append(d, chain, certificate(d, &from->chain[i]));
    set(d, o, "version", string(d, from->version));
    set(d, o, "cipher", string(d, from->cipher));
    set(d, o, "group", string(d, from->group));
    set(d, o, "alert", string(d, from->alert));
    set(d, o, "verified", tri(from->verified));
    set(d, o, "reason", from->reason == REASON_NONE ? json_null() : json_string(reason_name(from->reason)));
    set(d, o, "chain", chain);
    return o;
}

static json_t *extensions(struct doc *d, const struct result *r)
{
    json_t *o = json_object();
    struct render_share lines = d->share;
    for (size_t i = 0; i < r->extension_count; i++) {
        const char *keyword = r->extensions[i].keyword;
        if (keyword[render_take(&d->share, keyword)] == '\0') /* a part of a keyword would be another one */
            set(d, o, utf8(d, keyword), said(d, r->extensions[i].params));
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
        append(d, lines, said(d, from->lines[i]));
    if (count < from->line_count)
        append(d, lines, json_string("..."));
    set(d, o, "code", code(from->code));
    set(d, o, "enhanced", enhanced(from->enhanced));
    set(d, o, "lines", lines);
    set(d, o, "escaped", json_boolean(from->escaped));
    return o;
}

static json_t *command(struct doc *d, const struct result *r, const struct result_command *c)
{
    json_t *o = json_object();
    set(d, o, "phase", json_string(phase_name(c->phase)));
    set(d, o, "route", c->route < 0 ? json_null() : string(d, r->routes[c->route].name));
    set(d, o, "sent", string(d, c->sent));
    set(d, o, "at_ms", milliseconds(c->at_us));
    set(d, o, "first_byte_ms", milliseconds(c->first_byte_us));
    set(d, o, "reply_ms", milliseconds(c->reply_us));
    set(d, o, "reply", c->replied ? reply(d, &c->reply) : json_null());
    set(d, o, "expected", string(d, c->expected));
    set(d, o, "ok", json_boolean(c->ok));
    return o;
}

static json_t *commands(struct doc *d, const struct result *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->command_count; i++)
        append(d, list, command(d, r, &r->commands[i]));
    return list;
}

static json_t *expects(struct doc *d, unsigned set_of)
{
    json_t *list = json_array();
    for (unsigned e = EXPECT_ACCEPTED; e <= EXPECT_LAST; e <<= 1)
        if (set_of & e)
            append(d, list, json_string(expect_name((enum expect)e)));
    return list;
}

static json_t *recipients(struct doc *d, const struct result_route *route)
{
    json_t *list = json_array();
    for (size_t i = 0; i < route->recipient_count; i++) {
        const struct result_recipient *from = &route->recipients[i];
        json_t *o = json_object();
        set(d, o, "to", string(d, from->to));
        set(d, o, "code", code(from->code));
        set(d, o, "enhanced", enhanced(from->enhanced));
        set(d, o, "text", said(d, from->text));
        set(d, o, "ok", tri(from->ok));
        append(d, list, o);
    }
    return list;
}

static json_t * final(struct doc *d, const struct result_final *from)
{
    if (!from->code)
        return json_null();
    json_t *o = json_object();
    set(d, o, "code", code(from->code));
    set(d, o, "enhanced", enhanced(from->enhanced));
    set(d, o, "text", said(d, from->text));
    return o;
}

static json_t *delivery(struct doc *d, const struct delivery *from, int64_t now_us)
{
    if (from->state == ROUTE_NONE)
        return json_null();
    json_t *o = json_object();
    bool settled = from->settled_us != CLOCK_NONE;
    set(d, o, "state", json_string(route_state_name(from->state)));
    set(d, o, "mailbox", string(d, from->mailbox));
    set(d, o, "latency_ms", milliseconds(from->latency_us));
    set(d, o, "age_ms",
        settled ? json_integer(render_since_us(from->settled_us, now_us) / CLOCK_US_PER_MS) : json_null());
    set(d, o, "run", string(d, from->run));
    set(d, o, "hops", json_array());
    set(d, o, "authentication_results", json_array());
    set(d, o, "flags", flags(d, from->flags));
    return o;
}

static json_t *routes(struct doc *d, const struct result *r, int64_t now_us)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->route_count; i++) {
        const struct result_route *from = &r->routes[i];
        json_t *o = json_object();
        set(d, o, "name", string(d, from->name));
        set(d, o, "from", string(d, from->from));
        set(d, o, "expect", expects(d, from->expect));
        set(d, o, "state", string(d, route_state_name(from->state)));
        set(d, o, "ok", tri(from->ok));
        set(d, o, "message_id", string(d, from->message_id));
        set(d, o, "queue_id", string(d, from->queue_id));
        set(d, o, "recipients", recipients(d, from));
        set(d, o, "final", final(d, &from->final));
        set(d, o, "delivery", delivery(d, &from->delivery, now_us));
        append(d, list, o);
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
        set(d, o, "address", address(&from->address));
        set(d, o, "status", json_string(status_name(status)));
        set(d, o, "failure", failure(d, f, NULL));
        set(d, o, "timing_ms", attempt_timing(d, from));
        set(d, o, "id", string(d, from->id));
        set(d, o, "host", string(d, from->host ? from->host : r->host));
        append(d, list, o);
    }
    return list;
}

static json_t *result(struct doc *d, const struct result *r, int64_t now_us)
{
    json_t *o = json_object();
    set(d, o, "status", json_string(status_name(r->status)));
    set(d, o, "target", string(d, r->target));
    set(d, o, "id", string(d, r->id));
    set(d, o, "vantage", string(d, r->vantage));
    set(d, o, "summary", string(d, r->summary));
    set(d, o, "failure", failure(d, &r->failure, r->last_ok.run));
    set(d, o, "flags", flags(d, r->flags));
    set(d, o, "started_at", wall_time(r->started_wall_us));
    set(d, o, "duration_ms", milliseconds(r->duration_us));
    set(d, o, "age_ms", age(r, now_us));
    set(d, o, "peer", peer(d, r));
    set(d, o, "local", local(d, r));
    set(d, o, "claimed", claimed(d, &r->claimed));
    set(d, o, "timing_ms", timing(d, r->timing_us));
    set(d, o, "extensions", extensions(d, r));
    set(d, o, "tls", tls(d, r->tls));
    set(d, o, "commands", commands(d, r));
    set(d, o, "routes", routes(d, r, now_us));
    set(d, o, "attempts", attempts(d, r));
    set(d, o, "dane", json_null());
    set(d, o, "mta_sts", json_null());
    return o;
}

/* Ends the document: written whole, or not at all. Where it does not fit, it does without what is in spare
 * (an object in it; null = nothing can be spared). */
static void finish_without(struct doc *d, json_t *root, json_t *spare, struct buffer *out)
{
    char *bytes = d->broken ? NULL : json_dumps(root, JSON_FLAGS);

    if (bytes && spare && strlen(bytes) > out->limit - out->len) {
        free(bytes);
        json_object_clear(spare);
        bytes = json_dumps(root, JSON_FLAGS);
    }
    if (bytes)
        buffer_puts(out, bytes);
    else
        out->full = true;
    free(bytes);
    json_decref(root);
    arena_free(&d->arena);
}

static void finish(struct doc *d, json_t *root, struct buffer *out)
{
    finish_without(d, root, NULL, out);
}

void json_result(struct buffer *out, const struct result *r, int64_t now_us)
{
    struct doc d = {.share = render_share_whole};
    finish(&d, result(&d, r, now_us), out);
}

static json_t *counts(struct doc *d, const struct render_set *of)
{
    static const enum status order[] = {STATUS_PASS, STATUS_WARN, STATUS_FAIL, STATUS_UNKNOWN};
    size_t count[STATUS_COUNT];
    json_t *o = json_object();

    render_set_count(of, count);
    for (size_t i = 0; i < STATUS_COUNT; i++)
        set(d, o, status_name(order[i]), json_integer((json_int_t)count[order[i]]));
    return o;
}

void json_set(struct buffer *out, const struct render_set *of, int64_t now_us)
{
    struct doc d = {0};
    char summary[RENDER_SUMMARY_SIZE];
    json_t *root = json_object();
    json_t *targets = json_object();

    render_set_summary(of, summary);
    for (size_t i = 0; i < of->count; i++) {
        d.share = render_share_set;
        set(&d, targets, utf8(&d, of->results[i]->target), result(&d, of->results[i], now_us));
    }
    set(&d, root, "status", json_string(status_name(render_set_status(of))));
    set(&d, root, "summary", json_string(summary));
    set(&d, root, "counts", counts(&d, of));
    set(&d, root, "targets", targets);
    finish_without(&d, root, targets, out);
}

static json_t *tags(struct doc *d, const struct snapshot_target *from)
{
    json_t *list = json_array();

    for (size_t i = 0; i < from->tag_count; i++)
        append(d, list, string(d, from->tags[i]));
    return list;
}

static json_t *target(struct doc *d, const struct snapshot_target *from, const struct result *last,
                      int64_t now_us)
{
    char host[RENDER_HOST_SIZE];
    json_t *o = json_object();

    render_target(&from->plan, host);
    set(d, o, "name", string(d, from->name));
    set(d, o, "tags", tags(d, from));
    set(d, o, "address", string(d, host));
    set(d, o, "status", last ? json_string(status_name(last->status)) : json_null());
    set(d, o, "age_ms", last ? age(last, now_us) : json_null());
    set(d, o, "id", last ? string(d, last->id) : json_null());
    set(d, o, "summary", last ? string(d, last->summary) : json_null());
    return o;
}

void json_targets(struct buffer *out, const struct snapshot *snapshot, const struct result *const *latest,
                  int64_t now_us)
{
    struct doc d = {0};
    json_t *root = json_object();
    json_t *list = json_array();

    for (size_t i = 0; i < snapshot->target_count; i++)
        append(&d, list, target(&d, &snapshot->targets[i], latest[i], now_us));
    set(&d, root, "targets", list);
    finish(&d, root, out);
}

void json_problem(struct buffer *out, const struct problem *problem)
{
    struct doc d = {0};
    json_t *root = json_object();

    set(&d, root, "type", json_string("about:blank"));
    set(&d, root, "title", string(&d, problem->title));
    set(&d, root, "status", json_integer(problem->status));
    set(&d, root, "detail", string(&d, problem->detail));
    if (problem->parameter)
        set(&d, root, "parameter", string(&d, problem->parameter));
    finish(&d, root, out);
}

const char *json_version(void)
{
    return jansson_version_str();
}
