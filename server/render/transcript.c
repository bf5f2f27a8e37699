/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transcript: two columns of milliseconds (when, counted from the start of the run, and how long it
 * took), a mark, and what was said: "->" sent, "<-" received, "!" not as it should be. Lines of the server
 * stand as they came and are never folded or cut; they hold no controls, so no terminal minds them. The
 * first line of a reply shows when its first byte came, the last one when it was whole. A TLS handshake is a
 * line at its place, with what it took.
 */
#include "server/render/transcript.h"

#include "probe/base/clock.h"
#include "probe/plan.h"
#include "server/render/render.h"
#include "server/render/text_colour.h"
#include "server/render/text_tls.h"

#include <stdio.h>
#include <string.h>

/* The columns of a row; the text and the line end are the caller's. */
static void columns(struct buffer *out, int64_t at_us, int64_t took_us, const char *mark)
{
    char at[RENDER_NUMBER_SIZE] = "";
    char took[RENDER_NUMBER_SIZE] = "";

    if (at_us != CLOCK_NONE)
        render_ms(at_us, at);
    if (took_us != CLOCK_NONE)
        render_ms(took_us, took);
    if (*mark == '!')
        text_colour_wrong(out);
    buffer_printf(out, "%10s %9s  %-2s ", at, took, mark);
}

static void row(struct buffer *out, int64_t at_us, int64_t took_us, const char *mark, const char *text)
{
    columns(out, at_us, took_us, mark);
    buffer_printf(out, "%s\n", text);
}

void transcript_expect(struct buffer *out, unsigned expect)
{
    const char *between = "";
    for (unsigned e = EXPECT_ACCEPTED; e <= EXPECT_LAST; e <<= 1) {
        if (!(expect & e))
            continue;
        buffer_printf(out, "%s%s", between, expect_name((enum expect)e));
        between = " or ";
    }
}

static bool is_whole(const struct result_command *c)
{
    return c->replied && c->reply_us != CLOCK_NONE;
}

/* Whether the failure is that this command's reply does not parse. */
static bool is_malformed(const struct result *r, size_t command)
{
    return r->failure.reason >= REASON_NOT_SMTP && r->failure.reason <= REASON_TOO_MANY_LINES &&
           command == render_culprit(r);
}

/* A last line that is no line of the reply (it does not parse, or broke off) stands as it came, code and
 * all. One that broke off is told by what it begins with: the code, or as much of it as came. */
static bool stands_alone(const struct result *r, size_t command, size_t line)
{
    const struct result_command *c = &r->commands[command];
    const char *text = c->reply.lines[line];
    size_t len = strlen(text);
    char code[16];

    if (c->reply.code == 0)
        return true;
    if (line == 0 || line + 1 < c->reply.line_count)
        return false;
    if (is_malformed(r, command))
        return r->failure.reason !=
               REASON_TOO_MANY_LINES; /* there the last line that is kept is a good one */
    snprintf(code, sizeof(code), "%d", c->reply.code);
    return !is_whole(c) && len > 0 && strncmp(text, code, len < 3 ? len : 3) == 0;
}

/* The first len octets of its text. */
static void put_line(struct buffer *out, const struct result *r, size_t command, size_t line, size_t len)
{
    const struct result_command *c = &r->commands[command];
    const char *text = c->reply.lines[line];
    bool last = line + 1 == c->reply.line_count && is_whole(c);

    if (!stands_alone(r, command, line))
        buffer_printf(out, last && *text == '\0' ? "%d" : last ? "%d " : "%d-", c->reply.code);
    buffer_put(out, text, len);
}

void transcript_reply_line(struct buffer *out, const struct result *r, size_t command, size_t line)
{
    put_line(out, r, command, line, strlen(r->commands[command].reply.lines[line]));
}

static int64_t took(int64_t from_us, int64_t to_us)
{
    return from_us == CLOCK_NONE || to_us == CLOCK_NONE ? CLOCK_NONE : to_us - from_us;
}

/* The time of a line: the reply's first byte, and where all of it is shown its end. */
static void line_columns(struct buffer *out, const struct result_command *c, size_t line, bool ends)
{
    int64_t at_us = ends ? c->reply_us : line == 0 ? c->first_byte_us : CLOCK_NONE;

    columns(out, at_us, ends ? took(c->at_us, c->reply_us) : CLOCK_NONE, "<-");
}

/* One line of a reply. Of one that is still under way each is a good line that others follow. */
static void reply_line(struct buffer *out, const struct result *r, size_t command, size_t line, bool open,
                       struct render_share *share)
{
    const struct result_command *c = &r->commands[command];
    const char *text = c->reply.lines[line];
    size_t part = render_take(share, text);

    line_columns(out, c, line, line + 1 == c->reply.line_count && is_whole(c));
    if (open)
        buffer_printf(out, "%d-%.*s", c->reply.code, (int)part, text);
    else
        put_line(out, r, command, line, part);
    buffer_puts(out, text[part] ? "...\n" : "\n");
}

/* What follows the lines that are shown. */
static void reply_end(struct buffer *out, const struct result_command *c, size_t shown)
{
    if (shown < c->reply.line_count) {
        line_columns(out, c, shown, is_whole(c));
        buffer_puts(out, "...\n");
    }
    if (c->reply.escaped)
        row(out, CLOCK_NONE, CLOCK_NONE, "", "(escaped: \\xHH stands for a byte, \\\\ for a backslash)");
}

/* (message, 512 octets), with the time from 354 to its last byte. */
static void message(struct buffer *out, const struct result *r, size_t command)
{
    const struct result_command *c = &r->commands[command];
    size_t octets = c->route >= 0 ? r->routes[c->route].octets : c->octets;
    size_t octets_sent = c->route >= 0 ? r->routes[c->route].octets_sent : c->octets_sent;

    columns(out, c->at_us, command ? took(r->commands[command - 1].reply_us, c->at_us) : CLOCK_NONE, "->");
    if (c->at_us == CLOCK_NONE)
        buffer_printf(out, "(message, %zu of %zu octets)\n", octets_sent, octets);
    else
        buffer_printf(out, "(message, %zu octets)\n", octets);
}

static const char *fault_of(const struct result *r, size_t command)
{
    const struct result_command *c = &r->commands[command];

    if (is_whole(c))
        return NULL;
    if (result_is_message(c) && c->at_us == CLOCK_NONE)
        return "the message could not be sent whole";
    if (c->sent && c->at_us == CLOCK_NONE)
        return "the command could not be sent whole";
    if (!c->replied)
        return "no reply";
    if (is_malformed(r, command))
        return reason_sentence(r->failure.reason);
    return "the reply did not end";
}

/* What is wrong with the answer, if anything is; with the time when it was given up, where it failed the run.
 */
static void complaint(struct buffer *out, const struct result *r, size_t command)
{
    const struct result_command *c = &r->commands[command];
    const char *fault = fault_of(r, command);
    int64_t took_us = CLOCK_NONE;

    if (!fault && c->ok)
        return;
    if (fault && command == render_culprit(r))
        took_us = r->failure.elapsed_us;
    bool timed = took_us != CLOCK_NONE && c->at_us != CLOCK_NONE;
    columns(out, timed ? c->at_us + took_us : CLOCK_NONE, took_us, "!");
    buffer_puts(out, fault ? fault : "");
    if (!c->ok && c->expected)
        buffer_printf(out, "%swanted %s", fault ? "; " : "", c->expected);
    buffer_puts(out, "\n");
}

/* The addresses that could not be reached (the message names each); connect_r is how long the last one that
 * could took. */
static void attempts(struct buffer *out, const struct result *r, int64_t *connect_r)
{
    size_t count = r->attempt_count && r->attempts[0].host ? 0 : r->attempt_count; /* runs are none */

    *connect_r = r->timing_us[PHASE_CONNECT];
    for (size_t i = 0; i < count; i++) {
        const struct result_attempt *a = &r->attempts[i];
        if (a->failure.reason == REASON_NONE)
            *connect_r = a->connect_us;
        else
            row(out, CLOCK_NONE, a->connect_us, "!", a->failure.message);
    }
    if (count == 0 && address_family(&r->peer) != AF_UNSPEC && address_family(&r->local) == AF_UNSPEC &&
        r->failure.reason != REASON_NONE)
        row(out, CLOCK_NONE, r->timing_us[PHASE_CONNECT], "!", r->failure.message);
}

/* Behind how many commands the handshake was: none, or all up to STARTTLS. */
static size_t handshake_place(const struct result *r)
{
    for (size_t i = 0; i < r->command_count; i++)
        if (r->commands[i].phase == PHASE_STARTTLS && r->commands[i].ok && r->commands[i].reply.code == 220)
            return i + 1;
    return 0;
}

static void handshake(struct buffer *out, const struct result *r, struct render_share *share)
{
    size_t place = handshake_place(r);
    bool over = place < r->command_count; /* something was said, or waited for, behind it */
    bool failed = !over && r->failure.reason != REASON_NONE && r->failure.phase == PHASE_TLS;
    int64_t took_us = r->timing_us[PHASE_TLS], at_us = CLOCK_NONE;

    if (place && took_us != CLOCK_NONE)
        at_us = r->commands[place - 1].reply_us + took_us;
    else if (over && !r->commands[0].sent)
        at_us = r->commands[0].at_us;
    columns(out, at_us, took_us, failed ? "!" : "--");
    text_tls_line(out, r->tls, failed ? r->failure.reason : REASON_NONE, share);
}

/* When the connection was made: where the greeting was waited for, it counts from there, or from the end of
 * the handshake before it. */
static int64_t connected_at(const struct result *r)
{
    int64_t tls_us = r->tls && handshake_place(r) == 0 ? r->timing_us[PHASE_TLS] : 0;

    if (r->command_count == 0 || r->commands[0].sent || tls_us == CLOCK_NONE)
        return CLOCK_NONE;
    return r->commands[0].at_us - tls_us;
}

static void connection(struct buffer *out, const struct result *r)
{
    char ends[RENDER_ENDS_SIZE];
    int64_t connect_us;

    if (r->timing_us[PHASE_DNS] != CLOCK_NONE) {
        bool failed = r->failure.reason != REASON_NONE && r->failure.phase == PHASE_DNS;
        columns(out, CLOCK_NONE, r->timing_us[PHASE_DNS], failed ? "!" : "");
        buffer_printf(out, "looked up %s%s%s\n", r->host, failed ? ": " : "",
                      failed ? reason_sentence(r->failure.reason) : "");
    }
    attempts(out, r, &connect_us);
    if (address_family(&r->local) == AF_UNSPEC)
        return;
    render_ends(r, ends);
    columns(out, connected_at(r), connect_us, "");
    buffer_printf(out, "connected %s\n", ends);
}

static void route_heading(struct buffer *out, const struct result_route *route)
{
    columns(out, CLOCK_NONE, CLOCK_NONE, "--");
    buffer_printf(out, "route %s, wants ", route->name ? route->name : "");
    transcript_expect(out, route->expect);
    buffer_puts(out, "\n");
}

/* What was said, once it is said, or never will be. Returns whether it is there. */
static bool go_on_sent(struct transcript_place *place, struct buffer *out, const struct result *r, bool over)
{
    const struct result_command *c = &r->commands[place->command];

    if (place->sent || (c->sent && c->at_us == CLOCK_NONE && !over))
        return place->sent;
    place->sent = true;
    if (c->route >= 0 && c->route + 1 != place->route) {
        place->route = c->route + 1;
        route_heading(out, &r->routes[c->route]);
    }
    if (result_is_message(c))
        message(out, r, place->command);
    else if (c->sent)
        row(out, c->at_us, CLOCK_NONE, "->", *c->sent ? c->sent : "(an empty response)");
    return true;
}

/* As much of the reply as came. */
static void go_on_reply(struct transcript_place *place, struct buffer *out, const struct result *r, bool open,
                        struct render_share *share)
{
    const struct result_command *c = &r->commands[place->command];
    size_t count = c->replied ? render_lines(share, &c->reply) : 0;

    for (; place->lines < count; place->lines++)
        reply_line(out, r, place->command, place->lines, open, share);
    if (c->replied && !open)
        reply_end(out, c, count);
}

/* The handshake, where its place is. While the run goes on it is there only when it was made. */
static void go_on_handshake(struct transcript_place *place, struct buffer *out, const struct result *r,
                            bool over, struct render_share *share)
{
    if (place->handshake || !r->tls || place->command != handshake_place(r))
        return;
    if (!over && place->command == r->command_count) /* it may still fail */
        return;
    handshake(out, r, share);
    place->handshake = true;
}

void transcript_go_on(struct transcript_place *place, struct buffer *out, const struct result *r, bool over,
                      struct render_share *share)
{
    if (!place->begun)
        buffer_puts(out, "     at ms   took ms\n");
    place->begun = true;
    if (!over && r->command_count == 0)
        return;
    if (!place->connected)
        connection(out, r);
    place->connected = true;
    go_on_handshake(place, out, r, over, share);
    while (place->command < r->command_count && go_on_sent(place, out, r, over)) {
        bool open = !over && !is_whole(&r->commands[place->command]);
        go_on_reply(place, out, r, open, share);
        if (open)
            return;
        complaint(out, r, place->command);
        place->command++;
        place->sent = false;
        place->lines = 0;
        go_on_handshake(place, out, r, over, share);
    }
}

void transcript_write(struct buffer *out, const struct result *r, struct render_share *share)
{
    struct transcript_place place = {0};

    transcript_go_on(&place, out, r, true, share);
}
