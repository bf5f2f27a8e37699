/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include "config/findings.h"

#define YAML_MAX_DEPTH 16 /* maps and lists inside each other */

/*
 * Reads one YAML 1.2 document into a tree. Anchors, aliases and tags, keys that are no plain words and keys
 * given twice are errors among the findings; the rest of the tree is good all the same. Text without any
 * document is a node that says nothing. -1 when the text is not YAML to its end (an error says where).
 */
int yaml_read(struct span text, const struct node_origin *origin, struct arena *a, struct findings *f,
              struct node **root_r);

/* The version of libfyaml, as "0.7.12". */
const char *yaml_version(void);

#endif
