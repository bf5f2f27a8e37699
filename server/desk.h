/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_DESK_H
#define SERVER_DESK_H

#include "config/snapshot.h"
#include "server/away.h"
#include "server/drains.h"
#include "server/hold.h"
#include "server/http.h"
#include "server/jobs.h"
#include "server/lag.h"
#include "server/login.h"
#include "server/mailboxes.h"
#include "server/metrics_apart.h"
#include "server/past.h"
#include "server/reload.h"
#include "server/shown.h"

#include <stdbool.h>

/* Where every request comes in: finds who answers it, and refuses what nobody does. */
struct desk {
    struct snapshot *snapshot; /* kept by whoever made the desk; who needs it longer takes a reference */
    struct jobs *jobs;
    struct drains *drains; /* null: every target is in service */
    struct reload *reload;
    struct lag *lag; /* of all loops */
    struct mailboxes *mailboxes;
    const struct past *past; /* null: nothing outlives the process */
    struct metrics_apart *apart;
    struct shown *shown; /* null: nothing that was shown is kept */
    struct login *login; /* null: everybody is let in */
    bool stopping;       /* no longer ready, for balancers before us */
    /* Of several loops: whatever of the above is another loop's may be touched while all stand still, and no
     * longer. Null: this is the only one. */
    struct hold_seat *seat;
    struct away *away;       /* what is asked of others */
    struct post *first_post; /* of the loop that has the reload; null: this one */
};

/* For http_order: the context is the desk. */
void desk_handle(void *context, struct http_request *request);
void desk_gone(void *context, struct http_request *request);

#endif
