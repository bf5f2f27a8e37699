/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a response of an IMAP server ends (RFC 9051 sections 2.2.2 and 4.3). Greetings, status responses,
 * continuations and tagged responses end with free text, in which "{7}" is no literal. A bare LF ends a line,
 * too: nothing hangs on it.
 *
 *   literal = "{" number ["+"] "}" CRLF *CHAR8
 */
#include "probe/proto/imap_line.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define MAX_TEXT (256 * 1024) /* of a response, whatever the caller allows */

void imap_line_init(struct imap_line *l)
{
    *l = (struct imap_line){0};
    buffer_init(&l->text, MAX_TEXT);
}

void imap_line_free(struct imap_line *l)
{
    buffer_free(&l->text);
}

void imap_line_clear(struct imap_line *l)
{
    buffer_clear(&l->text);
    l->line_at = l->literals = l->left = l->announced = 0;
    l->wrong = IMAP_LINE_GOOD;
}

static bool is_free_text(const struct imap_line *l)
{
    static const char *const words[] = {"* OK", "* NO", "* BAD", "* BYE", "* PREAUTH"};
    const char *text = l->text.data;

    if (text[0] != '*')
        return true;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t len = strlen(words[i]);
        if (l->text.len > len && strncasecmp(text, words[i], len) == 0 && strchr(" \r\n", text[len]))
            return true;
    }
    return false;
}

/* The digits before end, as far back as they go; SIZE_MAX where they are too many. Whether a brace opens
 * before them. */
static bool read_length(const char *begin, const char *end, size_t *length_r)
{
    size_t value = 0, scale = 1, digits = 0;

    while (end > begin && end[-1] >= '0' && end[-1] <= '9') {
        if (++digits > 10) {
            value = SIZE_MAX;
        } else {
            value += (size_t)(end[-1] - '0') * scale;
            scale *= 10;
        }
        end--;
    }
    *length_r = value;
    return digits && end > begin && end[-1] == '{';
}

/* Whether the line that was just ended announces a literal. */
static bool announces(const struct imap_line *l, size_t *length_r)
{
    const char *begin = l->text.data + l->line_at, *end = l->text.data + l->text.len - 1;

    if (end > begin && end[-1] == '\r')
        end--;
    if (end <= begin || *--end != '}' || is_free_text(l))
        return false;
    if (end > begin && end[-1] == '+')
        end--;
    return read_length(begin, end, length_r);
}

static void drop_line_end(struct imap_line *l)
{
    size_t len = l->text.len - 1;

    if (len > l->line_at && l->text.data[len - 1] == '\r')
        len--;
    l->text.data[len] = '\0';
    l->text.len = len;
}

static int wrong(struct imap_line *l, enum imap_line_wrong what)
{
    l->wrong = what;
    return -1;
}

/* A line is whole: as imap_line_feed. */
static int end_line(struct imap_line *l, size_t most)
{
    size_t length;

    if (!announces(l, &length)) {
        drop_line_end(l);
        return 1;
    }
    if (length > most - l->literals) {
        l->announced = length;
        return wrong(l, IMAP_LINE_LITERAL);
    }
    l->literals += length;
    l->left = length;
    return 0;
}

static size_t take_literal(struct imap_line *l, struct span bytes)
{
    size_t len = bytes.len < l->left ? bytes.len : l->left;

    buffer_put(&l->text, bytes.data, len);
    l->left -= len;
    l->line_at = l->text.len;
    return len;
}

/* Up to the line's end, where that is among them. */
static size_t take_line(struct imap_line *l, struct span bytes, bool *ended_r)
{
    const char *end = memchr(bytes.data, '\n', bytes.len);
    size_t len = end ? (size_t)(end - bytes.data) + 1 : bytes.len;

    *ended_r = end;
    buffer_put(&l->text, bytes.data, len);
    return len;
}

int imap_line_feed(struct imap_line *l, struct span bytes, size_t most, size_t *used_r)
{
    size_t used = 0;
    int result = 0;

    while (result == 0 && used < bytes.len) {
        struct span rest = {bytes.data + used, bytes.len - used};
        bool ended = false;
        if (l->left) {
            used += take_literal(l, rest);
            continue;
        }
        used += take_line(l, rest, &ended);
        if (l->text.full || l->text.len - (l->literals - l->left) > IMAP_MAX_LINE)
            result = wrong(l, IMAP_LINE_TOO_LONG);
        else if (ended)
            result = end_line(l, most);
    }
    *used_r = used;
    return result;
}
