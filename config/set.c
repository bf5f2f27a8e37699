/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overrides from the command line. A path is written as messages show it: keys parted by dots, a key with
 * dots of its own in quotes. Entries of a list have no path: a list is set as a whole.
 */
#include "config/set.h"

#include "config/nearest.h"
#include "config/yaml.h"
#include "probe/base/text.h"

#include <string.h>

#define MAX_SEGMENTS YAML_MAX_DEPTH
#define FORM         "key.path=value; a key with dots stands in quotes"

struct path {
    const char *keys[MAX_SEGMENTS];
    size_t count;
};

/* segment = DQUOTE 1*any DQUOTE / 1*(not "." or "="): what follows it, or null. */
static const char *read_segment(const char *text, struct arena *a, const char **key_r)
{
    bool quoted = *text == '"';
    const char *begin = quoted ? text + 1 : text;
    size_t len = strcspn(begin, quoted ? "\"" : ".=");
    if (len == 0 || (quoted && begin[len] == '\0'))
        return NULL;
    *key_r = arena_dup_span(a, (struct span){begin, len});
    return begin + len + (quoted ? 1 : 0);
}

/* path = segment *("." segment) "=": where the value begins, or null. */
static const char *read_path(const char *text, struct arena *a, struct path *path)
{
    while (path->count < MAX_SEGMENTS) {
        text = read_segment(text, a, &path->keys[path->count]);
        if (!text)
            return NULL;
        path->count++;
        if (*text == '=')
            return text + 1;
        if (*text != '.')
            return NULL;
        text++;
    }
    return NULL;
}

/* The map that the path's last key belongs to, or null and an error. */
static struct node *descend(struct node *map, const struct path *path, const struct node_mark *mark,
                            struct arena *a, struct findings *f)
{
    for (size_t i = 0; i + 1 < path->count; i++) {
        struct node *next = node_get(map, path->keys[i]);
        if (!next || node_is_null(next)) {
            next = arena_alloc(a, sizeof(*next));
            *next = (struct node){
                .kind = NODE_MAP, .mark = *mark, .key = path->keys[i], .key_mark = *mark, .implied = true};
            node_put(a, map, next);
        }
        if (next->kind == NODE_BROKEN) /* what is wrong with it was said already */
            return NULL;
        if (next->kind != NODE_MAP) {
            const char *list = next->kind == NODE_LIST ? "; a list can only be set as a whole" : "";
            findings_add(f, FINDINGS_ERROR, mark,
                         arena_printf(a, "%s has no keys (found %s%s)", node_path(a, next),
                                      node_found(a, next), list));
            return NULL;
        }
        map = next;
    }
    return map;
}

static const struct node_origin *make_origin(const char *text, size_t len, unsigned rank, struct arena *a)
{
    struct node_origin *origin = arena_alloc(a, sizeof(*origin));
    struct span key = {text, len};
    *origin = (struct node_origin){.name = arena_printf(a, "--set %s", node_show(a, arena_dup_span(a, key))),
                                   .rank = rank};
    return origin;
}

void set_apply(const char *text, unsigned rank, struct node *root, struct arena *a, struct findings *f)
{
    struct path path = {0};
    struct node *node;
    const char *value = text_is_clean(span_of(text)) ? read_path(text, a, &path) : NULL;
    /* What is behind a "=" may be a secret. */
    size_t key_len = value ? (size_t)(value - text - 1) : strcspn(text, "=");
    if (!value && text[key_len] == '=')
        key_len++;
    struct node_mark mark = {make_origin(text, key_len, rank, a), 1, 1};
    if (!value) {
        findings_add(f, FINDINGS_ERROR, &mark, "cannot be understood (expected " FORM ")");
        return;
    }
    if (yaml_read(span_of(value), mark.origin, a, f, &node) != 0)
        return;
    struct node *map = descend(root, &path, &mark, a, f);
    if (!map)
        return;
    node->key = path.keys[path.count - 1];
    node->key_mark = mark;
    node_put(a, map, node);
}

/* The sections whose entries are named by the user. */
static const struct section {
    const char *key;
    const char *one;
    const char *begin[2]; /* the keys with which a new entry may begin; none: it is set as a whole */
} sections[] = {
    {"mailboxes", "mailbox", {"sink", "domains"}},
    {"modules", "module", {NULL}},
    {"targets", "target", {"address", "module"}},
};

static bool is_begun(const struct section *section, const struct node *entry)
{
    for (size_t i = 0; i < sizeof(section->begin) / sizeof(section->begin[0]); i++)
        if (section->begin[i] && node_get(entry, section->begin[i]))
            return true;
    return false;
}

/* The entry that was meant: one whose name has the key for its first part, as in mx1.example.org without
 * quotes, or else is like it. Null: none is. */
static const struct node *meant(struct arena *a, const struct node *map, const char *key)
{
    const char **names = arena_alloc(a, (map->count + 1) * sizeof(*names));
    size_t len = strlen(key);
    size_t count = 0;
    for (size_t i = 0; i < map->count; i++) {
        const struct node *entry = map->items[i];
        if (entry->implied)
            continue;
        if (strncmp(entry->key, key, len) == 0 && entry->key[len] == '.')
            return entry;
        names[count++] = entry->key;
    }
    const char *near = nearest(key, names, count);
    return near ? node_get(map, near) : NULL;
}

static void refuse_unknown(const struct section *section, const struct node *map, struct node *entry,
                           struct arena *a, struct findings *f)
{
    const char *hint = section->begin[0] ? "" : " (a new one is set as a whole)";
    const struct node *guess = meant(a, map, entry->key);
    if (guess)
        hint = arena_printf(a, " (did you mean %s?)", node_path(a, guess));
    findings_add(f, FINDINGS_ERROR, &entry->key_mark,
                 arena_printf(a, "%s: there is no such %s%s", node_path(a, entry), section->one, hint));
    entry->kind = NODE_BROKEN;
}

void set_check(const struct node *root, struct arena *a, struct findings *f)
{
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        const struct node *map = node_get(root, sections[i].key);
        for (size_t k = 0; map && map->kind == NODE_MAP && k < map->count; k++)
            if (map->items[k]->implied && !is_begun(&sections[i], map->items[k]))
                refuse_unknown(&sections[i], map, map->items[k], a, f);
    }
}
