/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The view for people: head, transcript, routes and flags, and last the verdict, which stands on its own so
 * that it can be cut out and passed on. It says only what the result shows: a line for which there is no
 * evidence is left out. The transcript itself is transcript.c's, what is said of messages text_message.c's.
 */
#include "probe/base/text.h"
#include "probe/base/clock.h"
#include "server/render/age.h"
#include "server/render/render.h"
#include "server/render/text_claimed.h"
#include "server/render/text_colour.h"
#include "server/render/text_delivery.h"
#include "server/render/text_message.h"
#include "server/render/text_tls.h"
#include "server/render/transcript.h"

#include <string.h>

#define QUOTE_MOST   120 /* bytes of a reply line in the verdict */
#define SUMMARY_ROOM 512 /* bytes kept for what a set that is too long says instead */

static void head(struct buffer *out, const struct result *r, int64_t now_us)
{
    char host[RENDER_HOST_SIZE];
    char started[TEXT_TIME_SIZE];
    char duration[RENDER_NUMBER_SIZE];
    char age[RENDER_NUMBER_SIZE];

    render_host(r->host, r->port, host);
    text_time(r->started_wall_us, started);
    render_ms(r->duration_us, duration);
    age_seconds(r->ended_mono_us, now_us, age);
    buffer_printf(out, "%s  %s, seen from %s\n", r->target, host, r->vantage);
    buffer_printf(out, "run %s at %s: verdict in %s ms, ended %s s ago\n\n", r->id, started, duration, age);
}

static void recipient(struct buffer *out, const struct result_route *route, const struct result_recipient *to,
                      struct render_share *share)
{
    bool unanswered = !to->code && route->message_id && route->sent_us != CLOCK_NONE;
    bool wrong = to->ok == TRI_FALSE && (to->code || unanswered);

    if (wrong)
        text_colour_wrong(out);
    buffer_printf(out, "  <%s> -> <%s>", route->from, to->to);
    if (to->code) {
        buffer_puts(out, ": ");
        text_message_reply(out, to->code, to->enhanced, to->text, share);
    }
    if (unanswered)
        buffer_puts(out, ": no reply to the message");
    buffer_printf(out, "%s\n", wrong ? "  (not as wanted)" : "");
}

static void routes(struct buffer *out, const struct result *r, int64_t now_us, struct render_share *share)
{
    for (size_t i = 0; i < r->route_count; i++) {
        const struct result_route *route = &r->routes[i];
        if (route->ok == TRI_FALSE)
            text_colour_wrong(out);
        buffer_printf(out, "route %s: %s", route->name, route_state_name(route->state));
        if (route->ok == TRI_TRUE) {
            buffer_puts(out, ", as wanted");
        } else {
            buffer_puts(out, ", wanted ");
            transcript_expect(out, route->expect);
        }
        buffer_puts(out, "\n");
        for (size_t j = 0; j < route->recipient_count; j++)
            recipient(out, route, &route->recipients[j], share);
        text_message_route(out, r, route, now_us, share);
    }
}

static void flags(struct buffer *out, const struct result *r)
{
    const char *before = "flags: ";
    for (enum flag f = 0; f < FLAG_COUNT; f++) {
        if (!(r->flags >> f & 1))
            continue;
        buffer_printf(out, "%s%s%s", before, flag_name(f), flag_warns(f) ? " (warns)" : "");
        before = ", ";
    }
    if (r->flags)
        buffer_puts(out, "\n");
}

/* route out; 192.0.2.7:51514 -> 192.0.2.12:587, no TLS */
static void endpoints(struct buffer *out, const struct result *r)
{
    char host[RENDER_HOST_SIZE];
    char peer[RENDER_HOST_SIZE];
    char ends[RENDER_ENDS_SIZE];

    buffer_puts(out, "  ");
    if (r->failure.reason != REASON_NONE && r->failure.route)
        buffer_printf(out, "route %s; ", r->failure.route);
    render_host(r->host, r->port, host);
    render_address(&r->peer, peer);
    render_ends(r, ends);
    if (address_family(&r->local) != AF_UNSPEC) {
        buffer_printf(out, "%s, ", ends);
        text_tls_short(out, r->tls);
    } else if (address_family(&r->peer) == AF_UNSPEC) {
        buffer_printf(out, "%s; nothing was dialled", host);
    } else if (strcmp(host, peer) == 0) {
        buffer_printf(out, "%s; never connected", peer);
    } else {
        buffer_printf(out, "%s at %s; never connected", host, peer);
    }
}

/* What each phase had taken before that command, behind the label; nothing when nothing was before it. */
static bool timings(struct buffer *out, const struct result *r, size_t command, const char *label)
{
    int64_t us[PHASE_COUNT];
    char ms[RENDER_NUMBER_SIZE];
    bool any = false;

    for (enum phase p = 0; p < PHASE_COUNT; p++)
        us[p] = p < PHASE_BANNER && (r->failure.reason == REASON_NONE || p < r->failure.phase)
                    ? r->timing_us[p]
                    : CLOCK_NONE;
    for (size_t i = 1; i <= command && i < r->command_count; i++) {
        const struct result_command *c = &r->commands[i], *before = &r->commands[i - 1];
        if (result_is_message(c) && c->at_us != CLOCK_NONE && before->reply_us != CLOCK_NONE)
            us[PHASE_MESSAGE] =
                (us[PHASE_MESSAGE] == CLOCK_NONE ? 0 : us[PHASE_MESSAGE]) + (c->at_us - before->reply_us);
    }
    for (size_t i = 0; i < command; i++) {
        const struct result_command *c = &r->commands[i];
        if (c->at_us != CLOCK_NONE && c->reply_us != CLOCK_NONE)
            us[c->phase] = (us[c->phase] == CLOCK_NONE ? 0 : us[c->phase]) + (c->reply_us - c->at_us);
    }
    for (enum phase p = 0; p < PHASE_COUNT; p++) {
        if (!phase_is_timed(p) || us[p] == CLOCK_NONE)
            continue;
        render_ms_tenth(us[p], ms);
        buffer_printf(out, "%s%s %s", any ? "  " : label, phase_name(p), ms);
        any = true;
    }
    return any;
}

static void logged_in(struct buffer *out, const struct result *r)
{
    if (r->login)
        buffer_printf(out, ", logged in as %s", r->login);
}

/* What became of AUTH where nobody is known to be logged in: a script has said it by itself, or it failed. */
static const char *fate_of_auth(const struct result *r)
{
    for (size_t i = 0; i < r->command_count; i++)
        if (r->commands[i].phase == PHASE_AUTH && r->commands[i].reply.code == 235)
            return ", AUTH was accepted";
    return r->timing_us[PHASE_AUTH] == CLOCK_NONE ? ", no AUTH" : ", AUTH was refused";
}

/* MAIL FROM:<a@example.net> RCPT TO:<b@example.com>, no AUTH; no message was sent. Whether it is there. */
static bool envelope(struct buffer *out, const struct result *r, size_t culprit)
{
    if (r->failure.reason < REASON_DEFERRED || culprit == r->command_count)
        return false;
    const struct result_command *c = &r->commands[culprit];
    if (c->phase != PHASE_MAIL && c->phase != PHASE_RCPT)
        return false;
    buffer_puts(out, "  ");
    for (size_t i = culprit; i > 0 && c->phase == PHASE_RCPT; i--) {
        const struct result_command *mail = &r->commands[i - 1];
        if (mail->phase == PHASE_MAIL && mail->route == c->route) {
            buffer_printf(out, "%s ", mail->sent);
            break;
        }
    }
    buffer_puts(out, c->sent);
    text_claimed_as(out, "", &r->claimed);
    logged_in(out, r);
    if (!r->login)
        buffer_puts(out, fate_of_auth(r));
    if (r->timing_us[PHASE_DATA] == CLOCK_NONE)
        buffer_puts(out, "; no message was sent");
    buffer_puts(out, "\n");
    return true;
}

/* How the connection stood when the run failed; null when that is not what it failed of. */
static const char *connection_then(enum reason reason)
{
    switch (reason) {
    case REASON_TIMEOUT:
    case REASON_DEADLINE:
    case REASON_SEND_TIMEOUT:
        return "the connection is still open";
    case REASON_CLOSED:
        return "then the server closed the connection";
    case REASON_RESET:
        return "then the server reset the connection";
    default:
        return NULL;
    }
}

/* The last line of the command's reply, cut short where it is long: all of it stands in the transcript. */
static void quote(struct buffer *out, const struct result *r, size_t command)
{
    struct buffer line;
    size_t lines = r->commands[command].reply.line_count;

    buffer_init(&line, RENDER_MAX_RESULT);
    if (lines)
        transcript_reply_line(&line, r, command, lines - 1);
    size_t len = line.len;
    bool cut = len > QUOTE_MOST;
    if (cut)
        for (len = QUOTE_MOST; len > 0 && ((unsigned char)line.data[len] & 0xc0) == 0x80;)
            len--;
    buffer_printf(out, "\"%.*s%s\"", (int)len, len ? line.data : "", cut ? "..." : "");
    buffer_free(&line);
}

/* last received: "250 2.1.0 Ok" at 14.2 ms; nothing since; the connection is still open */
static void last_received(struct buffer *out, const struct result *r, size_t culprit)
{
    const char *connection = connection_then(r->failure.reason);
    size_t i = culprit < r->command_count ? culprit + 1 : r->command_count;
    char ms[RENDER_NUMBER_SIZE];

    if (!connection || address_family(&r->local) == AF_UNSPEC)
        return;
    while (i > 0 && !r->commands[i - 1].replied)
        i--;
    if (i == 0) {
        buffer_printf(out, "  nothing was ever received; %s\n", connection);
        return;
    }
    const struct result_command *c = &r->commands[i - 1];
    bool whole = c->reply_us != CLOCK_NONE;
    render_ms_tenth(whole ? c->reply_us : c->first_byte_us, ms);
    buffer_puts(out, whole ? "  last received: " : "  last received: part of a reply, ");
    quote(out, r, i - 1);
    buffer_printf(out, whole ? " at %s ms; nothing since; %s\n" : ", begun at %s ms; %s\n", ms, connection);
}

/* last time it worked: 2026-11-23T02:24:04Z, 250 in 1.1 ms, run 01JD9J */
static void last_ok(struct buffer *out, const struct result *r)
{
    char started[TEXT_TIME_SIZE];
    char ms[RENDER_NUMBER_SIZE];

    if (!r->last_ok.run)
        return;
    text_time(r->last_ok.started_wall_us, started);
    buffer_printf(out, "  last time it worked: %.*sZ, ", (int)strcspn(started, "."), started);
    if (r->last_ok.elapsed_us >= 0) {
        render_ms_tenth(r->last_ok.elapsed_us, ms);
        if (r->last_ok.code)
            buffer_printf(out, "%d in %s ms, ", r->last_ok.code, ms);
        else
            buffer_printf(out, "%s in %s ms, ", phase_name(r->failure.phase), ms);
    }
    buffer_printf(out, "run %s\n", r->last_ok.run);
}

/* mx2.example.org [192.0.2.2] */
static void place(struct buffer *out, const char *host, const struct address *a)
{
    char address[ADDRESS_TEXT_SIZE];

    address_text(a, address);
    buffer_puts(out, host);
    if (address_family(a) != AF_UNSPEC && strcmp(address, host) != 0)
        buffer_printf(out, " [%s]", address);
}

/*   FAIL  mx2.example.org [192.0.2.2]: rcpt/rejected: wanted 2xx, got "550 5.1.1 No" (run 01JD9J) */
static void part(struct buffer *out, const struct result_attempt *a)
{
    buffer_puts(out, "  ");
    text_colour_word(out, a->status);
    buffer_puts(out, "  ");
    place(out, a->host, &a->address);
    buffer_printf(out, ": %s", a->summary);
    if (a->id)
        buffer_printf(out, " (run %s)", a->id);
    buffer_puts(out, "\n");
}

/* Of several runs, each. What stands above was one of them. */
static void parts(struct buffer *out, const struct result *r)
{
    if (!r->attempt_count || !r->attempts[0].host)
        return;
    buffer_puts(out, "all runs (the above is that of ");
    place(out, r->host, &r->peer);
    buffer_puts(out, "):\n");
    for (size_t i = 0; i < r->attempt_count; i++)
        part(out, &r->attempts[i]);
    buffer_puts(out, "\n");
}

/* How much of the failure's message stands on the first line: why a mailbox could not be looked into has one
 * of its own. */
static size_t message_len(const struct result *r)
{
    size_t len = strlen(r->failure.message);
    const char *why = text_delivery_why(r);
    size_t behind = why ? strlen(": ") + strlen(why) : 0;

    return behind < len && why && strcmp(r->failure.message + len - strlen(why), why) == 0 ? len - behind
                                                                                           : len;
}

/* FAIL mx1  rcpt/timeout: no reply to RCPT TO:<void@example.org> in 5.000 s (timeouts.reply) */
static void verdict(struct buffer *out, const struct result *r)
{
    text_colour_word(out, r->status);
    buffer_printf(out, " %s  ", r->target);
    if (r->failure.reason == REASON_NONE)
        buffer_printf(out, "%s\n", r->summary);
    else
        buffer_printf(out, "%s/%s: %.*s\n", phase_name(r->failure.phase), reason_name(r->failure.reason),
                      (int)message_len(r), r->failure.message);
}

static void worked(struct buffer *out, const struct result *r)
{
    char ms[RENDER_NUMBER_SIZE];

    text_message_pending(out, r);
    endpoints(out, r);
    logged_in(out, r);
    text_claimed_as(out, ";", &r->claimed);
    render_ms_tenth(r->duration_us, ms);
    buffer_printf(out, "; %s ms to the verdict\n", ms);
    if (timings(out, r, r->command_count, "  times: "))
        buffer_puts(out, " ms\n");
}

static void failed(struct buffer *out, const struct result *r)
{
    size_t culprit = render_culprit(r);

    bool has_envelope = envelope(out, r, culprit);
    text_message_failed(out, r);
    endpoints(out, r);
    if (!has_envelope)
        logged_in(out, r);
    buffer_puts(out, "\n");
    if (timings(out, r, culprit, "  before it: "))
        buffer_puts(out, " ms\n");
    last_received(out, r, culprit);
    last_ok(out, r);
    if (r->status == STATUS_UNKNOWN) {
        const char *why = text_delivery_why(r);
        buffer_printf(out, "  %s%sThis is no evidence against the mail server.\n", why ? why : "",
                      why ? ". " : "");
    }
}

static void behind(struct buffer *out, const struct result *r, int64_t now_us, struct render_share *share)
{
    buffer_puts(out, "\n");
    text_claimed_facts(out, &r->claimed);
    text_tls_facts(out, r->tls, share);
    routes(out, r, now_us, share);
    flags(out, r);
    if (text_claimed_any(&r->claimed) || r->tls || r->route_count || r->flags)
        buffer_puts(out, "\n");
    parts(out, r);
    verdict(out, r);
    if (r->failure.reason == REASON_NONE)
        worked(out, r);
    else
        failed(out, r);
}

static void show(struct buffer *out, const struct result *r, int64_t now_us, struct render_share share)
{
    head(out, r, now_us);
    transcript_write(out, r, &share);
    behind(out, r, now_us, &share);
}

void text_verdict(struct buffer *out, const struct result *r, int64_t now_us, bool colour)
{
    struct render_share share = render_share_whole;
    size_t from = out->len;

    behind(out, r, now_us, &share);
    text_colour_finish(out, from, colour);
}

void text_result(struct buffer *out, const struct result *r, int64_t now_us)
{
    size_t from = out->len;

    show(out, r, now_us, render_share_whole);
    text_colour_finish(out, from, false);
}

void text_result_colour(struct buffer *out, const struct result *r, int64_t now_us)
{
    size_t from = out->len;

    show(out, r, now_us, render_share_whole);
    text_colour_finish(out, from, true);
}

/* Every result, and all verdicts together again: the end is what a terminal shows. */
static void show_all(struct buffer *out, const struct render_set *set, int64_t now_us)
{
    for (size_t i = 0; i < set->count; i++) {
        show(out, set->results[i], now_us, render_share_set);
        buffer_puts(out, "\n");
    }
    for (size_t i = 0; i < set->count && set->count > 1; i++)
        verdict(out, set->results[i]);
}

static void show_set(struct buffer *out, const struct render_set *set, int64_t now_us)
{
    char summary[RENDER_SUMMARY_SIZE];
    struct buffer all;

    size_t room = out->limit - out->len;

    buffer_init(&all, room > SUMMARY_ROOM ? room - SUMMARY_ROOM : 0);
    show_all(&all, set, now_us);
    if (all.full)
        buffer_puts(out, "The results are too long to be shown together: ask for one target at a time.\n");
    else
        buffer_put(out, all.data, all.len);
    buffer_free(&all);
    render_set_summary(set, summary);
    text_colour_word(out, render_set_status(set));
    buffer_printf(out, "  %s\n", summary);
}

void text_set(struct buffer *out, const struct render_set *set, int64_t now_us)
{
    size_t from = out->len;

    show_set(out, set, now_us);
    text_colour_finish(out, from, false);
}

void text_set_colour(struct buffer *out, const struct render_set *set, int64_t now_us)
{
    size_t from = out->len;

    show_set(out, set, now_us);
    text_colour_finish(out, from, true);
}
