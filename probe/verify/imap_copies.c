/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UIDs name messages as long as a folder keeps its UIDVALIDITY (RFC 9051 section 2.3.1.1); with another one
 * all begins anew.
 */
#include "probe/verify/imap_copies.h"

#include "probe/base/mem.h"

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

struct imap_copy *imap_copies_find(struct imap_copies *c, uint32_t uid)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].uid == uid)
            return &c->list[i];
    return NULL;
}

bool imap_copies_add(struct imap_copies *c, uint32_t uid)
{
    if (c->count == IMAP_COPIES_MAX)
        return false;
    if (c->count == c->room) {
        c->room = c->room ? 2 * c->room : 16;
        c->list = mem_resize(c->list, c->room * sizeof *c->list);
    }
    c->list[c->count++] = (struct imap_copy){.uid = uid};
    return true;
}

void imap_copies_drop(struct imap_copies *c, uint32_t uid)
{
    struct imap_copy *copy = imap_copies_find(c, uid);

    if (copy)
        memmove(copy, copy + 1, (size_t)(c->list + c->count-- - (copy + 1)) * sizeof *copy);
}

const char *imap_copies_id(const struct imap_copies *c, struct arena *a, uint32_t uid)
{
    return arena_printf(a, "%s/%" PRIu32 "/%" PRIu32, c->folder, c->validity, uid);
}
