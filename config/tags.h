/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TAGS_H
#define CONFIG_TAGS_H

#include "config/keys.h"

/* Words that several targets share, to ask for all of them at once. */
#define TAGS_MAX 32 /* of one target */

keys_parse tags_read; /* struct target */

bool tags_has(const struct snapshot_target *target, const char *tag);

/* How many targets have it. */
size_t tags_count(const struct snapshot *s, const char *tag);

/* For a tag that no target has: the nearest that one has, or null. */
const char *tags_nearest(const struct snapshot *s, const char *tag);

#endif
