/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SHELVES_H
#define SERVER_SHELVES_H

#include "server/shelf.h"

/*
 * The shelves of a config's targets, one each, for all loops together, and whose each of them is. Any loop
 * may look whose, at any time; what is on a shelf is its owner's.
 */
struct shelves;

struct shelves_slot {
    struct shelf *shelf;
    unsigned owner; /* index of the loop */
    bool sends;     /* owner_target_sends */
};

struct shelves *shelves_new(unsigned loops);
void shelves_free(struct shelves *shelves); /* null is fine */

/* From now on this is the config; all loops stand still. A shelf goes on where target and owner are the same,
 * unless there are several loops and the target sends no more: others may not have what is on it then.
 * Nothing happens where it is the config already. */
void shelves_follow(struct shelves *shelves, struct snapshot *snapshot);

/* Of a target of that config. */
const struct shelves_slot *shelves_find(const struct shelves *shelves, const struct snapshot_target *target);

/* The owner leaves, and with it what is on its shelves; nobody looks for them any more. */
void shelves_leave(struct shelves *shelves, unsigned owner);

#endif
