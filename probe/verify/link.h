/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_LINK_H
#define PROBE_VERIFY_LINK_H

#include "probe/account.h"
#include "probe/base/span.h"
#include "probe/net/dns.h"

#include <stdbool.h>
#include <uv.h>

/*
 * A connection to a mail store, as far as a library does it (libcurl with CURLOPT_CONNECT_ONLY, a multi
 * handle of its own, on our loop): the name is resolved by us, then it is connected, encrypted and logged in.
 * From there on it is a stream of bytes, and what is said on it is the engines' (probe/proto/imap.h, pop3.h):
 * libcurl's own FETCH marks what it reads, and takes lines of a message for replies.
 *
 * Also HTTPS requests for OAuth tokens.
 */
struct link;

struct link_order {
    uv_loop_t *loop;
    struct dns *dns;
    const struct account *account; /* kept by its owner while the link lives */
    struct span token;             /* an OAuth access token; length 0 = the password is used. Copied. */
    int64_t deadline_us;           /* monotonic: the login must be done by then */
};

/* All of them from the loop, none from inside a call. After down the link is over and is to be freed. */
struct link_events {
    void (*up)(void *context); /* logged in */
    void (*bytes)(void *context, struct span bytes);
    /* One sentence without full stop, no secret in it: "connection refused", "login refused: \"NO
     * [AUTHENTICATIONFAILED] ...\"". is_login: the login itself was refused, so another token may help. */
    void (*down)(void *context, const char *why, bool is_login);
};

struct link *link_open(const struct link_order *order, const struct link_events *events, void *context);

/* Only once it is up. The bytes are copied; they go out in order. */
void link_send(struct link *link, struct span bytes);

/* No event comes any more. Memory follows from the loop. */
void link_free(struct link *link); /* null is fine */

/* A POST of a form, for a token (RFC 6749 section 4). */
struct link_post;
struct link_post_order {
    uv_loop_t *loop;
    struct dns *dns;
    const char *url;     /* https, or http where the config lets it */
    const char *ca_file; /* null = whom the system trusts */
    struct span form;    /* application/x-www-form-urlencoded; copied, wiped */
    int64_t deadline_us;
};
/* status 0: no answer, and why says what happened; else the HTTP status and at most 64 KiB of its body. */
typedef void link_posted(void *context, int status, struct span body, const char *why);
struct link_post *link_post(const struct link_post_order *order, link_posted *posted, void *context);
void link_post_cancel(struct link_post *post); /* null is fine; posted is not called */

/* Once for the process, before there are threads. */
void link_prepare(void);

/* Of libcurl, as it is linked: "7.88.1". */
const char *link_version(void);

#endif
