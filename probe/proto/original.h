/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_ORIGINAL_H
#define PROBE_PROTO_ORIGINAL_H

#include "probe/base/arena.h"
#include "probe/base/span.h"
#include "probe/evidence.h"
#include "probe/plan.h"

/*
 * What was sent, small, to tell later whether it came as it was: of the first 64 fields of the header the
 * name and a hash of the value, of the body its octets and hashes of its beginning. The hashes find
 * accidents, they are no proof against somebody who means to deceive.
 */
#define ORIGINAL_MAX_SIZE 8192 /* octets */

/* In the arena; a form of its own, for a ledger to keep. */
struct span original_pack(struct arena *a, const struct plan_letter *letter);

/*
 * What of it is not as it was sent, in a message of which kept is the beginning and size the octets of all of
 * it: "body", "header Subject". How many, at most EVIDENCE_MAX_CHANGES, and the texts, in the arena.
 *
 * No change are: fields that were added, how a field is folded, the case of its name, fields that are there
 * for mail servers (Return-Path, Bcc, Resent-Bcc, Content-Length); blanks at the end of a line, empty lines
 * at the end. Of a message that kept has but a part of, what it has is compared, and the octets of all of it.
 */
size_t original_compare(struct arena *a, struct span packed, struct span kept, size_t size,
                        const char *const **changes_r);

#endif
