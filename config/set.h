/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_SET_H
#define CONFIG_SET_H

#include "config/findings.h"

/*
 * Puts one "key.path=value" into the tree, over what the file says; maps on the way are made where they are
 * missing. The value is YAML. rank is its place among the --set options, from 1. What is wrong with it is
 * among the findings.
 */
void set_apply(const char *text, unsigned rank, struct node *root, struct arena *a, struct findings *f);

/* When all are in: refuses targets, modules and mailboxes that are only there because an option goes through
 * them, as when a name is mistyped. */
void set_check(const struct node *root, struct arena *a, struct findings *f);

#endif
