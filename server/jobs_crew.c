/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the jobs of several loops see of one another. Each loop's own is touched by no other, but for two
 * things: the front of a shelf, under a lock, and everything while all loops stand still. Jobs that are alone
 * pass through here, too, and find that everything is theirs.
 */
#include "config/alike.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "server/job.h"
#include "server/owner.h"

#include <assert.h>
#include <stdlib.h>

#define CREW_PRUNE_MS 1000

struct jobs_crew *jobs_crew_new(unsigned count)
{
    struct jobs_crew *crew = mem_alloc(sizeof *crew);

    crew->count = crew->runs.loops = count;
    crew->all = mem_alloc(count * sizeof(struct jobs *));
    crew->shelves = shelves_new(count);
    for (size_t i = 0; i < CREW_LOCKS; i++) {
        int failed = uv_mutex_init(&crew->locks[i]);
        assert(!failed);
    }
    return crew;
}

void jobs_crew_free(struct jobs_crew *crew)
{
    if (crew == NULL)
        return;
    for (size_t i = 0; i < CREW_LOCKS; i++)
        uv_mutex_destroy(&crew->locks[i]);
    shelves_free(crew->shelves);
    free(crew->all);
    free(crew);
}

/* ---- whose is what ---- */

static unsigned size_of(const struct jobs *jobs)
{
    return jobs->order.crew != NULL ? jobs->order.crew->count : 1;
}

static const struct jobs *member(const struct jobs *jobs, unsigned index)
{
    return jobs->order.crew != NULL ? jobs->order.crew->all[index] : jobs;
}

bool jobs_own(const struct jobs *jobs, const struct snapshot_target *target)
{
    return shelves_find(jobs->shelves, target)->owner == jobs->order.index;
}

/* A guest without a key is only passing through: it is run where it is. */
unsigned jobs_owner(const struct jobs *jobs, const struct jobs_ask *ask)
{
    if (ask->guest == NULL)
        return shelves_find(jobs->shelves, ask->target)->owner;
    return ask->guest->key != NULL ? owner_of_key(ask->guest->key, size_of(jobs)) : jobs->order.index;
}

bool jobs_own_ask(const struct jobs *jobs, const struct jobs_ask *ask)
{
    return jobs_owner(jobs, ask) == jobs->order.index;
}

struct shelf *jobs_shelf(const struct jobs *jobs, const struct snapshot_target *target)
{
    return shelves_find(jobs->shelves, target)->shelf;
}

/* ---- at any time ---- */

static uv_mutex_t *lock_of(const struct jobs *jobs, const struct shelf *shelf)
{
    return &jobs->order.crew->locks[(uintptr_t)shelf / sizeof *shelf % CREW_LOCKS];
}

/* What a target that sends nothing shows hangs on its result alone; that of others on its loop's letters. */
static bool is_shared(const struct snapshot_target *target, bool sends, enum phase stop_after, bool fresh)
{
    return !sends && !fresh && stop_after == target->plan.stop_after;
}

/* The target may be of a config before the present one. */
void jobs_share(struct jobs *jobs, struct shelf *shelf, const struct place *place,
                const struct snapshot_target *target)
{
    if (size_of(jobs) == 1 || !is_shared(target, owner_target_sends(target), place->stop_after, place->fresh))
        return;
    uv_mutex_lock(lock_of(jobs, shelf));
    shelf_set_front(shelf, place);
    uv_mutex_unlock(lock_of(jobs, shelf));
}

bool jobs_look(const struct jobs *jobs, const struct jobs_ask *ask, enum phase stop_after,
               struct place *seen_r)
{
    *seen_r = (struct place){.stop_after = stop_after, .fresh = ask->fresh};
    if (ask->guest != NULL)
        return false;
    const struct shelves_slot *slot = shelves_find(jobs->shelves, ask->target);
    if (!is_shared(ask->target, slot->sends, stop_after, ask->fresh))
        return false;
    uv_mutex_lock(lock_of(jobs, slot->shelf));
    shelf_look(slot->shelf, seen_r);
    uv_mutex_unlock(lock_of(jobs, slot->shelf));
    return true;
}

/* It keeps no loop alive. */
static void on_prune(uv_timer_t *timer)
{
    struct jobs *jobs = timer->data;

    runs_prune(jobs->runs);
}

void jobs_keep_pruning(struct jobs *jobs)
{
    jobs->prune = handle_timer(jobs->order.loop, jobs);
    uv_unref((uv_handle_t *)jobs->prune);
    uv_timer_start(jobs->prune, on_prune, CREW_PRUNE_MS, CREW_PRUNE_MS);
}

/* ---- while all stand still ---- */

/* While all wait for this, of many targets: so what sends nothing is shown as it is. */
struct result *jobs_latest(const struct jobs *jobs, const struct snapshot_target *target)
{
    const struct shelves_slot *slot = shelves_find(jobs->shelves, target);
    const struct record *latest = NULL;

    for (struct place *p = slot->shelf->places; p != NULL; p = p->next)
        if (p->stop_after == target->plan.stop_after && p->latest != NULL &&
            alike_plan(p->latest->snapshot, p->latest->target, jobs->order.snapshot, target) &&
            (latest == NULL || p->latest->result->ended_mono_us > latest->result->ended_mono_us))
            latest = p->latest;
    if (latest == NULL)
        return NULL;
    return slot->sends ? jobs_show_record(member(jobs, slot->owner), latest) : result_ref(latest->result);
}

struct result *jobs_find(const struct jobs *jobs, const char *id)
{
    for (unsigned i = 0; i < size_of(jobs); i++) {
        const struct record *record = runs_find(member(jobs, i)->runs, id);
        if (record != NULL)
            return jobs_show_record(member(jobs, i), record);
    }
    return NULL;
}

size_t jobs_metrics_count(const struct jobs *jobs)
{
    size_t count = 0;

    for (unsigned i = 0; i < size_of(jobs); i++)
        count += metrics_count(member(jobs, i)->metrics);
    return count;
}

struct metrics_sum *jobs_metrics_sum(const struct jobs *jobs, struct arena *arena)
{
    struct metrics_sum *sum = metrics_sum_new(arena);

    for (unsigned i = 0; i < size_of(jobs); i++)
        metrics_sum_add(sum, member(jobs, i)->metrics);
    return sum;
}

unsigned jobs_in_flight(const struct jobs *jobs)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < size_of(jobs); i++)
        sum += run_net_in_flight(member(jobs, i)->net);
    return sum;
}

unsigned jobs_waiting(const struct jobs *jobs)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < size_of(jobs); i++)
        sum += run_net_waiting(member(jobs, i)->net);
    return sum;
}
