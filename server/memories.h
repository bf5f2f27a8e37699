/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_MEMORIES_H
#define SERVER_MEMORIES_H

#include "probe/base/arena.h"
#include "probe/delivery.h"
#include "probe/plan.h"
#include "probe/token.h"
#include "probe/verify/ledger_row.h"

/* What is remembered of one route of one target, by their names, over runs and reloads. */
struct memory {
    const char *key;           /* first: "TARGET/ROUTE"; names hold no slash */
    uint64_t wish;             /* what the route wanted when its newest message was sent */
    int64_t wish_us;           /* since when; what was sent before is no news */
    unsigned under_way;        /* runs that are to send its message, and have not ended */
    int64_t sent_us;           /* its newest message: DATA was said; CLOCK_NONE = never */
    char newest[TOKEN_SIZE];   /* and its token; "" = never */
    char restored[TOKEN_SIZE]; /* a message from before a restart that may still come; "" = none */
    struct delivery last;      /* the newest that is settled; state ROUTE_NONE = none is */
    struct arena texts;        /* of last */
    int64_t last_good_us;      /* when the newest that came as wanted was seen; 0 = none was */
};

/* A zeroed struct has none. */
struct memories {
    void *tree; /* of tsearch(3) */
};

void memories_free(struct memories *m);

/* Null: there is none. */
struct memory *memories_recall(const struct memories *m, const char *target, const char *route);
/* Made when it is not there. */
struct memory *memories_remember(struct memories *m, const char *target, const char *route);

/* All that a delivery says something about, in one number. A config in which any of it differs is told
 * nothing by the messages of another. */
uint64_t memory_wish(const struct plan *plan, const struct plan_route *route);

/* A message was sent for that wish: what is remembered of another one is no longer worth anything. */
void memory_adopt(struct memory *m, uint64_t wish, int64_t now_us);

/* Its newest message, if that is newer. */
void memory_sent(struct memory *m, const char *token, int64_t data_us);

/* What a kept row says of the sending. */
void memory_restore(struct memory *m, const struct ledger_row *row);

/* A delivery is settled: it stands, unless a newer message is settled already. Copied. */
void memory_keep(struct memory *m, const struct delivery *d);

#endif
