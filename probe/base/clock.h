/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_CLOCK_H
#define PROBE_BASE_CLOCK_H

#include <stdint.h>

/* Time inside ehlod: signed 64-bit microseconds. Deadlines and durations are monotonic; wall time is for
 * showing only. */
#define CLOCK_US_PER_MS INT64_C(1000)
#define CLOCK_US_PER_S  INT64_C(1000000)

/* A deadline that never comes, and a time that never was. */
#define CLOCK_NEVER INT64_MAX
#define CLOCK_NONE  INT64_C(-1)

int64_t clock_mono_us(void);
int64_t clock_wall_us(void); /* since 1970 */

/* The same moment on the other clock, by what both say now. A wall time that is yet to come, since somebody
 * set that clock back, is now; one from before the machine was started is below 0. CLOCK_NONE stays so. */
int64_t clock_wall_of(int64_t mono_us);
int64_t clock_mono_of(int64_t wall_us);

#endif
