/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_ACCOUNT_H
#define PROBE_ACCOUNT_H

#include "probe/base/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a store of mail is reached with: plain values, complete, immutable. Whoever makes one owns all it
 * points to.
 */
enum account_protocol { ACCOUNT_IMAP, ACCOUNT_POP3, ACCOUNT_PROTOCOL_COUNT };

/* Where access tokens come from (RFC 6749): with a refresh token its grant, else client_credentials. */
struct account_oauth {
    const char *token_url; /* null = there is no such thing */
    const char *client_id;
    const struct secret *client_secret; /* null = none */
    const struct secret *refresh_token; /* null = none */
    const char *const *scopes;
    size_t scope_count;
};

struct account {
    const char *url; /* as the config says it: "imaps://mail.example.org", to be shown */
    enum account_protocol protocol;
    const char *host; /* a name or an IP address, without brackets */
    uint16_t port;
    bool implicit_tls;       /* imaps, pop3s; else STARTTLS or STLS before the login */
    bool allow_plaintext;    /* where the server offers no TLS, go on without */
    const char *ca_file;     /* null = whom the system trusts */
    const char *server_name; /* whom the certificate must be for; null = the host */
    bool insecure_skip_verify;
    const char *username;
    const struct secret *password; /* null: a token is used */
    struct account_oauth oauth;
    const char *const *folders; /* IMAP: the first is where mail belongs, the others where it should not be;
                                   one that begins with a backslash is a special use (RFC 6154) */
    size_t folder_count;
};

#endif
