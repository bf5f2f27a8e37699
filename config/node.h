/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_NODE_H
#define CONFIG_NODE_H

#include "probe/base/arena.h"

#include <stdbool.h>
#include <stddef.h>

/* Where text came from: the file (rank 0) or the nth --set (rank n, named "--set KEY"), or another file that
 * one of these names (rank 0). */
struct node_origin {
    const char *name;
    unsigned rank;
    bool is_named; /* it is another file */
};

/* A place in it, counted from 1; line 0 is the origin as a whole, column 0 all of the line. */
struct node_mark {
    const struct node_origin *origin;
    unsigned line;
    unsigned column;
};

enum node_kind {
    NODE_SCALAR,
    NODE_LIST,
    NODE_MAP,
    NODE_BROKEN /* what is wrong with it was said already */
};

/* A config as it was written, before anything is known about keys. Lives in an arena. */
struct node {
    enum node_kind kind;
    struct node_mark mark;
    const struct node *parent;
    const char *key; /* its name in a map; null in a list and at the root */
    struct node_mark key_mark;
    size_t index; /* its place in a list */

    const char *text; /* of a scalar, valid UTF-8; never read as a YAML type */
    bool plain;       /* of a scalar: written without quotes */

    bool implied; /* nobody wrote the map itself: a --set goes through it */

    struct node **items; /* of a list or a map, in the order written */
    size_t count;
};

/* The entry of that key, or null; also null when it is no map. */
struct node *node_get(const struct node *map, const char *key);

/* The same over several maps: "timeouts.reply". Keys with dots of their own cannot be asked for. */
const struct node *node_at(const struct node *map, const char *path);

/* Puts the child at the end of a list or a map. */
void node_append(struct arena *a, struct node *parent, struct node *child);

/* Puts it into the map, in the place of an entry of the same key if there is one. */
void node_put(struct arena *a, struct node *map, struct node *child);

/* Says nothing at all: an absent value, ~ or null without quotes. */
bool node_is_null(const struct node *node);

/* "targets.mx1.routes[0].to"; keys that hold more than letters, digits, _ and - stand in quotes. A key that
 * is longer than any good one is cut. */
char *node_path(struct arena *a, const struct node *node);

/* What stands there, for a message: "10" in quotes, "a list", "a map", "nothing"; "a secret" for a text under
 * a key that may hold one. */
char *node_found(struct arena *a, const struct node *node);

/* Any text for a message, without quotes: one line, escaped where it has to be, and not too long. */
char *node_show(struct arena *a, const char *text);

#endif
