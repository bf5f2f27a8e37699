/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ROOM_H
#define SERVER_ROOM_H

#include "config/snapshot.h"
#include "server/descriptors.h"
#include "server/log.h"

/* One address may have half of a worker's reserve, so that has two seats at least. */
#define ROOM_LEAST_RESERVE 2u

/* How much the service does at a time, as its file descriptors allow it (server/descriptors.h). */
struct room {
    struct log *log;
    unsigned wanted;    /* workers */
    unsigned workers;   /* no more than can have a connection and a reserve each */
    size_t inherited;   /* sockets that were handed over */
    size_t descriptors; /* the limit */
    struct descriptors_have have;
};

/* How many the config wants: as it says, or one for each processor that this process may run on. */
unsigned room_workers(const struct snapshot *snapshot);

/* With log, wanted and inherited set. 0, or -1 after it was logged that there are too few to begin. */
int room_share(struct room *room, const struct snapshot *snapshot);

/* What is left for the runs of another config: connections and sessions stay as they are. */
void room_share_again(struct room *room, const struct snapshot *snapshot);

#endif
