/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HISTORY_STATE_H
#define SERVER_HISTORY_STATE_H

#include "server/history.h"

/*
 * The inside of the history: history.c opens the file, history_rows.c reads and writes its rows,
 * history_drains.c those of targets out of service. Private to these three.
 */
#define HISTORY_MAX_SQL 16384

struct history {
    char *path;
    int fd; /* has the lock against another service. Closing it gives up SQLite's own locks, so it goes last.
             */
    struct sqlite3 *db;
    struct sqlite3_stmt *put;
    struct sqlite3_stmt *drop;
    struct token_key key;
    int failed; /* what SQLite said of the first failure of the transaction; 0 = none */
    char failure[HISTORY_ERROR_SIZE];
    char *notice;
};

/* history.c: what SQLite said, as a sentence. */
void history_say(const char *path, struct sqlite3 *db, int code, char error_r[HISTORY_ERROR_SIZE]);

/* history_rows.c: the statements, once the tables are there; what SQLite says. */
int history_prepare(struct history *history);

/* Of the transaction: keeps what failed first; takes one step, unless something has failed. */
void history_note(struct history *history, int code);
void history_step(struct history *history, struct sqlite3_stmt *statement);

/* history_drains.c: its table, where it is not there; what SQLite says. */
int history_drains_prepare(struct history *history);

/* Whether what history_read would tell can be read. */
int history_try(struct history *history);

#endif
