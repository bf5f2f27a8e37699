/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_LEDGER_H
#define PROBE_VERIFY_LEDGER_H

#include "probe/delivery.h"
#include "probe/verify/ledger_row.h"
#include "probe/verify/mailbox.h"

#include <uv.h>

/*
 * What became of the messages of one loop: token by token, from before one is sent until nobody asks for it
 * any more. Mailboxes tell it what they saw; what is not there when they are looked into at the end of its
 * time is lost, and late if it comes after all. A token that is not in it is nobody's.
 */
struct ledger;

/* Letters at a time; of more, the oldest that nobody asks for are given up. */
#define LEDGER_MAX_LETTERS 50000
/* Of one letter: copies, and recipients, that are told apart, and octets of what a mailbox calls one. */
#define LEDGER_MAX_COPIES 1000
#define LEDGER_MAX_NAME   1024
/* Octets of one header that are kept, and of all together: the oldest are given up. */
#define LEDGER_MAX_HEADER  ((size_t)16 * 1024)
#define LEDGER_MAX_HEADERS ((size_t)32 * 1024 * 1024)
/* So long a mailbox may take to look before it counts as not answering; one for reports, if the other one has
 * answered. */
#define LEDGER_LOOK_US   (60 * CLOCK_US_PER_S)
#define LEDGER_REPORT_US (5 * CLOCK_US_PER_S)

/* A delivery was settled, or came late, or came again, or could not be removed. Called from the loop or from
 * inside ledger_seen, ledger_sent, ledger_looked and ledger_unremoved. owner is what the letter was opened
 * with. beside: the sending has a verdict of its own, which stands. */
typedef void ledger_changed(void *context, void *owner, const struct delivery *delivery, bool beside);

struct ledger *ledger_new(uv_loop_t *loop, ledger_changed *changed, void *context);
/* Memory follows after the loop has run once more. */
void ledger_free(struct ledger *ledger); /* null is fine */

/* Null: nobody is there to be asked, and each look is over a turn of the loop later. Kept. They are told of
 * what is under way already: also once more, where some of them are new. */
void ledger_set_mailboxes(struct ledger *ledger, const struct mailbox_wishes *wishes, void *context);

/* Null: nothing is kept, and what was learned is safe at once. Kept. Before the first letter. */
void ledger_set_keeper(struct ledger *ledger, const struct ledger_keeper *keeper, void *context);

/* A message that might be sent. All is copied but the owner. */
struct ledger_letter {
    const char *token;
    const char *target;
    const char *route;
    const char *run;
    const char *mailbox;        /* where it is looked for; null = nowhere */
    const char *bounce_mailbox; /* where a report on it would come; null = nowhere */
    const char *const *to;      /* whom it is for */
    size_t to_count;            /* 0 = not known: then each name that a copy has is one of them */
    uint64_t wish;
    struct span original; /* as original_pack gives it; empty = not known */
    void *owner;
};

/* From now on the token is live: the message may be sent at any moment. */
void ledger_open(struct ledger *ledger, const struct ledger_letter *letter);

/* The server took the message, or may have: unless all recipients have it already, it is pending until they
 * have, or its time is over. */
struct ledger_sending {
    int64_t data_us; /* DATA was said */
    int64_t sent_us; /* the dot was written */
    int64_t within_us;
    size_t recipients; /* for so many it was taken */
    /* How the sending ended, where it has a verdict of its own: uncertain, which stands unless more becomes
     * known, or what some recipients' replies were, which stands. ROUTE_NONE: it has not. */
    struct delivery verdict;
};
void ledger_sent(struct ledger *ledger, const char *token, const struct ledger_sending *sending);

/* Nothing is to be waited for: that is how its sending ended, and it leaves the ledger. */
void ledger_end(struct ledger *ledger, const char *token, int64_t data_us, const struct delivery *verdict);

/* It was never sent. */
void ledger_drop(struct ledger *ledger, const char *token);

/* Nobody asks for it any more. A pending one stays until it is settled. */
void ledger_close(struct ledger *ledger, const char *token);

/* A mailbox shows a message with that token, or a report on it (null = the message itself): whether the token
 * is live. */
bool ledger_seen(struct ledger *ledger, const char *token, const struct sighting *sighting,
                 const struct bounce *report);

/* Whether that copy of a live letter may be removed: what was learned from it is safe, and while the letter
 * is not settled, it is in the mailbox where it belongs. */
bool ledger_may_remove(struct ledger *ledger, const char *token, const char *mailbox, const char *id);

/* A copy of it cannot be removed. */
void ledger_unremoved(struct ledger *ledger, const char *token);

/* A look is over, as mailbox_events has it. */
void ledger_looked(struct ledger *ledger, const char *mailbox, int64_t began_us, const char *why);

/* A sink cannot take what comes, for reasons of ours, until it is told that it can again. What is not seen
 * while that lasts, wholly or in part, is unverified, not lost. */
void ledger_blind(struct ledger *ledger, const char *mailbox, bool blind);

/* A letter as it was kept, live again, for the caller to close; blind: its mailbox missed what came
 * meanwhile. Null: it stands in the ledger already, or nobody knows whether it was sent. */
const struct delivery *ledger_restore(struct ledger *ledger, const struct ledger_row *row, bool blind,
                                      void *owner);

/* The save of that serial is safe, and each one before. */
void ledger_saved(struct ledger *ledger, const char *token, uint64_t serial);

/* How it stands now; null when the token is not live. State ROUTE_NONE: not sent yet. */
const struct delivery *ledger_find(const struct ledger *ledger, const char *token);

#endif
