/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TARGET_H
#define CONFIG_TARGET_H

#include "config/keys.h"

/* A target or a module while it is read. It begins as a copy of its module, or of the defaults. */
struct target {
    struct snapshot_target is;
    const struct node *own;                /* what it says itself */
    const struct target *module;           /* null: none */
    const struct node *const *route_nodes; /* where each route of the plan was written */
};

/* What holds where neither target nor module says anything. */
void target_defaults(struct load *l, struct target *t);

keys_parse target_read_modules; /* struct snapshot: not touched; the load's modules */
keys_parse target_read_all;     /* struct snapshot: targets; a plan's own is left empty */

/* What {{address}} stands for: the host as it is written, an IP address as an address literal. */
const char *target_address_text(struct arena *a, const struct plan *plan);

/* Parsers of the keys of one target. */
keys_parse target_module;  /* struct target */
keys_parse target_address; /* struct target */
keys_parse target_family;
keys_parse target_source;
keys_parse target_protocol;
keys_parse target_helo;
keys_parse target_interval; /* int64_t, microseconds */
keys_parse target_stop_after;

#endif
