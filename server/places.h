/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PLACES_H
#define SERVER_PLACES_H

#include "server/inherit.h"
#include "server/log.h"

#include <stdbool.h>

/* Where HTTP is listened at, as the config in force says, and what is said of it in the log. */
struct places {
    struct log *log;
    struct inherit inherited;
    struct snapshot_listen *list;
    size_t count;
};

/* With log set. What was handed over is taken before anything else is opened. 0, or -1 after it was logged.
 */
int places_take(struct places *places, const struct snapshot *snapshot);
void places_clear(struct places *places);

/* Those of another config, the caller's; null and why it has none. */
struct snapshot_listen *places_of(const struct places *places, const struct snapshot *snapshot,
                                  size_t *count_r, const char **why_r);

/* Takes the list over; what is new in it is told. */
void places_replace(struct places *places, struct snapshot_listen *list, size_t count, bool https);

/* At the start: all of them, and how a target could be tried from here. */
void places_tell(const struct places *places, const struct snapshot *snapshot, bool https);

#endif
