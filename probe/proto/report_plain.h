/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_REPORT_PLAIN_H
#define PROBE_PROTO_REPORT_PLAIN_H

#include "probe/proto/report.h"

/* Bounces that are a text for people alone. Private to report.c. */
enum report_plain { REPORT_NOT_PLAIN, REPORT_EXIM, REPORT_QMAIL };

enum report_plain report_plain_kind(struct span kept);

/* From nobody whom one could answer: what qmail's reports are known by, but for their first line. */
bool report_plain_is_from_nobody(struct span header);

/* Like report_read. */
int report_plain_read(struct arena *a, struct span kept, char token_r[MESSAGE_TOKEN_SIZE],
                      struct bounce *bounce_r);

#endif
