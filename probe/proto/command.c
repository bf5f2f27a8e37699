/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds command lines. That the parts are valid is checked when the config loads; that no part can smuggle a
 * second command is checked here, where the bytes leave, and nowhere can it be gone round.
 */
#include "probe/proto/command.h"

#include <stdarg.h>
#include <string.h>

char *command_build(struct arena *a, const char *verb, ...)
{
    char line[COMMAND_MAX_LINE];
    size_t len = 0;
    va_list parts;

    va_start(parts, verb);
    for (const char *part = verb; part; part = va_arg(parts, const char *)) {
        size_t part_len = strlen(part);
        if (strpbrk(part, "\r\n") || part_len > COMMAND_MAX_LINE - 2 - len) {
            va_end(parts);
            return NULL;
        }
        memcpy(line + len, part, part_len);
        len += part_len;
    }
    va_end(parts);
    return arena_dup_span(a, (struct span){line, len});
}

char *command_xtext(struct arena *a, const char *text)
{
    char *out = arena_alloc(a, 3 * strlen(text) + 1), *end = out;

    for (; *text; text++) {
        static const char digits[] = "0123456789ABCDEF";
        unsigned char c = (unsigned char)*text;
        bool plain = c > ' ' && c < 0x7f && c != '+' && c != '=';
        if (plain) {
            *end++ = *text;
            continue;
        }
        *end++ = '+';
        *end++ = digits[c >> 4];
        *end++ = digits[c & 15];
    }
    return out;
}
