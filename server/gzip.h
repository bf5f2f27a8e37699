/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_GZIP_H
#define SERVER_GZIP_H

#include "probe/base/buffer.h"

/* The bytes as a gzip file (RFC 1952), in their place: 0; or -1, and they stand as they were. */
int gzip_pack(struct buffer *body);

/* Of zlib, as it is linked: "1.2.13". */
const char *gzip_version(void);

#endif
