/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token and link together: what both kinds of account need before they can say a word of their own protocol.
 * A token may have been withdrawn before its time, so one that is refused is no failure yet.
 */
#include "probe/verify/logon.h"

#include "probe/base/mem.h"

#include <stdlib.h>

struct logon {
    struct logon_order order;
    const struct link_events *events;
    void *context;
    struct link *link; /* null: the token is not there yet */
    bool retried;      /* with another token */
};

static void start(struct logon *l);

static void on_up(void *context)
{
    struct logon *l = context;

    l->events->up(l->context);
}

static void on_bytes(void *context, struct span bytes)
{
    struct logon *l = context;

    l->events->bytes(l->context, bytes);
}

static void on_down(void *context, const char *why, bool is_login)
{
    struct logon *l = context;

    if (!is_login || l->order.oauth == NULL || l->retried) {
        l->events->down(l->context, why, is_login);
        return;
    }
    l->retried = true;
    oauth_refused(l->order.oauth);
    link_free(l->link);
    l->link = NULL;
    start(l);
}

static const struct link_events link_events = {on_up, on_bytes, on_down};

static void dial(struct logon *l, struct span token)
{
    l->link = link_open(&(struct link_order){.loop = l->order.loop,
                                             .dns = l->order.dns,
                                             .account = l->order.account,
                                             .token = token,
                                             .deadline_us = l->order.deadline_us},
                        &link_events, l);
}

static void on_token(void *context, struct span token, const char *why)
{
    struct logon *l = context;

    if (why != NULL)
        l->events->down(l->context, why, false);
    else
        dial(l, token);
}

static void start(struct logon *l)
{
    if (l->order.oauth != NULL)
        oauth_ask(l->order.oauth, l->order.deadline_us, on_token, l);
    else
        dial(l, (struct span){0});
}

struct logon *logon_open(const struct logon_order *order, const struct link_events *events, void *context)
{
    struct logon *l = mem_alloc(sizeof *l);

    l->order = *order;
    l->events = events;
    l->context = context;
    start(l);
    return l;
}

void logon_send(struct logon *l, struct span bytes)
{
    link_send(l->link, bytes);
}

void logon_free(struct logon *l)
{
    if (l == NULL)
        return;
    if (l->order.oauth != NULL)
        oauth_cancel(l->order.oauth);
    link_free(l->link);
    free(l);
}
