/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_KEEPER_H
#define SERVER_KEEPER_H

#include "server/history.h"
#include "server/log.h"

#include <uv.h>

/*
 * Keeps a ledger's rows in the history without ever holding up the loop: a thread of its own writes them,
 * many in one transaction, and of each message only the newest that waits. While they cannot be written it
 * tries again and again; it holds so many, then the oldest are given up.
 */
struct keeper;

#define KEEPER_MAX_ROWS   50000
#define KEEPER_MAX_OCTETS ((size_t)64 * 1024 * 1024)

/* That save is safe, and each one before. From the loop. */
typedef void keeper_saved(void *context, const char *token, uint64_t serial);

struct keeper_order {
    uv_loop_t *loop;
    struct log *log;         /* kept */
    struct history *history; /* taken, whatever comes of it */
    int64_t keep_us;         /* older rows go */
    keeper_saved *saved;
    void *context;
};

/* Null: the system has no thread for it. */
struct keeper *keeper_new(const struct keeper_order *order);

/* What a ledger calls, with the keeper as context. */
extern const struct ledger_keeper keeper_calls;

/* Targets out of service: all there are, copied. Only the newest that waits is written. Of type drains_keep,
 * with the keeper as context. */
void keeper_set_drains(void *keeper, const struct drain *list, size_t count);

void keeper_set_keep(struct keeper *keeper, int64_t keep_us);

/* Rows that were given up. */
uint64_t keeper_dropped(const struct keeper *keeper);

/* What waits is written, where that can be done at once. Saved is not called any more. Memory follows from
 * the loop. */
void keeper_free(struct keeper *keeper); /* null is fine */

#endif
