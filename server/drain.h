/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_DRAIN_H
#define SERVER_DRAIN_H

#include <stdint.h>

/* What agent-check is told of it. */
enum drain_mode {
    DRAIN_MODE_DRAIN, /* no new connections, but those that persist; HAProxy goes on with its own checks */
    DRAIN_MODE_MAINT, /* no connections and no checks */
    DRAIN_MODE_COUNT
};

const char *drain_mode_name(enum drain_mode mode);    /* "drain" */
enum drain_mode drain_mode_by_name(const char *name); /* DRAIN_MODE_COUNT: there is none */

/* A target that was taken out of service. Wall times, as they outlive the process. */
struct drain {
    const char *target;
    enum drain_mode mode;
    const char *reason; /* "" = none was given; clean text of at most so many octets */
    int64_t since_us;
    int64_t until_us; /* CLOCK_NONE = until somebody says so */
    int64_t ended_us; /* CLOCK_NONE = it is out of service still */
};

#define DRAIN_MAX_REASON 200

#endif
