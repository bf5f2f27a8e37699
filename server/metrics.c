/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters and histograms in plain memory: one loop writes and reads them. Runs are told apart by target only
 * where the config says so, and then in a sorted list; the set without a target is always there and takes
 * over what goes. Who wants to see them gets a copy, since showing them takes long.
 */
#include "server/metrics.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* More pairs of handler and code than there are; what would be one more is not counted. */
#define METRICS_MAX_REQUESTS 512

struct requests {
    struct metrics_requests list[METRICS_MAX_REQUESTS];
    size_t count;
};

struct metrics {
    struct metrics_runs whole;    /* of no target */
    struct metrics_runs **sorted; /* by target */
    size_t run_count;
    size_t run_room;
    bool by_target;
    uint64_t shared[METRICS_SHARING_COUNT];
    struct requests requests;
};

struct metrics_sum {
    struct arena *arena;
    struct metrics_runs **runs; /* the first of no target */
    size_t count;
    size_t parts;
    bool by_target;
    uint64_t shared[METRICS_SHARING_COUNT];
    struct requests requests;
};

struct metrics *metrics_new(void)
{
    return mem_alloc(sizeof(struct metrics));
}

static void free_phases(struct metrics_runs *runs)
{
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        free(runs->phases[p]);
}

static void free_runs(struct metrics_runs *runs)
{
    free_phases(runs);
    free((char *)runs->target);
    free(runs);
}

void metrics_free(struct metrics *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->run_count; i++)
        free_runs(m->sorted[i]);
    free_phases(&m->whole);
    free(m->sorted);
    free(m);
}

/* ---- runs ---- */

/* Where the target stands, or would. */
static size_t find_place(const struct metrics *m, const char *target)
{
    size_t low = 0, high = m->run_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(m->sorted[middle]->target, target) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct metrics_runs *insert(struct metrics *m, size_t at, const char *target)
{
    struct metrics_runs *runs = mem_alloc(sizeof *runs);

    runs->target = mem_dup(target);
    if (m->run_count == m->run_room) {
        m->run_room = m->run_room > 0 ? 2 * m->run_room : 16;
        m->sorted = mem_resize(m->sorted, m->run_room * sizeof(struct metrics_runs *));
    }
    memmove(&m->sorted[at + 1], &m->sorted[at], (m->run_count - at) * sizeof(struct metrics_runs *));
    m->sorted[at] = runs;
    m->run_count++;
    return runs;
}

static struct metrics_runs *runs_of(struct metrics *m, const char *target)
{
    if (target == NULL || !m->by_target)
        return &m->whole;
    size_t at = find_place(m, target);
    if (at < m->run_count && strcmp(m->sorted[at]->target, target) == 0)
        return m->sorted[at];
    return insert(m, at, target);
}

static void observe(const struct exposition_bounds *bounds, struct exposition_histogram *h, int64_t us)
{
    size_t i = 0;

    while (i < bounds->count && us > bounds->us[i])
        i++;
    h->counts[i]++;
    h->sum_us += us;
}

static void add_histogram(struct exposition_histogram *to, const struct exposition_histogram *from)
{
    for (size_t i = 0; i <= EXPOSITION_MAX_BOUNDS; i++)
        to->counts[i] += from->counts[i];
    to->sum_us += from->sum_us;
}

/* Made when it is not there: of a target many are never needed. Without an arena it is to be freed. */
static struct exposition_histogram *phase_of(struct metrics_runs *runs, enum phase p, struct arena *arena)
{
    size_t size = sizeof *runs->phases[p];

    if (runs->phases[p] == NULL)
        runs->phases[p] = arena != NULL ? arena_alloc(arena, size) : mem_alloc(size);
    return runs->phases[p];
}

static void add_runs(struct metrics_runs *to, const struct metrics_runs *from, struct arena *arena)
{
    for (enum status s = 0; s < STATUS_COUNT; s++)
        to->ended[s] += from->ended[s];
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        if (from->phases[p] != NULL)
            add_histogram(phase_of(to, p, arena), from->phases[p]);
    add_histogram(&to->deliveries, &from->deliveries);
}

void metrics_follow(struct metrics *m, const struct snapshot *snapshot)
{
    size_t kept = 0;

    m->by_target = snapshot->metrics_by_target;
    for (size_t i = 0; i < m->run_count; i++) {
        struct metrics_runs *runs = m->sorted[i];
        if (m->by_target && snapshot_target(snapshot, runs->target) != NULL) {
            m->sorted[kept++] = runs;
        } else {
            add_runs(&m->whole, runs, NULL);
            free_runs(runs);
        }
    }
    m->run_count = kept;
}

void metrics_run(struct metrics *m, const char *target, const struct result *r)
{
    struct metrics_runs *runs = runs_of(m, target);

    runs->ended[r->status]++;
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        if (phase_is_timed(p) && r->timing_us[p] != CLOCK_NONE)
            observe(&metrics_phase_bounds, phase_of(runs, p, NULL), r->timing_us[p]);
}

void metrics_delivery(struct metrics *m, const char *target, int64_t latency_us)
{
    observe(&metrics_delivery_bounds, &runs_of(m, target)->deliveries, latency_us);
}

/* ---- the rest ---- */

void metrics_share(struct metrics *m, enum metrics_sharing how)
{
    m->shared[how]++;
}

static void count_requests(struct requests *requests, const char *handler, int code, uint64_t count)
{
    struct metrics_requests *r = requests->list, *end = requests->list + requests->count;

    while (r < end && (r->code != code || strcmp(r->handler, handler) != 0))
        r++;
    if (r == requests->list + METRICS_MAX_REQUESTS)
        return;
    if (r == end) {
        *r = (struct metrics_requests){.handler = handler, .code = code};
        requests->count++;
    }
    r->count += count;
}

void metrics_request(struct metrics *m, const char *handler, int code)
{
    count_requests(&m->requests, handler, code, 1);
}

/* ---- what is shown ---- */

size_t metrics_count(const struct metrics *m)
{
    return m->run_count;
}

struct metrics_sum *metrics_sum_new(struct arena *arena)
{
    struct metrics_sum *sum = arena_alloc(arena, sizeof *sum);

    sum->arena = arena;
    sum->runs = arena_grow(arena, NULL, 0, sizeof(struct metrics_runs *));
    sum->runs[sum->count++] = arena_alloc(arena, sizeof **sum->runs);
    return sum;
}

static void copy_runs(struct metrics_sum *sum, const struct metrics_runs *from)
{
    struct metrics_runs *copy = arena_alloc(sum->arena, sizeof *copy);

    copy->target = arena_dup(sum->arena, from->target);
    add_runs(copy, from, sum->arena);
    sum->runs = arena_grow(sum->arena, sum->runs, sum->count, sizeof(struct metrics_runs *));
    sum->runs[sum->count++] = copy;
}

void metrics_sum_add(struct metrics_sum *sum, const struct metrics *m)
{
    sum->by_target = m->by_target;
    sum->parts++;
    add_runs(sum->runs[0], &m->whole, sum->arena);
    for (size_t i = 0; i < m->run_count; i++)
        copy_runs(sum, m->sorted[i]);
    for (size_t i = 0; i < METRICS_SHARING_COUNT; i++)
        sum->shared[i] += m->shared[i];
    for (size_t i = 0; i < m->requests.count; i++)
        count_requests(&sum->requests, m->requests.list[i].handler, m->requests.list[i].code,
                       m->requests.list[i].count);
}

static int compare_targets(const void *a, const void *b)
{
    return strcmp((*(struct metrics_runs *const *)a)->target, (*(struct metrics_runs *const *)b)->target);
}

/* A target has been several loops' in turn where it was changed to send messages, or to send none. */
static void sort_targets(struct metrics_sum *sum)
{
    size_t kept = 0;

    qsort(sum->runs + 1, sum->count - 1, sizeof(struct metrics_runs *), compare_targets);
    for (size_t i = 1; i < sum->count; i++)
        if (kept > 0 && strcmp(sum->runs[kept]->target, sum->runs[i]->target) == 0)
            add_runs(sum->runs[kept], sum->runs[i], sum->arena);
        else
            sum->runs[++kept] = sum->runs[i];
    sum->count = kept + 1;
}

/* The set without a target stands there where it is the only one, or has something to say. */
static bool has_run(const struct metrics_runs *runs)
{
    for (enum status s = 0; s < STATUS_COUNT; s++)
        if (runs->ended[s] > 0)
            return true;
    return false;
}

void metrics_sum_show(struct metrics_sum *sum, struct metrics_own *own)
{
    if (sum->parts > 1)
        sort_targets(sum);
    size_t first = sum->by_target && !has_run(sum->runs[0]) ? 1 : 0;
    own->runs = (const struct metrics_runs *const *)sum->runs + first;
    own->run_count = sum->count - first;
    memcpy(own->shared, sum->shared, sizeof own->shared);
    own->requests = sum->requests.list;
    own->request_count = sum->requests.count;
}
