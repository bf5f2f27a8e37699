/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_PROXY_HEADER_H
#define PROBE_PROTO_PROXY_HEADER_H

#include "probe/plan.h"

/* The header of HAProxy's PROXY protocol, versions 1 and 2, for a plan that wants one and the address that
 * was dialled, which is of the claimed source's family. A local header names nobody: "PROXY UNKNOWN" in
 * version 1. */
#define PROXY_HEADER_SIZE 108 /* version 1 is the longer one: 107 octets at most */

/* Its length. */
size_t proxy_header_build(const struct plan_proxy *proxy, const struct address *to,
                          char out_r[PROXY_HEADER_SIZE]);

/* As people read it: the line of version 1 without its end, of version 2 the same in words: "v2 PROXY TCP4
 * 192.0.2.9 192.0.2.1 4711 25", "v2 LOCAL". */
void proxy_header_words(const struct plan_proxy *proxy, const struct address *to,
                        char out_r[PROXY_HEADER_SIZE]);

#endif
