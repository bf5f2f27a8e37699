/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TALK_FILES_H
#define TESTS_TALK_FILES_H

#include "probe/base/arena.h"

#include <stddef.h>

/* The talks to be played: the files named as a program's arguments, or else all of this folder, by name. Says
 * so and returns 0 when there is none. Runs from the root of the tree. */
size_t files_find(struct arena *a, int argc, char **argv, const char ***paths_r);

#endif
