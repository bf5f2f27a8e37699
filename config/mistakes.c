/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of mistakes as its reader holds it. It is made by findings.c; here it only ends.
 * Every line is memory of its own, so that a list outlives the config it is about.
 */
#include "config/mistakes.h"

#include <stdlib.h>

static void free_lines(char **lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(lines[i]);
    free(lines);
}

void mistakes_clear(struct mistakes *m)
{
    free_lines(m->errors, m->error_count);
    free_lines(m->warnings, m->warning_count);
    *m = (struct mistakes){0};
}
