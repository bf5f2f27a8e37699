/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON document while it is built; the door to jansson.
 *
 * jansson refuses text that is not UTF-8 and then leaves the key out. No such text should come here; should
 * one all the same, it is shown escaped. Whatever else jansson refuses (it has no memory) breaks the
 * document, and a broken document is never written.
 */
#include "server/render/doc.h"

#include "probe/base/clock.h"
#include "probe/base/text.h"

#include <stdlib.h>
#include <string.h>

/* Milliseconds with three decimals, below a thousand years: 15 digits hold each of them exactly. */
#define JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

void doc_set(struct doc *d, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        d->broken = true;
}

void doc_append(struct doc *d, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        d->broken = true;
}

const char *doc_utf8(struct doc *d, const char *text)
{
    return text_is_utf8(span_of(text)) ? text : text_escape(&d->arena, span_of(text));
}

json_t *doc_string(struct doc *d, const char *text)
{
    return text ? json_string(doc_utf8(d, text)) : json_null();
}

json_t *doc_said(struct doc *d, const char *text)
{
    if (!text)
        return json_null();
    size_t part = render_take(&d->share, text);
    if (text[part] == '\0')
        return doc_string(d, text);
    return doc_string(d, arena_printf(&d->arena, "%.*s...", (int)part, text));
}

json_t *doc_milliseconds(int64_t us)
{
    if (us == CLOCK_NONE)
        return json_null();
    return json_real(us < 0 ? 0.0 : (double)us / 1000.0);
}

json_t *doc_wall_time(int64_t wall_us)
{
    char text[TEXT_TIME_SIZE];
    text_time(wall_us, text);
    return json_string(text);
}

/* Ends the document: written whole, or not at all. Where it does not fit, it does without what is in spare
 * (an object in it; null = nothing can be spared). */
void doc_finish_without(struct doc *d, json_t *root, json_t *spare, struct buffer *out)
{
    char *bytes = d->broken ? NULL : json_dumps(root, JSON_FLAGS);

    if (bytes && spare && strlen(bytes) > out->limit - out->len) {
        free(bytes);
        json_object_clear(spare);
        bytes = json_dumps(root, JSON_FLAGS);
    }
    if (bytes)
        buffer_puts(out, bytes);
    else
        out->full = true;
    free(bytes);
    json_decref(root);
    arena_free(&d->arena);
}

void doc_finish(struct doc *d, json_t *root, struct buffer *out)
{
    doc_finish_without(d, root, NULL, out);
}
