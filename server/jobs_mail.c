/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mailboxes tell, and who keeps the ledger, goes to the letters as it is. Of the config this is added:
 * which mailbox is a sink, since that misses what comes while nobody runs; which are gone; and how long a
 * message may be under way.
 */
#include "server/job.h"
#include "server/listen.h"

#include <string.h>

static int64_t longest_delivery_us(const struct snapshot *snapshot)
{
    int64_t longest_us = 0;

    for (size_t i = 0; i < snapshot->target_count; i++) {
        const struct plan *plan = &snapshot->targets[i].plan;
        for (size_t k = 0; k < plan->route_count; k++)
            if (plan->routes[k].deliver_within_us > longest_us)
                longest_us = plan->routes[k].deliver_within_us;
    }
    return longest_us;
}

/* Whether the receiver of that mailbox is there in the other config too. */
static bool has_sink(const struct snapshot *snapshot, const struct snapshot_sink *sink)
{
    for (size_t i = 0; i < snapshot->sink_count; i++)
        if (strcmp(snapshot->sinks[i].name, sink->name) == 0)
            return listen_is_same(&snapshot->sinks[i].listen, &sink->listen);
    return false;
}

static bool has_store(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->store_count; i++)
        if (strcmp(snapshot->stores[i].name, name) == 0)
            return true;
    return false;
}

/* What is under way to a receiver that is not there any more cannot be seen; what is sent from now on can,
 * where another receiver, or a store, has its name. */
static void blind_gone_mailboxes(struct jobs *jobs, const struct snapshot *old, const struct snapshot *new)
{
    for (size_t i = 0; i < old->sink_count; i++)
        if (!has_sink(new, &old->sinks[i]))
            letters_blind(jobs->letters, old->sinks[i].name, !has_store(new, old->sinks[i].name));
    for (size_t i = 0; i < new->sink_count; i++)
        if (!has_sink(old, &new->sinks[i]))
            letters_blind(jobs->letters, new->sinks[i].name, false);
}

void jobs_follow_mail(struct jobs *jobs, const struct snapshot *old, const struct snapshot *snapshot)
{
    if (jobs->order.index > 0) /* no messages */
        return;
    if (old != NULL)
        blind_gone_mailboxes(jobs, old, snapshot);
    letters_set_longest(jobs->letters, longest_delivery_us(snapshot));
}

void jobs_seen(struct jobs *jobs, const struct sighting *sighting)
{
    letters_seen(jobs->letters, sighting);
}

bool jobs_may_remove(struct jobs *jobs, const char *mailbox, const char *id)
{
    return letters_may_remove(jobs->letters, mailbox, id);
}

void jobs_unremoved(struct jobs *jobs, const char *mailbox, const char *id)
{
    letters_unremoved(jobs->letters, mailbox, id);
}

void jobs_looked(struct jobs *jobs, const char *mailbox, int64_t began_us, const char *why)
{
    letters_looked(jobs->letters, mailbox, began_us, why);
}

void jobs_set_mailboxes(struct jobs *jobs, const struct mailbox_wishes *wishes, void *context)
{
    letters_set_mailboxes(jobs->letters, wishes, context);
}

void jobs_set_keeper(struct jobs *jobs, const struct ledger_keeper *keeper, void *context)
{
    letters_set_keeper(jobs->letters, keeper, context);
}

void jobs_restore(struct jobs *jobs, const struct ledger_row *row)
{
    bool is_sink = false;

    for (size_t i = 0; i < jobs->order.snapshot->sink_count && row->mailbox != NULL; i++)
        is_sink = is_sink || strcmp(jobs->order.snapshot->sinks[i].name, row->mailbox) == 0;
    letters_restore(jobs->letters, row, is_sink);
}

void jobs_saved(struct jobs *jobs, const char *token, uint64_t serial)
{
    letters_saved(jobs->letters, token, serial);
}

void jobs_blind(struct jobs *jobs, const char *mailbox, bool blind)
{
    letters_blind(jobs->letters, mailbox, blind);
}
