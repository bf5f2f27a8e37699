/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes values of header fields apart, as they really are: what RFC 5322 calls specials are parts of words
 * but where a field of ours needs them. Every octet is looked at once, whatever is nested or left open.
 */
#include "probe/proto/lexeme.h"

#include <string.h>

static struct span take(struct span *text, size_t len)
{
    struct span taken = {text->data, len};

    text->data += len;
    text->len -= len;
    return taken;
}

/* quoted-string = DQUOTE *(qtext / "\" any) DQUOTE */
static struct lexeme quoted(struct span *text)
{
    size_t len = 1;

    while (len < text->len && text->data[len] != '"')
        len += text->data[len] == '\\' ? 2 : 1;
    bool closed = len < text->len;
    len = closed ? len : text->len;
    struct span inner = {text->data + 1, len - 1};
    take(text, len + closed);
    return (struct lexeme){LEXEME_QUOTED, inner};
}

/* comment = "(" *(ctext / "\" any / comment) ")" */
static struct lexeme comment(struct span *text)
{
    size_t len = 0, depth = 0;

    do {
        char c = text->data[len];
        len += c == '\\' ? 2 : 1;
        depth += c == '(';
        depth -= c == ')';
    } while (depth && len < text->len);
    return (struct lexeme){LEXEME_COMMENT, take(text, len < text->len ? len : text->len)};
}

static bool ends_word(char c)
{
    return c == '\0' || strchr(" \t\r\n(\";=", c);
}

struct lexeme lexeme_next(struct span *text)
{
    size_t len = 0;

    while (text->len && (*text->data == '\0' || strchr(" \t\r\n", *text->data)))
        take(text, 1);
    if (!text->len)
        return (struct lexeme){LEXEME_END, {text->data, 0}};
    if (*text->data == '"')
        return quoted(text);
    if (*text->data == '(')
        return comment(text);
    if (*text->data == ';' || *text->data == '=')
        return (struct lexeme){LEXEME_SIGN, take(text, 1)};
    while (len < text->len && !ends_word(text->data[len]))
        len++;
    return (struct lexeme){LEXEME_WORD, take(text, len)};
}
