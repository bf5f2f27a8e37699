/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_KNOWN_H
#define SERVER_KNOWN_H

#include "server/digest.h"

/* The passwords that were looked at last, by their digests. One for all loops; any thread may ask it, and
 * tell it of more. */
struct known;

#define KNOWN_KEPT 256 /* of good and bad ones each: as many as there may be users */

enum known_verdict { KNOWN_NOT, KNOWN_GOOD, KNOWN_BAD };

struct known *known_new(void);
void known_free(struct known *known); /* null is fine */

enum known_verdict known_find(struct known *known, const struct digest *digest);

/* The oldest of its kind may be forgotten for it. */
void known_add(struct known *known, const struct digest *digest, bool good);

#endif
