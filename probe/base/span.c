/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons of byte ranges; ASCII case only, whatever the locale says. */
#include "probe/base/span.h"

#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

struct span span_of(const char *text)
{
    return text ? (struct span){text, strlen(text)} : (struct span){"", 0};
}

bool span_is(struct span s, const char *text)
{
    return s.len == strlen(text) && (s.len == 0 || memcmp(s.data, text, s.len) == 0);
}

bool span_is_nocase(struct span s, const char *text)
{
    if (s.len != strlen(text))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (lower(s.data[i]) != lower(text[i]))
            return false;
    return true;
}
