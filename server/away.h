/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_AWAY_H
#define SERVER_AWAY_H

#include "probe/net/post.h"

#include <stddef.h>

/* What a loop has sent to others and is to come back. Until it has, the loop must go on, and all the others.
 */
typedef void away_home(void *context);

struct away {
    size_t count;
    struct post *post; /* of the loop: whoever made this sets it; zeroed besides */
    struct post_note note;
    away_home *home; /* null: nobody waits */
    void *context;
};

void away_go(struct away *away);
void away_back(struct away *away);

/* Called once, later, when nothing is away any more. Nothing goes from now on. */
void away_wait(struct away *away, away_home *home, void *context);

#endif
