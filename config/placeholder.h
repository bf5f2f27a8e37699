/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_PLACEHOLDER_H
#define CONFIG_PLACEHOLDER_H

#include "probe/base/arena.h"

/* A {{name}} in a text and what stands for it. */
struct placeholder {
    const char *name;
    const char *value;
};

#define PLACEHOLDER_MAX (64 * 1024)

/* The text with each placeholder replaced, in the arena; or null when one is not known or has no end, or the
 * whole would be longer than PLACEHOLDER_MAX; then *why_r says so. */
char *placeholder_fill(struct arena *a, const char *text, const struct placeholder *known, size_t count,
                       const char **why_r);

#endif
