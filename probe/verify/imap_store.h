/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_IMAP_STORE_H
#define PROBE_VERIFY_IMAP_STORE_H

#include "probe/account.h"
#include "probe/net/dns.h"
#include "probe/verify/mailbox.h"

#include <uv.h>

/*
 * A mailbox on an IMAP server: one connection at a time, which stays open while messages are expected; its
 * folders are looked into in their order. Of strangers' messages a few header fields are read once, and
 * nothing is marked.
 */
struct imap_store_order {
    uv_loop_t *loop;
    struct dns *dns;
    const char *name;              /* of the mailbox; copied */
    const struct account *account; /* kept by its owner while this lives */
    const struct mailbox_events *events;
    void *context;
};

/* Looks for the first time at once, later from the loop. */
struct store *imap_store_new(const struct imap_store_order *order);

#endif
