/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_ARENA_H
#define PROBE_BASE_ARENA_H

#include "probe/base/span.h"

#include <stddef.h>

/*
 * Many small things that die together. Nothing is freed alone; never returns null (mem.h).
 * A zeroed struct arena is an empty one.
 */
struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t left;                /* bytes free in the newest */
};

void arena_free(struct arena *a); /* gives everything back; the arena is empty again */
void arena_wipe(struct arena *a); /* likewise, and nothing of what it held is left in memory */

void *arena_alloc(struct arena *a, size_t size);          /* zeroed, aligned for any type */
char *arena_dup(struct arena *a, const char *text);       /* null in, null out */
char *arena_dup_span(struct arena *a, struct span bytes); /* terminated with a NUL */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for one more element in an array of the arena: returns the array, grown (doubled, copied) when
 * count has reached a power of two. Start with array = null, count = 0. The caller counts. */
void *arena_grow(struct arena *a, void *array, size_t count, size_t element_size);

#endif
