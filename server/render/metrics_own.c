/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics: the service's own counters, a family a row. Label values are names of the config and words of
 * ours. What has not happened yet stands there as 0 where its labels are a closed list, so that a rate has a
 * beginning.
 */
#include "server/render/metrics.h"

#include "probe/base/clock.h"

#include <stdio.h>

const struct exposition_bounds metrics_phase_bounds = {14,
                                                       {1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
                                                        500000, 1000000, 2500000, 5000000, 10000000,
                                                        30000000}};
const struct exposition_bounds metrics_delivery_bounds = {14,
                                                          {50000, 100000, 250000, 500000, 1000000, 2500000,
                                                           5000000, 10000000, 30000000, 60000000, 300000000,
                                                           600000000, 1800000000, INT64_C(3600000000)}};

/* The label target where runs are told apart by it; it ends the labels. */
#define TARGET(runs) (runs)->target ? "target" : NULL, (runs)->target, NULL

static void build_info(struct exposition *e, const struct metrics_own *own)
{
    exposition_whole(e, 1, "version", own->version, "vantage", own->vantage, NULL);
}

static void reload_good(struct exposition *e, const struct metrics_own *own)
{
    exposition_whole(e, own->reload_good, NULL);
}

static void reload_time(struct exposition *e, const struct metrics_own *own)
{
    exposition_seconds(e, own->reload_wall_us, NULL);
}

static bool is_empty(const struct exposition_bounds *bounds, const struct exposition_histogram *h)
{
    for (size_t i = 0; i <= bounds->count; i++)
        if (h->counts[i] > 0)
            return false;
    return true;
}

static void deliveries(struct exposition *e, const struct metrics_own *own)
{
    for (size_t i = 0; i < own->run_count; i++) {
        const struct metrics_runs *runs = own->runs[i];
        if (!runs->target || !is_empty(&metrics_delivery_bounds, &runs->deliveries))
            exposition_buckets(e, &metrics_delivery_bounds, &runs->deliveries, TARGET(runs));
    }
}

static void history_dropped(struct exposition *e, const struct metrics_own *own)
{
    exposition_whole(e, (int64_t)own->history_dropped, NULL);
}

static void requests(struct exposition *e, const struct metrics_own *own)
{
    char code[16];

    for (size_t i = 0; i < own->request_count; i++) {
        snprintf(code, sizeof(code), "%d", own->requests[i].code);
        exposition_whole(e, (int64_t)own->requests[i].count, "handler", own->requests[i].handler, "code",
                         code, NULL);
    }
}

static void loop_lag(struct exposition *e, const struct metrics_own *own)
{
    exposition_seconds(e, own->loop_lag_us, NULL);
}

static void mailboxes(struct exposition *e, const struct metrics_own *own)
{
    for (size_t i = 0; i < own->mailbox_count; i++)
        exposition_whole(e, own->mailboxes[i].up, "mailbox", own->mailboxes[i].name, NULL);
}

/* Of a target the phases that it has come to. */
static void phases(struct exposition *e, const struct metrics_own *own)
{
    static const struct exposition_histogram none = {.sum_us = 0};

    for (size_t i = 0; i < own->run_count; i++) {
        const struct metrics_runs *runs = own->runs[i];
        for (enum phase p = 0; p < PHASE_COUNT; p++)
            if (phase_is_timed(p) && (!runs->target || runs->phases[p]))
                exposition_buckets(e, &metrics_phase_bounds, runs->phases[p] ? runs->phases[p] : &none,
                                   "phase", phase_name(p), TARGET(runs));
    }
}

static void in_flight(struct exposition *e, const struct metrics_own *own)
{
    exposition_whole(e, own->in_flight, NULL);
}

static void shared(struct exposition *e, const struct metrics_own *own)
{
    static const char *const names[METRICS_SHARING_COUNT] = {
        [METRICS_JOINED] = "joined", [METRICS_CACHED] = "cached", [METRICS_STALE] = "stale"};

    for (size_t i = 0; i < METRICS_SHARING_COUNT; i++)
        exposition_whole(e, (int64_t)own->shared[i], "how", names[i], NULL);
}

static void ended(struct exposition *e, const struct metrics_own *own)
{
    for (size_t i = 0; i < own->run_count; i++)
        for (enum status s = 0; s < STATUS_COUNT; s++)
            exposition_whole(e, (int64_t)own->runs[i]->ended[s], "status", status_name(s),
                             TARGET(own->runs[i]));
}

static void waiting(struct exposition *e, const struct metrics_own *own)
{
    exposition_whole(e, own->waiting, NULL);
}

static void known(struct exposition *e, int64_t value)
{
    if (value != CLOCK_NONE)
        exposition_whole(e, value, NULL);
}

static void cpu(struct exposition *e, const struct metrics_own *own)
{
    if (own->process.cpu_us != CLOCK_NONE)
        exposition_seconds(e, own->process.cpu_us, NULL);
}

static void max_fds(struct exposition *e, const struct metrics_own *own)
{
    known(e, own->process.max_fds);
}

static void open_fds(struct exposition *e, const struct metrics_own *own)
{
    known(e, own->process.open_fds);
}

static void resident(struct exposition *e, const struct metrics_own *own)
{
    known(e, own->process.resident_bytes);
}

static void start_time(struct exposition *e, const struct metrics_own *own)
{
    if (own->process.start_wall_us != CLOCK_NONE)
        exposition_seconds(e, own->process.start_wall_us, NULL);
}

static void virtual(struct exposition *e, const struct metrics_own *own)
{
    known(e, own->process.virtual_bytes);
}

static const struct {
    enum exposition_type type;
    const char *name;
    const char *help;
    void (*write)(struct exposition *e, const struct metrics_own *own);
} families[] = {
    {EXPOSITION_GAUGE, "ehlod_build_info", "Which ehlod this is, and where", build_info},
    {EXPOSITION_GAUGE, "ehlod_config_last_reload_success_timestamp_seconds",
     "When the config in force was loaded, in unixtime", reload_time},
    {EXPOSITION_GAUGE, "ehlod_config_last_reload_successful",
     "Whether the last loading of the config was good", reload_good},
    {EXPOSITION_HISTOGRAM, "ehlod_delivery_duration_seconds",
     "How long messages that were seen took from their dot to the mailbox in seconds", deliveries},
    {EXPOSITION_COUNTER, "ehlod_history_dropped", "Records of messages that the history could not take", history_dropped},
    {EXPOSITION_COUNTER, "ehlod_http_requests", "Requests that were answered", requests},
    {EXPOSITION_GAUGE, "ehlod_loop_lag_seconds",
     "The most that any event loop was late in the last half minute in seconds", loop_lag},
    {EXPOSITION_GAUGE, "ehlod_mailbox_up", "Whether each mailbox can take or show what is delivered to it",
     mailboxes},
    {EXPOSITION_HISTOGRAM, "ehlod_phase_duration_seconds", "How long the phases of runs took in seconds",
     phases},
    {EXPOSITION_GAUGE, "ehlod_runs_in_flight", "Runs under way", in_flight},
    {EXPOSITION_COUNTER, "ehlod_runs_shared", "Answers that needed no run of their own", shared},
    {EXPOSITION_COUNTER, "ehlod_runs", "Runs that have ended", ended},
    {EXPOSITION_GAUGE, "ehlod_runs_waiting", "Runs in line", waiting},
    {EXPOSITION_COUNTER, "process_cpu_seconds", "Total user and system CPU time spent in seconds", cpu},
    {EXPOSITION_GAUGE, "process_max_fds", "Maximum number of open file descriptors", max_fds},
    {EXPOSITION_GAUGE, "process_open_fds", "Number of open file descriptors", open_fds},
    {EXPOSITION_GAUGE, "process_resident_memory_bytes", "Resident memory size in bytes", resident},
    {EXPOSITION_GAUGE, "process_start_time_seconds", "Start time of the process since unix epoch in seconds",
     start_time},
    {EXPOSITION_GAUGE, "process_virtual_memory_bytes", "Virtual memory size in bytes", virtual},
};

void metrics_own(struct buffer *out, const struct metrics_own *own, enum exposition_format format)
{
    struct exposition e;

    exposition_begin(&e, out, format);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        exposition_family(&e, families[i].type, families[i].name, families[i].help);
        families[i].write(&e, own);
    }
    exposition_end(&e);
}
