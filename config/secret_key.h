/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_SECRET_KEY_H
#define CONFIG_SECRET_KEY_H

#include "config/keys.h"
#include "probe/base/secret.h"

/* Each secret belongs to the load, and then to the snapshot. */

/* A secret that stands in the config, or the environment; null, having said why. */
const struct secret *secret_key_text(struct load *l, const struct keys_row *row, const struct node *node);

/* The path of a file with a secret, and what it holds; false, having said why. */
bool secret_key_file(struct load *l, const struct keys_row *row, const struct node *node, const char **path_r,
                     const struct secret **secret_r);

/* Of a secret and the file that holds it only one can be meant: false, having said so, where the other key is
 * said, too. */
bool secret_key_is_only(struct load *l, const struct node *node, const char *other);

#endif
