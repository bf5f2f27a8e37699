/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modified UTF-7: printable ASCII stands for itself, "&" is "&-", all else is UTF-16 (big-endian) in base64
 * between "&" and "-", with "," for "/" and without padding.
 */
#include "probe/proto/imap_name.h"

#include "probe/base/base64.h"
#include "probe/base/text.h"

#include <stdint.h>
#include <string.h>

#define MAX_NAME 1024
#define NO_LIMIT (SIZE_MAX / 4) /* a name is bounded by whoever read it */

static bool is_plain(char c)
{
    return c >= ' ' && c <= '~' && c != '&';
}

/* The code point at the beginning of valid UTF-8, and how many octets it has. */
static uint32_t read_code(const char *text, size_t *len_r)
{
    unsigned char first = (unsigned char)text[0];
    size_t len = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    uint32_t code = len == 1 ? first : first & (0xFFU >> (len + 1));

    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)text[i] & 0x3F);
    *len_r = len;
    return code;
}

static void put_unit(struct buffer *b, uint32_t unit)
{
    char octets[2] = {(char)(unit >> 8), (char)(unit & 0xFF)};

    buffer_put(b, octets, 2);
}

static void put_base64(struct arena *a, struct buffer *out, const struct buffer *units)
{
    size_t len = base64_len(units->len);
    char *text = arena_alloc(a, len + 1);

    base64_encode(buffer_span(units), text);
    while (len && text[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++)
        if (text[i] == '/')
            text[i] = ',';
    buffer_puts(out, "&");
    buffer_put(out, text, len);
    buffer_puts(out, "-");
}

/* A run of characters that are not plain; how many octets it has. */
static size_t encode_run(struct arena *a, struct buffer *out, const char *text)
{
    struct buffer units;
    size_t used = 0;

    buffer_init(&units, NO_LIMIT);
    while (text[used] && !is_plain(text[used]) && text[used] != '&') {
        size_t len;
        uint32_t code = read_code(text + used, &len);
        if (code > 0xFFFF) {
            put_unit(&units, 0xD800 + ((code - 0x10000) >> 10));
            code = 0xDC00 + ((code - 0x10000) & 0x3FF);
        }
        put_unit(&units, code);
        used += len;
    }
    put_base64(a, out, &units);
    buffer_free(&units);
    return used;
}

const char *imap_name_encode(struct arena *a, const char *text)
{
    struct buffer out;

    buffer_init(&out, NO_LIMIT);
    while (*text) {
        if (*text == '&') {
            buffer_puts(&out, "&-");
            text++;
        } else if (is_plain(*text)) {
            buffer_put(&out, text++, 1);
        } else {
            text += encode_run(a, &out, text);
        }
    }
    const char *name = arena_dup_span(a, buffer_span(&out));
    buffer_free(&out);
    return name;
}

/* ---- and back ---- */

static void put_code(struct buffer *b, uint32_t code)
{
    char c[4];

    if (code < 0x80) {
        c[0] = (char)code;
        buffer_put(b, c, 1);
        return;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; code >>= 6)
        c[i] = (char)(0x80 | (code & 0x3F));
    c[0] = (char)((0xF00U >> len & 0xFF) | code);
    buffer_put(b, c, len);
}

/* Units that make no pair become what no UTF-8 holds, so that the whole is escaped in the end. */
static void put_units(struct buffer *b, const unsigned char *octets, size_t len)
{
    for (size_t i = 0; i + 1 < len; i += 2) {
        uint32_t unit = (uint32_t)octets[i] << 8 | octets[i + 1];
        if (unit >= 0xD800 && unit < 0xDC00 && i + 3 < len) {
            uint32_t low = (uint32_t)octets[i + 2] << 8 | octets[i + 3];
            if (low >= 0xDC00 && low < 0xE000) {
                unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                i += 2;
            }
        }
        put_code(b, unit);
    }
}

/* What stands between "&" and "-"; 0, or -1. */
static int decode_run(struct arena *a, struct buffer *out, struct span text)
{
    size_t padded = (text.len + 3) / 4 * 4;
    char *base64 = arena_alloc(a, padded + 1), *octets = arena_alloc(a, padded + 1);

    memset(base64, '=', padded);
    for (size_t i = 0; i < text.len; i++)
        base64[i] = text.data[i] == ',' ? '/' : text.data[i];
    int len = memchr(text.data, '/', text.len) ? -1 : base64_decode((struct span){base64, padded}, octets);
    if (len <= 0 || len % 2)
        return -1;
    put_units(out, (unsigned char *)octets, (size_t)len);
    return 0;
}

static int decode(struct arena *a, struct buffer *out, const char *name)
{
    while (*name) {
        const char *end = *name == '&' ? strchr(name, '-') : NULL;
        if (*name != '&') {
            buffer_put(out, name++, 1);
            continue;
        }
        if (!end)
            return -1;
        if (end == name + 1)
            buffer_puts(out, "&");
        else if (decode_run(a, out, (struct span){name + 1, (size_t)(end - name) - 1}))
            return -1;
        name = end + 1;
    }
    return 0;
}

const char *imap_name_decode(struct arena *a, const char *name)
{
    struct buffer out;
    const char *text;

    buffer_init(&out, NO_LIMIT);
    if (decode(a, &out, name) == 0 && text_is_clean(buffer_span(&out)))
        text = arena_dup_span(a, buffer_span(&out));
    else
        text = text_escape(a, span_of(name));
    buffer_free(&out);
    return text;
}

/* ---- on the wire ---- */

bool imap_name_is_good(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if (name[i] < ' ' || name[i] > '~')
            return false;
    return len && len <= MAX_NAME;
}

void imap_name_quote(struct buffer *b, const char *name)
{
    buffer_puts(b, "\"");
    for (; *name; name++) {
        if (*name == '"' || *name == '\\')
            buffer_puts(b, "\\");
        buffer_put(b, name, 1);
    }
    buffer_puts(b, "\"");
}
