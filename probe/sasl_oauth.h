/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_SASL_OAUTH_H
#define PROBE_SASL_OAUTH_H

#include "probe/auth.h"
#include "probe/base/arena.h"

#include <stdint.h>

/*
 * The words of XOAUTH2 and OAUTHBEARER (RFC 7628), and bearer tokens (RFC 6750 section 2.1), in files that
 * somebody else renews.
 */
#define SASL_OAUTH_MAX_FILE ((size_t)64 * 1024)

/* What stands in a regular file of at most that size, without the line end at its end. Blocks; not for a
 * loop. Null = it cannot be used: then a sentence, of the path and never of the content, is made in the
 * arena. */
struct secret *sasl_oauth_read_token(const char *path, struct arena *a, const char **message_r);

/* Printable ASCII without spaces, and at least one of it: what can stand in both messages. */
bool sasl_oauth_is_token(struct span token);

/* Of the first message what stands before the token, and behind it; and the whole of the second one. The
 * username has no control characters in it. The host may be the path of a Unix socket: it is not told. */
const char *sasl_oauth_head(enum auth_mechanism m, const char *username, const char *host, uint16_t port,
                            struct arena *a);
#define SASL_OAUTH_TAIL "\001\001"
const char *sasl_oauth_acknowledgement(enum auth_mechanism m);

#endif
