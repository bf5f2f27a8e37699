/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TALK_WORDS_H
#define TESTS_TALK_WORDS_H

#include "probe/base/arena.h"

/* Undoes \r \n \t \0 \\ and \xHH; -1 when there is another escape. */
int words_unescape(struct arena *a, const char *text, struct span *bytes_r);

/* The next word of *rest, which moves behind it; null at the end. It may be quoted as a whole or behind a
 * "=": key="two words". */
char *words_next(struct arena *a, char **rest);

/* Splits "key=value" in place; the value, or null when there is no "=". */
char *words_value(char *word);

#endif
