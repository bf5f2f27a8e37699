/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Monitoring-plugins output (https://www.monitoring-plugins.org/doc/guidelines.html, "Plugin Output"): a
 * first line that says it all, performance data behind a bar, more lines below. A bar has a meaning on every
 * line, so one in a text is shown as a slash. The exit code is the command line's.
 */
#include "server/render/render.h"

#include <string.h>

static const char *const states[STATUS_COUNT] = {
    [STATUS_PASS] = "OK",
    [STATUS_WARN] = "WARNING",
    [STATUS_UNKNOWN] = "UNKNOWN",
    [STATUS_FAIL] = "CRITICAL",
};

static void text(struct buffer *out, const char *from)
{
    while (*from) {
        size_t len = strcspn(from, "|");
        buffer_put(out, from, len);
        from += len;
        if (*from == '|') {
            buffer_puts(out, "/");
            from++;
        }
    }
}

static void finding(struct buffer *out, const struct result *r)
{
    buffer_printf(out, "%s: ", r->target);
    if (r->failure.reason == REASON_NONE) {
        text(out, r->summary);
        return;
    }
    buffer_printf(out, "%s/%s: ", phase_name(r->failure.phase), reason_name(r->failure.reason));
    text(out, r->failure.message);
}

/* The first of the worst; the set is not empty. */
static const struct result *worst(const struct render_set *set)
{
    enum status status = render_set_status(set);
    size_t i = 0;
    while (set->results[i]->status != status)
        i++;
    return set->results[i];
}

/* "time" for one target, "NAME_time" for several: target names need no quotes. */
static void perfdata(struct buffer *out, const struct render_set *set)
{
    char seconds[RENDER_NUMBER_SIZE];

    buffer_puts(out, " |");
    for (size_t i = 0; i < set->count; i++) {
        const struct result *r = set->results[i];
        render_seconds(r->duration_us, seconds);
        buffer_printf(out, " %s%stime=%ss;;;0", set->count > 1 ? r->target : "", set->count > 1 ? "_" : "",
                      seconds);
    }
}

void nagios_set(struct buffer *out, const struct render_set *set)
{
    char summary[RENDER_SUMMARY_SIZE];

    buffer_printf(out, "SMTP %s - ", states[render_set_status(set)]);
    render_set_summary(set, summary);
    if (set->count == 0) {
        buffer_printf(out, "%s\n", summary);
        return;
    }
    finding(out, worst(set));
    if (set->count > 1)
        buffer_printf(out, " (%s)", summary);
    perfdata(out, set);
    buffer_puts(out, "\n");
    for (size_t i = 0; i < set->count && set->count > 1; i++) {
        buffer_printf(out, "%s - ", states[set->results[i]->status]);
        finding(out, set->results[i]);
        buffer_puts(out, "\n");
    }
}
