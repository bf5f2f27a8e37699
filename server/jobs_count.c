/* SPDX-License-Identifier: Apache-2.0 */
/* What others ask of the jobs for /metrics and /probe: their counters, who is known. */
#include "server/job.h"

struct guests *jobs_guests(const struct jobs *jobs)
{
    return jobs->guests;
}

struct metrics *jobs_metrics(const struct jobs *jobs)
{
    return jobs->metrics;
}

const char *jobs_known_name(const struct jobs *jobs, const char *target)
{
    const struct snapshot_target *known = snapshot_target(jobs->order.snapshot, target);

    return known != NULL ? known->name : NULL;
}
