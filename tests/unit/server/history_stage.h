/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_SERVER_HISTORY_STAGE_H
#define TESTS_UNIT_SERVER_HISTORY_STAGE_H

#include "server/history.h"
#include "server/history_row.h"

/* A folder of the test's own, and rows to put into a history there. */
int history_stage_up(void **state);
int history_stage_down(void **state);

const char *history_stage_path(void);         /* of a file that is not there yet */
size_t history_stage_files(const char *part); /* whose names have that in them */
char *history_stage_slurp(size_t *len_r);
size_t history_stage_rows(void); /* of the table, as another program sees it */

/* A settled one with its own token. */
struct ledger_row history_stage_row(const char *route, unsigned number);
void history_stage_assert_same(const struct ledger_row *a, const struct ledger_row *b);

/* For history_read: counts; notes "ROUTE OPENED_US ". */
void history_stage_count(void *context, const struct ledger_row *row);
struct history_told {
    char text[4096];
};
void history_stage_tell(void *context, const struct ledger_row *row);

#endif
