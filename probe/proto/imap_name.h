/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_IMAP_NAME_H
#define PROBE_PROTO_IMAP_NAME_H

#include "probe/base/arena.h"
#include "probe/base/buffer.h"

#include <stdbool.h>

/* Folder names as IMAP4rev1 has them on the wire: modified UTF-7 (RFC 3501 section 5.1.3). */

/* From valid UTF-8. */
const char *imap_name_encode(struct arena *a, const char *text);

/* Back, to be shown: what is no such name, or not clean, is escaped. */
const char *imap_name_decode(struct arena *a, const char *name);

/* Whether it may be sent: printable ASCII of a sane length, at least one. */
bool imap_name_is_good(const char *name);

/* As a quoted string. */
void imap_name_quote(struct buffer *b, const char *name);

#endif
