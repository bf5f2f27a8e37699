/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_POP3_STORE_H
#define PROBE_VERIFY_POP3_STORE_H

#include "probe/account.h"
#include "probe/net/dns.h"
#include "probe/verify/mailbox.h"

#include <uv.h>

/*
 * A mailbox on a POP3 server: each look is a session of its own (a server shows no new mail in one, and
 * removes nothing before its end), and there is never more than one at a time. Headers of strangers' messages
 * are read once (TOP), nothing else of them.
 */
struct pop3_store_order {
    uv_loop_t *loop;
    struct dns *dns;
    const char *name;              /* of the mailbox; copied */
    const struct account *account; /* kept by its owner while this lives */
    const struct mailbox_events *events;
    void *context;
};

/* Looks for the first time at once, later from the loop. */
struct store *pop3_store_new(const struct pop3_store_order *order);

#endif
