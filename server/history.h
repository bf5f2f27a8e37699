/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HISTORY_H
#define SERVER_HISTORY_H

#include "probe/token.h"
#include "probe/verify/ledger_row.h"
#include "server/drain.h"

#include <stdint.h>

/*
 * The file that outlives the process: the key that tokens are made under, and a row for each message. All of
 * it may block, so none of it is for a loop that runs. One thread at a time.
 */
struct history;

/* One sentence without its full stop, with the path: "history.path: /x/y: the folder does not exist". */
#define HISTORY_ERROR_SIZE 1024

/* Descriptors that an open one may hold. */
#define HISTORY_DESCRIPTORS 6

/*
 * For a service, which has it alone: a file that is not there is made, for its owner only. Null: it cannot be
 * had, and is as it was. One that is ours and broken is moved aside, and another one begun.
 */
struct history *history_open(const char *path, char error_r[HISTORY_ERROR_SIZE]);
void history_close(struct history *history); /* null is fine */

const struct token_key *history_key(const struct history *history);

/* What there is to say of how it was opened, one sentence, or null. */
const char *history_notice(const struct history *history);

/* The key alone, of a file that a service may have open: 1, 0 = there is no such file, -1. */
int history_peek_key(const char *path, struct token_key *key_r, char error_r[HISTORY_ERROR_SIZE]);

/* What a ledger is to know again, the oldest first: what is pending, and of each route the newest message and
 * the newest that is settled. A row lives as long as its call. 0, or -1: what was told is all there is. */
typedef void history_tell(void *context, const struct ledger_row *row);
int history_read(struct history *history, history_tell *tell, void *context,
                 char error_r[HISTORY_ERROR_SIZE]);

/* Likewise the targets that are out of service, or were: as they are found. */
typedef void history_tell_drain(void *context, const struct drain *drain);
int history_read_drains(struct history *history, history_tell_drain *tell, void *context,
                        char error_r[HISTORY_ERROR_SIZE]);

/*
 * Changes come in transactions: begin, any number of put, drop and set, end. After the first that fails (-1)
 * the rest fails too, and end undoes all of it.
 */
void history_begin(struct history *history);
void history_put(struct history *history, const struct ledger_row *row);
void history_drop(struct history *history, const char *token);
/* Targets out of service: all there are, instead of those before. */
void history_set_drains(struct history *history, const struct drain *list, size_t count);
int history_end(struct history *history, char error_r[HISTORY_ERROR_SIZE]);

/* In a transaction of its own at most so many rows go that are older than that, or as much younger than now:
 * neither pending, nor needed by history_read. How many went, or -1. */
int history_prune(struct history *history, int64_t now_wall_us, int64_t keep_us, int most,
                  char error_r[HISTORY_ERROR_SIZE]);

/* Of SQLite, as it is linked: "3.40.1". */
const char *history_version(void);

#endif
