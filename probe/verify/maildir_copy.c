/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of what is there of ours. A copy keeps its id while its file gets flags or moves from new to cur.
 */
#include "probe/verify/maildir_copy.h"

#include "probe/base/mem.h"
#include "probe/verify/maildir_folder.h"

#include <stdlib.h>
#include <string.h>

size_t maildir_base_len(const char *name)
{
    return strcspn(name, ":");
}

char *maildir_make_id(const char *folder, const char *name)
{
    size_t start = strlen(folder), len = maildir_base_len(name);
    char *id = mem_alloc(start + len + 2);

    memcpy(id, folder, start);
    id[start] = '/';
    memcpy(id + start + 1, name, len);
    return id;
}

struct maildir_copy *maildir_copy_add(struct maildir_copy **list, struct maildir_folder *folder, int part,
                                      const char *name, const struct maildir_print *print)
{
    struct maildir_copy *c = mem_alloc(sizeof *c);

    *c = (struct maildir_copy){.next = *list,
                               .folder = folder,
                               .id = maildir_make_id(folder->name, name),
                               .file = mem_dup(name),
                               .part = part,
                               .print = *print};
    if (c->next != NULL)
        c->next->prev = c;
    *list = c;
    return c;
}

void maildir_copy_move(struct maildir_copy *c, int part, const char *name)
{
    c->part = part;
    if (strcmp(c->file, name) == 0)
        return;
    free(c->file);
    c->file = mem_dup(name);
}

void maildir_copy_remove(struct maildir_copy **list, struct maildir_copy *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        *list = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    free(c->id);
    free(c->file);
    free(c);
}
