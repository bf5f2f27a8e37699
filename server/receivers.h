/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RECEIVERS_H
#define SERVER_RECEIVERS_H

#include "config/snapshot.h"
#include "server/jobs.h"
#include "server/listen.h"

/* The built-in receivers of a config (mailboxes with a sink), each listening at its own address. */
struct receivers;

struct receivers_order {
    uv_loop_t *loop;
    struct log *log;
    struct snapshot *snapshot; /* the receivers take a reference of their own */
    struct jobs *jobs;         /* get the messages that come in */
    unsigned max_sessions;     /* of each receiver; 0: RECEIVER_MAX_SESSIONS */
};

/* Null when an address cannot be listened on: a sentence says which, and why. */
struct receivers *receivers_new(const struct receivers_order *order, char error_r[LISTEN_ERROR_SIZE]);

/*
 * Another config, in two steps, as for listen_prepare. A receiver whose address stays keeps its socket and
 * its sessions, which know the new domains from then on; the sessions of one that goes are told that they are
 * over.
 */
int receivers_prepare(struct receivers *receivers, struct snapshot *snapshot,
                      char error_r[LISTEN_ERROR_SIZE]);
void receivers_commit(struct receivers *receivers);
void receivers_abandon(struct receivers *receivers);

/* Whether that mailbox is one of them and takes what comes: not all of its sessions are in use. */
bool receivers_up(const struct receivers *receivers, const char *name);

/* Sessions are told that they are over. Memory follows after the loop has run once more. */
void receivers_free(struct receivers *receivers); /* null is fine */

#endif
