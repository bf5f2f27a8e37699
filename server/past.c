/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the jobs and the history: opens the one, tells the other what it holds, and leaves the rest to the
 * keeper. Nothing is decided here.
 */
#include "server/past.h"

#include "probe/base/mem.h"
#include "server/history_row.h"
#include "server/keeper.h"
#include "server/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct past {
    struct log *log;
    char *path; /* null = there is none */
    int64_t keep_us;
    struct token_key key;
    struct history *history; /* until it is the keeper's */
    struct keeper *keeper;
    struct jobs *jobs;
    struct ledger_row **rows; /* that were read */
    size_t row_count;
};

struct past *past_open(const struct snapshot *snapshot, struct log *log, char error_r[HISTORY_ERROR_SIZE])
{
    struct past *p = mem_alloc(sizeof *p);

    p->log = log;
    p->path = mem_dup(snapshot->history_path);
    p->keep_us = snapshot->history_keep_us;
    if (p->path == NULL) {
        script_key(&p->key);
        return p;
    }
    p->history = history_open(p->path, error_r);
    if (p->history == NULL) {
        past_free(p);
        return NULL;
    }
    p->key = *history_key(p->history);
    if (history_notice(p->history) != NULL)
        log_event(log, LOG_LEVEL_WARN, history_notice(p->history), NULL);
    return p;
}

const struct token_key *past_key(const struct past *past)
{
    return &past->key;
}

static void on_row(void *context, const struct ledger_row *row)
{
    struct past *p = context;

    size_t octets;

    p->rows = mem_resize(p->rows, (p->row_count + 1) * sizeof *p->rows);
    p->rows[p->row_count++] = history_row_copy(row, &octets);
}

/* Only now is there somebody who keeps what follows from them. */
static void restore(struct past *p)
{
    for (size_t i = 0; i < p->row_count; i++) {
        jobs_restore(p->jobs, p->rows[i]);
        free(p->rows[i]);
    }
    free(p->rows);
    p->rows = NULL;
}

static void on_saved(void *context, const char *token, uint64_t serial)
{
    struct past *p = context;

    jobs_saved(p->jobs, token, serial);
}

static void on_drain(void *context, const struct drain *drain)
{
    drains_restore(context, drain);
}

int past_join(struct past *p, uv_loop_t *loop, struct jobs *jobs, struct drains *drains,
              char error_r[HISTORY_ERROR_SIZE])
{
    struct keeper_order order = {.loop = loop,
                                 .log = p->log,
                                 .history = p->history,
                                 .keep_us = p->keep_us,
                                 .saved = on_saved,
                                 .context = p};
    char count[24];

    if (p->history == NULL)
        return 0;
    p->jobs = jobs;
    if (history_read(p->history, on_row, p, error_r) != 0 ||
        history_read_drains(p->history, on_drain, drains, error_r) != 0)
        return -1;
    p->history = NULL; /* taken */
    p->keeper = keeper_new(&order);
    if (p->keeper == NULL) {
        snprintf(error_r, HISTORY_ERROR_SIZE, "history.path: %s: there is no thread to write it with",
                 p->path);
        return -1;
    }
    jobs_set_keeper(jobs, &keeper_calls, p->keeper);
    drains_set_keeper(drains, keeper_set_drains, p->keeper);
    restore(p);
    snprintf(count, sizeof count, "%zu", p->row_count);
    log_event(p->log, LOG_LEVEL_INFO, "history is open", "path", p->path, "messages", count, NULL);
    return 0;
}

const char *past_refuses(const struct past *past, const struct snapshot *snapshot)
{
    bool same = past->path == NULL || snapshot->history_path == NULL
                    ? past->path == snapshot->history_path
                    : strcmp(past->path, snapshot->history_path) == 0;

    return same ? NULL : "history.path: to change it takes a restart";
}

void past_reload(struct past *past, const struct snapshot *snapshot)
{
    past->keep_us = snapshot->history_keep_us;
    if (past->keeper != NULL)
        keeper_set_keep(past->keeper, past->keep_us);
}

uint64_t past_dropped(const struct past *past)
{
    return past != NULL && past->keeper != NULL ? keeper_dropped(past->keeper) : 0;
}

void past_free(struct past *past)
{
    if (past == NULL)
        return;
    keeper_free(past->keeper);
    for (size_t i = 0; past->rows != NULL && i < past->row_count; i++)
        free(past->rows[i]);
    free(past->rows);
    history_close(past->history);
    explicit_bzero(&past->key, sizeof past->key);
    free(past->path);
    free(past);
}
