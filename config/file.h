/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "config/findings.h"

#define FILE_MAX_BYTES (1024 * 1024)

/* Reads the whole of a config file into the arena: a regular file, not too large, UTF-8 without control
 * characters; a byte order mark is dropped. 0, or -1 with an error among the findings. */
int file_read(const struct node_origin *origin, struct arena *a, struct findings *f, struct span *text_r);

/* What a file is to be, as messages name it, and how large it may be. */
struct file_kind {
    const char *name; /* "a config file" */
    size_t most;
};

/* All bytes of a regular file, whatever they are; nothing else is waited for or read. Null, or what is wrong,
 * in the arena as the text is. */
const char *file_bytes(const char *path, const struct file_kind *kind, struct arena *a, struct span *text_r);

#endif
