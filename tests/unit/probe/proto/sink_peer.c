/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/probe/proto/sink_peer.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const domains[] = {"probe.example.org", "other.example.org"};

static void take(void *context, const struct sink_message *m)
{
    struct sink_peer *p = context;

    p->kept = m->kept.len;
    p->body = m->body;
    buffer_printf(&p->taken, "<%s>", m->from);
    for (size_t i = 0; i < m->to_count; i++)
        buffer_printf(&p->taken, " <%s>", m->to[i]);
    buffer_printf(&p->taken, " %zu ", m->size);
    buffer_put(&p->taken, m->kept.data, m->kept.len < 200 ? m->kept.len : 200);
    buffer_puts(&p->taken, "|");
}

void sink_peer_listen(struct sink_peer *p)
{
    while (sink_seam.want(&p->sink) == SEAM_WRITE) {
        struct span out = sink_seam.output(&p->sink);
        size_t len = p->piece && p->piece < out.len ? p->piece : out.len;
        buffer_put(&p->heard, out.data, len);
        sink_seam.sent(&p->sink, len, p->now_us);
    }
}

void sink_peer_begin_as(struct sink_peer *p, size_t piece, enum protocol protocol, bool tls)
{
    *p = (struct sink_peer){.piece = piece, .now_us = CLOCK_US_PER_S};
    p->policy = (struct sink_policy){.name = "sink.example.org",
                                     .domains = domains,
                                     .domain_count = 2,
                                     .protocol = protocol,
                                     .offers_tls = tls,
                                     .take = take,
                                     .context = p};
    buffer_init(&p->heard, 64 * 1024 * 1024);
    buffer_init(&p->taken, 1024 * 1024);
    sink_init(&p->sink, &p->policy, p->now_us);
    sink_peer_listen(p);
}

void sink_peer_begin(struct sink_peer *p, size_t piece)
{
    sink_peer_begin_as(p, piece, PROTOCOL_SMTP, false);
}

void sink_peer_send(struct sink_peer *p, const char *data, size_t len)
{
    size_t step = p->piece ? p->piece : len;

    for (size_t at = 0; at < len; at += step) {
        size_t part = len - at < step ? len - at : step;
        char *exact = memcpy(mem_alloc(part), data + at, part); /* so that reading past it is seen */
        sink_seam.receive(&p->sink, (struct span){exact, part}, p->now_us, p->now_us);
        free(exact);
        sink_peer_listen(p);
    }
}

void sink_peer_say(struct sink_peer *p, const char *text)
{
    sink_peer_send(p, text, strlen(text));
}

void sink_peer_end(struct sink_peer *p)
{
    sink_free(&p->sink);
    buffer_free(&p->heard);
    buffer_free(&p->taken);
}

/* What was heard since the last time. */
void sink_peer_heard(struct sink_peer *p, const char *wanted)
{
    assert_string_equal(p->heard.data ? p->heard.data : "", wanted);
    buffer_clear(&p->heard);
}

bool sink_peer_is_done(const struct sink_peer *p)
{
    return sink_seam.want(&p->sink) == SEAM_DONE;
}

void sink_peer_greet(struct sink_peer *p, size_t piece)
{
    sink_peer_begin(p, piece);
    sink_peer_say(p, "EHLO client.example.net\r\n");
    sink_peer_heard(p, SINK_PEER_GREETING SINK_PEER_EHLO);
}

void sink_peer_say_much(struct sink_peer *p, size_t len)
{
    char *much = mem_alloc(len);
    memset(much, 'x', len);
    sink_peer_send(p, much, len);
    free(much);
}

void sink_peer_begin_message(struct sink_peer *p, size_t piece)
{
    sink_peer_greet(p, piece);
    sink_peer_say(p, "MAIL FROM:<a@example.net>\r\n");
    sink_peer_say(p, "RCPT TO:<a@probe.example.org>\r\n");
    sink_peer_say(p, "DATA\r\n");
    buffer_clear(&p->heard);
}
