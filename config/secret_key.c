/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys whose values are secrets, or files that hold one. What is read lives in memory of its own that is
 * wiped with the snapshot. No message ever holds what stands under such a key, or in the file.
 */
#include "config/secret_key.h"

#include "config/path.h"
#include "config/scalar.h"
#include "config/secret_value.h"

#define INLINE_WARNING                                                                                       \
    "a secret in the config itself: anybody who may read this file has it (better: %s_file)"
#define OPEN_WARNING "%s: everybody on this machine may read it (better: chmod o-r)"

/* It belongs to the snapshot from now on. */
static const struct secret *keep(struct load *l, struct secret *secret)
{
    l->secrets = arena_grow(l->keep, l->secrets, l->secret_count, sizeof(struct secret *));
    l->secrets[l->secret_count++] = secret;
    return secret;
}

/* A secret that stands in the config, or the environment; null, having said why. */
const struct secret *secret_key_text(struct load *l, const struct keys_row *row, const struct node *node)
{
    const char *why = NULL;
    bool is_inline = false;
    if (node->kind != NODE_SCALAR || node_is_null(node)) { /* which shows nothing of it */
        load_bad(l, node, "wrong kind of value", row->expected);
        return NULL;
    }
    struct secret *secret = secret_value_text(l->scratch, node->text, &is_inline, &why);
    if (!secret) {
        load_error(l, node, "%s (expected %s)", why, row->expected);
        return NULL;
    }
    if (is_inline)
        load_key_warning(l, node, INLINE_WARNING, node->key);
    return keep(l, secret);
}

/* The path of a file with a secret, and what it holds; false, having said why. */
bool secret_key_file(struct load *l, const struct keys_row *row, const struct node *node, const char **path_r,
                     const struct secret **secret_r)
{
    const char *text = NULL;
    const char *why = NULL;
    bool is_open = false;
    scalar_text(l, row, node, &text);
    if (!text)
        return false;
    const char *path = path_resolve(l->keep, l->file, text);
    struct secret *secret = secret_value_file(l->scratch, path, &is_open, &why);
    if (!secret) {
        load_error(l, node, "%s", why);
        return false;
    }
    if (is_open)
        load_key_warning(l, node, OPEN_WARNING, path);
    *path_r = path;
    *secret_r = keep(l, secret);
    return true;
}

/* Of a secret and the file that holds it only one can be meant. */
bool secret_key_is_only(struct load *l, const struct node *node, const char *other)
{
    if (!node_get(node->parent, other))
        return true;
    load_key_error(l, node, "%s is said, too (expected one of them)", other);
    return false;
}
