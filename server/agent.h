/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_AGENT_H
#define SERVER_AGENT_H

#include "server/drains.h"
#include "server/jobs.h"
#include "server/listen.h"

/*
 * HAProxy's agent-check, over TCP or a Unix socket: who connects may send the name of a target and a line
 * feed (agent-send), gets one line, and is hung up on. Who sends nothing for a second asks for all targets.
 * The line comes before HAProxy's own default limit of 2 s, whatever the mail server does. When all places
 * are taken, one who has not said anything yet makes room.
 */
struct agent;

#define AGENT_CONNECTIONS 65 /* at a time; more wait in the kernel's queue */

struct agent_order {
    uv_loop_t *loop;
    struct log *log;           /* kept */
    struct snapshot *snapshot; /* that of the jobs; takes a reference of its own. Listens where it says */
    struct jobs *jobs;
    struct drains *drains;
};

struct agent *agent_new(const struct agent_order *order, char error_r[LISTEN_ERROR_SIZE]);

/* Another config, in two steps, as listen_prepare has it. The commit comes right after jobs_reload. */
int agent_prepare(struct agent *agent, const struct snapshot *snapshot, char error_r[LISTEN_ERROR_SIZE]);
void agent_commit(struct agent *agent, struct snapshot *snapshot);
void agent_abandon(struct agent *agent);

/* As listen_take_last. */
void agent_take_last(struct agent *agent); /* null is fine */

/* Before jobs_stop. Who waits is hung up on, which HAProxy takes for no news. Memory follows from the loop.
 */
void agent_free(struct agent *agent); /* null is fine */

#endif
