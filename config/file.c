/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gets the bytes of a config file and makes sure that they are text. What the text means is yaml.c's
 * business.
 */
#include "config/file.h"

#include "probe/base/slurp.h"
#include "probe/base/text.h"

#include <string.h>

static void refuse(struct findings *f, const struct node_mark *mark, const char *text)
{
    findings_add(f, FINDINGS_ERROR, mark, text);
}

/* The length of the character at the start, 0 when there is none that may stand in a config. */
static size_t character(struct span text)
{
    if (text.data[0] == '\n' || text.data[0] == '\r')
        return 1;
    for (size_t len = 1; len <= 4 && len <= text.len; len++)
        if (text_is_clean((struct span){text.data, len}))
            return len;
    return 0;
}

static const char *describe_byte(struct arena *a, unsigned char byte)
{
    if (byte < 0x20 || byte == 0x7f)
        return arena_printf(a, "a control character has no place here (found byte 0x%02X)", byte);
    return arena_printf(a, "not UTF-8 text (found byte 0x%02X)", byte);
}

/* Finds the first thing that is not text. */
static int check_text(struct span text, const struct node_origin *origin, struct arena *a, struct findings *f)
{
    struct node_mark mark = {origin, 1, 1};
    while (text.len > 0) {
        size_t len = character(text);
        if (len == 0) {
            refuse(f, &mark, describe_byte(a, (unsigned char)text.data[0]));
            return -1;
        }
        bool crlf = text.data[0] == '\r' && text.len > 1 && text.data[1] == '\n';
        mark.column++;
        if (!crlf && (text.data[0] == '\n' || text.data[0] == '\r')) {
            mark.line++;
            mark.column = 1;
        }
        text.data += len;
        text.len -= len;
    }
    return 0;
}

static bool begins(struct span text, const char *bytes, size_t len)
{
    return text.len >= len && memcmp(text.data, bytes, len) == 0;
}

int file_read(const struct node_origin *origin, struct arena *a, struct findings *f, struct span *text_r)
{
    struct node_mark whole = {origin, 0, 0};
    struct span text = {0};
    const struct slurp_kind kind = {"a config file", FILE_MAX_BYTES};
    const char *why = slurp_file(origin->name, &kind, a, &text);
    if (!why && (begins(text, "\xff\xfe", 2) || begins(text, "\xfe\xff", 2)))
        why = "not UTF-8 text (found UTF-16 or UTF-32); save it as UTF-8";
    if (why) {
        refuse(f, &whole, why);
        return -1;
    }
    if (begins(text, "\xef\xbb\xbf", 3))
        text = (struct span){text.data + 3, text.len - 3};
    if (check_text(text, origin, a, f) != 0)
        return -1;
    *text_r = text;
    return 0;
}
