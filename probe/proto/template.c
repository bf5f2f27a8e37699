/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a message template: what is a field of its header (RFC 5322 section 2.2), where a {{name}} stands,
 * and the body as it goes over the wire (RFC 5321 section 4.5.2). What could be read in two ways, or changed
 * on the way by who must mend it (a CR that ends no line, NUL, overlong lines), is a mistake.
 */
#include "probe/base/text.h"
#include "probe/proto/template_parts.h"

#include <assert.h>
#include <string.h>

#define SHOWN_MOST 40 /* octets of a name in a message */

static const char *const names[TEMPLATE_NAME_COUNT] = {
    [TEMPLATE_HOSTNAME] = "hostname", [TEMPLATE_FROM] = "from",   [TEMPLATE_TO] = "to",
    [TEMPLATE_TARGET] = "target",     [TEMPLATE_ROUTE] = "route", [TEMPLATE_ADDRESS] = "address",
    [TEMPLATE_DATE] = "date",         [TEMPLATE_TOKEN] = "token", [TEMPLATE_MESSAGE_ID] = "message_id",
};

static const char *const fields[FIELD_COUNT] = {
    [FIELD_DATE] = "Date",
    [FIELD_FROM] = "From",
    [FIELD_MESSAGE_ID] = "Message-ID",
    [FIELD_TOKEN] = "X-Ehlod-Token",
};

struct reader {
    struct template *t;
    struct arena *arena; /* the template's */
    struct arena *scratch;
    struct template_mistakes *mistakes;
    unsigned line;
    char *out; /* of the body */
    size_t len;
};

void template_complain(struct template_mistakes *m, unsigned line, const char *text)
{
    if (m->count < TEMPLATE_MAX_MISTAKES)
        m->list[m->count++] = (struct template_mistake){line, text};
}

/* Whether there is room for one more, so that it is worth reading on. */
static bool goes_on(const struct reader *r)
{
    return r->mistakes->count < TEMPLATE_MAX_MISTAKES;
}

static void complain(struct reader *r, const char *text)
{
    template_complain(r->mistakes, r->line, text);
}

struct span template_next_line(struct span *text)
{
    const char *end = memchr(text->data, '\n', text->len);
    size_t len = end ? (size_t)(end - text->data) : text->len;
    struct span line = {text->data, len};

    text->data += end ? len + 1 : len;
    text->len -= end ? len + 1 : len;
    if (end && line.len && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

size_t template_white(struct span text)
{
    size_t len = 0;

    while (len < text.len && (text.data[len] == ' ' || text.data[len] == '\t'))
        len++;
    return len;
}

struct span template_trim(struct span text)
{
    size_t white = template_white(text);

    text = (struct span){text.data + white, text.len - white};
    while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

size_t template_find_place(struct span text)
{
    const char *at = text.len ? memmem(text.data, text.len, "{{", 2) : NULL;

    return at ? (size_t)(at - text.data) : text.len;
}

int template_name_at(struct span text, enum template_name *name_r, size_t *len_r)
{
    const char *end = text.len ? memmem(text.data, text.len, "}}", 2) : NULL;
    struct span name = {text.data, end ? (size_t)(end - text.data) : 0};
    int found = 0;

    if (!end)
        return -1;
    while (found < TEMPLATE_NAME_COUNT && !span_is(name, names[found]))
        found++;
    *name_r = (enum template_name)found;
    *len_r = name.len;
    return 0;
}

/* The first {{name}} of a line that is known and has an end; the line moves behind it, *before_r is what
 * stands before. False when there is none (any more). */
static bool next_place(struct reader *r, struct span *line, struct span *before_r, enum template_name *name_r)
{
    size_t open = template_find_place(*line), len;

    *before_r = (struct span){line->data, open};
    if (open == line->len)
        return false;
    struct span rest = {line->data + open + 2, line->len - open - 2};
    if (template_name_at(rest, name_r, &len) != 0) {
        complain(r, "{{ without }} after it");
        return false;
    }
    *line = (struct span){rest.data + len + 2, rest.len - len - 2};
    if (*name_r < TEMPLATE_NAME_COUNT)
        return true;
    struct span shown = {rest.data, len < SHOWN_MOST ? len : SHOWN_MOST};
    complain(r, arena_printf(r->scratch, "unknown placeholder {{%s%s}}", text_escape(r->scratch, shown),
                             shown.len < len ? "..." : ""));
    return false;
}

/* What may stand nowhere in a line, since no server must see it (RFC 5321 sections 2.3.8 and 4.5.2). */
static bool is_sendable(struct reader *r, struct span line)
{
    if (line.len && memchr(line.data, '\r', line.len))
        complain(r, "a CR that ends no line, which mail cannot carry");
    else if (line.len && memchr(line.data, '\0', line.len))
        complain(r, "a NUL, which mail cannot carry");
    else
        return true;
    return false;
}

/* the header */

static bool is_field_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] >= 0x7f)
            return false;
    return len > 0;
}

static void read_own_field(struct reader *r, struct span name, struct span value)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!span_is_nocase(name, fields[i]))
            continue;
        if (r->t->own_fields >> i & 1)
            complain(r, arena_printf(r->scratch, "a second %s field", fields[i]));
        r->t->own_fields |= 1U << i;
        if (i == FIELD_MESSAGE_ID)
            r->t->id_line = r->line;
        if (i == FIELD_TOKEN && !span_is(template_trim(value), "{{token}}"))
            complain(
                r,
                "X-Ehlod-Token must be {{token}}, since it is what a message is known by; it is added when "
                "it is left out");
    }
}

/* field = name ":" value, or a line that goes on with the one before, which begins with white space. */
static void read_header_line(struct reader *r, struct span line, bool first)
{
    const char *colon = memchr(line.data, ':', line.len);
    bool continues = template_white(line) > 0;
    size_t name = colon ? (size_t)(colon - line.data) : 0;
    struct span before, rest = line;
    enum template_name found;

    if (!is_sendable(r, line))
        return;
    if (!text_is_clean(line))
        complain(r, text_is_utf8(line) ? "a control character in the header" : "the header is not UTF-8");
    else if (continues && (first || template_white(line) == line.len))
        complain(r,
                 first ? "the header begins with white space" : "a line of white space alone in the header");
    else if (!continues && !is_field_name(line.data, name))
        complain(
            r, "no header field, which is a name, a colon and a value (an empty line parts header and body)");
    else if (!continues && template_find_place((struct span){line.data, name}) < name)
        complain(r, "a placeholder in the name of a header field");
    else if (!continues)
        read_own_field(r, (struct span){line.data, name}, (struct span){colon + 1, line.len - name - 1});
    while (next_place(r, &rest, &before, &found))
        ;
}

/* Takes the header and the empty line behind it off the text. */
static void read_header(struct reader *r, struct span *text)
{
    struct span start = *text;
    size_t len = 0;
    bool first = true;

    r->t->header_line = r->line + 1;
    while (text->len && goes_on(r)) {
        struct span line = template_next_line(text);
        r->line++;
        if (line.len == 0)
            break;
        read_header_line(r, line, first);
        first = false;
        len = (size_t)(text->data - start.data);
    }
    if (len > TEMPLATE_MAX_HEADER)
        template_complain(r->mistakes, r->line, "the header is longer than 64 KiB");
    else
        r->t->header = (struct span){arena_dup_span(r->arena, (struct span){start.data, len}), len};
}

/* the body */

static void put(struct reader *r, struct span s)
{
    memcpy(r->out + r->len, s.data, s.len);
    r->len += s.len;
}

static void add_place(struct reader *r, enum template_name name, size_t line_start)
{
    struct template *t = r->t;

    if (t->place_count == TEMPLATE_MAX_PLACES) {
        complain(r, "more than 1000 placeholders in the body");
        return;
    }
    t->places = arena_grow(r->arena, t->places, t->place_count, sizeof(*t->places));
    t->places[t->place_count++] =
        (struct template_place){.at = r->len, .name = name, .line = r->line, .leads = r->len == line_start};
}

static void read_body_line(struct reader *r, struct span line)
{
    struct template *t = r->t;
    size_t start = r->len, places = t->place_count;
    enum template_name name;
    struct span before;

    if (!is_sendable(r, line))
        return;
    t->is_8bit = t->is_8bit || !text_is_ascii(line);
    if (line.len && *line.data == '.') {
        r->out[r->len++] = '.';
        t->body_dots++;
        start++;
    }
    while (next_place(r, &line, &before, &name)) {
        put(r, before);
        add_place(r, name, start);
    }
    put(r, before);
    if (r->len - start > TEMPLATE_MAX_LINE)
        complain(r, arena_printf(r->scratch, "a line of %zu octets (expected at most %d)", r->len - start,
                                 TEMPLATE_MAX_LINE));
    for (size_t i = places; i < t->place_count; i++)
        t->places[i].line_octets = r->len - start;
    put(r, (struct span){"\r\n", 2});
}

static void read_body(struct reader *r, struct span text)
{
    size_t lines = 1;

    for (const char *c = text.data; (c = memchr(c, '\n', (size_t)(text.data + text.len - c))); c++)
        lines++;
    r->out = arena_alloc(r->arena, text.len + 2 * lines + 1); /* each a CR and a dot, the last an LF more */
    while (text.len && goes_on(r)) {
        r->line++;
        read_body_line(r, template_next_line(&text));
    }
    r->t->body = (struct span){r->out, r->len};
}

static uint64_t hash_of(struct span text)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(1099511628211); /* FNV-1a */
    return hash;
}

const struct template *template_read(struct arena *a, struct arena *scratch, struct span text,
                                     struct template_mistakes *mistakes)
{
    struct template *t = arena_alloc(a, sizeof(*t));
    struct reader r = {.t = t, .arena = a, .scratch = scratch, .mistakes = mistakes};
    size_t before = mistakes->count;

    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        text = (struct span){text.data + 3, text.len - 3};
    if (text.len == 0) {
        complain(&r, "empty");
        return NULL;
    }
    t->hash = hash_of(text);
    read_header(&r, &text);
    read_body(&r, text);
    return mistakes->count == before && goes_on(&r) ? t : NULL;
}

const struct template *template_built_in(struct arena *a)
{
    static const char text[] = "To: {{to}}\n"
                               "Subject: ehlod test message ({{target}}, {{route}})\n"
                               "Auto-Submitted: auto-generated\n"
                               "MIME-Version: 1.0\n"
                               "Content-Type: text/plain; charset=us-ascii\n"
                               "\n"
                               "This message tests whether mail is accepted and delivered.\n"
                               "It may be deleted at any time.\n";
    struct template_mistakes none = {.count = 0};

    const struct template *made = template_read(a, a, span_of(text), &none);

    assert(made);
    return made;
}
