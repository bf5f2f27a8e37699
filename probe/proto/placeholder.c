/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replaces {{name}} in a text, once: what is put in is not looked at again. Other braces are text.
 */
#include "probe/proto/placeholder.h"

#include "probe/base/text.h"

#include <string.h>

#define NAME_SHOWN 80 /* octets of a name in a message */

static const char *value_of(struct span name, const struct placeholder *known, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_is(name, known[i].name))
            return known[i].value;
    return NULL;
}

/* Where the mark stands in the text; its length when it does not. */
static size_t find(struct span text, const char *mark)
{
    const char *at = text.len ? memmem(text.data, text.len, mark, strlen(mark)) : NULL;

    return at ? (size_t)(at - text.data) : text.len;
}

static struct span behind(struct span text, size_t len)
{
    return (struct span){text.data + len, text.len - len};
}

const char *placeholder_put(struct buffer *out, struct span text, const struct placeholder *known,
                            size_t count, struct arena *a)
{
    for (size_t open = find(text, "{{"); open < text.len; open = find(text, "{{")) {
        struct span name = behind(text, open + 2);
        size_t len = find(name, "}}");
        if (len == name.len)
            return "{{ without }} after it";
        name.len = len;
        const char *value = value_of(name, known, count);
        if (!value)
            return arena_printf(a, "unknown placeholder {{%s}}", text_show(a, name, NAME_SHOWN));
        buffer_put(out, text.data, open);
        buffer_puts(out, value);
        text = behind(text, open + len + 4);
    }
    buffer_put(out, text.data, text.len);
    return NULL;
}

char *placeholder_fill(struct arena *a, const char *text, const struct placeholder *known, size_t count,
                       const char **why_r)
{
    struct buffer out;
    char *filled = NULL;
    buffer_init(&out, PLACEHOLDER_MAX);
    const char *why = placeholder_put(&out, span_of(text), known, count, a);
    if (!why && out.full)
        why = "longer than 64 KiB when it is filled in";
    if (why)
        *why_r = why;
    else
        filled = arena_dup_span(a, buffer_span(&out));
    buffer_free(&out);
    return filled;
}
