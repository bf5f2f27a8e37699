/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sink against any client. Twice a polite one, who waits where it must: byte by byte, its replies
 * compared with what was said, and in pieces, which must come to the same. Then one who waits for nothing.
 * The first byte says how it is cut, and whether SMTP is spoken or LMTP.
 */
#include "probe/proto/sink.h"

#include "probe/base/buffer.h"
#include "probe/base/text.h"
#include "probe/proto/reply.h"
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_US  INT64_C(1000000)
#define MOST_SAID (64 * 1024 * 1024)
#define LMTP      0x80 /* of the first byte */

static const char *const domains[] = {"probe.example.org", "other.example.org"};

/* The client, and all that it saw. */
struct session {
    struct sink_policy policy;
    struct sink sink;
    struct buffer heard;
    struct buffer taken; /* the messages */
    size_t accepted;     /* recipients since MAIL, by the replies alone */
};

static bool ends_nocase(struct span text, const char *end)
{
    size_t len = strlen(end);
    return text.len >= len && span_is_nocase((struct span){text.data + text.len - len, len}, end);
}

static bool is_ours(struct span address)
{
    return ends_nocase(address, "@probe.example.org") || ends_nocase(address, "@other.example.org") ||
           span_is_nocase(address, "postmaster");
}

static void take(void *context, const struct sink_message *m)
{
    struct session *s = context;

    fuzz_require(m->to_count > 0 && m->to_count <= SINK_MAX_RECIPIENTS,
                 "a message has recipients, not too many");
    fuzz_require(m->size <= SINK_MAX_MESSAGE && m->kept.len <= SINK_MAX_KEPT, "a message is not too big");
    fuzz_require(m->size > m->kept.len || m->body == fingerprint_of_message(m->kept),
                 "the fingerprint is that of the message");
    buffer_printf(&s->taken, "<%s> %zu %" PRIx64, m->from, m->size, m->body);
    for (size_t i = 0; i < m->to_count; i++) {
        fuzz_require(is_ours(span_of(m->to[i])), "no message is taken for another domain");
        buffer_printf(&s->taken, " <%s>", m->to[i]);
    }
    buffer_put(&s->taken, m->kept.data, m->kept.len);
    buffer_puts(&s->taken, "|");
}

static void begin(struct session *s, enum protocol protocol)
{
    *s = (struct session){.policy = {.name = "sink.example.org",
                                     .domains = domains,
                                     .domain_count = 2,
                                     .protocol = protocol,
                                     .take = take,
                                     .context = s}};
    buffer_init(&s->heard, MOST_SAID);
    buffer_init(&s->taken, MOST_SAID);
    sink_init(&s->sink, &s->policy, START_US);
}

static void end(struct session *s)
{
    sink_free(&s->sink);
    buffer_free(&s->heard);
    buffer_free(&s->taken);
}

static void hear(void *context, struct span bytes)
{
    struct session *s = context;

    fuzz_require(s->sink.output.len <= SINK_MAX_OUTPUT, "what nobody reads is limited");
    buffer_put(&s->heard, bytes.data, bytes.len);
}

static void hear_all(struct session *s)
{
    while (sink_seam.want(&s->sink) == SEAM_WRITE) {
        struct span out = sink_seam.output(&s->sink);
        hear(s, out);
        sink_seam.sent(&s->sink, out.len, START_US);
    }
}

static void say(struct session *s, struct span bytes)
{
    char *exact = fuzz_exact(bytes);
    sink_seam.receive(&s->sink, (struct span){exact, bytes.len}, START_US, START_US);
    free(exact);
}

/* what a polite client sees */

/* A recipient that was accepted is one of ours; the line is without its end. */
static void check_rcpt(struct span line, const char *reply)
{
    if (line.len < 8 || strncasecmp(line.data, "RCPT TO:", 8) != 0 || strncmp(reply, "250", 3) != 0)
        return;
    while (line.data[line.len - 1] == ' ')
        line.len--;
    const char *start = memchr(line.data, '<', line.len);
    fuzz_require(start && line.data[line.len - 1] == '>', "an accepted recipient is a path");
    start += 1;
    struct span address = {start, (size_t)(line.data + line.len - 1 - start)};
    fuzz_require(is_ours(address) || ends_nocase(address, ":postmaster"), "no other recipient is accepted");
}

static bool begins_nocase(struct span text, const char *start)
{
    size_t len = strlen(start);
    return text.len >= len && strncasecmp(text.data, start, len) == 0;
}

/* Counts the recipients that a message has now, with none of the sink's own knowledge. */
static void count_recipients(struct session *s, struct span line, const char *reply)
{
    static const char *const anew[] = {"MAIL", "RSET", "EHLO", "HELO", "LHLO"};

    if (strncmp(reply, "250", 3) == 0 && begins_nocase(line, "RCPT"))
        s->accepted++;
    for (size_t i = 0; i < sizeof(anew) / sizeof(anew[0]); i++)
        if (strncmp(reply, "250", 3) == 0 && begins_nocase(line, anew[i]))
            s->accepted = 0;
    if (strncmp(reply, "354", 3) == 0)
        fuzz_require(s->accepted > 0, "there is no message for nobody");
}

/* What was said of a message: one reply, or in LMTP one for each recipient that was accepted. */
static void check_finals(struct session *s, const char *replies)
{
    size_t count = 0;

    for (const char *end; (end = strstr(replies, "\r\n")); replies = end + 2) {
        fuzz_require(strncmp(replies, "250 2.0.0 ", 10) == 0 || strncmp(replies, "552 5.3.4 ", 10) == 0,
                     "a message is taken, or too big");
        count++;
    }
    fuzz_require(*replies == '\0' && count == (s->sink.protocol == PROTOCOL_LMTP ? s->accepted : 1),
                 "a message has as many replies as it should");
    s->accepted = 0;
}

static bool is_end_of_message(struct span body)
{
    return ends_nocase(body, "\r\n.\r\n") || span_is(body, ".\r\n");
}

static void check_line(struct session *s, struct span line, const char *reply)
{
    check_rcpt(line, reply);
    count_recipients(s, line, reply);
}

/* Says it byte by byte. waits_r[i]: after so many bytes it had to wait. */
static void say_bytes(struct session *s, struct span input, bool *waits_r)
{
    size_t start = 0; /* of this command or message */

    for (size_t i = 0; i < input.len; i++) {
        bool in_message = s->sink.in_message;
        size_t heard = s->heard.len;
        say(s, (struct span){input.data + i, 1});
        waits_r[i] = s->sink.must_wait;
        hear_all(s);
        struct span part = {input.data + start, i + 1 - start};
        if (in_message && !s->sink.closing)
            fuzz_require(s->sink.in_message == !is_end_of_message(part), "only CRLF.CRLF ends a message");
        else if (s->heard.len > heard && ends_nocase(part, "\r\n"))
            check_line(s, (struct span){part.data, part.len - 2}, s->heard.data + heard);
        if (in_message && !s->sink.in_message && !s->sink.closing)
            check_finals(s, s->heard.data + heard);
        if (in_message != s->sink.in_message || (!in_message && input.data[i] == '\n'))
            start = i + 1;
    }
}

static void say_pieces(struct session *s, struct span input, const bool *waits, uint32_t seed)
{
    for (size_t at = 0; at < input.len;) {
        size_t len = fuzz_piece(&seed, input.len - at), upto = 1;
        while (upto < len && !waits[at + upto - 1])
            upto++;
        say(s, (struct span){input.data + at, upto});
        hear_all(s);
        at += upto;
    }
}

/* All that was said is replies, as our own client reads them, and not more of them than it asked for. */
static void check_replies(const struct session *s, struct span input)
{
    struct arena a = {0};
    struct reply_parser parser;
    struct span left = buffer_span(&s->heard);
    enum reason reason;
    size_t used, most = 3; /* a greeting, a farewell, a line that never ends */

    for (size_t i = 0; i < input.len; i++) /* in LMTP a recipient may bring two: its own, and the message's */
        most += input.data[i] == '\n' ? (s->sink.protocol == PROTOCOL_LMTP ? 2 : 1) : 0;
    reply_init(&parser, &a);
    while (left.len) {
        reply_next(&parser, false, false);
        fuzz_require(reply_feed(&parser, left, &used, &reason) == 1, "what is said is whole replies");
        fuzz_require(most-- > 0, "there is one reply to a command");
        left = (struct span){left.data + used, left.len - used};
    }
    reply_free(&parser);
    arena_free(&a);
}

static void be_polite(struct span input, uint32_t seed, enum protocol protocol)
{
    struct session bytes, pieces;
    bool *waits = calloc(input.len + 1, sizeof(*waits));

    begin(&bytes, protocol);
    begin(&pieces, protocol);
    hear_all(&bytes);
    hear_all(&pieces);
    say_bytes(&bytes, input, waits);
    say_pieces(&pieces, input, waits, seed);
    check_replies(&bytes, input);
    fuzz_require(strcmp(bytes.heard.data, pieces.heard.data) == 0, "how the bytes are cut changes no reply");
    fuzz_require(bytes.taken.len == pieces.taken.len &&
                     (!bytes.taken.len || memcmp(bytes.taken.data, pieces.taken.data, bytes.taken.len) == 0),
                 "nor a message");
    end(&bytes);
    end(&pieces);
    free(waits);
}

static void be_rude(struct span input, enum protocol protocol)
{
    struct session s;

    begin(&s, protocol);
    struct fuzz_peer peer = {
        .seam = &sink_seam, .engine = &s.sink, .now_us = START_US, .heard = hear, .context = &s};
    fuzz_play(&peer, input);
    end(&s);
}

/* What is said in all segments. */
static struct span join(struct arena *a, struct span input)
{
    struct fuzz_event event;
    char *all = arena_alloc(a, input.len);
    size_t len = 0;

    while (fuzz_next_event(&input, a, &event)) {
        if (event.bytes.len)
            memcpy(all + len, event.bytes.data, event.bytes.len);
        len += event.bytes.len;
    }
    return (struct span){all, len};
}

int fuzz_sink(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    uint32_t seed = fuzz_take(&input);
    struct arena a = {0};

    be_polite(join(&a, input), seed, seed & LMTP ? PROTOCOL_LMTP : PROTOCOL_SMTP);
    be_rude(input, seed & LMTP ? PROTOCOL_LMTP : PROTOCOL_SMTP);
    arena_free(&a);
    return 0;
}
