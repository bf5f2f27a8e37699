/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_RECEIVED_H
#define PROBE_PROTO_RECEIVED_H

#include "probe/base/arena.h"
#include "probe/base/span.h"
#include "probe/evidence.h"

/*
 * A field Received (RFC 5321 section 4.4), as mail servers really write it. Sets all but the delay; what
 * cannot be found in it is null, a date that cannot be read CLOCK_NONE. from is with what the server itself
 * knows of the client ("client.example.org (mail.example.org [192.0.2.7])"), by and with are without
 * comments.
 */
void received_read(struct arena *a, struct span value, struct evidence_hop *hop_r);

#endif
