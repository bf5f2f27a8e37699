/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_EVIDENCE_H
#define PROBE_PROTO_EVIDENCE_H

#include "probe/base/arena.h"
#include "probe/base/span.h"
#include "probe/evidence.h"

/* Octets of all texts of one message's evidence, beside the limits of its lists. */
#define EVIDENCE_MAX_ALL ((size_t)32 * 1024)

/*
 * What a message says itself. kept is its beginning, or its header alone; size is the octets of all of it;
 * seen_wall_us is when it was found. Everything it points to is in the arena. It has no changes: these are
 * original_compare's.
 */
void evidence_read(struct arena *a, struct span kept, size_t size, int64_t seen_wall_us,
                   struct evidence *evidence_r);

/* Whose copy it is, as its header says: the first X-Original-To, else Delivered-To, else Envelope-To, without
 * angle brackets; null = it does not say. */
const char *evidence_recipient(struct arena *a, struct span kept);

#endif
