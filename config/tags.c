/* SPDX-License-Identifier: Apache-2.0 */
/* The tags of targets: reading them, and finding targets by one. A tag is spelled like a name, case and all.
 */
#include "config/tags.h"

#include "config/nearest.h"
#include "config/scalar.h"
#include "config/target.h"
#include "probe/base/mem.h"

#include <stdlib.h>
#include <string.h>

bool tags_has(const struct snapshot_target *target, const char *tag)
{
    for (size_t i = 0; i < target->tag_count; i++)
        if (strcmp(target->tags[i], tag) == 0)
            return true;
    return false;
}

void tags_read(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct snapshot_target read = {0};
    struct snapshot_target *target = &((struct target *)slot)->is;
    size_t items = load_items(l, node, row->expected, TAGS_MAX);
    const char **tags = arena_alloc(l->keep, items * sizeof(*tags));
    read.tags = tags;
    for (size_t i = 0; i < items; i++) {
        const struct node *item = load_item(node, i);
        const char *text = scalar_read(l, row, item);
        if (text && !load_name_is_good(text))
            load_bad(l, item, "not a usable tag", row->expected);
        else if (text && tags_has(&read, text))
            load_error(l, item, "is there twice (found \"%s\")", text);
        else if (text)
            tags[read.tag_count++] = arena_dup(l->keep, text);
    }
    target->tags = read.tags;
    target->tag_count = read.tag_count;
}

size_t tags_count(const struct snapshot *s, const char *tag)
{
    size_t count = 0;
    for (size_t i = 0; i < s->target_count; i++)
        count += tags_has(&s->targets[i], tag);
    return count;
}

const char *tags_nearest(const struct snapshot *s, const char *tag)
{
    size_t count = 0;
    size_t total = 0;
    for (size_t i = 0; i < s->target_count; i++)
        total += s->targets[i].tag_count;
    const char **all = mem_alloc((total + 1) * sizeof(*all));
    for (size_t i = 0; i < s->target_count; i++)
        for (size_t k = 0; k < s->targets[i].tag_count; k++)
            all[count++] = s->targets[i].tags[k];
    const char *near = nearest(tag, all, count);
    free(all);
    return near;
}
