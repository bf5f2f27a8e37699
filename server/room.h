/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ROOM_H
#define SERVER_ROOM_H

#include "config/snapshot.h"
#include "server/descriptors.h"
#include "server/log.h"

/* How much the service does at a time, as its file descriptors allow it (server/descriptors.h). */
struct room {
    struct log *log;
    unsigned workers;
    size_t inherited;   /* sockets that were handed over */
    size_t descriptors; /* the limit */
    struct descriptors_have have;
};

/* With log, workers and inherited set. 0, or -1 after it was logged that there are too few to begin. */
int room_share(struct room *room, const struct snapshot *snapshot);

/* What is left for the runs of another config: connections and sessions stay as they are. */
void room_share_again(struct room *room, const struct snapshot *snapshot);

#endif
