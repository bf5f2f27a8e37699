/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_DOOR_H
#define SERVER_DOOR_H

#include "config/snapshot.h"
#include "server/hold.h"
#include "server/log.h"
#include "server/login.h"

#include <uv.h>

/*
 * What callers have to have to be let in, as the config says and as its files stand now: a certificate of
 * ours is shown, or the token asked for, that is in its file, within a second or two of a change. A file that
 * cannot be used is told, and what was in force stays so.
 */
struct door;

/* The log is kept; everybody is let in. Where there are other loops, it holds them with that seat when a file
 * has changed. */
struct door *door_new(uv_loop_t *loop, struct log *log, struct hold_seat *seat);

/* Another config, of which a reference is taken, in two steps. Null, or a sentence, and nothing has changed;
 * then either it is as that config says from now on, while all other loops stand still, or as before. */
const char *door_prepare(struct door *door, struct snapshot *snapshot);
void door_commit(struct door *door);
void door_abandon(struct door *door);

/* How TLS is spoken with who comes now; null: in plain text. Borrowed. */
struct https *door_https(const struct door *door);

struct login *door_login(const struct door *door);

/* Nobody may wait for a login any more. Memory follows from the loop. */
void door_free(struct door *door); /* null is fine */

#endif
