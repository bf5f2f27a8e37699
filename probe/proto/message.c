/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names messages and finds them again. Only CRLF ends a line on the wire and only CRLF.CRLF a message, so
 * none of ours can be read as two.
 */
#include "probe/proto/message.h"

#include <string.h>
#include <strings.h>

#define TOKEN_FIELD "X-Ehlod-Token"

/* The line at the start of the text, without its end; the text moves behind it. */
static struct span next_line(struct span *text)
{
    const char *end = memchr(text->data, '\n', text->len);
    size_t len = end ? (size_t)(end - text->data) : text->len;
    struct span line = {text->data, len};

    text->data += end ? len + 1 : len;
    text->len -= end ? len + 1 : len;
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trim(struct span s)
{
    for (; s.len && is_white(*s.data); s.len--)
        s.data++;
    while (s.len && is_white(s.data[s.len - 1]))
        s.len--;
    return s;
}

struct field {
    struct span name;
    struct span value; /* as it is folded */
};

static bool split(struct span line, struct field *field_r)
{
    const char *colon = memchr(line.data, ':', line.len);

    if (!colon)
        return false;
    size_t len = (size_t)(colon - line.data);
    field_r->name = (struct span){line.data, len};
    field_r->value = (struct span){colon + 1, line.len - len - 1};
    return true;
}

/* The next field of the header at the start of the text, with the lines that it is folded over: 1, 0 = the
 * header is over, and the text moved behind it. What is no field is passed over. */
static int next_field(struct span *text, struct field *field_r)
{
    while (text->len) {
        struct span line = next_line(text);
        if (line.len == 0)
            return 0;
        while (text->len && (*text->data == ' ' || *text->data == '\t')) {
            struct span more = next_line(text);
            line.len = (size_t)(more.data + more.len - line.data);
        }
        if (*line.data != ' ' && *line.data != '\t' && split(line, field_r))
            return 1;
    }
    return 0;
}

/* The text begins with a token, and nothing that could be more of it follows. */
static bool take_token(struct span text, char token_r[MESSAGE_TOKEN_SIZE])
{
    char token[MESSAGE_TOKEN_SIZE];
    size_t len = sizeof token - 1;

    if (text.len < len)
        return false;
    memcpy(token, text.data, len);
    token[len] = '\0';
    if (!token_is_one(token))
        return false;
    memcpy(token_r, token, sizeof token);
    return true;
}

static bool is_token_field(const struct field *f, char token_r[MESSAGE_TOKEN_SIZE])
{
    struct span value = trim(f->value);

    return span_is_nocase(f->name, TOKEN_FIELD) && value.len == MESSAGE_TOKEN_SIZE - 1 &&
           take_token(value, token_r);
}

static bool is_our_id(const struct field *f, char token_r[MESSAGE_TOKEN_SIZE])
{
    struct span value = trim(f->value);

    return span_is_nocase(f->name, "Message-ID") && value.len > MESSAGE_TOKEN_SIZE && *value.data == '<' &&
           value.data[MESSAGE_TOKEN_SIZE] == '@' &&
           take_token((struct span){value.data + 1, value.len - 1}, token_r);
}

int message_token_of(struct span message, char token_r[MESSAGE_TOKEN_SIZE])
{
    char in_id[MESSAGE_TOKEN_SIZE];
    bool has_id = false;
    struct field f;

    while (next_field(&message, &f)) {
        if (is_token_field(&f, token_r))
            return 1;
        has_id = has_id || is_our_id(&f, in_id);
    }
    if (has_id)
        memcpy(token_r, in_id, sizeof in_id);
    return has_id;
}

const char *message_id(struct arena *a, const char *token, const char *host)
{
    return arena_printf(a, "<%s@%s>", token, host);
}

struct span message_wire(struct arena *a, struct span text)
{
    char *out = arena_alloc(a, 2 * text.len + 6); /* at worst every byte is a line end or a leading dot */
    size_t len = 0;
    bool at_start = true;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '\r' || c == '\n') {
            if (c == '\r' && i + 1 < text.len && text.data[i + 1] == '\n')
                i++;
            out[len++] = '\r';
            out[len++] = '\n';
            at_start = true;
            continue;
        }
        if (at_start && c == '.')
            out[len++] = '.';
        out[len++] = c;
        at_start = false;
    }
    if (!at_start) {
        out[len++] = '\r';
        out[len++] = '\n';
    }
    memcpy(out + len, ".\r\n", 3);
    return (struct span){out, len + 3};
}
