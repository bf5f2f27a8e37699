/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a talk's line. */
#include "tests/talk/words.h"

#include <stdbool.h>
#include <string.h>

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* What stands behind a backslash at *text, which moves to its last character; -1 when it is no escape. */
static int read_escape(const char **text)
{
    static const char letters[] = "rnt0\\", bytes[] = "\r\n\t\0\\";
    const char *at = *text;
    const char *letter = *at ? strchr(letters, *at) : NULL;

    if (letter)
        return bytes[letter - letters];
    if (*at != 'x' || hex(at[1]) < 0 || hex(at[2]) < 0)
        return -1;
    *text = at + 2;
    return hex(at[1]) * 16 + hex(at[2]);
}

int words_unescape(struct arena *a, const char *text, struct span *bytes_r)
{
    char *out = arena_alloc(a, strlen(text) + 1);
    size_t len = 0;

    for (; *text; text++) {
        int c = *text;
        if (c == '\\') {
            text++;
            c = read_escape(&text);
            if (c < 0)
                return -1;
        }
        out[len++] = (char)c;
    }
    *bytes_r = (struct span){out, len};
    return 0;
}

char *words_next(struct arena *a, char **rest)
{
    char *in = *rest + strspn(*rest, " ");
    if (!*in)
        return NULL;
    char *word = arena_alloc(a, strlen(in) + 1);
    char *out = word;
    bool quoted = false;
    for (; *in && (quoted || *in != ' '); in++) {
        if (*in == '"')
            quoted = !quoted;
        else
            *out++ = *in;
    }
    *rest = in;
    return word;
}

char *words_value(char *word)
{
    char *equals = strchr(word, '=');
    if (!equals)
        return NULL;
    *equals = '\0';
    return equals + 1;
}
