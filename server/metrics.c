/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters and histograms in plain memory: one loop writes and reads them. Runs are told apart by target only
 * where the config says so, and then in a sorted list; the set without a target is always there and takes
 * over what goes.
 */
#include "server/metrics.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* More pairs of handler and code than there are; what would be one more is not counted. */
#define METRICS_MAX_REQUESTS 512

struct metrics {
    struct metrics_runs whole;    /* of no target */
    struct metrics_runs **sorted; /* by target */
    size_t run_count;
    size_t run_room;
    bool by_target;
    uint64_t shared[METRICS_SHARING_COUNT];
    struct metrics_requests requests[METRICS_MAX_REQUESTS];
    size_t request_count;
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

static struct metrics_runs *new_runs(const char *target)
{
    struct metrics_runs *runs = mem_alloc(sizeof *runs);

    runs->target = mem_dup(target);
    return runs;
}

static struct metrics_runs *insert(struct metrics *m, size_t at, const char *target)
{
    struct metrics_runs *runs = new_runs(target);

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

/* Made when it is not there: of a target many are never needed. */
static struct exposition_histogram *phase_of(struct metrics_runs *runs, enum phase p)
{
    if (runs->phases[p] == NULL)
        runs->phases[p] = mem_alloc(sizeof *runs->phases[p]);
    return runs->phases[p];
}

static void add_runs(struct metrics_runs *to, const struct metrics_runs *from)
{
    for (enum status s = 0; s < STATUS_COUNT; s++)
        to->ended[s] += from->ended[s];
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        if (from->phases[p] != NULL)
            add_histogram(phase_of(to, p), from->phases[p]);
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
            add_runs(&m->whole, runs);
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
            observe(&metrics_phase_bounds, phase_of(runs, p), r->timing_us[p]);
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

static void count_requests(struct metrics *m, const char *handler, int code, uint64_t count)
{
    struct metrics_requests *r = m->requests;

    while (r < m->requests + m->request_count && (r->code != code || strcmp(r->handler, handler) != 0))
        r++;
    if (r == m->requests + METRICS_MAX_REQUESTS)
        return;
    if (r == m->requests + m->request_count) {
        *r = (struct metrics_requests){.handler = handler, .code = code};
        m->request_count++;
    }
    r->count += count;
}

void metrics_request(struct metrics *m, const char *handler, int code)
{
    count_requests(m, handler, code, 1);
}

/* ---- several loops ---- */

/* Both lists are sorted, so one walk does it, however many targets there are. */
static void add_sorted(struct metrics *m, const struct metrics *other)
{
    size_t most = m->run_count + other->run_count, count = 0, i = 0, k = 0;
    struct metrics_runs **sorted = mem_alloc((most + 1) * sizeof(struct metrics_runs *));

    while (i < m->run_count || k < other->run_count) {
        int order = i == m->run_count       ? 1
                    : k == other->run_count ? -1
                                            : strcmp(m->sorted[i]->target, other->sorted[k]->target);
        struct metrics_runs *runs = order <= 0 ? m->sorted[i++] : new_runs(other->sorted[k]->target);
        if (order >= 0)
            add_runs(runs, other->sorted[k++]);
        sorted[count++] = runs;
    }
    free(m->sorted);
    m->sorted = sorted;
    m->run_count = count;
    m->run_room = most + 1;
}

void metrics_add(struct metrics *m, const struct metrics *other)
{
    add_runs(&m->whole, &other->whole);
    add_sorted(m, other);
    for (size_t i = 0; i < METRICS_SHARING_COUNT; i++)
        m->shared[i] += other->shared[i];
    for (size_t i = 0; i < other->request_count; i++)
        count_requests(m, other->requests[i].handler, other->requests[i].code, other->requests[i].count);
}

/* The set without a target stands there where it is the only one, or has something to say. */
static bool has_run(const struct metrics_runs *runs)
{
    for (enum status s = 0; s < STATUS_COUNT; s++)
        if (runs->ended[s] > 0)
            return true;
    return false;
}

void metrics_show(const struct metrics *m, struct arena *arena, struct metrics_own *own)
{
    const struct metrics_runs **runs = arena_alloc(arena, (m->run_count + 1) * sizeof(struct metrics_runs *));
    size_t count = 0;

    if (!m->by_target || has_run(&m->whole))
        runs[count++] = &m->whole;
    for (size_t i = 0; i < m->run_count; i++)
        runs[count++] = m->sorted[i];
    own->runs = runs;
    own->run_count = count;
    memcpy(own->shared, m->shared, sizeof own->shared);
    own->requests = m->requests;
    own->request_count = m->request_count;
}
