/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_FINGERPRINT_H
#define PROBE_BASE_FINGERPRINT_H

#include "probe/base/span.h"

#include <stdint.h>

/*
 * Whether the body of a message is what it was, without keeping it. The header is passed over, up to the
 * first empty line. CRLF and LF are one and the same line end, and how many of them end the body does not
 * count: a message has the same fingerprint on the wire, in a file of Unix lines, and behind a hop that adds
 * the last line end. It tells accidents, not forgers: 64 bits, and no secret in it.
 */
struct fingerprint { /* begin with zeros */
    uint64_t hash;
    uint64_t line_ends; /* not in it yet */
    bool cr;            /* nor this */
    bool in_line;       /* of the header: it is not empty */
    bool in_body;
};

void fingerprint_feed(struct fingerprint *f, struct span bytes);

/* Of what was fed so far; more may be. */
uint64_t fingerprint_of(const struct fingerprint *f);

/* Of a whole message at once. */
uint64_t fingerprint_of_message(struct span message);

#endif
