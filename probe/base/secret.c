/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets: a copy of their own, wiped before its memory is given back. What must not be seen of them in what
 * others say is mask.c's.
 */
#include "probe/base/secret.h"

#include "probe/base/mem.h"

#include <stdlib.h>
#include <string.h>

struct secret {
    size_t len;
    char bytes[];
};

struct secret *secret_new(struct span bytes)
{
    struct secret *s = mem_alloc(sizeof *s + bytes.len + 1);

    s->len = bytes.len;
    if (bytes.len)
        memcpy(s->bytes, bytes.data, bytes.len);
    return s;
}

void secret_free(struct secret *s)
{
    if (s)
        secret_wipe(s, sizeof *s + s->len);
    free(s);
}

struct span secret_bytes(const struct secret *s)
{
    return s ? (struct span){s->bytes, s->len} : span_of("");
}

void secret_wipe(void *memory, size_t len)
{
    if (memory)
        explicit_bzero(memory, len);
}
