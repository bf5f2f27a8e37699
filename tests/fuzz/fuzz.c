/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share: how an input is taken apart, and the peer that plays it against an engine. */
#include "tests/fuzz/fuzz.h"

#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_EXPIRIES 1000 /* an engine whose time runs out this often after its peer is gone never ends */
#define MOST_BYTES    (1024 * 1024)
#define LATE_US       700

void fuzz_require(bool holds, const char *promise)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: does not hold: %s\n", promise);
    abort();
}

uint8_t fuzz_take(struct span *input)
{
    if (input->len == 0)
        return 0;
    input->len--;
    return (uint8_t)*input->data++;
}

size_t fuzz_piece(uint32_t *seed, size_t left)
{
    *seed = *seed * UINT32_C(1103515245) + 12345;
    size_t piece = (*seed >> 16) % (*seed >> 31 ? 2048 : 8) + 1;
    return piece < left ? piece : left;
}

char *fuzz_exact(struct span bytes)
{
    char *copy = mem_alloc(bytes.len);
    if (bytes.len)
        memcpy(copy, bytes.data, bytes.len);
    return copy;
}

/* events */

static bool is_mark(char c)
{
    return (c >= FUZZ_PART && c <= FUZZ_LITERAL) || c == FUZZ_SECURED || c == FUZZ_UNSECURED;
}

/* How many bytes of the input are the peer's, up to the next mark. */
static size_t segment_length(struct span input)
{
    size_t len = 0;

    while (len < input.len && (!is_mark(input.data[len]) || input.data[len] == FUZZ_LITERAL))
        len += input.data[len] == FUZZ_LITERAL ? 2 : 1;
    return len < input.len ? len : input.len;
}

static struct span read_segment(struct span *input, struct arena *a)
{
    size_t raw = segment_length(*input);
    char *bytes = arena_alloc(a, raw);
    size_t len = 0;

    for (const char *end = input->data + raw; input->data < end;) {
        char c = (char)fuzz_take(input);
        if (c != FUZZ_LITERAL)
            bytes[len++] = c;
        else if (input->data < end)
            bytes[len++] = (char)fuzz_take(input);
    }
    return (struct span){bytes, len};
}

bool fuzz_next_event(struct span *input, struct arena *a, struct fuzz_event *event_r)
{
    *event_r = (struct fuzz_event){0};
    if (input->len == 0)
        return false;
    if (is_mark(*input->data) && *input->data != FUZZ_LITERAL) {
        event_r->kind = fuzz_take(input);
        if (event_r->kind == FUZZ_WAIT || event_r->kind == FUZZ_BLOCK || event_r->kind == FUZZ_UNSECURED)
            event_r->amount = fuzz_take(input);
        return true;
    }
    event_r->kind = FUZZ_BYTES;
    event_r->bytes = read_segment(input, a);
    return true;
}

/* playing */

static void listen_to(struct fuzz_peer *p)
{
    for (;;) {
        if (p->seam->want(p->engine) == SEAM_ANSWER)
            p->asked(p->context);
        if (p->seam->want(p->engine) != SEAM_WRITE || !p->room)
            return;
        struct span out = p->seam->output(p->engine);
        fuzz_require(out.len > 0, "who wants to write has something to say");
        size_t len = out.len < p->room ? out.len : p->room;
        if (p->heard)
            p->heard(p->context, (struct span){out.data, len});
        p->room -= len;
        p->seam->sent(p->engine, len, p->now_us);
    }
}

/* The engine hears of it late, as the kernel's stamps show: sometimes of a time before what it last heard. */
static void say(struct fuzz_peer *p, struct span bytes)
{
    int64_t last_us = p->now_us - (int64_t)(bytes.len % 4) * LATE_US;
    int64_t first_us = last_us - (int64_t)(bytes.len % 3) * LATE_US;

    if (p->said)
        p->said(p->context, bytes);
    while (bytes.len) {
        size_t len = p->piece && p->piece < bytes.len ? p->piece : bytes.len;
        char *exact = fuzz_exact((struct span){bytes.data, len});
        p->seam->receive(p->engine, (struct span){exact, len}, first_us, last_us);
        free(exact);
        bytes.data += len;
        bytes.len -= len;
    }
}

static void expire(struct fuzz_peer *p)
{
    p->now_us = p->seam->deadline(p->engine);
    p->seam->expire(p->engine, p->now_us);
    listen_to(p);
}

static void wait(struct fuzz_peer *p, int64_t us)
{
    int64_t until_us = p->now_us + us;

    p->room = SIZE_MAX;
    listen_to(p);
    for (size_t i = 0; p->seam->deadline(p->engine) <= until_us; i++) {
        fuzz_require(i < MOST_EXPIRIES, "a deadline that fired is over");
        expire(p);
    }
    p->now_us = until_us;
}

/* The handshake is over, well or not; or TLS fails later. Elsewhere there is none that could. */
static void play_tls(struct fuzz_peer *p, const struct fuzz_event *event)
{
    static const enum reason reasons[] = {
        REASON_CLOSED, REASON_RESET,     REASON_NOT_TLS,   REASON_ALERT,        REASON_VERSION,
        REASON_WEAK,   REASON_HANDSHAKE, REASON_TRUNCATED, REASON_CERT_EXPIRED, REASON_LOCAL_RESOURCE};
    bool wanted = p->seam->want(p->engine) == SEAM_TLS;

    if (event->kind == FUZZ_SECURED && wanted) {
        p->secured = true;
        p->seam->secured(p->engine, p->now_us);
    } else if (event->kind == FUZZ_UNSECURED && (wanted || p->secured)) {
        char sentence[] = "TLS failed";
        p->seam->unsecured(p->engine, reasons[event->amount % (sizeof(reasons) / sizeof(reasons[0]))],
                           sentence, p->now_us);
        fuzz_require(p->seam->want(p->engine) == SEAM_DONE, "without TLS nothing goes on");
    }
}

static void play_event(struct fuzz_peer *p, const struct fuzz_event *event)
{
    switch (event->kind) {
    case FUZZ_BYTES:
        listen_to(p);
        say(p, event->bytes);
        break;
    case FUZZ_WAIT:
        wait(p, event->amount * event->amount * CLOCK_US_PER_MS);
        break;
    case FUZZ_CLOSE:
    case FUZZ_RESET:
        p->seam->broken(p->engine, event->kind == FUZZ_CLOSE ? SEAM_CLOSED : SEAM_RESET, p->now_us);
        break;
    case FUZZ_STOP:
        p->seam->stop(p->engine, p->now_us);
        break;
    case FUZZ_BLOCK:
        p->room = event->amount;
        return;
    case FUZZ_SECURED:
    case FUZZ_UNSECURED:
        play_tls(p, event);
        break;
    case FUZZ_PART:
    case FUZZ_LITERAL:
        p->room = SIZE_MAX;
        break;
    }
    listen_to(p);
}

static void require_done(const struct fuzz_peer *p)
{
    fuzz_require(p->seam->want(p->engine) == SEAM_DONE, "what is done stays done");
    fuzz_require(p->seam->deadline(p->engine) == CLOCK_NEVER, "what is done has no deadline");
}

/* Further calls are harmless. */
static void disturb(struct fuzz_peer *p)
{
    p->seam->receive(p->engine, span_of("250 Ok\r\n"), p->now_us, p->now_us);
    require_done(p);
    p->seam->sent(p->engine, 0, p->now_us);
    p->seam->broken(p->engine, SEAM_RESET, p->now_us);
    p->seam->expire(p->engine, p->now_us + CLOCK_US_PER_S);
    p->seam->stop(p->engine, p->now_us);
    require_done(p);
}

void fuzz_play(struct fuzz_peer *p, struct span input)
{
    struct arena a = {0};
    struct fuzz_event event;

    fuzz_require(input.len <= MOST_BYTES, "an input is small");
    p->room = SIZE_MAX;
    while (fuzz_next_event(&input, &a, &event))
        play_event(p, &event);
    for (size_t i = 0; p->seam->want(p->engine) != SEAM_DONE; i++) {
        fuzz_require(i < MOST_EXPIRIES, "it always ends");
        fuzz_require(p->seam->deadline(p->engine) != CLOCK_NEVER, "who waits has a deadline");
        expire(p);
    }
    disturb(p);
    arena_free(&a);
}
