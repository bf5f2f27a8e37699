/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_LETTERS_H
#define SERVER_LETTERS_H

#include "probe/base/arena.h"
#include "probe/plan.h"
#include "probe/proto/sink.h"
#include "probe/result.h"
#include "probe/token.h"

#include <uv.h>

/*
 * The messages of one loop: which of them a run sends (min_send_interval), what became of them (the ledger of
 * probe/verify), and what that means for the results that are shown. Remembered by the names of target and
 * route, so a reload forgets nothing.
 */
struct letters;

/* A delivery was settled: results that were pending may no longer be. Called from the loop, or from inside
 * letters_arrive and letters_sent. route is "TARGET/ROUTE". */
typedef void letters_settled(void *context, const char *route, const struct delivery *delivery);

/* Tokens are made under the key, which is copied. */
struct letters *letters_new(uv_loop_t *loop, const struct token_key *key, letters_settled *settled,
                            void *context);
/* Memory follows after the loop has run once more. */
void letters_free(struct letters *letters); /* null is fine */

/*
 * The letters of a run that begins now, one a route of its plan, in the arena; null when it sends none. A
 * route whose last message is younger than its min_send_interval, or is being sent by another run, gets none
 * unless all is set. Every letter must be given to letters_sent when the run is over.
 */
const struct plan_letter *letters_write(struct letters *letters, struct arena *arena, const struct plan *plan,
                                        const char *run, bool all);

/* The run of that plan is over. */
void letters_sent(struct letters *letters, const struct plan *plan, const struct result *result);

/* A mailbox has seen a message: whether it carries a live token of that mailbox. */
bool letters_arrive(struct letters *letters, const char *mailbox, const struct sink_message *message);

/* A mailbox cannot take what comes, for reasons of ours, or can again. */
void letters_blind(struct letters *letters, const char *mailbox, bool blind);

/* The result as it is to be shown now, with its deliveries: one reference, the caller's. */
struct result *letters_show(const struct letters *letters, const struct plan *plan, struct result *result);

/* Whether a message that this run itself has sent is still under way. */
bool letters_is_pending(const struct letters *letters, const struct result *result);

/* Nobody will ask for this result any more. */
void letters_forget(struct letters *letters, const struct result *result);

#endif
