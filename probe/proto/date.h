/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_DATE_H
#define PROBE_PROTO_DATE_H

#include "probe/base/span.h"

#include <stdint.h>

/* The date of a header field (RFC 5322 section 3.3, with the obsolete forms of section 4.3: years of two and
 * three digits, zones by name, comments anywhere): 0 = read, in microseconds since 1970; -1 = it is none. */
int date_read(struct span text, int64_t *wall_us_r);

#endif
