/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_AUTH_H
#define PROBE_AUTH_H

#include "probe/base/mask.h"
#include "probe/base/secret.h"
#include "probe/base/span.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Who ehlod is to a server (RFC 4954): what a login is made with, the ways to prove it, and what passes
 * between the dialogue, which knows the replies, and probe/sasl, which knows the secrets. The dialogue never
 * sees a secret: it gets whole response lines, and a mask for whatever a server may echo.
 */

/* SASL mechanisms, the strongest first: that is the order in which they are chosen. */
enum auth_mechanism {
    AUTH_SCRAM_SHA_256, /* RFC 7677 */
    AUTH_SCRAM_SHA_1,   /* RFC 5802 */
    AUTH_CRAM_MD5,      /* RFC 2195 */
    AUTH_OAUTHBEARER,   /* RFC 7628 */
    AUTH_XOAUTH2,
    AUTH_EXTERNAL, /* RFC 4422 appendix A: the client certificate proves it */
    AUTH_PLAIN,    /* RFC 4616 */
    AUTH_LOGIN,
    AUTH_MECHANISM_COUNT /* also: none is named */
};

/* What a mechanism proves who it is with. */
enum auth_proof { AUTH_BY_PASSWORD, AUTH_BY_TOKEN, AUTH_BY_CERTIFICATE };

const char *auth_name(enum auth_mechanism m);       /* "SCRAM-SHA-256" */
enum auth_mechanism auth_by_name(struct span name); /* in any case; COUNT = none of ours */
enum auth_proof auth_proof_of(enum auth_mechanism m);
bool auth_shows_secret(enum auth_mechanism m);        /* to anybody on the way: only inside TLS */
bool auth_client_speaks_first(enum auth_mechanism m); /* has an initial response (RFC 4422 section 5) */

/* What a target logs in with. */
struct auth_login {
    bool wanted;                   /* there is an auth in the config */
    enum auth_mechanism mechanism; /* COUNT = the strongest offered */
    const char *username;          /* "" with EXTERNAL: as the certificate says */
    const struct secret *password; /* null = none */
    const char *token_file;        /* read anew for each login, because tokens expire; null = none */
    const struct secret *token;    /* said in the config itself; null = none */
    bool has_certificate;          /* a client certificate is shown to the server */
    bool allow_plaintext;
    bool rejected; /* the login must be refused: expect: rejected */
};

/* What the dialogue asks for: the answer to a challenge. */
struct auth_question {
    enum auth_mechanism mechanism;
    bool first;            /* the initial response: the server has said nothing yet */
    const char *challenge; /* as the server sent it, base64; "" also when first */
};

enum auth_progress {
    AUTH_MORE,           /* the line is to be sent; more challenges are due before the server may say 235 */
    AUTH_SAID,           /* the line is to be sent; then the client has said and seen all that it needs */
    AUTH_BAD_CHALLENGE,  /* the challenge makes no sense: cancel */
    AUTH_SERVER_INVALID, /* the server does not prove that it knows the secret, or asks for too much: cancel
                          */
    AUTH_UNABLE          /* ehlod's own fault: a token file that cannot be read, no memory for it */
};

/* The answer. What it points to lives as long as the exchange that gave it (struct sasl). */
struct auth_answer {
    enum auth_progress progress;
    struct span line;    /* the response in base64, without CRLF; of length 0 = an empty response */
    const char *message; /* why it is none: one sentence without full stop; null with MORE and SAID */
    const char *detail;  /* what the server's challenge said of a failure (OAuth's JSON); null = nothing */
    const struct mask *mask; /* what no reply may show from now on; never null */
};

#endif
