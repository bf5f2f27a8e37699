/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parsers of all keys share: saying what is wrong in one form, and asking for the shape of a value.
 * Nothing here knows any key.
 */
#include "config/load.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_MESSAGE 1024

__attribute__((format(printf, 5, 0))) static void report(struct load *l, enum findings_kind kind,
                                                         const struct node_mark *mark,
                                                         const struct node *node, const char *format,
                                                         va_list args)
{
    char message[MAX_MESSAGE];
    if (!findings_wants(l->findings, kind))
        return;
    vsnprintf(message, sizeof(message), format, args);
    const char *path = node_path(l->scratch, node);
    findings_add(l->findings, kind, mark,
                 arena_printf(l->scratch, "%s%s%s", path, *path ? ": " : "", message));
}

void load_error(struct load *l, const struct node *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(l, FINDINGS_ERROR, &node->mark, node, format, args);
    va_end(args);
}

void load_key_error(struct load *l, const struct node *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(l, FINDINGS_ERROR, node->key ? &node->key_mark : &node->mark, node, format, args);
    va_end(args);
}

void load_key_warning(struct load *l, const struct node *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(l, FINDINGS_WARNING, node->key ? &node->key_mark : &node->mark, node, format, args);
    va_end(args);
}

void load_bad_guess(struct load *l, const struct node *node, const char *what, const char *expected,
                    const char *guess)
{
    if (node->kind == NODE_BROKEN)
        return;
    const char *found = node_found(l->scratch, node);
    if (guess)
        load_error(l, node, "%s (expected %s, found %s; did you mean %s?)", what, expected, found,
                   node_show(l->scratch, guess));
    else
        load_error(l, node, "%s (expected %s, found %s)", what, expected, found);
}

void load_bad(struct load *l, const struct node *node, const char *what, const char *expected)
{
    load_bad_guess(l, node, what, expected, NULL);
}

void load_missing(struct load *l, const struct node *map, const char *key, const char *expected)
{
    struct node absent = {.key = key, .key_mark = map->key ? map->key_mark : map->mark, .parent = map};
    load_key_error(l, &absent, "is missing (expected %s)", expected);
}

bool load_is_map(struct load *l, const struct node *node, const char *expected)
{
    if (node->kind == NODE_MAP)
        return true;
    load_bad(l, node, "wrong kind of value", expected);
    return false;
}

size_t load_items(struct load *l, const struct node *node, const char *expected, size_t most)
{
    if (node->kind == NODE_LIST && node->count > most) {
        load_error(l, node, "too many entries (expected at most %zu, found %zu)", most, node->count);
        return 0;
    }
    if (node->kind == NODE_LIST && node->count > 0)
        return node->count;
    if (node->kind == NODE_SCALAR && !node_is_null(node))
        return 1;
    load_bad(l, node, "wrong kind of value", expected);
    return 0;
}

const struct node *load_item(const struct node *node, size_t i)
{
    return node->kind == NODE_LIST ? node->items[i] : node;
}

bool load_name_is_good(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);
    return len >= 1 && len <= LOAD_MAX_NAME && strspn(name, allowed) == len && strspn(name, ".") != len;
}

void load_check_key_name(struct load *l, const struct node *node)
{
    if (!load_name_is_good(node->key))
        load_key_error(l, node, "not a usable name (expected %s)", LOAD_NAME_EXPECTED);
}
