/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator over a list of chunks. Chunks double from 1 KiB to 64 KiB, so a small run stays small and
 * a large one makes few calls; a request larger than that gets a chunk of its own. AddressSanitizer sees a
 * chunk as one piece, so it is told what of it was given out: whoever writes past a piece's end is found as
 * surely as with malloc.
 */
#include "probe/base/arena.h"

#include "probe/base/mem.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__ /* gcc's word; clang asks with __has_feature */
#define IS_WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_WATCHED 1
#endif
#endif

#ifdef IS_WATCHED
#include <sanitizer/asan_interface.h>
#define FENCE 16 /* octets behind each piece that nobody may touch */
#else
#define ASAN_POISON_MEMORY_REGION(p, size)   ((void)(p), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#define FENCE                                0
#endif

#define PRINT_SMALL 256
#define CHUNK_LEAST 1024
#define CHUNK_MOST  (64 * 1024)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of data */
    alignas(max_align_t) char data[];
};

void arena_free(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *chunk = a->chunks;
        a->chunks = chunk->next;
        ASAN_UNPOISON_MEMORY_REGION(chunk->data, chunk->size);
        free(chunk);
    }
    a->left = 0;
}

void arena_wipe(struct arena *a)
{
    for (struct arena_chunk *chunk = a->chunks; chunk; chunk = chunk->next) {
        ASAN_UNPOISON_MEMORY_REGION(chunk->data, chunk->size);
        explicit_bzero(chunk->data, chunk->size);
    }
    arena_free(a);
}

static void add_chunk(struct arena *a, size_t least)
{
    size_t size = a->chunks ? a->chunks->size * 2 : CHUNK_LEAST;
    if (size > CHUNK_MOST)
        size = CHUNK_MOST;
    if (size < least)
        size = least;
    struct arena_chunk *chunk = mem_alloc(sizeof(*chunk) + size);
    chunk->size = size;
    chunk->next = a->chunks;
    a->chunks = chunk;
    a->left = size;
    ASAN_POISON_MEMORY_REGION(chunk->data, size);
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t need = ((size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1)) + FENCE;
    if (!a->chunks || need > a->left)
        add_chunk(a, need);
    char *p = a->chunks->data + (a->chunks->size - a->left);
    a->left -= need;
    ASAN_UNPOISON_MEMORY_REGION(p, size);
    return p;
}

char *arena_dup_span(struct arena *a, struct span bytes)
{
    char *copy = arena_alloc(a, bytes.len + 1);
    if (bytes.len)
        memcpy(copy, bytes.data, bytes.len);
    return copy;
}

char *arena_dup(struct arena *a, const char *text)
{
    return text ? arena_dup_span(a, span_of(text)) : NULL;
}

/* Most of it is short, and printed once. */
char *arena_printf(struct arena *a, const char *format, ...)
{
    char small[PRINT_SMALL];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (len < (int)sizeof small)
        return arena_dup_span(a, (struct span){small, len > 0 ? (size_t)len : 0});
    char *text = arena_alloc(a, (size_t)len + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

void *arena_grow(struct arena *a, void *array, size_t count, size_t element_size)
{
    if (count & (count - 1)) /* between powers of two there is room */
        return array;
    void *grown = arena_alloc(a, (count ? count * 2 : 1) * element_size);
    if (count)
        memcpy(grown, array, count * element_size);
    return grown;
}
