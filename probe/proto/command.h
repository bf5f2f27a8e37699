/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_COMMAND_H
#define PROBE_PROTO_COMMAND_H

#include "probe/base/arena.h"

/*
 * The one place that builds SMTP commands. CR, LF and NUL are refused here whatever was checked before
 * (RFC 5321 section 4.1.1); lines stay within its limits (section 4.5.3.1.4).
 */
#define COMMAND_MAX_LINE 512 /* octets with CRLF; longer ones are refused */

#define COMMAND_END ((const char *)NULL)

/* The parts (strings, COMMAND_END last) as they stand, nothing put between: the line without CRLF in the
 * arena, or null when it cannot be sent. */
char *command_build(struct arena *a, const char *verb, ...) __attribute__((sentinel));

/* The text as a parameter's value may hold it, xtext (RFC 3461 section 4): no spaces, no line ends. */
char *command_xtext(struct arena *a, const char *text);

#endif
