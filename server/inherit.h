/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_INHERIT_H
#define SERVER_INHERIT_H

#include "config/snapshot.h"

/* Listening sockets that a service manager has opened (sd_listen_fds(3)): what "systemd" in server.listen
 * stands for. They stay open for the whole life of the process, whatever is listened at. */
struct inherit {
    struct snapshot_listen *places;
    size_t count;
};

/* Takes what was handed over out of the environment. 0; or -1 with a sentence, when it is not what can be
 * listened at, and nothing was taken. To be called once, before any other descriptor is opened. */
#define INHERIT_ERROR_SIZE 128
int inherit_take(struct inherit *inherit_r, char error_r[INHERIT_ERROR_SIZE]);
void inherit_clear(struct inherit *inherit);

/* The places of a config, with those sockets where it says systemd; the caller frees the list. Null when it
 * says so and there are none. */
struct snapshot_listen *inherit_places(const struct inherit *inherit, const struct snapshot *snapshot,
                                       size_t *count_r);

#endif
