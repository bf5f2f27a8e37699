/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_SERVER_RENDER_GOLDEN_H
#define TESTS_UNIT_SERVER_RENDER_GOLDEN_H

#include "probe/base/buffer.h"
#include "probe/result.h"

/*
 * Compares views with tests/golden/NAME.ENDING, byte by byte; what differs fails the test.
 * EHLOD_GOLDEN_UPDATE=1 writes the files anew: read the diff before you commit it.
 */

/* The result in every view. */
void golden_check(const char *name, const struct result *r, int64_t now_us);

void golden_check_bytes(const char *name, const char *ending, struct buffer *out);

/* Parsed back, too. */
void golden_check_json(const char *name, const char *ending, struct buffer *out);

#endif
