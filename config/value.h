/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdint.h>

/*
 * The little languages of values, the same in the config, in HTTP parameters and on the command line.
 * Each returns 0, or -1 when the text is not one; nothing is written then.
 */

/* "500ms", "10s", "1.5s", "5m", "2h", "30d", "0"; a unit is needed but for 0; at most 10 years. */
int value_duration(const char *text, int64_t *us_r);
#define VALUE_DURATION_EXPECTED "a duration such as 500ms, 10s, 5m or 30d"

/* "500B", "64KiB", "10MiB", "1GiB", "0"; a unit is needed but for 0; whole numbers only. */
int value_size(const char *text, int64_t *octets_r);

/* Decimal digits alone, in the range. */
int value_integer(const char *text, int64_t least, int64_t most, int64_t *value_r);

#endif
