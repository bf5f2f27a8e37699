/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_MAILDIR_EXPECTED_H
#define PROBE_VERIFY_MAILDIR_EXPECTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Until when messages are expected, and since when: what was there before is none of them. No clock: all
 * times are given, monotonic. A zeroed one expects nothing. */
#define MAILDIR_EXPECTED_MOST 32

struct maildir_expected {
    struct {
        int64_t since_us;
        int64_t until_us;
    } list[MAILDIR_EXPECTED_MOST]; /* each later than the one before */
    size_t count;
};

/* Beyond MAILDIR_EXPECTED_MOST it counts as expected since the last one was. */
void maildir_expect(struct maildir_expected *e, int64_t now_us, int64_t until_us);

/* Whether any is, or was until a minute ago: the last look at it may be still to come. */
bool maildir_expects(struct maildir_expected *e, int64_t now_us);

/* Since when the first of those has been; CLOCK_NEVER: there are none. */
int64_t maildir_expects_since(struct maildir_expected *e, int64_t now_us);

#endif
