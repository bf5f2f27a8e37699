/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names messages and finds them again. Only CRLF ends a line on the wire and only CRLF.CRLF a message, so
 * none of ours can be read as two.
 */
#include "probe/proto/message.h"

#include <string.h>
#include <strings.h>

#define TOKEN_START "ehlod-"
#define TOKEN_FIELD "X-Ehlod-Token:"

void message_token(const unsigned char random[MESSAGE_TOKEN_DIGITS / 2], char token_r[MESSAGE_TOKEN_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    char *out = token_r + strlen(TOKEN_START);

    memcpy(token_r, TOKEN_START, strlen(TOKEN_START));
    for (size_t i = 0; i < MESSAGE_TOKEN_DIGITS / 2; i++) {
        *out++ = digits[random[i] >> 4];
        *out++ = digits[random[i] & 15];
    }
    *out = '\0';
}

static bool is_token(const char *text)
{
    size_t start = strlen(TOKEN_START);

    if (memcmp(text, TOKEN_START, start) != 0)
        return false;
    for (size_t i = start; i < MESSAGE_TOKEN_SIZE - 1; i++)
        if (!text[i] || !strchr("0123456789abcdef", text[i]))
            return false;
    return true;
}

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

int message_token_of(struct span message, char token_r[MESSAGE_TOKEN_SIZE])
{
    size_t name = strlen(TOKEN_FIELD), token = MESSAGE_TOKEN_SIZE - 1;

    while (message.len) {
        struct span line = next_line(&message);
        if (line.len == 0)
            return 0; /* the header ends */
        if (line.len < name || strncasecmp(line.data, TOKEN_FIELD, name) != 0)
            continue;
        const char *value = line.data + name;
        size_t len = line.len - name;
        for (; len && (*value == ' ' || *value == '\t'); len--)
            value++;
        while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
            len--;
        if (len != token || !is_token(value))
            return 0;
        memcpy(token_r, value, token);
        token_r[token] = '\0';
        return 1;
    }
    return 0;
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
