/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_OAUTH_H
#define PROBE_VERIFY_OAUTH_H

#include "probe/account.h"
#include "probe/base/span.h"
#include "probe/net/dns.h"

#include <uv.h>

/*
 * The access tokens of an account (RFC 6749): asked for when one is needed, kept until three quarters of its
 * life are over or a server refuses it. A refresh token that the token server replaces is followed, in
 * memory.
 */
struct oauth;

#define OAUTH_MAX_TOKEN (16 * 1024) /* octets */

/* The account is kept by its owner as long as this lives. */
struct oauth *oauth_new(uv_loop_t *loop, struct dns *dns, const struct account *account);

/* Nobody is called any more. Memory follows from the loop. */
void oauth_free(struct oauth *o); /* null is fine */

/* token is empty when there is none, and why says so in one sentence without its full stop and without a
 * secret. Both live as long as the call. */
typedef void oauth_got(void *context, struct span token, const char *why);

/* Called once, from the loop, never from inside. One at a time: who has asked is called, or cancels, before
 * the next may ask. */
void oauth_ask(struct oauth *o, int64_t deadline_us, oauth_got *got, void *context);
void oauth_cancel(struct oauth *o);

/* The mail server has refused the token: the next one who asks gets another. */
void oauth_refused(struct oauth *o);

/* ---- what an answer of a token server says, for tests ---- */

struct oauth_answer {
    const char *token;   /* null: none */
    const char *refresh; /* a new refresh token; null: the old one stays */
    int64_t life_us;
    const char *why; /* why there is none */
};

struct arena;
struct mask;

/* RFC 6749 section 5. Texts go to the arena; in why the mask hides what the server repeats of us. */
struct oauth_answer oauth_read_answer(struct arena *a, int status, struct span body, const struct mask *mask);

/* The form that asks for a token (sections 4.4.2 and 6), percent-encoded; refresh null: in the client's name.
 */
struct span oauth_form(struct arena *a, const struct account_oauth *oauth, struct span refresh);

#endif
