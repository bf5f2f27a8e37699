/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UIDs name messages as long as a folder keeps its UIDVALIDITY (RFC 9051 section 2.3.1.1); with another one
 * all begins anew.
 */
#include "probe/verify/imap_copies.h"

#include "probe/base/mem.h"
#include "probe/proto/header.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void imap_copies_begin(struct imap_copies *c, const char *folder, uint32_t validity)
{
    if (c->folder && c->validity == validity && strcmp(c->folder, folder) == 0)
        return;
    imap_copies_free(c);
    c->folder = mem_dup(folder);
    c->validity = validity;
}

void imap_copies_free(struct imap_copies *c)
{
    free(c->folder);
    free(c->list);
    *c = (struct imap_copies){0};
}

/* Where the first one is that is not below it. */
static size_t place_of(const struct imap_copies *c, uint32_t uid)
{
    size_t low = 0, high = c->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->list[middle].uid < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct imap_copy *imap_copies_find(struct imap_copies *c, uint32_t uid)
{
    size_t at = place_of(c, uid);

    return at < c->count && c->list[at].uid == uid ? &c->list[at] : NULL;
}

struct imap_copy *imap_copies_add(struct imap_copies *c, uint32_t uid)
{
    size_t at = place_of(c, uid);

    if (c->count == IMAP_COPIES_MAX)
        return NULL;
    if (c->count == c->room) {
        c->room = c->room ? 2 * c->room : 16;
        c->list = mem_resize(c->list, c->room * sizeof *c->list);
    }
    struct imap_copy *copy = c->list + at;
    memmove(copy + 1, copy, (c->count++ - at) * sizeof *copy);
    *copy = (struct imap_copy){.uid = uid};
    return copy;
}

void imap_copies_drop(struct imap_copies *c, uint32_t uid)
{
    struct imap_copy *copy = imap_copies_find(c, uid);

    if (copy)
        memmove(copy, copy + 1, (size_t)(c->list + c->count-- - (copy + 1)) * sizeof *copy);
}

uint64_t imap_copies_likeness(struct span header)
{
    static const char *const names[] = {"X-Ehlod-Token", "Message-ID"};
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct header_field f = {.value = {"", 0}};
        (void)header_find(header, names[i], &f);
        for (size_t k = 0; k < f.value.len; k++)
            hash = (hash ^ (unsigned char)f.value.data[k]) * UINT64_C(1099511628211); /* FNV-1a */
        hash = (hash ^ '\n') * UINT64_C(1099511628211);
    }
    return hash;
}

const char *imap_copies_id(const struct imap_copies *c, struct arena *a, uint32_t uid)
{
    return arena_printf(a, "%s/%" PRIu32 "/%" PRIu32, c->folder, c->validity, uid);
}
