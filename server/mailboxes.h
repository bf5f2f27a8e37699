/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_MAILBOXES_H
#define SERVER_MAILBOXES_H

#include "config/snapshot.h"
#include "server/jobs.h"
#include "server/listen.h"

/*
 * The mailboxes of a config: its built-in receivers, and the stores that are looked into, all of them,
 * whether a route names them or not (what is elsewhere, or left over, is found there too). They tell the jobs
 * what they see, and do what these wish.
 */
struct mailboxes;

struct mailboxes_order {
    uv_loop_t *loop;
    struct log *log;
    struct snapshot *snapshot; /* they take a reference of their own */
    struct jobs *jobs;
    unsigned max_sessions; /* of each receiver; 0: RECEIVER_MAX_SESSIONS */
    bool without_sinks;    /* nothing is listened at: sinks see nothing */
    /* Which stores are looked into; null = all of them. */
    bool (*is_wanted)(const void *context, const char *mailbox);
    const void *context;
};

/* Null when an address cannot be listened on: a sentence says which, and why. From here to mailboxes_free
 * they are those of the jobs. */
struct mailboxes *mailboxes_new(const struct mailboxes_order *order, char error_r[LISTEN_ERROR_SIZE]);

/* Another config, in two steps, as for receivers_prepare. A store whose settings stay the same goes on. */
int mailboxes_prepare(struct mailboxes *mailboxes, struct snapshot *snapshot,
                      char error_r[LISTEN_ERROR_SIZE]);
void mailboxes_commit(struct mailboxes *mailboxes);
void mailboxes_abandon(struct mailboxes *mailboxes);

/* How a mailbox stands. */
struct mailboxes_state {
    const char *name;
    bool up;                 /* messages in it can be seen */
    unsigned long unremoved; /* copies that could not be removed */
};
typedef void mailboxes_tell(void *context, const struct mailboxes_state *state);
void mailboxes_each(const struct mailboxes *mailboxes, mailboxes_tell *tell, void *context);

/* Looks into every store that has shown a message until what may be removed is, or it has taken so long.
 * Called once, later. */
typedef void mailboxes_tidied(void *context);
void mailboxes_tidy(struct mailboxes *mailboxes, int64_t timeout_us, mailboxes_tidied *tidied, void *context);

/* Nothing is told any more. Memory follows from the loop. Before jobs_free, or in the same turn of the loop.
 */
void mailboxes_free(struct mailboxes *mailboxes); /* null is fine */

#endif
