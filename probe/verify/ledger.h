/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_LEDGER_H
#define PROBE_VERIFY_LEDGER_H

#include "probe/delivery.h"

#include <uv.h>

/*
 * What became of the messages of one loop: token by token, from before one is sent until nobody asks for it
 * any more. Mailboxes tell it what arrived; what does not arrive in time is lost, and late if it comes after
 * all. A token that is not in it is nobody's.
 */
struct ledger;

/* A delivery was settled, or came late, or came again. Called from the loop or from inside ledger_arrive and
 * ledger_sent. owner is what ledger_open was given. */
typedef void ledger_changed(void *context, void *owner, const struct delivery *delivery);

struct ledger *ledger_new(uv_loop_t *loop, ledger_changed *changed, void *context);
/* Memory follows after the loop has run once more. */
void ledger_free(struct ledger *ledger); /* null is fine */

/* From now on the token is live: the message may be sent at any moment. Texts are copied. */
void ledger_open(struct ledger *ledger, const char *token, const char *run, const char *mailbox, void *owner);

/* The server took the message for so many recipients at sent_us; unless all of them have it already, it is
 * pending until they have, or within_us is over. */
void ledger_sent(struct ledger *ledger, const char *token, int64_t sent_us, int64_t within_us,
                 size_t recipients);

/* Nobody asks for it any more. A pending one stays until it is settled. */
void ledger_close(struct ledger *ledger, const char *token);

/* A mailbox has it for these envelope recipients, at_us: it has arrived when as many different ones have it
 * as it was sent to. Whether the token is live and expected there; if not, nothing was done. */
bool ledger_arrive(struct ledger *ledger, const char *token, const char *mailbox, const char *const *to,
                   size_t to_count, int64_t at_us);

/* A mailbox cannot take what comes, for reasons of ours, until it is told that it can again. What is not seen
 * while that lasts, wholly or in part, is unverified, not lost. */
void ledger_blind(struct ledger *ledger, const char *mailbox, bool blind);

/* How it stands now; null when the token is not live. State ROUTE_NONE: not sent yet. */
const struct delivery *ledger_find(const struct ledger *ledger, const char *token);

#endif
