/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "config/load.h"

struct keys_row;

/* Reads a value into slot, or says what is wrong with it and leaves slot as it is. */
typedef void keys_parse(struct load *l, const struct keys_row *row, const struct node *node, void *slot);

/*
 * One key. In its path, * stands for any name and [] for any item of a list; what is under "targets.*" holds
 * for modules too.
 */
struct keys_row {
    const char *path;
    keys_parse *parse;    /* null: a map whose keys have rows of their own and belong to the same object */
    size_t slot;          /* where the value goes in the object that the key belongs to */
    const char *fallback; /* what holds when the key is not there, as one would write it; null: see doc */
    const char *expected; /* "a duration such as ..." */
    const char *doc;      /* one line */
};

const struct keys_row *keys_rows(size_t *count_r);

/* The row of that path, which must exist. */
const struct keys_row *keys_row(const char *path);

/* Sets everything under the path that has a fallback. */
void keys_defaults(struct load *l, const char *path, void *object);

/* Whether it is a map of no more keys than one object can have; else an error, and the node is broken. So
 * looking a key up is cheap, however often the map is asked. */
#define KEYS_MAX 64
bool keys_is_map(struct load *l, struct node *node, const char *expected);

/* Reads every key of the map into the object, each by its row; a key without one is an error. */
void keys_read(struct load *l, const char *path, const struct node *map, void *object);

#endif
