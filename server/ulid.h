/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ULID_H
#define SERVER_ULID_H

#include <stdint.h>

/* Names for runs that sort by time: 48 bits of milliseconds, 80 random bits, in Crockford's base 32. A
 * zeroed struct ulid is ready; ids from one of them never repeat and never sort backwards, even when the
 * clock does. */
struct ulid {
    uint64_t ms;
    uint16_t high; /* of the random bits */
    uint64_t low;
};

#define ULID_SIZE 27
void ulid_next(struct ulid *ulid, int64_t wall_us, char id_r[ULID_SIZE]);

#endif
