/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_MISTAKES_H
#define CONFIG_MISTAKES_H

#include <stddef.h>

/*
 * What is wrong with a config, all of it, in the order of the file. Each entry is one line:
 * "FILE:LINE:COLUMN: path.to.key: what is wrong (expected ..., found ...; did you mean ...?)".
 */
struct mistakes {
    char **errors;
    size_t error_count;
    char **warnings; /* the same form; a config with warnings alone is good */
    size_t warning_count;
};

void mistakes_clear(struct mistakes *m);

#endif
