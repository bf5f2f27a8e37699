/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What others ask of the jobs for /metrics and /probe: their counters, how many runs there are, who is known.
 */
#include "server/job.h"

struct guests *jobs_guests(const struct jobs *jobs)
{
    return jobs->guests;
}

struct metrics *jobs_metrics(const struct jobs *jobs)
{
    return jobs->metrics;
}

unsigned jobs_in_flight(const struct jobs *jobs)
{
    return run_net_in_flight(jobs->net);
}

unsigned jobs_waiting(const struct jobs *jobs)
{
    return run_net_waiting(jobs->net);
}

const char *jobs_known_name(const struct jobs *jobs, const char *target)
{
    const struct snapshot_target *known = snapshot_target(jobs->order.snapshot, target);

    return known != NULL ? known->name : NULL;
}
