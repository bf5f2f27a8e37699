/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_SINK_COMMAND_H
#define PROBE_PROTO_SINK_COMMAND_H

#include "probe/proto/sink.h"

/* The commands of a session. Private to the sink: sink.c moves bytes and counts, sink_command.c has a row
 * for each command, sink_path.c reads the addresses. */

/* A whole command line without its end, with no control character in it. */
void sink_command(struct sink *s, const char *line);

/* What commands may do to the session: a whole reply line or lines without the last CRLF. */
void sink_say(struct sink *s, const char *reply);
void sink_complain(struct sink *s, const char *reply); /* likewise, and counts as an error */
void sink_close(struct sink *s, const char *reply);    /* the last words */
void sink_reset(struct sink *s);                       /* no transaction */
bool sink_speaks_lmtp(const struct sink *s);
void sink_go_on(struct sink *s); /* a message comes nearer: it has time for the next step */

/*
 * Reads "<path>" at the start of *text, which moves behind it: the address without source route in the
 * arena, "" for "<>"; or null when it is no path (RFC 5321 section 4.1.2).
 */
const char *sink_path(struct arena *a, const char **text);

/* Whether the address has a local part and a domain. */
bool sink_path_has_domain(const char *address);

/* Whether mail for the address is taken: its domain is one of these, or it is the bare postmaster. */
bool sink_path_is_ours(const struct sink_policy *policy, const char *address);

#endif
