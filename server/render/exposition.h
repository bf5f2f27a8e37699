/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_EXPOSITION_H
#define SERVER_RENDER_EXPOSITION_H

#include "probe/base/buffer.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Metrics while they are written, in either of the two formats that Prometheus reads: its own text format
 * 0.0.4, or OpenMetrics 1.0. The same calls serve both.
 */
enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS, EXPOSITION_FORMAT_COUNT };

enum exposition_type { EXPOSITION_GAUGE, EXPOSITION_COUNTER, EXPOSITION_HISTOGRAM };

struct exposition {
    struct buffer *out;
    enum exposition_format format;
    /* the family that was begun last; its head is written with its first sample */
    const char *name;
    const char *help;
    enum exposition_type type;
    bool said;
};

#define EXPOSITION_TYPE_TEXT        "text/plain; version=0.0.4; charset=utf-8"
#define EXPOSITION_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
const char *exposition_media_type(enum exposition_format format);

void exposition_begin(struct exposition *e, struct buffer *out, enum exposition_format format);

/* All samples of a family follow it. A counter's name goes without its _total. One without samples is not
 * shown at all. */
void exposition_family(struct exposition *e, enum exposition_type type, const char *name, const char *help);

/* A sample with its labels: name and value of each (any UTF-8), then NULL. */
void exposition_whole(struct exposition *e, int64_t value, ...) __attribute__((sentinel));
void exposition_seconds(struct exposition *e, int64_t us, ...) __attribute__((sentinel));

/* counts[i] is of what was at most bounds_us[i] and more than the bound before; counts[bound_count] of the
 * rest. */
#define EXPOSITION_MAX_BOUNDS 16
struct exposition_histogram {
    uint64_t counts[EXPOSITION_MAX_BOUNDS + 1];
    int64_t sum_us;
};
struct exposition_bounds {
    size_t count;
    int64_t us[EXPOSITION_MAX_BOUNDS];
};
void exposition_buckets(struct exposition *e, const struct exposition_bounds *bounds,
                        const struct exposition_histogram *h, ...) __attribute__((sentinel));

void exposition_end(struct exposition *e);

#endif
