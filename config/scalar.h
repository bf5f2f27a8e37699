/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_SCALAR_H
#define CONFIG_SCALAR_H

#include "config/keys.h"
#include "config/value.h"

/* The text of a scalar that says something and holds no control character; else null and an error. */
const char *scalar_read(struct load *l, const struct keys_row *row, const struct node *node);

/* Its place in the list of words; else -1 and an error that names the nearest one. */
int scalar_word(struct load *l, const struct keys_row *row, const struct node *node, const char *const *words,
                size_t count);

/* Parsers of keys. */
keys_parse scalar_text;     /* const char *: not empty, at most 255 octets */
keys_parse scalar_bool;     /* bool: true or false */
keys_parse scalar_duration; /* int64_t, microseconds */
keys_parse scalar_timeout;  /* the same, at least 1 ms */
keys_parse scalar_count;    /* unsigned: 1 to 100000 */

#define SCALAR_MAX_TEXT         255
#define SCALAR_MAX_COUNT        100000
#define SCALAR_COUNT_EXPECTED   "a whole number from 1 to 100000"
#define SCALAR_TIMEOUT_EXPECTED VALUE_DURATION_EXPECTED ", at least 1ms"

#endif
