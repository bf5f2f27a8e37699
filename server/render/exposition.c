/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two formats side by side. They differ in four things: the name of a counter's family, the unit of a
 * family, a whole number as a bucket's bound (OpenMetrics wants "1.0", Prometheus' own format has "1"), and
 * the mark at the end. Without it a document that was cut short could pass for a whole one.
 *
 *   sample = name [ "{" label *( "," label ) "}" ] SP value LF      label = name "=" DQUOTE text DQUOTE
 */
#include "server/render/exposition.h"

#include "server/render/render.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {
    [EXPOSITION_GAUGE] = "gauge",
    [EXPOSITION_COUNTER] = "counter",
    [EXPOSITION_HISTOGRAM] = "histogram",
};

const char *exposition_media_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS ? EXPOSITION_TYPE_OPENMETRICS : EXPOSITION_TYPE_TEXT;
}

void exposition_begin(struct exposition *e, struct buffer *out, enum exposition_format format)
{
    *e = (struct exposition){.out = out, .format = format};
}

void exposition_family(struct exposition *e, enum exposition_type type, const char *name, const char *help)
{
    e->type = type;
    e->name = name;
    e->help = help;
    e->said = false;
}

/* What stands behind the family's name in the name of its plain samples. */
static const char *suffix(const struct exposition *e)
{
    return e->type == EXPOSITION_COUNTER ? "_total" : "";
}

static const char *unit_of(const char *name)
{
    static const char *const units[] = {"seconds", "bytes"};
    size_t len = strlen(name);

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t unit = strlen(units[i]);
        if (len > unit + 1 && name[len - unit - 1] == '_' && strcmp(name + len - unit, units[i]) == 0)
            return units[i];
    }
    return NULL;
}

/* The head of the family, once. */
static void say_family(struct exposition *e)
{
    bool open = e->format == EXPOSITION_OPENMETRICS;
    const char *unit = open ? unit_of(e->name) : NULL;

    if (e->said)
        return;
    e->said = true;
    const char *behind = open ? "" : suffix(e);
    buffer_printf(e->out, "# HELP %s%s %s\n", e->name, behind, e->help);
    buffer_printf(e->out, "# TYPE %s%s %s\n", e->name, behind, type_names[e->type]);
    if (unit)
        buffer_printf(e->out, "# UNIT %s %s\n", e->name, unit);
}

static void put_text(struct buffer *out, const char *text)
{
    for (size_t len; *text; text += len) {
        len = strcspn(text, "\\\"\n");
        buffer_put(out, text, len);
        if (text[len] == '\0')
            return;
        buffer_puts(out, text[len] == '\n' ? "\\n" : text[len] == '"' ? "\\\"" : "\\\\");
        len++;
    }
}

static void put_label(struct buffer *out, const char **before, const char *name, const char *value)
{
    buffer_printf(out, "%s%s=\"", *before, name);
    put_text(out, value);
    buffer_puts(out, "\"");
    *before = ",";
}

/* All of a sample but its value; le is a bucket's label, null elsewhere. */
static void put_name(struct exposition *e, const char *behind, const char *le, va_list labels)
{
    const char *before = "{";

    say_family(e);
    buffer_printf(e->out, "%s%s", e->name, behind);
    for (const char *name = va_arg(labels, const char *); name; name = va_arg(labels, const char *))
        put_label(e->out, &before, name, va_arg(labels, const char *));
    if (le)
        put_label(e->out, &before, "le", le);
    buffer_puts(e->out, *before == ',' ? "} " : " ");
}

static void put_seconds(struct buffer *out, int64_t us)
{
    char text[RENDER_NUMBER_SIZE];

    render_seconds(us < 0 ? -us : us, text);
    buffer_printf(out, "%s%s\n", us < 0 ? "-" : "", text);
}

void exposition_whole(struct exposition *e, int64_t value, ...)
{
    va_list labels;

    va_start(labels, value);
    put_name(e, suffix(e), NULL, labels);
    va_end(labels);
    buffer_printf(e->out, "%" PRId64 "\n", value);
}

void exposition_seconds(struct exposition *e, int64_t us, ...)
{
    va_list labels;

    va_start(labels, us);
    put_name(e, suffix(e), NULL, labels);
    va_end(labels);
    put_seconds(e->out, us);
}

static void write_bound(const struct exposition *e, const struct exposition_bounds *bounds, size_t i,
                        char le_r[RENDER_NUMBER_SIZE + 2])
{
    if (i == bounds->count) {
        snprintf(le_r, RENDER_NUMBER_SIZE, "+Inf");
        return;
    }
    render_seconds(bounds->us[i], le_r);
    if (e->format == EXPOSITION_OPENMETRICS && !strchr(le_r, '.'))
        strcat(le_r, ".0");
}

void exposition_buckets(struct exposition *e, const struct exposition_bounds *bounds,
                        const struct exposition_histogram *h, ...)
{
    char le[RENDER_NUMBER_SIZE + 2];
    uint64_t total = 0;
    va_list labels;

    for (size_t i = 0; i <= bounds->count; i++) {
        total += h->counts[i];
        write_bound(e, bounds, i, le);
        va_start(labels, h);
        put_name(e, "_bucket", le, labels);
        va_end(labels);
        buffer_printf(e->out, "%" PRIu64 "\n", total);
    }
    va_start(labels, h);
    put_name(e, "_sum", NULL, labels);
    va_end(labels);
    put_seconds(e->out, h->sum_us);
    va_start(labels, h);
    put_name(e, "_count", NULL, labels);
    va_end(labels);
    buffer_printf(e->out, "%" PRIu64 "\n", total);
}

void exposition_end(struct exposition *e)
{
    if (e->format == EXPOSITION_OPENMETRICS)
        buffer_puts(e->out, "# EOF\n");
}
