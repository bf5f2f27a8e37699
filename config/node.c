/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of a config as written: looking up, putting in, and describing nodes to people. Where the tree
 * comes from is yaml.c's and set.c's business; what its keys mean is that of keys.c.
 */
#include "config/node.h"

#include "probe/base/text.h"

#include <string.h>

#define FOUND_MAX 80  /* bytes of a value that a message shows */
#define KEY_MAX   160 /* bytes of a key that a path shows */

static struct node *get_span(const struct node *map, struct span key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (span_is(key, map->items[i]->key))
            return map->items[i];
    return NULL;
}

struct node *node_get(const struct node *map, const char *key)
{
    return get_span(map, span_of(key));
}

const struct node *node_at(const struct node *map, const char *path)
{
    const struct node *node = map;
    while (node) {
        size_t len = strcspn(path, ".");
        node = get_span(node, (struct span){path, len});
        if (path[len] == '\0')
            return node;
        path += len + 1;
    }
    return NULL;
}

void node_append(struct arena *a, struct node *parent, struct node *child)
{
    child->parent = parent;
    child->index = parent->count;
    parent->items = arena_grow(a, parent->items, parent->count, sizeof(struct node *));
    parent->items[parent->count++] = child;
}

void node_put(struct arena *a, struct node *map, struct node *child)
{
    child->parent = map;
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->items[i]->key, child->key) == 0) {
            map->items[i] = child;
            return;
        }
    }
    node_append(a, map, child);
}

bool node_is_null(const struct node *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != NODE_SCALAR || !node->plain)
        return false;
    for (size_t i = 0; i < sizeof nulls / sizeof nulls[0]; i++)
        if (strcmp(node->text, nulls[i]) == 0)
            return true;
    return false;
}

/* The text up to a length, never ending inside a UTF-8 sequence. */
static struct span shorten(const char *text, size_t most)
{
    struct span s = span_of(text);
    if (s.len <= most)
        return s;
    s.len = most;
    while (s.len > 0 && (text[s.len] & 0xc0) == 0x80)
        s.len--;
    return s;
}

/* A key as it stands in a path, and as --set takes it. */
static char *key_text(struct arena *a, const char *key)
{
    static const char simple[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    struct span shown = shorten(key, KEY_MAX);
    const char *more = key[shown.len] ? "..." : "";
    if (*key && key[strspn(key, simple)] == '\0')
        return arena_printf(a, "%s%s", arena_dup_span(a, shown), more);
    return arena_printf(a, "\"%s%s\"", text_escape(a, shown), more);
}

char *node_path(struct arena *a, const struct node *node)
{
    if (!node->parent)
        return arena_dup(a, "");
    const char *above = node_path(a, node->parent);
    if (!node->key)
        return arena_printf(a, "%s[%zu]", above, node->index);
    return arena_printf(a, "%s%s%s", above, *above ? "." : "", key_text(a, node->key));
}

static bool is_named(const struct node *node, const char *key)
{
    return node && node->key && strcmp(node->key, key) == 0;
}

/* By its key, or by one above it that is misplaced; a secret where all that belongs to a login was due. */
static bool is_secret(const struct node *node)
{
    bool secret = is_named(node, "basic_auth_users") || is_named(node->parent, "basic_auth_users") ||
                  is_named(node, "auth") || is_named(node, "password") || is_named(node, "token");

    for (; node && !secret; node = node->parent)
        secret = is_named(node->parent, "auth") && (is_named(node, "password") || is_named(node, "token"));
    return secret;
}

char *node_found(struct arena *a, const struct node *node)
{
    if (node->kind == NODE_LIST)
        return arena_dup(a, node->count ? "a list" : "an empty list");
    if (node->kind == NODE_MAP)
        return arena_dup(a, "a map");
    if (node_is_null(node))
        return arena_dup(a, "nothing");
    if (is_secret(node))
        return arena_dup(a, "a secret");
    return arena_printf(a, "\"%s\"", node_show(a, node->text));
}

char *node_show(struct arena *a, const char *text)
{
    return text_show(a, span_of(text), FOUND_MAX);
}
