/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PAST_H
#define SERVER_PAST_H

#include "config/snapshot.h"
#include "server/drains.h"
#include "server/history.h"
#include "server/jobs.h"
#include "server/log.h"

#include <uv.h>

/*
 * What a service knows of those before it: the key, and what became of their messages. Where the config names
 * no history there is a key that ends with the process, and nothing else.
 */
struct past;

/* May block: before the loop runs. Null: it cannot be had, and error_r says why. */
struct past *past_open(const struct snapshot *snapshot, struct log *log, char error_r[HISTORY_ERROR_SIZE]);

const struct token_key *past_key(const struct past *past);

/* Once, before the loop runs and mailboxes tell anything: jobs and drains learn what was, and from now on
 * what they learn is kept. -1 and why. */
int past_join(struct past *past, uv_loop_t *loop, struct jobs *jobs, struct drains *drains,
              char error_r[HISTORY_ERROR_SIZE]);

/* Null, or why the service cannot go on with that config. */
const char *past_refuses(const struct past *past, const struct snapshot *snapshot);
void past_reload(struct past *past, const struct snapshot *snapshot);

/* Rows that could not be kept. Null is fine. */
uint64_t past_dropped(const struct past *past);

/* After the jobs and the drains. What waits is written. Memory follows from the loop. */
void past_free(struct past *past); /* null is fine */

#endif
