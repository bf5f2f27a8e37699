/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages: any text goes over the wire as one message, and arrives at the sink as it was but for its line
 * ends. Tokens are found wherever they stand.
 */
#include "probe/proto/message.h"

#include "probe/base/buffer.h"
#include "probe/proto/sink.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define HEAD "EHLO c\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<a@probe.example.org>\r\n", "DATA\r\n"

struct taken {
    struct span wanted; /* the text with CRLF at every line's end */
    unsigned count;
};

static void take(void *context, const struct sink_message *m)
{
    struct taken *t = context;
    size_t kept = m->size < SINK_MAX_KEPT ? m->size : SINK_MAX_KEPT;

    t->count++;
    fuzz_require(m->size == t->wanted.len && m->kept.len == kept, "what arrives is as long as what was sent");
    fuzz_require(kept == 0 || memcmp(m->kept.data, t->wanted.data, kept) == 0, "and the same");
}

static void hear_all(struct sink *s)
{
    while (sink_seam.want(s) == SEAM_WRITE)
        sink_seam.sent(s, sink_seam.output(s).len, 0);
}

void fuzz_send_message(struct span wire, struct span wanted)
{
    struct taken taken = {.wanted = wanted};
    static const char *const head[] = {HEAD};
    static const char *const domains[] = {"probe.example.org"};
    const struct sink_policy policy = {
        .name = "sink.example.org", .domains = domains, .domain_count = 1, .take = take, .context = &taken};
    struct sink s;

    sink_init(&s, &policy, 0);
    hear_all(&s);
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
        sink_seam.receive(&s, span_of(head[i]), 0, 0);
        hear_all(&s);
    }
    sink_seam.receive(&s, wire, 0, 0);
    fuzz_require(taken.count == 1 && !s.in_message, "a message is one message");
    fuzz_require(s.line.len == 0 && s.errors == 0, "and nothing behind it is a command");
    sink_free(&s);
}

/* Written as simply as can be: CR, LF and CRLF are CRLF, and the last line has its end too. */
static struct span with_crlf(struct arena *a, struct span text)
{
    char *out = arena_alloc(a, 2 * text.len + 2);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        bool second = i > 0 && text.data[i] == '\n' && text.data[i - 1] == '\r';
        bool end = text.data[i] == '\r' || text.data[i] == '\n';
        if (end && !second)
            out[len++] = '\r';
        if (!second)
            out[len++] = end ? '\n' : text.data[i];
    }
    if (len && out[len - 1] != '\n') {
        out[len++] = '\r';
        out[len++] = '\n';
    }
    return (struct span){out, len};
}

/* A token is found in a header, and in no body. */
static void check_token(struct arena *a, struct span text)
{
    static const char token[] = "ehlod-000102030405060708090a0b0c0d0e0f1011121314151617";
    char found[MESSAGE_TOKEN_SIZE];

    if (message_token_of(text, found))
        fuzz_require(token_is_one(found) && memmem(text.data, text.len, found, strlen(found)),
                     "a token is what stands there");
    char *with = arena_printf(a, "X-Ehlod-Token: %s\r\nA: b\r\n%.*s", token, (int)text.len, text.data);
    fuzz_require(message_token_of(span_of(with), found) && strcmp(found, token) == 0,
                 "the first field counts, whatever follows");
    with = arena_printf(a, "Subject: x\r\n\r\nX-Ehlod-Token: %s\r\n%.*s", token, (int)text.len, text.data);
    fuzz_require(!message_token_of(span_of(with), found), "but not in a body");
}

int fuzz_message(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct span text = {fuzz_exact((struct span){(const char *)data, size}), size};

    fuzz_send_message(message_wire(&a, text), with_crlf(&a, text));
    check_token(&a, text);
    free((char *)text.data);
    arena_free(&a);
    return 0;
}
