/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HISTORY_ROW_H
#define SERVER_HISTORY_ROW_H

#include "probe/verify/ledger_row.h"

/*
 * A ledger's row as a row of a table: which column holds what, in one list that whoever copies, writes or
 * reads rows goes through.
 */
enum history_kind {
    HISTORY_TEXT,   /* const char *, null where absent */
    HISTORY_BYTES,  /* struct span */
    HISTORY_TIME,   /* int64_t, CLOCK_NONE where absent */
    HISTORY_COUNT,  /* uint64_t or size_t, bit by bit */
    HISTORY_BOOL,   /* bool */
    HISTORY_STATE,  /* enum route_state, by its name: numbers change with the program */
    HISTORY_PHASE,  /* enum phase, likewise */
    HISTORY_REASON, /* enum reason */
    HISTORY_FLAGS   /* uint64_t, the names of its flags with commas between */
};

struct history_column {
    const char *name;
    enum history_kind kind;
    size_t at;
    bool needed; /* never absent */
};

const struct history_column *history_columns(size_t *count_r);

/* A copy in one block of memory, for free(3). size_r: its octets. */
struct ledger_row *history_row_copy(const struct ledger_row *row, size_t *size_r);

/* The value of that name, or -1. A null state is ROUTE_NONE. */
int history_state(const char *name);
int history_phase(const char *name);
int history_reason(const char *name);

/* Names of flags that nobody knows any more are passed over. */
#define HISTORY_FLAGS_SIZE 2048
void history_flags_text(uint64_t flags, char text_r[HISTORY_FLAGS_SIZE]);
uint64_t history_flags(const char *text);

#endif
