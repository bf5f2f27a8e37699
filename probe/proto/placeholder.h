/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_PLACEHOLDER_H
#define PROBE_PROTO_PLACEHOLDER_H

#include "probe/base/arena.h"
#include "probe/base/buffer.h"

/* A {{name}} in a text and what stands for it. */
struct placeholder {
    const char *name;
    const char *value;
};

#define PLACEHOLDER_MAX (64 * 1024)

/* The text with each placeholder replaced, in the arena; or null when one is not known or has no end, or the
 * whole would be longer than PLACEHOLDER_MAX; then *why_r says so. Of several of one name the first counts.
 */
char *placeholder_fill(struct arena *a, const char *text, const struct placeholder *known, size_t count,
                       const char **why_r);

/* Likewise, behind what is in the buffer, whose limit is the only one (it is asked by its full). Null, or
 * what is wrong, in the arena. */
const char *placeholder_put(struct buffer *out, struct span text, const struct placeholder *known,
                            size_t count, struct arena *a);

#endif
