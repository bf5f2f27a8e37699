/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_LINK_PUMP_H
#define PROBE_VERIFY_LINK_PUMP_H

#include "probe/base/address.h"
#include "probe/net/dns.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/*
 * One transfer of libcurl on our loop, in a multi handle of its own. The name is resolved by us; libcurl asks
 * no resolver, no proxy, no .netrc, and starts no thread. For link.c and link_post.c alone.
 */
struct link_pump;

struct link_pump_order {
    uv_loop_t *loop;
    struct dns *dns;
    const char *host; /* a name or an IP address, without brackets: whom to dial, whatever the URL says */
    uint16_t port;
    int64_t deadline_us;
};

/* The transfer is over: CURLE_OK, or not. Once, from the loop; the pump may be freed from inside. */
typedef void link_pumped(void *context, CURLcode code);

/* The easy handle is the pump's from now on. What it needs besides (URL, login, callbacks) is set before. */
struct link_pump *link_pump_start(const struct link_pump_order *order, CURL *easy, link_pumped *pumped,
                                  void *context);
/* No callback comes any more; its connection is closed. Memory follows from the loop. */
void link_pump_free(struct link_pump *p); /* null is fine */

CURL *link_pump_easy(const struct link_pump *p);

/* From inside a callback of libcurl: the connection is to break, whatever libcurl is about to do with it. */
void link_pump_break(struct link_pump *p);

/* Whether TCP came about. */
bool link_pump_connected(const struct link_pump *p);

/* Why it failed, as far as names, sockets and TLS go: one sentence without its full stop, clean. */
#define LINK_WHY_SIZE 512
void link_pump_say(const struct link_pump *p, CURLcode code, char why_r[LINK_WHY_SIZE]);

#endif
