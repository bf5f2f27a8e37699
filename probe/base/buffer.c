/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with a hard limit; what does not fit is refused whole and remembered as full. */
#include "probe/base/buffer.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_LEAST 128

void buffer_init(struct buffer *b, size_t limit)
{
    *b = (struct buffer){.limit = limit};
}

void buffer_clear(struct buffer *b)
{
    buffer_return(b, 0);
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    buffer_init(b, b->limit);
}

/* Makes room for len more bytes and the NUL; false when that would pass the limit. */
static bool reserve(struct buffer *b, size_t len)
{
    if (b->full || len > b->limit - b->len) {
        b->full = true;
        return false;
    }
    size_t need = b->len + len + 1;
    if (need <= b->size)
        return true;
    size_t size = b->size ? b->size : SIZE_LEAST;
    while (size < need)
        size *= 2;
    if (size > b->limit + 1)
        size = b->limit + 1;
    b->data = mem_resize(b->data, size);
    b->size = size;
    return true;
}

void buffer_expect(struct buffer *b, size_t len)
{
    if (!b->full && len <= b->limit - b->len && reserve(b, len))
        b->data[b->len] = '\0';
}

char *buffer_room(struct buffer *b, size_t len)
{
    if (!reserve(b, len))
        return NULL;
    b->len += len;
    b->data[b->len] = '\0';
    return b->data + b->len - len;
}

void buffer_put(struct buffer *b, const char *data, size_t len)
{
    char *at = buffer_room(b, len);

    if (at && len)
        memcpy(at, data, len);
}

void buffer_puts(struct buffer *b, const char *text)
{
    buffer_put(b, text, strlen(text));
}

/* Mostly there is room already: what does not fit is written again. */
void buffer_printf(struct buffer *b, const char *format, ...)
{
    size_t room = b->full ? 0 : b->size - b->len;
    va_list args;

    va_start(args, format);
    int len = vsnprintf(room ? b->data + b->len : NULL, room, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= room) {
        if (room)
            b->data[b->len] = '\0';
        if (len < 0 || !reserve(b, (size_t)len))
            return;
        va_start(args, format);
        vsnprintf(b->data + b->len, (size_t)len + 1, format, args);
        va_end(args);
    }
    b->len += (size_t)len;
}

struct span buffer_span(const struct buffer *b)
{
    return b->data ? (struct span){b->data, b->len} : (struct span){"", 0};
}

void buffer_return(struct buffer *b, size_t len)
{
    assert(len <= b->len);
    b->len = len;
    b->full = false;
    if (b->data)
        b->data[len] = '\0';
}

void buffer_consume(struct buffer *b, size_t len)
{
    assert(len <= b->len);
    if (len == 0)
        return;
    memmove(b->data, b->data + len, b->len - len + 1);
    b->len -= len;
}
