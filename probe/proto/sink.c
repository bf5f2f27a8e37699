/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session of the built-in receiver: cuts what comes in into commands and messages, keeps the replies
 * until they are out, and ends a session that goes on for too long or makes no sense. What a command means is
 * sink_command.c's. Where the peer must wait for a reply (greeting, EHLO, DATA: RFC 2920 section 3.1) and
 * does not, the session ends, since nobody could tell what it takes its next bytes for.
 */
#include "probe/proto/sink.h"

#include "probe/base/clock.h"
#include "probe/base/text.h"
#include "probe/proto/sink_command.h"

#include <string.h>

/* replies */

void sink_say(struct sink *s, const char *reply)
{
    buffer_puts(&s->output, reply);
    buffer_puts(&s->output, "\r\n");
    s->over = s->over || s->output.full;
}

void sink_close(struct sink *s, const char *reply)
{
    sink_say(s, reply);
    s->closing = true;
    s->deadline_us = s->now_us + SINK_CLOSING_US;
}

void sink_complain(struct sink *s, const char *reply)
{
    if (++s->errors < SINK_MAX_ERRORS)
        sink_say(s, reply);
    else
        sink_close(s, "421 4.7.0 Too many errors");
}

void sink_go_on(struct sink *s)
{
    s->deadline_us = s->now_us + SINK_COMMAND_US;
}

void sink_reset(struct sink *s)
{
    arena_free(&s->arena);
    s->from = NULL;
    s->utf8 = false;
    s->to = NULL;
    s->to_count = 0;
}

bool sink_speaks_lmtp(const struct sink *s)
{
    return s->protocol == PROTOCOL_LMTP;
}

void sink_init(struct sink *s, const struct sink_policy *policy, int64_t now_us)
{
    *s = (struct sink){.policy = policy,
                       .now_us = now_us,
                       .deadline_us = now_us + SINK_COMMAND_US,
                       .must_wait = true,
                       .protocol = policy->protocol,
                       .offers_tls = policy->offers_tls};
    buffer_init(&s->line, SINK_MAX_LINE);
    buffer_init(&s->output, SINK_MAX_OUTPUT);
    buffer_init(&s->kept, SINK_MAX_KEPT);
    buffer_printf(&s->output, "220 %s %s\r\n", policy->name, sink_speaks_lmtp(s) ? "LMTP" : "ESMTP");
}

void sink_free(struct sink *s)
{
    buffer_free(&s->line);
    buffer_free(&s->output);
    buffer_free(&s->kept);
    arena_free(&s->arena);
}

/* commands */

static void end_command(struct sink *s)
{
    struct span line = buffer_span(&s->line);
    bool too_long = s->line_octets > SINK_MAX_LINE;
    bool proper = line.len >= 2 && line.data[line.len - 2] == '\r';

    s->line_octets = 0;
    if (++s->idle > SINK_MAX_IDLE) {
        sink_close(s, "421 4.7.0 Too many commands without a message");
    } else if (too_long) {
        sink_complain(s, "500 5.5.2 Line too long");
    } else if (!proper) {
        sink_complain(s, "500 5.5.2 A line ends with CRLF, not with LF alone");
    } else {
        s->line.data[line.len - 2] = '\0';
        line.len -= 2;
        if (text_is_clean(line) && !memchr(line.data, '\t', line.len))
            sink_command(s, line.data);
        else
            sink_complain(s, "500 5.5.2 Control characters, or not UTF-8");
    }
    buffer_clear(&s->line);
}

/* Reads to the end of a line; how many bytes were eaten. */
static size_t feed_command(struct sink *s, struct span bytes)
{
    const char *end = memchr(bytes.data, '\n', bytes.len);
    size_t len = end ? (size_t)(end - bytes.data) + 1 : bytes.len;
    size_t room = SINK_MAX_LINE - s->line.len;

    buffer_put(&s->line, bytes.data, len < room ? len : room);
    s->line_octets += len;
    if (end)
        end_command(s);
    else if (s->line_octets > SINK_MAX_FLOOD)
        sink_close(s, "500 5.5.2 Line too long");
    return len;
}

/* messages */

static void keep(struct sink *s, const char *data, size_t len)
{
    size_t room = SINK_MAX_KEPT - s->kept.len;

    buffer_put(&s->kept, data, len < room ? len : room);
    fingerprint_feed(&s->body, (struct span){data, len});
    s->size += len;
}

/* The reply to the message; in LMTP one for each recipient, in the order of RCPT (RFC 2033 section 4.2). */
static void say_final(struct sink *s, const char *code, const char *text)
{
    if (sink_speaks_lmtp(s))
        for (size_t i = 0; i < s->to_count; i++)
            buffer_printf(&s->output, "%s <%s> %s\r\n", code, s->to[i], text);
    else
        buffer_printf(&s->output, "%s %s\r\n", code, text);
    s->over = s->over || s->output.full;
}

static void end_message(struct sink *s)
{
    struct sink_message message = {.from = s->from,
                                   .to = s->to,
                                   .to_count = s->to_count,
                                   .kept = buffer_span(&s->kept),
                                   .size = s->size,
                                   .body = fingerprint_of(&s->body),
                                   .at_us = s->now_us};

    s->in_message = false;
    s->idle = 0;
    sink_go_on(s);
    if (s->size > SINK_MAX_MESSAGE) {
        say_final(s, "552 5.3.4", "Message too big");
    } else {
        if (s->policy->take)
            s->policy->take(s->policy->context, &message);
        say_final(s, "250 2.0.0", "Ok");
    }
    sink_reset(s);
}

/* One byte of a message: a dot at the start of a line is stuffing (RFC 5321 section 4.5.2), or the end. */
static void feed_byte(struct sink *s, char c)
{
    bool crlf = (s->data == SINK_CR || s->data == SINK_DOT_CR) && c == '\n';

    if (crlf && s->data == SINK_DOT_CR) {
        end_message(s);
        return;
    }
    if (s->data == SINK_LINE_START && c == '.') {
        s->data = SINK_DOT;
        return;
    }
    if (s->data == SINK_DOT && c == '\r') {
        s->data = SINK_DOT_CR;
        return;
    }
    if (s->data == SINK_DOT_CR)
        keep(s, "\r", 1);
    keep(s, &c, 1);
    s->data = crlf ? SINK_LINE_START : c == '\r' ? SINK_CR : SINK_TEXT;
}

/* Inside a line all is text up to the next CR. */
static size_t feed_text(struct sink *s, struct span bytes)
{
    const char *end = memchr(bytes.data, '\r', bytes.len);
    size_t len = end ? (size_t)(end - bytes.data) : bytes.len;

    keep(s, bytes.data, len);
    return len;
}

/* Reads to the end of the message; how many bytes were eaten. */
static size_t feed_message(struct sink *s, struct span bytes)
{
    size_t used = 0;

    while (used < bytes.len && s->in_message) {
        if (s->data == SINK_TEXT)
            used += feed_text(s, (struct span){bytes.data + used, bytes.len - used});
        if (used < bytes.len)
            feed_byte(s, bytes.data[used++]);
    }
    if (s->in_message && s->size > 2 * (size_t)SINK_MAX_MESSAGE)
        sink_close(s, "552 5.3.4 Message too big");
    return used;
}

/* the seam */

static void tell_time(struct sink *s, int64_t now_us)
{
    if (now_us > s->now_us)
        s->now_us = now_us;
}

static bool is_listening(const struct sink *s)
{
    return !s->over && !s->closing;
}

static enum seam_want want(const void *engine)
{
    const struct sink *s = engine;

    if (s->over)
        return SEAM_DONE;
    if (s->output.len)
        return SEAM_WRITE;
    if (s->wants_tls && !s->closing)
        return SEAM_TLS;
    return s->closing ? SEAM_DONE : SEAM_READ;
}

static struct span output(const void *engine)
{
    return buffer_span(&((const struct sink *)engine)->output);
}

static int64_t deadline(const void *engine)
{
    return want(engine) == SEAM_DONE ? CLOCK_NEVER : ((const struct sink *)engine)->deadline_us;
}

static void receive(void *engine, struct span bytes, int64_t first_us, int64_t last_us)
{
    struct sink *s = engine;

    (void)first_us;
    tell_time(s, last_us);
    while (bytes.len && is_listening(s)) {
        if (s->must_wait || s->wants_tls) {
            sink_close(s, "554 5.5.0 You talk before it is your turn");
            return;
        }
        size_t used = s->in_message ? feed_message(s, bytes) : feed_command(s, bytes);
        bytes.data += used;
        bytes.len -= used;
    }
}

static void sent(void *engine, size_t len, int64_t now_us)
{
    struct sink *s = engine;

    tell_time(s, now_us);
    buffer_consume(&s->output, len);
    if (!s->output.len)
        s->must_wait = false;
}

static void broken(void *engine, enum seam_break how, int64_t now_us)
{
    struct sink *s = engine;

    tell_time(s, now_us);
    s->closing = true; /* who only stopped talking may still hear what is left to say */
    s->over = s->over || how == SEAM_RESET;
}

/* The client begins anew (RFC 3207 section 4.2). */
static void secured(void *engine, int64_t now_us)
{
    struct sink *s = engine;

    tell_time(s, now_us);
    if (!s->wants_tls)
        return;
    s->wants_tls = false;
    s->secured = true;
    s->hello = s->extended = false;
    sink_reset(s);
}

/* There is nobody to say anything to. */
static void unsecured(void *engine, enum reason reason, const char *message, int64_t now_us)
{
    struct sink *s = engine;

    (void)reason;
    (void)message;
    tell_time(s, now_us);
    s->over = true;
}

static void say_farewell(struct sink *s, const char *reply)
{
    if (s->closing || s->wants_tls) /* in a handshake nothing can be said */
        s->over = true;
    else
        sink_close(s, reply);
}

static void expire(void *engine, int64_t now_us)
{
    struct sink *s = engine;

    if (now_us < deadline(s))
        return;
    tell_time(s, now_us);
    say_farewell(s, "421 4.4.2 You took too long");
}

static void stop(void *engine, int64_t now_us)
{
    struct sink *s = engine;

    tell_time(s, now_us);
    say_farewell(s, "421 4.3.2 Going down");
}

const struct seam sink_seam = {
    .want = want,
    .output = output,
    .deadline = deadline,
    .receive = receive,
    .sent = sent,
    .broken = broken,
    .secured = secured,
    .unsecured = unsecured,
    .expire = expire,
    .stop = stop,
};
