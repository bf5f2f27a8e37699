/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marks and what they become: SGR sequences of ECMA-48, which every terminal knows. Green, yellow, magenta
 * and red are of the terminal's own palette, so they fit its background. A line end ends a colour, so that
 * what is cut out of a text by lines never leaves a terminal coloured.
 */
#include "server/render/text_colour.h"

#include <stdlib.h>
#include <string.h>

/* Controls, of which there are none in any text (probe/base/text.h). */
#define MARK_END   '\x01'
#define MARK_WRONG '\x02'
#define MARK_WORD  '\x03' /* and one for each other status behind it */
#define MARK_LAST  (MARK_WORD + STATUS_COUNT - 1)

#define SGR_END   "\x1b[0m"
#define SGR_WRONG "\x1b[31m"

static const struct {
    const char *word;
    const char *sgr;
} words[STATUS_COUNT] = {
    [STATUS_PASS] = {"PASS", "\x1b[1;32m"},
    [STATUS_WARN] = {"WARN", "\x1b[1;33m"},
    [STATUS_UNKNOWN] = {"UNKNOWN", "\x1b[1;35m"},
    [STATUS_FAIL] = {"FAIL", "\x1b[1;31m"},
};

_Static_assert(MARK_LAST < '\t', "marks are no white space");

void text_colour_word(struct buffer *out, enum status status)
{
    buffer_printf(out, "%c%s%c", MARK_WORD + (int)status, words[status].word, MARK_END);
}

void text_colour_wrong(struct buffer *out)
{
    buffer_put(out, (const char[]){MARK_WRONG}, 1);
}

static bool is_mark(char c)
{
    return c >= MARK_END && c <= MARK_LAST;
}

/* In place: a text is as long as it was, or shorter. */
static void strip(struct buffer *out, size_t from)
{
    size_t len = from;

    for (size_t i = from; i < out->len; i++)
        if (!is_mark(out->data[i]))
            out->data[len++] = out->data[i];
    out->len = len;
    if (out->data)
        out->data[len] = '\0';
}

static const char *sequence(char mark)
{
    return mark == MARK_WRONG ? SGR_WRONG : words[mark - MARK_WORD].sgr;
}

/* A mark or a line end; *on_io is whether a colour is on. */
static void turn(struct buffer *out, char c, bool *on_io)
{
    if ((c == MARK_END || c == '\n') && *on_io) {
        buffer_puts(out, SGR_END);
        *on_io = false;
    }
    if (c == '\n') {
        buffer_puts(out, "\n");
    } else if (c != MARK_END && !*on_io) {
        buffer_puts(out, sequence(c));
        *on_io = true;
    }
}

/* False when it would be too long. */
static bool paint(struct buffer *out, size_t from)
{
    struct buffer painted;
    bool on = false;

    buffer_init(&painted, out->limit);
    buffer_put(&painted, out->data, from);
    for (size_t i = from; i < out->len; i++) {
        size_t plain = i;
        while (i < out->len && !is_mark(out->data[i]) && out->data[i] != '\n')
            i++;
        buffer_put(&painted, out->data + plain, i - plain);
        if (i < out->len)
            turn(&painted, out->data[i], &on);
    }
    if (on)
        buffer_puts(&painted, SGR_END);
    bool fits = !painted.full;
    if (fits) {
        painted.full = out->full;
        buffer_free(out);
        *out = painted;
    } else {
        buffer_free(&painted);
    }
    return fits;
}

void text_colour_finish(struct buffer *out, size_t from, bool colour)
{
    if (!colour || !out->data || !paint(out, from))
        strip(out, from);
}
