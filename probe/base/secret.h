/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_SECRET_H
#define PROBE_BASE_SECRET_H

#include "probe/base/span.h"

/* Bytes that are shown to nobody: their memory is wiped before it is given back. They have no text form but
 * SECRET_SHOWN. */
struct secret;

#define SECRET_SHOWN "***"

struct secret *secret_new(struct span bytes); /* a copy */
void secret_free(struct secret *s);           /* wipes it; null is fine */

/* Followed by a NUL that is not counted. Of null it is empty. */
struct span secret_bytes(const struct secret *s);

/* Wipes memory that held one, whatever the compiler thinks of that; null is fine. */
void secret_wipe(void *memory, size_t len);

#endif
