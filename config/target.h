/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TARGET_H
#define CONFIG_TARGET_H

#include "config/keys.h"

/* A target or a module while it is read. It begins as a copy of its module, or of the defaults. */
struct target {
    struct snapshot_target is;
    const struct node *own;      /* what it says itself */
    const struct target *module; /* null: none */
};

/* What holds where neither target nor module says anything. */
void target_defaults(struct load *l, struct target *t);

keys_parse target_read_modules; /* struct snapshot: not touched; the load's modules */
keys_parse target_read_all;     /* struct snapshot: targets; a plan's own is left empty */

/* Parsers of the keys of one target. */
keys_parse target_module;  /* struct target */
keys_parse target_address; /* struct target */
keys_parse target_family;
keys_parse target_source;
keys_parse target_protocol;
keys_parse target_helo;
keys_parse target_stop_after;

#endif
