/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_TEXT_H
#define PROBE_BASE_TEXT_H

#include "probe/base/arena.h"
#include "probe/base/span.h"

#include <stdbool.h>
#include <stdint.h>

/* Valid UTF-8 (RFC 3629) without control characters (C0 but tab, DEL, C1). */
bool text_is_clean(struct span bytes);
bool text_is_utf8(struct span bytes);
bool text_is_ascii(struct span bytes); /* controls too */

/* The whole text, reversibly: a backslash as \\, every byte that is not printable ASCII as \xHH. */
char *text_escape(struct arena *a, struct span bytes);

/* For a message: one line, escaped where it has to be (a tab too), and of a longer text its first octets, at
 * most so many, with "..." behind. */
char *text_show(struct arena *a, struct span bytes, size_t most);

/* RFC 3339 in UTC with microseconds, "2026-11-23T02:25:04.123456Z". */
#define TEXT_TIME_SIZE 32
void text_time(int64_t wall_us, char out_r[TEXT_TIME_SIZE]);

/* RFC 5322 section 3.3 in UTC: "Mon, 23 Nov 2026 02:25:04 +0000". As long as this for every day up to the
 * year 9999, so that the size of a message is known before. */
#define TEXT_DATE_SIZE 48
void text_date(int64_t wall_us, char out_r[TEXT_DATE_SIZE]);

/* A duration for people: "5 s", "1.5 s", "250 ms". Never negative; cut, not rounded, to three decimals. */
#define TEXT_DURATION_SIZE 32
void text_duration(int64_t us, char out_r[TEXT_DURATION_SIZE]);

#endif
