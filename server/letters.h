/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_LETTERS_H
#define SERVER_LETTERS_H

#include "probe/base/arena.h"
#include "probe/plan.h"
#include "probe/result.h"
#include "probe/token.h"
#include "probe/verify/ledger_row.h"
#include "probe/verify/mailbox.h"

#include <uv.h>

/*
 * The messages of one loop: which of them a run sends (min_send_interval), what became of them (the ledger of
 * probe/verify), and what that means for the results that are shown. Remembered by the names of target and
 * route, so a reload forgets nothing.
 */
struct letters;

/* A delivery was settled: results that were pending may no longer be. Called from the loop, or from inside
 * letters_seen and letters_sent. route is "TARGET/ROUTE". */
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

/* These as the jobs have them (jobs.h); seen says whether the message has a live token. */
bool letters_seen(struct letters *letters, const struct sighting *sighting);
bool letters_may_remove(struct letters *letters, const char *mailbox, const char *id);
void letters_unremoved(struct letters *letters, const char *mailbox, const char *id);
void letters_looked(struct letters *letters, const char *mailbox, int64_t began_us, const char *why);
void letters_blind(struct letters *letters, const char *mailbox, bool blind);
void letters_set_mailboxes(struct letters *letters, const struct mailbox_wishes *wishes, void *context);
void letters_set_keeper(struct letters *letters, const struct ledger_keeper *keeper, void *context);
/* blind: what came to its mailbox while nobody ran was missed. */
void letters_restore(struct letters *letters, const struct ledger_row *row, bool blind);
void letters_saved(struct letters *letters, const char *token, uint64_t serial);

/* The longest deliver_within of the config: so old and a minute more, and in nobody's ledger, a message is a
 * leftover and may be removed. Until it is said nothing is one. */
#define LEFTOVER_MARGIN_US (60 * CLOCK_US_PER_S)
void letters_set_longest(struct letters *letters, int64_t deliver_within_us);

/* The result as it is to be shown now, with its deliveries: one reference, the caller's. */
struct result *letters_show(const struct letters *letters, const struct plan *plan, struct result *result);

/* Whether a message that this run itself has sent is still under way. */
bool letters_is_pending(const struct letters *letters, const struct result *result);

/* Nobody will ask for this result any more. */
void letters_forget(struct letters *letters, const struct result *result);

#endif
