/* SPDX-License-Identifier: Apache-2.0 */
/* Compares a result with what a talk wants, and with the rules that hold for every result. */
#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "tests/talk/hiding.h"
#include "tests/talk/talk.h"
#include "tests/talk/talk_login.h"

#include <stdio.h>
#include <string.h>

#define MAX_COMPLAINTS (1024 * 1024)

static const char *or_none(const char *text)
{
    return text ? text : "none";
}

static const char *tri_name(enum tri t)
{
    static const char *const names[] = {[TRI_FALSE] = "false", [TRI_TRUE] = "true", [TRI_NULL] = "null"};
    return names[t];
}

static const char *honour_name(enum result_honour h)
{
    return h == RESULT_HONOUR_UNKNOWN ? "null" : h == RESULT_HONOURED ? "true" : "false";
}

static void differs(struct buffer *b, const char *what, const char *wanted, const char *got)
{
    if (strcmp(wanted, got) != 0)
        buffer_printf(b, "  %s: wanted %s, got %s\n", what, wanted, got);
}

static void check_failure(struct buffer *b, const struct talk *t, const struct result_failure *f)
{
    char enhanced[ENHANCED_TEXT_SIZE];
    bool failed = f->reason != REASON_NONE;

    differs(b, "phase", or_none(t->phase), failed ? phase_name(f->phase) : "none");
    differs(b, "reason", or_none(t->reason), reason_name(f->reason));
    if (t->code >= 0 && t->code != f->code)
        buffer_printf(b, "  code: wanted %d, got %d\n", t->code, f->code);
    enhanced_text(f->enhanced, enhanced);
    if (t->enhanced)
        differs(b, "enhanced", t->enhanced, *enhanced ? enhanced : "none");
    if (t->route)
        differs(b, "route", t->route, or_none(f->route));
    for (size_t i = 0; i < t->say_count; i++)
        if (!f->message || !strstr(f->message, t->says[i]))
            buffer_printf(b, "  the message lacks \"%s\": %s\n", t->says[i], or_none(f->message));
}

/* A flag that is told from exact times cannot be asked for where time only runs faster. */
static void check_flags(struct buffer *b, const struct talk *t, uint64_t flags, bool exact)
{
    for (enum flag f = 0; f < FLAG_COUNT; f++) {
        bool wanted = t->flags >> f & 1, got = flags >> f & 1;
        if (wanted != got && (exact || f != FLAG_FLOW_DELAY))
            buffer_printf(b, "  flag %s: %s\n", flag_name(f), got ? "not wanted" : "is missing");
    }
}

static void check_routes(struct buffer *b, const struct talk *t, const struct result *r)
{
    if (t->route_count && t->route_count != r->route_count)
        buffer_printf(b, "  routes: wanted %zu, got %zu\n", t->route_count, r->route_count);
    for (size_t i = 0; i < t->route_count && i < r->route_count; i++) {
        differs(b, "route", t->routes[i].name, r->routes[i].name);
        differs(b, "state", t->routes[i].value, or_none(route_state_name(r->routes[i].state)));
        differs(b, "ok", t->routes[i].ok, tri_name(r->routes[i].ok));
    }
}

static void check_recipients(struct buffer *b, const struct talk *t, const struct result *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->route_count && t->recipient_count; i++) {
        for (size_t k = 0; k < r->routes[i].recipient_count; k++, n++) {
            const struct result_recipient *got = &r->routes[i].recipients[k];
            char code[16];
            if (n >= t->recipient_count)
                continue;
            snprintf(code, sizeof(code), "%d", got->code);
            differs(b, "recipient", t->recipients[n].name, got->to);
            differs(b, got->to, t->recipients[n].value, got->code ? code : "none");
            differs(b, got->to, t->recipients[n].ok, tri_name(got->ok));
        }
    }
    if (n != t->recipient_count)
        buffer_printf(b, "  recipients: wanted %zu, got %zu\n", t->recipient_count, n);
}

static void check_messages(struct buffer *b, const struct talk *t, const struct result *r)
{
    if (t->message_count && t->message_count != r->route_count)
        buffer_printf(b, "  messages: wanted %zu, got %zu\n", t->message_count, r->route_count);
    for (size_t i = 0; i < t->message_count && i < r->route_count; i++) {
        const struct result_route *got = &r->routes[i];
        char code[16];
        snprintf(code, sizeof(code), "%d", got->final.code);
        differs(b, "message", t->messages[i].name, got->name);
        differs(b, "final code", t->messages[i].value, got->final.code ? code : "none");
        differs(b, "queue id", t->messages[i].ok, or_none(got->queue_id));
    }
}

static void check_offers(struct buffer *b, const struct talk *t, const struct result *r)
{
    if (!t->offers_known)
        return;
    if (t->offer_count != r->extension_count)
        buffer_printf(b, "  offers: wanted %zu, got %zu\n", t->offer_count, r->extension_count);
    for (size_t i = 0; i < t->offer_count && i < r->extension_count; i++) {
        differs(b, "offer", t->offers[i].keyword, r->extensions[i].keyword);
        differs(b, t->offers[i].keyword, t->offers[i].params, r->extensions[i].params);
    }
}

static bool has_line(const struct result *r, const char *line)
{
    for (size_t i = 0; i < r->command_count; i++)
        for (size_t k = 0; k < r->commands[i].reply.line_count; k++)
            if (strcmp(r->commands[i].reply.lines[k], line) == 0)
                return true;
    return false;
}

static void check_lines(struct buffer *b, const struct talk *t, const struct result *r)
{
    for (size_t i = 0; i < t->line_count; i++)
        if (!has_line(r, t->lines[i]))
            buffer_printf(b, "  no reply has the line \"%s\"\n", t->lines[i]);
}

static void check_times(struct buffer *b, const struct talk *t, const struct result *r)
{
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        if (t->timing_us[p] != CLOCK_NONE && t->timing_us[p] != r->timing_us[p])
            buffer_printf(b, "  %s: wanted %lld us, got %lld\n", phase_name(p), (long long)t->timing_us[p],
                          (long long)r->timing_us[p]);
}

/* what holds for every run */

static void check_clock(struct buffer *b, const struct result *r)
{
    int64_t last_us = 0;
    for (size_t i = 0; i < r->command_count; i++) {
        const int64_t times[] = {r->commands[i].at_us, r->commands[i].first_byte_us, r->commands[i].reply_us};
        for (size_t k = 0; k < 3; k++) {
            if (times[k] == CLOCK_NONE)
                continue;
            if (times[k] < last_us)
                buffer_printf(b, "  command %zu: time runs backwards\n", i);
            last_us = times[k];
        }
    }
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        if (r->timing_us[p] < 0 && r->timing_us[p] != CLOCK_NONE)
            buffer_printf(b, "  timing of %s is negative\n", phase_name(p));
    if (r->duration_us < 0)
        buffer_puts(b, "  the duration is negative\n");
}

static void check_commands(struct buffer *b, const struct result *r)
{
    size_t sent = 0;
    for (size_t i = 0; i < r->command_count; i++) {
        const struct result_command *c = &r->commands[i];
        sent += c->sent != NULL;
        if (c->sent && strpbrk(c->sent, "\r\n"))
            buffer_printf(b, "  command %zu holds a line end\n", i);
        if (c->replied != (c->reply.line_count > 0))
            buffer_printf(b, "  command %zu: replied is not what its lines say\n", i);
        if (c->replied && c->first_byte_us == CLOCK_NONE)
            buffer_printf(b, "  command %zu: a reply that never began\n", i);
        if (c->ok && c->reply_us == CLOCK_NONE)
            buffer_printf(b, "  command %zu: ok without a whole reply\n", i);
        if (c->octets_sent > c->octets || (c->octets && !result_is_message(c)))
            buffer_printf(b, "  command %zu: octets of a message that are none\n", i);
    }
    if (sent > PLAN_MAX_COMMANDS + PLAN_SESSION_COMMANDS + PLAN_AUTH_COMMANDS)
        buffer_printf(b, "  %zu commands were sent\n", sent);
}

static void check_sense(struct buffer *b, const struct result *r)
{
    bool failed = r->failure.reason != REASON_NONE;
    bool bad_route = false;

    for (size_t i = 0; i < r->route_count; i++)
        bad_route = bad_route || r->routes[i].ok == TRI_FALSE;
    if (failed && (!r->failure.message || !*r->failure.message))
        buffer_puts(b, "  a failure without its sentence\n");
    if (bad_route && !failed)
        buffer_puts(b, "  a route is not as wanted, but nothing failed\n");
    if (!r->summary || !*r->summary)
        buffer_puts(b, "  there is no summary\n");
    if (failed && r->failure.elapsed_us < 0)
        buffer_puts(b, "  the failure took less than no time\n");
    if (failed && (r->failure.limit_us != CLOCK_NONE) !=
                      (r->failure.reason == REASON_TIMEOUT || r->failure.reason == REASON_SEND_TIMEOUT ||
                       r->failure.reason == REASON_DEADLINE))
        buffer_puts(b, "  a limit is shown where none fired, or none where one did\n");
}

/* A message is named when DATA was said, begun when that got 354, and taken only when it was sent whole. */
static void check_letters(struct buffer *b, const struct result *r)
{
    size_t named = 0, begun = 0;

    for (size_t i = 0; i < r->route_count; i++) {
        const struct result_route *route = &r->routes[i];
        bool whole = route->sent_us != CLOCK_NONE;
        named += route->token != NULL;
        begun += route->octets_sent > 0;
        if (!route->token != !route->message_id || (route->octets && !route->token))
            buffer_printf(b, "  route %zu: a message without its names\n", i);
        if (whole && route->octets_sent != route->octets)
            buffer_printf(b, "  route %zu: sent, but not whole\n", i);
        if (!whole && (route->state == ROUTE_QUEUED || route->state == ROUTE_UNCERTAIN || route->queue_id))
            buffer_printf(b, "  route %zu: taken, but never sent\n", i);
        if (route->state == ROUTE_QUEUED && route->final.code / 100 != 2)
            buffer_printf(b, "  route %zu: queued without a reply that says so\n", i);
        if (route->state == ROUTE_UNCERTAIN && route->ok != TRI_FALSE)
            buffer_printf(b, "  route %zu: uncertain, and yet not bad\n", i);
    }
    for (size_t i = 0; i < r->command_count; i++) {
        const struct result_command *c = &r->commands[i];
        if (c->route < 0) /* a script's */
            continue;
        named -= c->phase == PHASE_DATA && c->sent && c->at_us != CLOCK_NONE;
        begun -= c->phase == PHASE_DATA && c->sent && c->reply.code == 354 && c->reply_us != CLOCK_NONE &&
                 r->routes[c->route].octets_sent > 0;
    }
    if (named || begun)
        buffer_puts(b, "  a message without DATA and 354, or DATA without a message\n");
}

/* Nothing is honoured that was not claimed, and what the server believed was claimed. */
static void check_claims(struct buffer *b, const struct result *r)
{
    const struct result_claimed *claimed = &r->claimed;

    if (!claimed->proxy && !claimed->xclient && (claimed->honoured == RESULT_HONOURED || claimed->as))
        buffer_puts(b, "  honoured, but nothing was claimed\n");
}

static void check_always(struct buffer *b, const struct result *r)
{
    check_claims(b, r);
    check_letters(b, r);
    check_clock(b, r);
    check_commands(b, r);
    check_sense(b, r);
}

char *talk_check_always(struct arena *a, const struct result *r)
{
    struct buffer b;
    buffer_init(&b, MAX_COMPLAINTS);
    check_always(&b, r);
    char *complaints = b.len ? arena_dup_span(a, buffer_span(&b)) : NULL;
    buffer_free(&b);
    return complaints;
}

char *talk_check(struct arena *a, const struct talk *t, const struct result *r, bool exact)
{
    struct buffer b;
    buffer_init(&b, MAX_COMPLAINTS);
    differs(&b, "status", t->status, status_name(r->status));
    check_failure(&b, t, &r->failure);
    check_flags(&b, t, r->flags, exact);
    differs(&b, "honoured", t->honoured ? t->honoured : "null", honour_name(r->claimed.honoured));
    differs(&b, "login", or_none(t->login), or_none(r->login));
    const char *seen = talk_login_check(a, t, r);
    buffer_puts(&b, seen ? seen : "");
    seen = hiding_check(a, t, r);
    buffer_puts(&b, seen ? seen : "");
    check_routes(&b, t, r);
    check_recipients(&b, t, r);
    check_messages(&b, t, r);
    check_offers(&b, t, r);
    check_lines(&b, t, r);
    if (exact)
        check_times(&b, t, r);
    check_always(&b, r);
    char *complaints = b.len ? arena_dup_span(a, buffer_span(&b)) : NULL;
    buffer_free(&b);
    return complaints;
}
