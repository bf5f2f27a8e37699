/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "config/findings.h"

#define FILE_MAX_BYTES (16 * 1024 * 1024)

/* Reads the whole of a config file into the arena: a regular file, not too large, UTF-8 without control
 * characters; a byte order mark is dropped. 0, or -1 with an error among the findings. */
int file_read(const struct node_origin *origin, struct arena *a, struct findings *f, struct span *text_r);

#endif
