/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259), compact, straight into the buffer. A tree of it, as doc.c has jansson build one, costs
 * four times what the whole dialogue does that it tells of. Text that is not UTF-8 should not come here;
 * should it all the same, it is shown escaped.
 */
#include "server/render/pen.h"

#include "probe/base/clock.h"
#include "probe/base/text.h"
#include "server/render/age.h"

#include <assert.h>
#include <string.h>

#define NUMBER_SIZE 32

void pen_init(struct pen *p, struct buffer *out, const struct render_share *share)
{
    *p = (struct pen){.out = out, .begun = out->len, .share = *share};
}

/* As buffer_room and buffer_put do, for the pieces of a few octets that a document is made of. */
static inline char *room(struct buffer *out, size_t len)
{
    if (out->full || out->size - out->len <= len)
        return buffer_room(out, len);
    out->len += len;
    out->data[out->len] = '\0';
    return out->data + out->len - len;
}

static inline void put(struct buffer *out, const char *data, size_t len)
{
    char *at = room(out, len);

    if (at)
        memcpy(at, data, len);
}

/* ---- what a string may hold ---- */

/* The letter behind the backslash, 0 when there is none. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* Whether it stands in a string as it is: it ends none, and is no control. */
static inline bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

static void put_escaped(struct buffer *out, unsigned char c)
{
    static const char hex[] = "0123456789ABCDEF";
    char escape[] = {'\\', short_escape(c), '0', '0', hex[c >> 4], hex[c & 0x0f]};

    if (!escape[1])
        escape[1] = 'u';
    put(out, escape, escape[1] == 'u' ? sizeof escape : 2);
}

/* What stands in quotes. */
static void put_escaped_text(struct buffer *out, const char *text)
{
    for (;;) {
        const char *to = text;
        while (is_plain(*to))
            to++;
        put(out, text, (size_t)(to - text));
        if (*to == '\0')
            break;
        put_escaped(out, (unsigned char)*to);
        text = to + 1;
    }
}

/* Of eight octets, whether any is 0, or less than that. */
#define EACH(octet)       (UINT64_C(0x0101010101010101) * (octet))
#define HAS_LESS(w, most) (((w)-EACH(most)) & ~(w)&EACH(0x80))

static inline bool are_plain(uint64_t w)
{
    return !((w & EACH(0x80)) | HAS_LESS(w, 0x20) | HAS_LESS(w ^ EACH('"'), 1) | HAS_LESS(w ^ EACH('\\'), 1));
}

/* The octets there and there, side by side; between them, what is plain. */
static inline uint64_t eight(const char *first, const char *last, size_t each)
{
    uint64_t w = EACH('0');

    memcpy(&w, first, each);
    memcpy((char *)&w + 8 - each, last, each);
    return w;
}

/* Whether all of it is plain, and ASCII, as almost every text is: eight octets at a time, of which the last
 * overlap those before. */
static bool is_all_plain(const char *text, size_t len)
{
    if (len < 2)
        return len == 0 || are_plain(eight(text, text, 1));
    if (len < 4)
        return are_plain(eight(text, text + len - 2, 2));
    if (len < 8)
        return are_plain(eight(text, text + len - 4, 4));
    for (size_t i = 0; i + 8 <= len; i += 8)
        if (!are_plain(eight(text + i, text + i + 4, 4)))
            return false;
    return are_plain(eight(text + len - 8, text + len - 4, 4));
}

static inline void quote(char *at, const char *text, size_t len)
{
    at[0] = '"';
    memcpy(at + 1, text, len);
    at[len + 1] = '"';
}

/* ---- the frame ---- */

static bool in_list(const struct pen *p)
{
    return p->depth == 0 || p->lists >> (p->depth - 1) & 1;
}

/* The key, and room behind it for a value of that length; null where there is none. */
static char *put_key(struct pen *p, const char *key, size_t value_len)
{
    size_t comma = p->follows, len = key ? strlen(key) : 0;
    size_t size = key ? len + 3 : 0; /* with quotes and colon */
    char *at = room(p->out, comma + size + value_len);

    assert(in_list(p) == (key == NULL));
    p->follows = true;
    if (!at)
        return NULL;
    if (comma)
        *at++ = ',';
    if (!key)
        return at;
    quote(at, key, len);
    at[len + 2] = ':';
    return at + size;
}

static void put_value(struct pen *p, const char *key, const char *value, size_t len)
{
    char *at = put_key(p, key, len);

    if (at)
        memcpy(at, value, len);
}

static void open_one(struct pen *p, const char *key, bool list)
{
    assert(p->depth < 64);
    put_value(p, key, list ? "[" : "{", 1);
    p->lists &= ~(UINT64_C(1) << p->depth);
    p->lists |= (uint64_t)list << p->depth++;
    p->follows = false;
}

void pen_object(struct pen *p, const char *key)
{
    open_one(p, key, false);
}

void pen_list(struct pen *p, const char *key)
{
    open_one(p, key, true);
}

void pen_end(struct pen *p)
{
    assert(p->depth > 0);
    put(p->out, in_list(p) ? "]" : "}", 1);
    p->depth--;
    p->follows = true;
}

struct pen_place pen_place(const struct pen *p)
{
    return (struct pen_place){p->out->len, p->lists, p->depth, p->follows};
}

void pen_return(struct pen *p, const struct pen_place *place)
{
    buffer_return(p->out, place->len);
    p->lists = place->lists;
    p->depth = place->depth;
    p->follows = place->follows;
}

void pen_finish(struct pen *p)
{
    bool full = p->out->full;

    assert(p->depth == 0);
    if (full)
        buffer_return(p->out, p->begun);
    p->out->full = full;
    arena_free(&p->arena);
}

/* ---- values ---- */

void pen_null(struct pen *p, const char *key)
{
    put_value(p, key, "null", 4);
}

void pen_bool(struct pen *p, const char *key, bool value)
{
    put_value(p, key, value ? "true" : "false", value ? 4 : 5);
}

void pen_tri(struct pen *p, const char *key, enum tri value)
{
    if (value == TRI_NULL)
        pen_null(p, key);
    else
        pen_bool(p, key, value == TRI_TRUE);
}

/* The digits end at end; where they begin. */
static char *digits_before(char *end, uint64_t value)
{
    do
        *--end = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    return end;
}

void pen_integer(struct pen *p, const char *key, int64_t value)
{
    char text[NUMBER_SIZE];
    char *end = text + sizeof text;
    char *at = digits_before(end, value < 0 ? -(uint64_t)value : (uint64_t)value);

    if (value < 0)
        *--at = '-';
    put_value(p, key, at, (size_t)(end - at));
}

static const char *make_utf8(struct pen *p, const char *text)
{
    return text_is_utf8(span_of(text)) ? text : text_escape(&p->arena, span_of(text));
}

const char *pen_key(struct pen *p, const char *text)
{
    struct buffer escaped;

    if (is_all_plain(text, strlen(text)))
        return text;
    buffer_init(&escaped, p->out->limit);
    put_escaped_text(&escaped, make_utf8(p, text));
    const char *key = arena_dup_span(&p->arena, buffer_span(&escaped));
    p->out->full = p->out->full || escaped.full;
    buffer_free(&escaped);
    return key;
}

void pen_string(struct pen *p, const char *key, const char *text)
{
    if (!text) {
        pen_null(p, key);
        return;
    }
    size_t len = strlen(text);
    bool plain = is_all_plain(text, len);
    char *at = put_key(p, key, plain ? len + 2 : 1);
    if (!at)
        return;
    if (plain) {
        quote(at, text, len);
        return;
    }
    *at = '"';
    put_escaped_text(p->out, make_utf8(p, text));
    put(p->out, "\"", 1);
}

void pen_said(struct pen *p, const char *key, const char *text)
{
    size_t part = text ? render_take(&p->share, text) : 0;

    if (!text || text[part] == '\0')
        pen_string(p, key, text);
    else
        pen_string(p, key, arena_printf(&p->arena, "%.*s...", (int)part, text));
}

/* Three decimals hold every microsecond; zeros at the end are left away, but for one. */
void pen_skew(struct pen *p, const char *key, int64_t us)
{
    char text[NUMBER_SIZE];
    char *end = text + sizeof text, *at = end;
    uint64_t size = us < 0 ? -(uint64_t)us : (uint64_t)us;

    if (us == CLOCK_NONE) {
        pen_null(p, key);
        return;
    }
    at = digits_before(end, size % 1000 + 1000); /* a digit more, so that there are three */
    *at = '.';
    while (end[-1] == '0' && end - at > 2)
        end--;
    at = digits_before(at, size / 1000);
    if (us < 0)
        *--at = '-';
    put_value(p, key, at, (size_t)(end - at));
}

void pen_milliseconds(struct pen *p, const char *key, int64_t us)
{
    pen_skew(p, key, us < 0 && us != CLOCK_NONE ? 0 : us);
}

void pen_age(struct pen *p, const char *key, int64_t past_us, int64_t now_us)
{
    char text[RENDER_NUMBER_SIZE];

    age_milliseconds(past_us, now_us, text);
    put_value(p, key, text, strlen(text));
}

void pen_code(struct pen *p, const char *key, int reply_code)
{
    if (reply_code)
        pen_integer(p, key, reply_code);
    else
        pen_null(p, key);
}

void pen_enhanced(struct pen *p, const char *key, struct enhanced value)
{
    char text[ENHANCED_TEXT_SIZE];

    if (value.class)
        enhanced_text(value, text);
    pen_string(p, key, value.class ? text : NULL);
}

void pen_wall_time(struct pen *p, const char *key, int64_t wall_us)
{
    char text[TEXT_TIME_SIZE];

    text_time(wall_us, text);
    pen_string(p, key, text);
}

void pen_when(struct pen *p, const char *key, int64_t wall_us)
{
    if (wall_us == CLOCK_NONE)
        pen_null(p, key);
    else
        pen_wall_time(p, key, wall_us);
}

void pen_address(struct pen *p, const char *key, const struct address *a)
{
    char text[ADDRESS_TEXT_SIZE];

    address_text(a, text);
    pen_string(p, key, *text ? text : NULL);
}

void pen_port(struct pen *p, const char *key, uint16_t number)
{
    pen_code(p, key, number);
}

void pen_family(struct pen *p, const char *key, const struct address *a)
{
    switch (address_family(a)) {
    case AF_INET:
        pen_string(p, key, family_name(FAMILY_IPV4));
        break;
    case AF_INET6:
        pen_string(p, key, family_name(FAMILY_IPV6));
        break;
    case AF_UNIX:
        pen_string(p, key, "unix");
        break;
    default:
        pen_null(p, key);
    }
}

void pen_flags(struct pen *p, const char *key, uint64_t flags)
{
    pen_list(p, key);
    for (enum flag f = 0; f < FLAG_COUNT; f++)
        if (flags >> f & 1)
            pen_string(p, NULL, flag_name(f));
    pen_end(p);
}
