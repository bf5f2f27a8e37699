/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_XCLIENT_H
#define PROBE_PROTO_XCLIENT_H

#include "probe/base/arena.h"
#include "probe/plan.h"

/* Postfix' XCLIENT command (XCLIENT_README). */

/* "ADDR=198.51.100.4 NAME=client.example.net": what the plan claims, as it goes over the wire. */
char *xclient_text(struct arena *a, const struct plan *plan);

/* The whole command, or null when it does not fit in one line. */
char *xclient_command(struct arena *a, const struct plan *plan);

/* The first attribute that the plan claims and the parameters of the server's XCLIENT keyword do not list;
 * XCLIENT_COUNT when they list them all. */
enum xclient xclient_missing(const struct plan *plan, const char *params);

/* Whom a server that believes it takes the client for: the address, without "IPV6:", or else the name; null
 * when neither is claimed. */
const char *xclient_who(const struct plan *plan);

/* The mark of an IPv6 address. */
#define XCLIENT_IPV6 "IPV6:"

#endif
