/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_PATH_H
#define CONFIG_PATH_H

#include "probe/base/arena.h"

/* A path of the config as the system calls want it: a relative one begins where the config file is. Empty
 * and "." parts are dropped, so that the same way is the same text; ".." stays, since what is before it may
 * be a link. Touches no file. */
char *path_resolve(struct arena *a, const char *config_file, const char *path);

/* The same of a Unix socket's: null, or what is wrong with it; nothing is written then. */
const char *path_socket(struct arena *a, const char *config_file, const char *path, const char **path_r);

#endif
