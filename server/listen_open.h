/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_LISTEN_OPEN_H
#define SERVER_LISTEN_OPEN_H

#include "config/snapshot.h"

#include <sys/types.h>

#define LISTEN_BACKLOG 1024

/* One bound and listening socket; server/listen.c watches it. */
struct listen_open {
    struct snapshot_listen place; /* its path is a copy */
    int fd;
    dev_t device; /* of the file at its path, as we made it */
    ino_t inode;
};

/*
 * Binds and listens. Neighbours are listening sockets of the same owner; one of them may have the place's
 * port, at another or at every address, until it is closed. 0, or -1 with errno.
 */
int listen_open_at(const struct snapshot_listen *place, const int *neighbours, size_t count,
                   struct listen_open *open_r);

/* Whether it listens there, and whoever goes there still finds it. */
bool listen_open_is_at(const struct listen_open *open, const struct snapshot_listen *place);

/* Also removes the file, unless it has become another's. */
void listen_open_close(struct listen_open *open);

#endif
