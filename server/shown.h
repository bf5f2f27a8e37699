/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SHOWN_H
#define SERVER_SHOWN_H

#include "probe/base/buffer.h"
#include "probe/result.h"

/*
 * JSON of results that many ask for: made once, and given to all with its age of the moment. Always what
 * json_result gives; some of the last are kept, each with a reference to its result.
 */
struct shown;

struct shown *shown_new(void);
void shown_free(struct shown *shown); /* null is fine */

/* Without any (null) it is made anew. */
void shown_json(struct shown *shown, struct buffer *out, struct result *r, int64_t now_us);

/* How many are kept now. */
size_t shown_count(const struct shown *shown);

#endif
