/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_NEAREST_H
#define CONFIG_NEAREST_H

#include <stddef.h>

/* The candidate that a mistyped word most likely means, or null when none is near: at most a third of its
 * letters (at least one) inserted, dropped, changed or swapped, case aside. */
const char *nearest(const char *word, const char *const *candidates, size_t count);

#endif
