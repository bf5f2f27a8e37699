/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TARGET_MX_H
#define CONFIG_TARGET_MX_H

#include "config/target.h"

/* Parsers of keys. */
keys_parse target_mx;         /* struct target */
keys_parse target_mx_require; /* enum mx_require */

/* What mx and `family: each` do not go with. For a module too. */
void target_mx_check(struct load *l, const struct target *t);

#endif
