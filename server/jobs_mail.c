/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mailboxes tell, and who keeps the ledger, goes to the letters as it is. Of the config only this is
 * added: which mailbox is a sink, since that misses what comes while nobody runs.
 */
#include "server/job.h"

#include <string.h>

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
