/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_EFFECTIVE_H
#define CONFIG_EFFECTIVE_H

#include "config/node.h"

/*
 * The config in effect, as YAML: what the file and the --set options say, in their order, and the defaults of
 * what they do not. Read again, from the same folder, it is the same config, but for secrets, of which there
 * is *** (a ${NAME} stands as it was written). A good config is given, whose file is named so; the text is
 * the arena's.
 */
const char *effective_write(const struct node *root, const char *file, struct arena *keep);

#endif
