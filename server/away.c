/* SPDX-License-Identifier: Apache-2.0 */
/* A count, and a note for the loop itself when it comes to nothing. */
#include "server/away.h"

#include <assert.h>

static void on_home(void *context)
{
    struct away *away = context;

    away->home(away->context);
}

static void tell_home(struct away *away)
{
    if (away->count > 0 || away->home == NULL)
        return;
    away->note = (struct post_note){.called = on_home, .context = away};
    post_send(away->post, &away->note);
}

void away_go(struct away *away)
{
    away->count++;
}

void away_back(struct away *away)
{
    assert(away->count > 0);
    away->count--;
    tell_home(away);
}

void away_wait(struct away *away, away_home *home, void *context)
{
    away->home = home;
    away->context = context;
    tell_home(away);
}
