/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_DELIVERY_H
#define PROBE_DELIVERY_H

#include "probe/base/clock.h"
#include "probe/evidence.h"
#include "probe/verdict.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What became of a message. Plain values; texts belong to whoever made it. Times are monotonic microseconds.
 */
struct delivery {
    /* ROUTE_NONE: there is none. pending, or how it was settled, once the server had taken it (delivered,
     * altered, elsewhere, late, lost, bounced, unverified); else how the sending ended: queued, rejected,
     * deferred, uncertain, or accepted where it broke off in the message. */
    enum route_state state;
    bool ok;             /* once it is settled: as the route wants it */
    enum phase phase;    /* if it is not, and the sending itself was at fault: where its run failed, */
    enum reason reason;  /* and why; REASON_NONE = as the state says */
    const char *run;     /* id of the run that sent it */
    const char *mailbox; /* where it is looked for; null = nowhere */
    const char *found; /* where it was found instead, "imap Junk", or what its mailbox calls the place; null =
                          nowhere */
    const char *why;   /* unverified: why the mailbox could not be looked into; null = not known */
    int64_t sent_us;   /* the dot was written */
    int64_t settled_us;   /* when the state was known; CLOCK_NONE = it is pending */
    int64_t within_us;    /* so long it might take */
    int64_t latency_us;   /* from the dot to when it was seen in the mailbox; CLOCK_NONE = not seen */
    int64_t last_good_us; /* when the route's newest message that came as wanted was seen; 0 = none was */
    uint64_t flags;       /* bit 1 << enum flag */
    const struct evidence *evidence; /* of the message as it was found; null = it was not */
    const struct bounce *bounce;     /* of the report that came instead; null = none did */
};

/*
 * All of it, deep, into memory that put gives: a copy of size octets, suitably aligned, or null where the
 * copy is only counted, and null for no octets. What the delivery points to is read, whatever put returns.
 */
typedef void *delivery_put(void *context, const void *source, size_t size);
struct delivery delivery_copy(const struct delivery *from, delivery_put *put, void *context);

#endif
