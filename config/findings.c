/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects what is wrong while a config is loaded and hands it out in the order of the file, the --set
 * options after it, and then the files that it names. The same words at the same place count once, so a check
 * that is made for each target may blame a line of their common module every time.
 */
#include "config/findings.h"

#include "probe/base/mem.h"

#include <stdlib.h>
#include <string.h>

struct findings_entry {
    enum findings_kind kind;
    struct node_mark mark;
    const char *text; /* with its position before it */
    const char *said; /* behind that */
};

bool findings_wants(struct findings *f, enum findings_kind kind)
{
    if (f->count < FINDINGS_KEPT)
        return true;
    f->left_out[kind]++;
    if (kind == FINDINGS_ERROR)
        f->error_count++;
    return false;
}

void findings_add(struct findings *f, enum findings_kind kind, const struct node_mark *mark, const char *text)
{
    const char *name = mark->origin->name;
    if (!findings_wants(f, kind))
        return;
    struct findings_entry entry = {.kind = kind, .mark = *mark};
    if (mark->origin->rank > 0 || mark->line == 0)
        entry.text = arena_printf(&f->arena, "%s: %s", name, text);
    else if (mark->column == 0)
        entry.text = arena_printf(&f->arena, "%s:%u: %s", name, mark->line, text);
    else
        entry.text = arena_printf(&f->arena, "%s:%u:%u: %s", name, mark->line, mark->column, text);
    entry.said = entry.text + strlen(entry.text) - strlen(text);
    f->entries = arena_grow(&f->arena, f->entries, f->count, sizeof entry);
    f->entries[f->count++] = entry;
    if (kind == FINDINGS_ERROR)
        f->error_count++;
}

static int compare_unsigned(unsigned a, unsigned b)
{
    return (a > b) - (a < b);
}

static int compare(const void *left, const void *right)
{
    const struct findings_entry *a = left;
    const struct findings_entry *b = right;
    int order = compare_unsigned(a->mark.origin->is_named, b->mark.origin->is_named);
    if (!order)
        order = compare_unsigned(a->mark.origin->rank, b->mark.origin->rank);
    if (!order)
        order = strcmp(a->mark.origin->name, b->mark.origin->name);
    if (!order)
        order = compare_unsigned(a->mark.line, b->mark.line);
    if (!order)
        order = compare_unsigned(a->mark.column, b->mark.column);
    return order ? order : strcmp(a->text, b->text);
}

/* Copies those of one kind; the list has room for FINDINGS_SHOWN and a line that counts the rest. */
static size_t copy(const struct findings *f, enum findings_kind kind, char ***list_r)
{
    struct arena scratch = {0};
    char **list = mem_alloc((FINDINGS_SHOWN + 1) * sizeof(char *));
    const struct findings_entry *last = NULL;
    size_t count = 0;
    size_t more = f->left_out[kind];
    for (size_t i = 0; i < f->count; i++) {
        const struct findings_entry *entry = &f->entries[i];
        if (entry->kind != kind || (last && compare(last, entry) == 0))
            continue;
        last = entry;
        if (count < FINDINGS_SHOWN)
            list[count++] = mem_dup(entry->text);
        else
            more++;
    }
    if (more > 0)
        list[count++] = mem_dup(arena_printf(&scratch, "and %zu more", more));
    arena_free(&scratch);
    *list_r = list;
    return count;
}

void findings_report(struct findings *f, struct mistakes *mistakes_r)
{
    if (f->count > 0)
        qsort(f->entries, f->count, sizeof f->entries[0], compare);
    mistakes_r->error_count = copy(f, FINDINGS_ERROR, &mistakes_r->errors);
    mistakes_r->warning_count = copy(f, FINDINGS_WARNING, &mistakes_r->warnings);
}

const char *findings_first(const struct findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->entries[i].kind == FINDINGS_ERROR)
            return f->entries[i].said;
    return NULL;
}

void findings_free(struct findings *f)
{
    arena_free(&f->arena);
    *f = (struct findings){0};
}
