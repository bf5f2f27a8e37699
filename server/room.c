/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many loops there are, and file descriptors shared out among what they do: at the start, and the runs of
 * each config after it. What is cut is logged.
 */
#include "server/room.h"

#include "probe/verify/receiver.h"
#include "server/agent.h"
#include "server/history.h"

#include <stdbool.h>
#include <stdio.h>
#include <uv.h>

/* Requests that may wait or be answered at a time, and how many more that only health is answered to. */
#define ROOM_CONNECTIONS 4096
#define ROOM_RESERVE     16

unsigned room_workers(const struct snapshot *snapshot)
{
    unsigned processors = uv_available_parallelism(); /* that this process may run on */

    if (snapshot->workers > 0)
        return snapshot->workers;
    return processors < SNAPSHOT_MAX_WORKERS ? processors : SNAPSHOT_MAX_WORKERS;
}

static struct descriptors_have whole_of(unsigned workers)
{
    unsigned reserve = workers * ROOM_LEAST_RESERVE;

    return (struct descriptors_have){.connections = ROOM_CONNECTIONS,
                                     .reserve = reserve > ROOM_RESERVE ? reserve : ROOM_RESERVE,
                                     .sessions = RECEIVER_MAX_SESSIONS};
}

static struct descriptors_want want_of(const struct room *room, const struct snapshot *snapshot,
                                       unsigned workers, const struct descriptors_have *have)
{
    return (struct descriptors_want){
        .workers = workers,
        .places = 2 * room->inherited + snapshot->listen_count + snapshot->agent_listen_count +
                  snapshot->sink_count,
        .receivers = snapshot->sink_count,
        .stores = snapshot->store_count,
        .files = (snapshot->history_path != NULL ? HISTORY_DESCRIPTORS : 0u) +
                 (snapshot->agent_listen_count > 0 ? AGENT_CONNECTIONS : 0u),
        .connections = have->connections,
        .reserve = have->reserve,
        .runs = snapshot->max_runs,
        .sessions = have->sessions,
    };
}

/* Wanted is what would do for everything, before anything was cut: who gives so many is not told again. */
static void say_short(const struct room *room, const struct snapshot *snapshot)
{
    const struct descriptors_have whole = whole_of(room->wanted);
    const struct descriptors_want want = want_of(room, snapshot, room->wanted, &whole);
    char limit[24], wanted[24], connections[24], runs[24], workers[24];

    snprintf(limit, sizeof limit, "%zu", room->descriptors);
    snprintf(wanted, sizeof wanted, "%zu", descriptors_sum(&want));
    snprintf(connections, sizeof connections, "%u of %u", room->have.connections, want.connections);
    snprintf(runs, sizeof runs, "%u of %u", room->have.runs, want.runs);
    snprintf(workers, sizeof workers, "%u of %u", room->workers, room->wanted);
    log_event(room->log, LOG_LEVEL_WARN, "the limit of open files is low, so less is done at a time", "limit",
              limit, "wanted", wanted, "connections", connections, "max_runs", runs, "workers",
              room->workers < room->wanted ? workers : NULL, NULL);
}

/* Whether each worker has a part of everything. */
static bool goes_round(const struct room *room, const struct descriptors_want *want)
{
    return room->descriptors >= descriptors_least(want) && room->have.connections >= room->workers &&
           room->have.reserve >= room->workers * ROOM_LEAST_RESERVE;
}

static struct descriptors_want share_among(struct room *room, const struct snapshot *snapshot,
                                           unsigned workers)
{
    const struct descriptors_have whole = whole_of(workers);
    struct descriptors_want want = want_of(room, snapshot, workers, &whole);

    room->workers = workers;
    room->have = descriptors_share(room->descriptors, &want);
    return want;
}

int room_share(struct room *room, const struct snapshot *snapshot)
{
    char least[24];

    room->descriptors = descriptors_raise();
    struct descriptors_want want = share_among(room, snapshot, room->wanted);
    while (room->workers > 1 && !goes_round(room, &want))
        want = share_among(room, snapshot, room->workers - 1);
    if (room->descriptors >= descriptors_least(&want)) {
        if (descriptors_sum(&want) > room->descriptors)
            say_short(room, snapshot);
        return 0;
    }
    snprintf(least, sizeof least, "%zu", descriptors_least(&want));
    log_event(room->log, LOG_LEVEL_ERROR, "cannot start: the limit of open files is too low", "at_least",
              least, NULL);
    return -1;
}

void room_share_again(struct room *room, const struct snapshot *snapshot)
{
    struct descriptors_want want = want_of(room, snapshot, room->workers, &room->have);

    room->have.runs = descriptors_runs(room->descriptors, &want);
    if (room->have.runs < want.runs)
        say_short(room, snapshot);
}
