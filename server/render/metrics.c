/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of one run, Prometheus text format 0.0.4: probe_* with the names and help of
 * blackbox_exporter, smtp_* beside them. Families are sorted by name. Every label value is from a closed
 * list of ours, nothing a server said gets here, so nothing needs escaping.
 */
#include "server/render/render.h"

#include "probe/base/clock.h"

static void family(struct buffer *out, const char *name, const char *help)
{
    buffer_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void seconds(struct buffer *out, const char *name, int64_t us)
{
    char text[RENDER_NUMBER_SIZE];
    render_seconds(us, text);
    buffer_printf(out, "%s %s\n", name, text);
}

static void probe_families(struct buffer *out, const struct result *r)
{
    bool success = r->status == STATUS_PASS || r->status == STATUS_WARN;

    family(out, "probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds");
    seconds(out, "probe_dns_lookup_time_seconds", r->timing_us[PHASE_DNS]);
    family(out, "probe_duration_seconds", "Returns how long the probe took to complete in seconds");
    seconds(out, "probe_duration_seconds", r->duration_us);
    family(out, "probe_success", "Displays whether or not the probe was a success");
    buffer_printf(out, "probe_success %d\n", success);
}

static void failure_info(struct buffer *out, const struct result *r)
{
    if (r->failure.reason == REASON_NONE)
        return;
    family(out, "smtp_failure_info", "In which phase the run failed, and why");
    buffer_printf(out, "smtp_failure_info{phase=\"%s\",reason=\"%s\"} 1\n", phase_name(r->failure.phase),
                  reason_name(r->failure.reason));
}

static void phase_durations(struct buffer *out, const struct result *r)
{
    char text[RENDER_NUMBER_SIZE];

    family(out, "smtp_phase_duration_seconds", "How long each phase that was begun took in seconds");
    for (enum phase p = 0; p < PHASE_COUNT; p++) {
        if (!phase_is_timed(p) || r->timing_us[p] == CLOCK_NONE)
            continue;
        render_seconds(r->timing_us[p], text);
        buffer_printf(out, "smtp_phase_duration_seconds{phase=\"%s\"} %s\n", phase_name(p), text);
    }
}

static void statuses(struct buffer *out, const struct result *r)
{
    family(out, "smtp_status", "The verdict: 1 for the status that holds, 0 for the others");
    for (enum status s = 0; s < STATUS_COUNT; s++)
        buffer_printf(out, "smtp_status{status=\"%s\"} %d\n", status_name(s), s == r->status);
}

void metrics_probe(struct buffer *out, const struct result *r)
{
    probe_families(out, r);
    failure_info(out, r);
    phase_durations(out, r);
    statuses(out, r);
}
