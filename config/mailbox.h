/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_MAILBOX_H
#define CONFIG_MAILBOX_H

#include "config/keys.h"

/* A mailbox while it is read: one of these. */
struct mailbox {
    struct snapshot_sink sink;
    struct snapshot_store store;
};

keys_parse mailbox_read_all; /* struct snapshot: sinks and stores */

/* Parsers of the keys of one mailbox. */
keys_parse mailbox_sink;    /* struct snapshot_listen */
keys_parse mailbox_domains; /* struct snapshot_sink: domains */

/* Frees what the sinks speak TLS with. */
void mailbox_clear(const struct snapshot_sink *sinks, size_t count);

#endif
