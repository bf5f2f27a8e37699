/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads responses (RFC 9051 section 9). Data that nobody asked for is passed over whatever it says, as
 * clients must; sets of numbers ("1:4294967295") are among that, and are never counted out.
 *
 *   response-tagged = tag SP resp-cond-state ; OK, NO, BAD [SP "[" resp-text-code "]"] SP text
 *   msg-att         = "(" item SP value *(SP item SP value) ")"
 *   value           = atom / number / quoted / literal / "(" *value ")"
 */
#include "probe/proto/imap_parse.h"

#include <string.h>
#include <strings.h>

#define MAX_DEPTH 32

struct cursor {
    const char *at;
    const char *end;
};

static bool is_at(const struct cursor *c, char what)
{
    return c->at < c->end && *c->at == what;
}

static bool take(struct cursor *c, char what)
{
    bool there = is_at(c, what);

    c->at += there;
    return there;
}

static void skip_spaces(struct cursor *c)
{
    while (take(c, ' '))
        ;
}

static struct span since(const struct cursor *c, const char *begin)
{
    return (struct span){begin, (size_t)(c->at - begin)};
}

/* ---- words and numbers ---- */

static struct span take_word(struct cursor *c, const char *ends)
{
    const char *begin = c->at;

    while (c->at < c->end && *c->at && !strchr(ends, *c->at))
        c->at++;
    return since(c, begin);
}

bool imap_parse_word(struct span text, const char *word, struct span *rest_r)
{
    size_t len = strlen(word);

    if (text.len < len || strncasecmp(text.data, word, len) != 0)
        return false;
    if (text.len > len && text.data[len] != ' ')
        return false;
    len += text.len > len;
    *rest_r = (struct span){text.data + len, text.len - len};
    return true;
}

static int read_number(struct span digits, uint64_t most, uint64_t *number_r)
{
    uint64_t value = 0;

    if (!digits.len)
        return -1;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9' || value > most / 10)
            return -1;
        value = value * 10 + (uint64_t)(digits.data[i] - '0');
        if (value > most)
            return -1;
    }
    *number_r = value;
    return 0;
}

int imap_parse_number(struct span text, uint32_t *number_r)
{
    struct cursor c = {text.data, text.len ? text.data + text.len : text.data};
    uint64_t value;

    if (!text.len || read_number(take_word(&c, " ])"), UINT32_MAX, &value) || !value)
        return -1;
    *number_r = (uint32_t)value;
    return 0;
}

/* ---- a whole response ---- */

static void read_status(struct imap_reply *r)
{
    static const char *const names[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};
    struct span rest;

    r->status = IMAP_NO_STATUS;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!imap_parse_word(r->rest, names[i], &rest))
            continue;
        r->status = (enum imap_status)i;
        const char *end = rest.len && rest.data[0] == '[' ? memchr(rest.data, ']', rest.len) : NULL;
        if (end)
            r->code = (struct span){rest.data + 1, (size_t)(end - rest.data) - 1};
        return;
    }
}

int imap_parse_reply(struct span response, struct imap_reply *reply_r)
{
    struct cursor c = {response.data, response.data + response.len};
    struct imap_reply r = {.status = IMAP_NO_STATUS};
    uint64_t number;

    r.tag = take_word(&c, " ");
    if (!r.tag.len || (c.at < c.end && !take(&c, ' ')))
        return -1;
    r.rest = (struct span){c.at, (size_t)(c.end - c.at)};
    if (span_is(r.tag, "+")) {
        *reply_r = r;
        return 0;
    }
    read_status(&r);
    if (r.status == IMAP_NO_STATUS && read_number(take_word(&c, " "), UINT32_MAX, &number) == 0) {
        r.has_number = true;
        r.number = (uint32_t)number;
        skip_spaces(&c);
        r.rest = (struct span){c.at, (size_t)(c.end - c.at)};
    }
    *reply_r = r;
    return 0;
}

/* ---- values ---- */

/* What is between the quotes, with its backslashes. */
static int take_quoted(struct cursor *c, struct span *text_r)
{
    const char *begin = ++c->at;

    for (; c->at < c->end; c->at++) {
        if (*c->at == '"') {
            *text_r = since(c, begin);
            c->at++;
            return 0;
        }
        if (*c->at == '\\' && c->at + 1 < c->end)
            c->at++;
    }
    return -1;
}

static int take_literal(struct cursor *c, struct span *text_r)
{
    uint64_t len;

    c->at++;
    if (read_number(take_word(c, "+}"), SIZE_MAX / 2, &len))
        return -1;
    (void)take(c, '+');
    if (!take(c, '}'))
        return -1;
    (void)take(c, '\r');
    if (!take(c, '\n') || len > (uint64_t)(c->end - c->at))
        return -1;
    *text_r = (struct span){c->at, (size_t)len};
    c->at += len;
    return 0;
}

/* A string, or anything up to a space or a closing bracket. Data null: NIL. */
static int take_simple(struct cursor *c, struct span *text_r)
{
    if (is_at(c, '"'))
        return take_quoted(c, text_r);
    if (is_at(c, '{'))
        return take_literal(c, text_r);
    *text_r = take_word(c, " ()");
    if (span_is_nocase(*text_r, "NIL"))
        *text_r = (struct span){0};
    else if (!text_r->len)
        return -1;
    return 0;
}

static int skip_list(struct cursor *c)
{
    struct span ignored;
    int depth = 0;

    do {
        skip_spaces(c);
        if (take(c, '('))
            depth++;
        else if (take(c, ')'))
            depth--;
        else if (take_simple(c, &ignored))
            return -1;
        if (depth > MAX_DEPTH)
            return -1;
    } while (depth);
    return 0;
}

static int take_value(struct cursor *c, struct span *text_r)
{
    *text_r = (struct span){0};
    return is_at(c, '(') ? skip_list(c) : take_simple(c, text_r);
}

/* ---- FETCH ---- */

/* "UID", or "BODY[HEADER.FIELDS (A B)]<0>": name and section. */
static int take_item(struct cursor *c, struct span *name_r, struct span *section_r)
{
    struct span ignored;

    *name_r = take_word(c, " [()");
    *section_r = (struct span){0};
    if (!name_r->len)
        return -1;
    if (take(c, '[')) {
        const char *begin = c->at;
        while (c->at < c->end && *c->at != ']')
            if (*c->at == '"' ? take_quoted(c, &ignored) : (c->at++, 0))
                return -1;
        *section_r = since(c, begin);
        if (!take(c, ']'))
            return -1;
        if (is_at(c, '<'))
            (void)take_word(c, " ()");
    }
    return take(c, ' ') ? 0 : -1;
}

static int keep_item(struct imap_fetch *f, struct span name, struct span section, struct span value)
{
    static const char fields[] = "HEADER.FIELDS";

    if (span_is_nocase(name, "UID"))
        return imap_parse_number(value, &f->uid);
    if (span_is_nocase(name, "RFC822.SIZE")) {
        f->has_size = true;
        return read_number(value, INT64_MAX, &f->size);
    }
    if (!span_is_nocase(name, "BODY") || !section.data)
        return 0;
    if (!section.len)
        f->body = value;
    else if (section.len >= sizeof fields - 1 && strncasecmp(section.data, fields, sizeof fields - 1) == 0)
        f->header = value;
    return 0;
}

int imap_parse_fetch(struct span text, struct imap_fetch *fetch_r)
{
    struct cursor c = {text.data, text.data + text.len};
    struct imap_fetch f = {0};

    if (!take(&c, '('))
        return -1;
    for (;;) {
        struct span name, section, value;
        skip_spaces(&c);
        if (take(&c, ')'))
            break;
        if (take_item(&c, &name, &section) || take_value(&c, &value) || keep_item(&f, name, section, value))
            return -1;
    }
    *fetch_r = f;
    return 0;
}

/* ---- LIST ---- */

static const char *unquote(struct arena *a, struct span text)
{
    char *out = arena_alloc(a, text.len + 1), *to = out;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\\' && i + 1 < text.len)
            i++;
        *to++ = text.data[i];
    }
    return out;
}

static bool take_attributes(struct cursor *c, const char *wanted)
{
    bool found = false;

    while (!is_at(c, ')')) {
        struct span word = take_word(c, " ()");
        if (!word.len)
            return false;
        found = found || span_is_nocase(word, wanted);
        skip_spaces(c);
    }
    c->at++;
    return found;
}

int imap_parse_list(struct arena *a, struct span text, const char *attribute, const char **name_r)
{
    struct cursor c = {text.data, text.data + text.len};
    struct span ignored, name;

    if (!take(&c, '(') || !take_attributes(&c, attribute) || !take(&c, ' ') || take_simple(&c, &ignored) ||
        !take(&c, ' '))
        return -1;
    bool quoted = is_at(&c, '"');
    if (take_simple(&c, &name) || !name.data || !name.len || memchr(name.data, '\0', name.len))
        return -1;
    *name_r = quoted ? unquote(a, name) : arena_dup_span(a, name);
    return 0;
}
