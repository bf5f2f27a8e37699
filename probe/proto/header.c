/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks through the fields of a header (RFC 5322 section 2.2), and says what stands in a MIME field (RFC 2045
 * section 5.1). It judges nothing: whatever has a name and a colon is a field. Parameters that are continued
 * or encoded (RFC 2231) are not put together.
 */
#include "probe/proto/header.h"

#include "probe/base/text.h"
#include "probe/proto/lexeme.h"

#include <string.h>

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span header_trim(struct span text)
{
    while (text.len && is_white(text.data[text.len - 1]))
        text.len--;
    while (text.len && is_white(*text.data)) {
        text.data++;
        text.len--;
    }
    return text;
}

struct span header_line(struct span *text)
{
    const char *end = text->len ? memchr(text->data, '\n', text->len) : NULL;
    size_t len = end ? (size_t)(end - text->data) : text->len;
    struct span line = {text->data, len};

    text->data += end ? len + 1 : len;
    text->len -= end ? len + 1 : len;
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* field = 1*ftext *WSP ":" unstructured */
static bool read_field(struct span lines, struct header_field *field_r)
{
    const char *colon = memchr(lines.data, ':', lines.len);
    size_t len = colon ? (size_t)(colon - lines.data) : 0;
    struct span name = {lines.data, len};

    while (name.len && (name.data[name.len - 1] == ' ' || name.data[name.len - 1] == '\t'))
        name.len--;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] >= 0x7f)
            return false;
    if (name.len == 0)
        return false;
    field_r->name = name;
    field_r->value = header_trim((struct span){colon + 1, lines.len - len - 1});
    return true;
}

int header_next(struct span *text, struct header_field *field_r)
{
    while (text->len) {
        struct span lines = header_line(text);
        if (lines.len == 0)
            return 0;
        while (text->len && (*text->data == ' ' || *text->data == '\t')) {
            struct span more = header_line(text);
            lines.len = (size_t)(more.data + more.len - lines.data);
        }
        if (read_field(lines, field_r))
            return 1;
    }
    return 0;
}

int header_find(struct span text, const char *name, struct header_field *field_r)
{
    struct header_field field;

    while (header_next(&text, &field) == 1)
        if (span_is_nocase(field.name, name)) {
            *field_r = field;
            return 1;
        }
    return 0;
}

bool header_body(struct span text, struct span *body_r)
{
    while (text.len) {
        if (header_line(&text).len > 0)
            continue;
        *body_r = text;
        return true;
    }
    return false;
}

struct span header_unfold(struct arena *a, struct span value)
{
    char *line = arena_alloc(a, value.len + 1);
    size_t len = 0;

    value = header_trim(value);
    for (size_t i = 0; i < value.len; i++) {
        if (!is_white(value.data[i]))
            line[len++] = value.data[i];
        else if (!is_white(value.data[i - 1])) /* the first is none */
            line[len++] = ' ';
    }
    return (struct span){line, len};
}

const char *header_show(struct arena *a, struct span value, size_t most)
{
    struct span line = header_unfold(a, value);
    const char *shown = text_show(a, line, most);

    return strlen(shown) <= most + strlen("...") ? shown : text_show(a, line, most / 4);
}

struct span header_word(struct span value)
{
    struct lexeme l = lexeme_next(&value);

    while (l.kind == LEXEME_COMMENT)
        l = lexeme_next(&value);
    return l.kind == LEXEME_WORD ? l.text : (struct span){"", 0};
}

/* Without the backslashes of quoted pairs. */
static struct span unquote(struct arena *a, struct span quoted)
{
    char *text = arena_alloc(a, quoted.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < quoted.len; i++) {
        if (quoted.data[i] == '\\' && i + 1 < quoted.len)
            i++;
        text[len++] = quoted.data[i];
    }
    return (struct span){text, len};
}

/* Past comments. */
static struct lexeme next(struct span *value)
{
    struct lexeme l;

    do
        l = lexeme_next(value);
    while (l.kind == LEXEME_COMMENT);
    return l;
}

/* *(";" attribute "=" (token / quoted-string)) */
int header_parameter(struct arena *a, struct span value, const char *name, struct span *parameter_r)
{
    struct lexeme l = next(&value);

    while (l.kind != LEXEME_END) {
        bool begins = l.kind == LEXEME_SIGN && span_is(l.text, ";");
        l = next(&value);
        if (!begins || l.kind != LEXEME_WORD || !span_is_nocase(l.text, name))
            continue;
        l = next(&value);
        if (l.kind != LEXEME_SIGN || !span_is(l.text, "="))
            continue;
        l = next(&value);
        if (l.kind == LEXEME_WORD || l.kind == LEXEME_QUOTED) {
            *parameter_r = l.kind == LEXEME_QUOTED ? unquote(a, l.text) : l.text;
            return 1;
        }
    }
    return 0;
}
