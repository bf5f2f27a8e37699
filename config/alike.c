/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans are told apart by what they are made of, not field by field: a new key counts without a word here.
 * Two loads make a plan of the same text, the same files, the same name of this machine and the same places
 * where ehlod listens; a file is the same while its state is (server/door.c tells so, too). FNV-1a with 64
 * bits: it tells changes, not forgers.
 */
#include "config/alike.h"

#include "config/path.h"

#include <string.h>
#include <sys/stat.h>

#define OFFSET UINT64_C(14695981039346656037)
#define PRIME  UINT64_C(1099511628211)

/* They say when a target runs, how long its result is good, and how it is found. */
static const char *const aside[] = {"tags", "interval", "cache_ttl", "wait"};

static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *b = bytes;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ b[i]) * PRIME;
    return hash;
}

/* With its end, so that texts behind one another are not another text. */
static uint64_t mix_text(uint64_t hash, const char *text)
{
    return mix(hash, text, strlen(text) + 1);
}

static uint64_t mix_number(uint64_t hash, uint64_t number)
{
    return mix(hash, &number, sizeof number);
}

static bool is_aside(const char *key)
{
    for (size_t i = 0; i < sizeof aside / sizeof aside[0]; i++)
        if (strcmp(aside[i], key) == 0)
            return true;
    return false;
}

/* Keys whose value is a path. A name of vars may look like one, which does no harm. */
static bool names_file(const struct node *node)
{
    size_t len = node->key ? strlen(node->key) : 0;

    return len > 0 && ((len > 5 && strcmp(node->key + len - 5, "_file") == 0) ||
                       strcmp(node->key, "message") == 0 || strcmp(node->key, "dialogue") == 0);
}

static bool names_mailbox(const struct node *node)
{
    return node->key && (strcmp(node->key, "mailbox") == 0 || strcmp(node->key, "bounce_mailbox") == 0);
}

/* What is not there has a state, too. */
static uint64_t mix_file(struct load *l, uint64_t hash, const char *path)
{
    struct stat st;

    if (stat(path_resolve(l->scratch, l->file, path), &st) != 0)
        return mix_number(hash, 0);
    hash = mix_number(hash, st.st_dev);
    hash = mix_number(hash, st.st_ino);
    hash = mix_number(hash, (uint64_t)st.st_size);
    hash = mix_number(hash, (uint64_t)st.st_mtim.tv_sec);
    hash = mix_number(hash, (uint64_t)st.st_mtim.tv_nsec);
    hash = mix_number(hash, (uint64_t)st.st_ctim.tv_sec);
    return mix_number(hash, (uint64_t)st.st_ctim.tv_nsec);
}

static uint64_t hash_node(struct load *l, const struct node *node);

/* What the config says of it: where a message belongs decides whether it has arrived there or elsewhere. A
 * mailbox that names one is wrong, and is not followed. */
static uint64_t mix_mailbox(struct load *l, uint64_t hash, const struct node *name)
{
    const struct node *section = name;

    while (section->parent && section->parent->parent)
        section = section->parent;
    const struct node *mailboxes = section->parent ? node_get(section->parent, "mailboxes") : NULL;
    const struct node *mailbox = mailboxes && mailboxes != section ? node_get(mailboxes, name->text) : NULL;
    return mailbox ? mix_number(hash, hash_node(l, mailbox)) : hash;
}

/* A map is the same in any order. */
static uint64_t hash_map(struct load *l, const struct node *map, bool is_whole)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < map->count; i++)
        if (is_whole || !is_aside(map->items[i]->key))
            sum += mix_number(mix_text(OFFSET, map->items[i]->key), hash_node(l, map->items[i]));
    return sum;
}

static uint64_t hash_node(struct load *l, const struct node *node)
{
    uint64_t hash = mix_number(OFFSET, node->kind);

    if (node->kind == NODE_MAP)
        return mix_number(hash, hash_map(l, node, true));
    if (node->kind == NODE_SCALAR) {
        hash = mix_text(mix_number(hash, node_is_null(node)), node->text ? node->text : "");
        if (names_mailbox(node) && node->text)
            return mix_mailbox(l, hash, node);
        return names_file(node) && node->text ? mix_file(l, hash, node->text) : hash;
    }
    for (size_t i = 0; i < node->count; i++)
        hash = mix_number(hash, hash_node(l, node->items[i]));
    return hash;
}

uint64_t alike_hash(struct load *l, const struct node *own, const struct node *module)
{
    uint64_t hash = mix_text(OFFSET, l->hostname);

    hash = mix_number(hash, own->kind == NODE_MAP ? hash_map(l, own, false) : 0);
    return mix_number(hash, module && module->kind == NODE_MAP ? hash_map(l, module, false) : 0);
}

static bool listens_alike(const struct snapshot *a, const struct snapshot *b)
{
    if (a->own_count != b->own_count)
        return false;
    for (size_t i = 0; i < a->own_count; i++)
        if (address_compare(&a->own[i], &b->own[i]) != 0)
            return false;
    return true;
}

bool alike_plan(const struct snapshot *a, const struct snapshot_target *of_a, const struct snapshot *b,
                const struct snapshot_target *of_b)
{
    return of_a->plan_hash == of_b->plan_hash && strcmp(of_a->name, of_b->name) == 0 &&
           strcmp(a->server_name, b->server_name) == 0 && listens_alike(a, b);
}
