/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HOLD_H
#define SERVER_HOLD_H

#include "probe/net/post.h"

#include <stdbool.h>
#include <uv.h>

/*
 * Loops in threads that stand still for one of them: while one holds, each of the others is inside a note of
 * its post and nothing else, so the holder may touch whatever is theirs. For what is rare (another config, a
 * target out of service, a page about all of them), and for a short time: everybody waits.
 *
 * Who wants to hold while another does stands still himself until it is his turn. So whatever was borrowed
 * before (of the config, say) may be gone after hold_begin; only what is owned stays.
 */
struct hold;

struct hold_seat {
    struct hold *hold;
    struct post *post;
    struct post_note note;
    bool asked;  /* the note lies in the post */
    bool parked; /* stands still */
    struct hold_seat *next;
};

struct hold *hold_new(void);
void hold_free(struct hold *hold); /* everybody has left; null is fine */

/* Takes part: before the loop runs, or on its own thread. The seat must not move. */
void hold_join(struct hold *hold, struct hold_seat *seat, struct post *post);

/* On its own thread, or after that has ended; not while it holds. */
void hold_leave(struct hold_seat *seat);

/* From a callback of the seat's own loop; returns when all others stand still. Not while it holds already.
 * Null: there are no others, here and below. */
void hold_begin(struct hold_seat *seat);
void hold_end(struct hold_seat *seat);

#endif
