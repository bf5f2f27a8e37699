/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_DRAIN_H
#define SERVER_DRAIN_H

#include <stdint.h>

/* A target that was taken out of service. Wall times, as they outlive the process. */
struct drain {
    const char *target;
    const char *reason; /* "" = none was given; clean text of at most so many octets */
    int64_t since_us;
    int64_t until_us; /* CLOCK_NONE = until somebody says so */
    int64_t ended_us; /* CLOCK_NONE = it is out of service still */
};

#define DRAIN_MAX_REASON 200

#endif
