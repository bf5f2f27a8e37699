/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_SLURP_H
#define PROBE_BASE_SLURP_H

#include "probe/base/arena.h"
#include "probe/base/span.h"

/* What a file is to be, as messages name it, and how large it may be. */
struct slurp_kind {
    const char *name; /* "a config file" */
    size_t most;
};

/* All bytes of a regular file, whatever they are; nothing else is waited for or read. Null, or what is wrong;
 * both are in the arena. Blocks: not for a loop. */
const char *slurp_file(const char *path, const struct slurp_kind *kind, struct arena *a,
                       struct span *bytes_r);

#endif
