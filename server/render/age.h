/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_AGE_H
#define SERVER_RENDER_AGE_H

#include "server/render/render.h"

/*
 * Ages in the views: all that changes in what is shown of a result. A view that is written at no moment
 * (AGE_NO_MOMENT as its now_us) is a template: where an age belongs stands since when it counts, in
 * microseconds, between two marks, which are octets that no text may hold (probe/base/text.h).
 */
#define AGE_NO_MOMENT CLOCK_NONE
#define AGE_MARK      '\x0e'

/* How a view tells ages. */
typedef void age_tell(int64_t past_us, int64_t now_us, char out_r[RENDER_NUMBER_SIZE]);
void age_seconds(int64_t past_us, int64_t now_us, char out_r[RENDER_NUMBER_SIZE]); /* to a tenth: "12.3" */
void age_milliseconds(int64_t past_us, int64_t now_us, char out_r[RENDER_NUMBER_SIZE]);

/* Where an age begins, at or behind from: the offset of its first mark, and since when it counts; its length
 * with both marks, 0 when there is none. */
size_t age_find(struct span bytes, size_t from, size_t *at_r, int64_t *past_us_r);

#endif
