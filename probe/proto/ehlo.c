/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What EHLO told (RFC 5321 section 4.1.1.1):
 *
 *     ehlo-line    = ehlo-keyword *( SP ehlo-param )
 *     ehlo-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
 *
 * Lenient where servers are known to be odd: extra spaces, lower case, "AUTH=LOGIN" beside "AUTH LOGIN".
 */
#include "probe/proto/ehlo.h"

#include <string.h>
#include <strings.h>

const char *const ehlo_keywords[EHLO_KNOWN] = {
    "8BITMIME", "AUTH",   "BINARYMIME",  "CHUNKING",   "DELIVERBY",  "DSN",  "ENHANCEDSTATUSCODES",
    "ETRN",     "LIMITS", "MT-PRIORITY", "PIPELINING", "REQUIRETLS", "SIZE", "SMTPUTF8",
    "STARTTLS", "VRFY",   "XCLIENT",     "XFORWARD",
};

static bool is_keyword_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* The next word of the line, parted by spaces and tabs; the line moves behind it. Empty at the end. */
static struct span next_word(const char **line)
{
    const char *start = *line + strspn(*line, " \t");
    size_t len = strcspn(start, " \t");
    *line = start + len;
    return (struct span){start, len};
}

static char *upper(struct arena *a, struct span word)
{
    char *text = arena_dup_span(a, word);
    for (char *c = text; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    return text;
}

static bool has_word(const char *words, struct span word)
{
    for (struct span w = next_word(&words); w.len; w = next_word(&words))
        if (w.len == word.len && strncasecmp(w.data, word.data, w.len) == 0)
            return true;
    return false;
}

static struct result_extension *find(const struct ehlo *e, const char *keyword)
{
    for (size_t i = 0; i < e->count; i++)
        if (e->extensions[i].keyword[0] == keyword[0] && strcmp(e->extensions[i].keyword, keyword) == 0)
            return &e->extensions[i];
    return NULL;
}

static struct result_extension *entry(struct ehlo *e, struct arena *a, const char *keyword)
{
    struct result_extension *there = find(e, keyword);

    if (there)
        return there;
    e->extensions = arena_grow(a, e->extensions, e->count, sizeof(*e->extensions));
    e->extensions[e->count] = (struct result_extension){keyword, ""};
    return &e->extensions[e->count++];
}

/* Adds the words of line that x does not have yet. What would pass the limit is left out: the whole reply
 * stands in the transcript. */
static void unite(struct result_extension *x, struct arena *a, const char *line)
{
    size_t size = strlen(x->params) + strlen(line) + 2;
    char *params = arena_alloc(a, size);
    size_t len = strlen(x->params);

    memcpy(params, x->params, len);
    for (struct span word = next_word(&line); word.len; word = next_word(&line)) {
        if (len + 1 + word.len > EHLO_MAX_PARAMS || has_word(params, word))
            continue;
        if (len)
            params[len++] = ' ';
        memcpy(params + len, word.data, word.len);
        len += word.len;
    }
    x->params = params;
}

static void read_line(struct ehlo *e, struct arena *a, const char *line)
{
    struct span word = next_word(&line);
    size_t len = 0;
    while (len < word.len && is_keyword_char(word.data[len]))
        len++;
    if (len == 0 || (len < word.len && word.data[len] != '='))
        return;
    if (len < word.len)
        line = word.data + len + 1; /* "AUTH=LOGIN PLAIN" */
    unite(entry(e, a, upper(a, (struct span){word.data, len})), a, line);
}

/* RFC 1870 section 3, and a number that an octet count can be. None at all is allowed; 0 is no limit. */
static bool is_size(const char *text)
{
    uint64_t size = 0;
    for (; *text; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (digit > 9 || size > (UINT64_MAX - digit) / 10)
            return false;
        size = size * 10 + digit;
    }
    return true;
}

static void check(struct ehlo *e)
{
    const char *size = ehlo_find(e, "SIZE");
    if (size && !is_size(size))
        e->flags |= UINT64_C(1) << FLAG_SIZE_INVALID;
    if (ehlo_find(e, "SMTPUTF8") && !ehlo_find(e, "8BITMIME"))
        e->flags |= UINT64_C(1) << FLAG_SMTPUTF8_ALONE;
}

void ehlo_read(struct ehlo *e, struct arena *a, const char *const *lines, size_t count)
{
    *e = (struct ehlo){0};
    if (count == 0)
        return;
    const char *first = lines[0];
    struct span name = next_word(&first);
    if (name.len)
        e->name = arena_dup_span(a, name);
    for (size_t i = 1; i < count; i++)
        read_line(e, a, lines[i]);
    check(e);
}

const char *ehlo_find(const struct ehlo *e, const char *keyword)
{
    const struct result_extension *there = find(e, keyword);

    return there ? there->params : NULL;
}

void ehlo_known(struct ehlo *e, struct arena *a, const struct ehlo *of)
{
    *e = (struct ehlo){.flags = of->flags};
    for (size_t i = 0; i < EHLO_KNOWN; i++)
        if (ehlo_find(of, ehlo_keywords[i]))
            (void)entry(e, a, ehlo_keywords[i]);
}
