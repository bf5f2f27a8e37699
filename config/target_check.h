/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TARGET_CHECK_H
#define CONFIG_TARGET_CHECK_H

#include "config/target.h"

/* What must hold between the keys of a target or a module. */
void target_check(struct load *l, const struct target *t);

/* What only a target must have. */
void target_check_complete(struct load *l, const struct target *t);

/* What must hold between all targets. */
void target_check_all(struct load *l, const struct target *targets, size_t count);

/* Whether a text can be sent after EHLO: 1 to 255 printable ASCII characters, no space. */
bool target_check_helo(const char *text);

#endif
