/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_LOGON_H
#define PROBE_VERIFY_LOGON_H

#include "probe/verify/link.h"
#include "probe/verify/oauth.h"

/*
 * A link that gets its own access token where the account has no password, and asks once for another one
 * where the server refuses the first. Its events are a link's: is_login of down says no more than that it is
 * over.
 */
struct logon;

struct logon_order {
    uv_loop_t *loop;
    struct dns *dns;
    const struct account *account; /* kept by its owner while the login lives, and so is oauth */
    struct oauth *oauth;           /* null: there is a password */
    int64_t deadline_us;           /* for tokens and logins together */
};

struct logon *logon_open(const struct logon_order *order, const struct link_events *events, void *context);

/* As for a link. */
void logon_send(struct logon *logon, struct span bytes);
void logon_free(struct logon *logon); /* null is fine; also from inside its events */

#endif
