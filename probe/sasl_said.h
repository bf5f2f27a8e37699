/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_SASL_SAID_H
#define PROBE_SASL_SAID_H

#include "probe/base/arena.h"
#include "probe/base/mask.h"

/*
 * What a server says in a challenge (decoded), as far as it is looked at before libgsasl, or shown.
 */

/* Whether a server-first-message of SCRAM (RFC 5802 section 7: nonce "," salt "," iteration-count) wants more
 * iterations than that. What is none is not judged here. */
bool sasl_said_too_many(struct span challenge, unsigned long most);

/* What it says of a failure, in clean text without what the mask hides, cut with "..." after so many octets
 * (before they are escaped); null when that is nothing. */
const char *sasl_said_shown(struct span challenge, const struct mask *mask, size_t most, struct arena *a);

#endif
