/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_BASE64_H
#define PROBE_BASE_BASE64_H

#include "probe/base/span.h"

/* RFC 4648 section 4. */
#define BASE64_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

/* How long so many octets are. */
size_t base64_len(size_t len);

/* out_r has room for base64_len(bytes.len) characters; not terminated. */
void base64_encode(struct span bytes, char *out_r);

/* Only as it is written above: whole groups of four, padding, no other character, no bit set that belongs to
 * no octet. The length, at most text.len / 4 * 3, for which out_r has room; -1 = wrong, and what out_r holds
 * is undefined. */
int base64_decode(struct span text, char *out_r);

#endif
