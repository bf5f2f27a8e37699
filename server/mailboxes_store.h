/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_MAILBOXES_STORE_H
#define SERVER_MAILBOXES_STORE_H

#include "config/snapshot.h"
#include "probe/net/dns.h"
#include "probe/verify/mailbox.h"

#include <uv.h>

/* The store of a config, of whatever kind. The settings are kept by their owner while it lives. */
struct store *mailboxes_store_open(uv_loop_t *loop, struct dns *dns, const struct snapshot_store *settings,
                                   const struct mailbox_events *events, void *context);

/* Whether both are the same in every setting. */
bool mailboxes_store_is_same(const struct snapshot_store *a, const struct snapshot_store *b);

/* Where it is: a path or a URL. */
const char *mailboxes_store_place(const struct snapshot_store *settings);

#endif
