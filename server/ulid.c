/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ULIDs (github.com/ulid/spec): within one millisecond, and while the clock stands before the last id, the
 * random part counts up by one; when it is used up, which 2^80 ids make unlikely, the time part does.
 */
#include "server/ulid.h"

#include "probe/base/clock.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/random.h>

#define ULID_LENGTH (ULID_SIZE - 1)

static void draw(struct ulid *ulid)
{
    unsigned char bytes[10];
    /* Up to 256 bytes are never interrupted and, once the system is up, never refused (getrandom(2)). */
    ssize_t drawn = getrandom(bytes, sizeof bytes, 0);

    assert(drawn == (ssize_t)sizeof bytes);
    ulid->high = (uint16_t)(bytes[0] << 8 | bytes[1]);
    ulid->low = 0;
    for (size_t i = 2; i < sizeof bytes; i++)
        ulid->low = ulid->low << 8 | bytes[i];
}

static void count_up(struct ulid *ulid)
{
    if (++ulid->low != 0 || ++ulid->high != 0)
        return;
    ulid->ms++;
    draw(ulid);
}

/* Takes the five lowest bits off the 128. */
static unsigned take_digit(uint64_t *high, uint64_t *low)
{
    unsigned digit = (unsigned)(*low & 31);

    *low = *low >> 5 | *high << 59;
    *high >>= 5;
    return digit;
}

void ulid_next(struct ulid *ulid, int64_t wall_us, char id_r[ULID_SIZE])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t ms = wall_us > 0 ? (uint64_t)(wall_us / CLOCK_US_PER_MS) : 0;

    if (ms > ulid->ms) {
        ulid->ms = ms;
        draw(ulid);
    } else {
        count_up(ulid);
    }
    uint64_t high = ulid->ms << 16 | ulid->high;
    uint64_t low = ulid->low;
    for (int i = ULID_LENGTH - 1; i >= 0; i--)
        id_r[i] = digits[take_digit(&high, &low)];
    id_r[ULID_LENGTH] = '\0';
}
