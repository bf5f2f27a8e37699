/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_OWNER_H
#define SERVER_OWNER_H

#include "config/snapshot.h"

/*
 * Whose is a target, where several loops share the work: its runs, who waits for them and what is kept of it
 * belong to one loop. Told by its name, so a reload changes nothing. Whatever sends messages is the first
 * loop's, where the mailboxes are and the file that remembers them.
 */
unsigned owner_of_target(const struct snapshot_target *target, unsigned loops);

/* Of a guest, by what was said of it. */
unsigned owner_of_key(const char *key, unsigned loops);

/* Whether any run of the target may send a message. */
bool owner_target_sends(const struct snapshot_target *target);

#endif
