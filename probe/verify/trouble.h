/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_TROUBLE_H
#define PROBE_VERIFY_TROUBLE_H

#include "probe/base/arena.h"

#include <stdint.h>

/* That a place cannot be looked into, and since when. A zeroed one is none. */
struct trouble {
    int64_t since_wall_us; /* 0 = there is none */
};

/* "imaps://mail.example.org: failing since 02:10:11Z: login refused: ...". since counts from the first time
 * after trouble_over. */
const char *trouble_say(struct trouble *t, struct arena *a, const char *place, const char *why);

void trouble_over(struct trouble *t);

#endif
