/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_METRICS_H
#define SERVER_RENDER_METRICS_H

#include "server/render/exposition.h"
#include "server/render/render.h"

/* The views for Prometheus. */

/* /probe: probe_* as blackbox_exporter names them, smtp_* beside them. */
void metrics_probe(struct buffer *out, const struct result *r, enum exposition_format format);

/* Several runs: smtp_* alone, told apart by the label target. */
void metrics_set(struct buffer *out, const struct render_set *set, enum exposition_format format);

/* The families of smtp_*, of each of the results. */
void metrics_smtp(struct exposition *e, const struct result *const *results, size_t count, bool labelled);

/*
 * /metrics: what the service counts of itself.
 */
extern const struct exposition_bounds metrics_phase_bounds;
extern const struct exposition_bounds metrics_delivery_bounds;

/* Of the runs of one target, or of all that are not told apart. */
struct metrics_runs {
    const char *target; /* null: no label */
    uint64_t ended[STATUS_COUNT];
    struct exposition_histogram *phases[PHASE_COUNT]; /* null: no run has come to it */
    struct exposition_histogram deliveries;
};

/* How an answer did without a run of its own. */
enum metrics_sharing { METRICS_JOINED, METRICS_CACHED, METRICS_STALE, METRICS_SHARING_COUNT };

struct metrics_requests {
    const char *handler;
    int code;
    uint64_t count;
};

struct metrics_mailbox {
    const char *name;
    bool up;
};

/* CLOCK_NONE, in each: it is not known. */
struct metrics_process {
    int64_t cpu_us;
    int64_t start_wall_us;
    int64_t open_fds;
    int64_t max_fds;
    int64_t virtual_bytes;
    int64_t resident_bytes;
};

struct metrics_own {
    const char *version;
    const char *vantage;
    const struct metrics_runs *const *runs;
    size_t run_count;
    uint64_t shared[METRICS_SHARING_COUNT];
    unsigned in_flight;
    unsigned waiting;
    const struct metrics_requests *requests;
    size_t request_count;
    const struct metrics_mailbox *mailboxes;
    size_t mailbox_count;
    int64_t loop_lag_us;
    uint64_t history_dropped;
    bool reload_good;
    int64_t reload_wall_us; /* of the last good one */
    struct metrics_process process;
};

void metrics_own(struct buffer *out, const struct metrics_own *own, enum exposition_format format);

#endif
