/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_SECRET_H
#define PROBE_BASE_SECRET_H

#include "probe/base/span.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes that are shown to nobody: their memory is wiped before it is given back. They have no text form but
 * SECRET_SHOWN. */
struct secret;

#define SECRET_SHOWN "***"

struct secret *secret_new(struct span bytes); /* a copy */
void secret_free(struct secret *s);           /* wipes it; null is fine */
struct span secret_bytes(const struct secret *s);

/* What must not be seen in what a peer says: secrets in every form in which they went over the wire. */
struct mask;

struct mask *mask_new(void);
void mask_free(struct mask *m); /* wipes it; null is fine */

/* The bytes and their base64, at each of the three places where they may begin in something longer. Empty
 * ones are not added. */
void mask_add(struct mask *m, struct span bytes);
/* The bytes as they are, and no other form. */
void mask_add_exact(struct mask *m, struct span bytes);

/* Writes the text with each occurrence, the longest first, replaced by SECRET_SHOWN, to out_r (room for
 * mask_room(text.len) bytes; not terminated), and returns how long that is. A null mask hides nothing. */
size_t mask_room(size_t len);
size_t mask_apply(const struct mask *m, struct span text, char *out_r);

#endif
