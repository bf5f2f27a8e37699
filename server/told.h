/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_TOLD_H
#define SERVER_TOLD_H

#include "probe/base/buffer.h"
#include "probe/delivery.h"
#include "probe/result.h"

/*
 * Results that were made of others: with their deliveries as they stand, or as stale. Who asks again gets the
 * same one, as long as what it was made of is the same: then what is shown of it is the same, too
 * (server/shown.h). Kept are those that were asked for last, in a bounded number and size.
 */
struct told;

/* So many loops have one each, and share the octets; but there is room for the largest in each of them. */
struct told *told_new(unsigned loops);
void told_free(struct told *told); /* null is fine */

/* What was made of that result in that way, a reference to it the caller's; null: it is not there. */
struct result *told_recall(struct told *told, const struct result *of, struct span way);

/* Takes a reference to each, and copies the way. */
void told_keep(struct told *told, struct result *of, struct span way, struct result *made);

/* All that a delivery says, as octets of a way: where they are the same, it is the same delivery. */
void told_put_delivery(struct buffer *way, const struct delivery *d);

/* How many are kept now, and the octets that they hold. */
#define TOLD_KEPT        128
#define TOLD_MOST        ((size_t)16 * 1024 * 1024)
#define TOLD_MOST_OF_ONE (TOLD_MOST / 4) /* a larger one is not kept */
size_t told_count(const struct told *told);
size_t told_bytes(const struct told *told);

#endif
