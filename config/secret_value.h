/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_SECRET_VALUE_H
#define CONFIG_SECRET_VALUE_H

#include "probe/base/arena.h"
#include "probe/base/secret.h"

#include <stdbool.h>

/*
 * Where secrets come from: a file, the environment, or the config itself. What is wrong is told in words that
 * never hold a part of the secret.
 */
#define SECRET_VALUE_MOST (64 * 1024) /* octets */

/* "${NAME}" is what the environment has under that name; any other text is the secret itself (*inline_r).
 * Null, and why in *why_r. */
struct secret *secret_value_text(struct arena *a, const char *text, bool *inline_r, const char **why_r);

/* Whether it is such a name, which is no secret itself. */
bool secret_value_is_reference(const char *text);

/* What a file holds, without one line end behind it: a regular file, not empty, at most SECRET_VALUE_MOST
 * octets, no NUL. *open_r: everybody on this machine can read it. Null, and why, with the path, in *why_r. */
struct secret *secret_value_file(struct arena *a, const char *path, bool *open_r, const char **why_r);

#endif
