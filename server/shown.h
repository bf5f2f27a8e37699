/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SHOWN_H
#define SERVER_SHOWN_H

#include "probe/base/buffer.h"
#include "probe/result.h"
#include "server/views.h"

/*
 * What many ask for: results as a view shows them, made once, and given to all with the ages of the moment.
 * Always, byte for byte, what the view gives. What was asked for last is kept, each with a reference to its
 * results, in a bounded number and size (their own counted in).
 */
struct shown;

/* So many loops have one each, and share the octets; but there is room for the largest in each of them. */
struct shown *shown_new(unsigned loops);
void shown_free(struct shown *shown); /* null is fine */

/* Without any (null) it is made anew. */
void shown_one(struct shown *shown, const struct view *view, struct buffer *out, const struct result *r,
               int64_t now_us);
void shown_set(struct shown *shown, const struct view *view, struct buffer *out, const struct render_set *set,
               int64_t now_us);

/* How many are kept now, and the octets that they hold. */
#define SHOWN_KEPT        256
#define SHOWN_MOST        ((size_t)4 * 1024 * 1024)
#define SHOWN_MOST_OF_ONE (SHOWN_MOST / 8) /* a larger one is not kept */
size_t shown_count(const struct shown *shown);
size_t shown_bytes(const struct shown *shown);

#endif
