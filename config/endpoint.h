/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_ENDPOINT_H
#define CONFIG_ENDPOINT_H

#include "probe/base/address.h"
#include "probe/base/arena.h"

/* A place to dial or to listen at: "host:port" with a name or an IP address, IPv6 in brackets.
 * Each returns null, or what is wrong with the text; nothing is written then. */

/* The host without brackets goes to the arena. */
const char *endpoint_host(const char *text, struct arena *a, const char **host_r, uint16_t *port_r);

/* The same where only an IP address will do. */
const char *endpoint_literal(const char *text, struct address *address_r);

/* A host name: labels of letters, digits, - and _, 63 each and 253 in all; a dot may end it. What some
 * systems take for an IPv4 address (127.1, 0x7f000001) is none. */
bool endpoint_is_host_name(const char *text);

#endif
