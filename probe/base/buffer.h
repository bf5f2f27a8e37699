/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_BUFFER_H
#define PROBE_BASE_BUFFER_H

#include "probe/base/span.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes that grow up to a limit. What would pass the limit is not written at all and sets full, which
 * stays set, so a writer may put many things and ask once at the end. */
struct buffer {
    char *data; /* terminated with a NUL that is not counted; null while empty */
    size_t len;
    size_t size;
    size_t limit;
    bool full;
};

void buffer_init(struct buffer *b, size_t limit);
void buffer_clear(struct buffer *b); /* empty again, keeps its memory */
void buffer_free(struct buffer *b);

void buffer_put(struct buffer *b, const char *data, size_t len);
void buffer_puts(struct buffer *b, const char *text);
/* Gets the memory for len more bytes at once, where they fit; nothing else changes. */
void buffer_expect(struct buffer *b, size_t len);

/* Room for len bytes behind what is there, which count from now on and are to be written at once; null where
 * they would pass the limit. */
char *buffer_room(struct buffer *b, size_t len);
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct span buffer_span(const struct buffer *b);

/* As it was with the first len bytes, which must be there: what came behind is gone, and it is not full. */
void buffer_return(struct buffer *b, size_t len);

/* Drops the first len bytes, which must be there. */
void buffer_consume(struct buffer *b, size_t len);

#endif
