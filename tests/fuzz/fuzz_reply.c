/* SPDX-License-Identifier: Apache-2.0 */
/* The reply parser: the same for every way to cut the bytes, within its limits, and never a byte too far. */
#include "probe/base/buffer.h"
#include "probe/base/text.h"
#include "probe/proto/reply.h"
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MOST_REPLIES 200
#define MOST_SHOWN   (64 * 1024 * 1024)

enum cut { WHOLE, BYTE_WISE, IN_PIECES };

struct reading {
    struct arena arena;
    struct reply_parser parser;
    struct buffer shown; /* all that it told */
};

static void check_reply(struct arena *a, const struct result_reply *r)
{
    fuzz_require(r->line_count <= REPLY_MAX_LINES + 1, "a reply has a limited number of lines");
    fuzz_require(r->code == 0 || (r->code >= 200 && r->code <= 599), "a code is one of SMTP's");
    size_t octets = 0;
    for (size_t i = 0; i < r->line_count; i++) {
        octets += strlen(r->lines[i]);
        fuzz_require(text_is_clean(span_of(r->lines[i])), "a line is shown as clean text");
    }
    fuzz_require(octets <= 4 * REPLY_MAX_BYTES, "a reply has a limited size");
    fuzz_require(text_is_clean(span_of(reply_text(a, r))), "a reply has a clean text");
}

static void show(struct reading *reading, int got, enum reason reason)
{
    const struct result_reply *r = &reading->parser.reply;
    char enhanced[ENHANCED_TEXT_SIZE];

    check_reply(&reading->arena, r);
    enhanced_text(r->enhanced, enhanced);
    buffer_printf(&reading->shown, "%d %s %d %s %d %" PRIx64 "\n", got, reason_name(reason), r->code,
                  enhanced, r->escaped, reading->parser.flags);
    for (size_t i = 0; i < r->line_count; i++)
        buffer_printf(&reading->shown, "  %s\n", r->lines[i]);
}

/* Gives the parser the next bytes; how many of them it ate. */
static size_t feed(struct reading *reading, struct span next, int *got_r, enum reason *reason_r)
{
    size_t used = 0;
    char *exact = fuzz_exact(next);

    *got_r = reply_feed(&reading->parser, (struct span){exact, next.len}, &used, reason_r);
    free(exact);
    fuzz_require(used <= next.len, "no byte is eaten that was not there");
    fuzz_require(*got_r != 0 || used == next.len, "as long as more is needed, every byte is eaten");
    return used;
}

static void read_all(struct reading *reading, uint8_t kind, enum cut cut, uint32_t seed, struct span input)
{
    enum reason reason = REASON_NONE;
    int got = 0;

    reply_init(&reading->parser, &reading->arena);
    buffer_init(&reading->shown, MOST_SHOWN);
    reply_next(&reading->parser, kind & 1, kind & 2);
    for (size_t replies = 0; input.len && got >= 0 && replies < MOST_REPLIES;) {
        size_t len = cut == WHOLE ? input.len : cut == BYTE_WISE ? 1 : fuzz_piece(&seed, input.len);
        size_t used = feed(reading, (struct span){input.data, len}, &got, &reason);
        input.data += used;
        input.len -= used;
        if (got == 0)
            continue;
        show(reading, got, reason);
        if (got > 0)
            reply_next(&reading->parser, false, kind & 2);
        replies++;
    }
    if (got == 0) {
        reply_break(&reading->parser);
        show(reading, got, reason);
    }
    reply_free(&reading->parser);
}

static void end(struct reading *reading)
{
    buffer_free(&reading->shown);
    arena_free(&reading->arena);
}

int fuzz_reply(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    uint8_t kind = fuzz_take(&input);
    uint32_t seed = fuzz_take(&input);
    struct reading whole = {0};

    read_all(&whole, kind, WHOLE, seed, input);
    for (enum cut cut = BYTE_WISE; cut <= IN_PIECES; cut++) {
        struct reading other = {0};
        read_all(&other, kind, cut, seed, input);
        fuzz_require(
            other.shown.len == whole.shown.len &&
                (whole.shown.len == 0 || memcmp(other.shown.data, whole.shown.data, whole.shown.len) == 0),
            "how the bytes are cut changes nothing");
        end(&other);
    }
    end(&whole);
    return 0;
}
