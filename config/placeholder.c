/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replaces {{name}} in a text, once: what is put in is not looked at again. Other braces are text.
 * Limit: the whole becomes no longer than PLACEHOLDER_MAX.
 */
#include "config/placeholder.h"

#include "config/node.h"
#include "probe/base/buffer.h"

#include <string.h>

static const char *value_of(struct span name, const struct placeholder *known, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_is(name, known[i].name))
            return known[i].value;
    return NULL;
}

/* Puts the filled text into the buffer: null, or what is wrong with it. */
static const char *fill(struct arena *a, const char *text, const struct placeholder *known, size_t count,
                        struct buffer *out)
{
    const char *open;
    while (!out->full && (open = strstr(text, "{{"))) {
        const char *close = strstr(open, "}}");
        if (!close)
            return "{{ without }} after it";
        struct span name = {open + 2, (size_t)(close - open - 2)};
        const char *value = value_of(name, known, count);
        if (!value)
            return arena_printf(a, "unknown placeholder {{%s}}", node_show(a, arena_dup_span(a, name)));
        buffer_put(out, text, (size_t)(open - text));
        buffer_puts(out, value);
        text = close + 2;
    }
    buffer_puts(out, text);
    return out->full ? "longer than 64 KiB when it is filled in" : NULL;
}

char *placeholder_fill(struct arena *a, const char *text, const struct placeholder *known, size_t count,
                       const char **why_r)
{
    struct buffer out;
    char *filled = NULL;
    buffer_init(&out, PLACEHOLDER_MAX);
    const char *why = fill(a, text, known, count, &out);
    if (why)
        *why_r = why;
    else
        filled = arena_dup_span(a, buffer_span(&out));
    buffer_free(&out);
    return filled;
}
