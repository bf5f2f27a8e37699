/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_TLS_CONTEXT_H
#define PROBE_NET_TLS_CONTEXT_H

#include "probe/plan.h"

#include <stdatomic.h>
#include <stdbool.h>

/* TLS settings made ready, for any number of connections in any thread. */

/* Of all certificates of a chain; one with 10,000 names fits. */
#define TLS_CONTEXT_CERT_LIST_MOST (512 * 1024)

/* What is wrong with the settings, and with which: "ca_file", "cert_file" or "key_file"; null when
 * it is none of them. */
#define TLS_CONTEXT_ERROR_SIZE 512
struct tls_context_error {
    const char *setting;
    char message[TLS_CONTEXT_ERROR_SIZE]; /* "/etc/ca.pem: cannot be opened: No such file or directory" */
};

/* For a client. Reads files, blocking. Null when something is wrong, be it that this machine's OpenSSL has no
 * version or cipher for it, or trusts nobody. Nothing of the settings is kept. */
struct tls_context *tls_context_new(const struct plan_tls *settings, struct tls_context_error *error_r);

/* For the other side. key_file null: the key stands in cert_file, too. */
struct tls_context *tls_context_new_server(const char *cert_file, const char *key_file,
                                           struct tls_context_error *error_r);

/* One more owner. */
struct tls_context *tls_context_ref(struct tls_context *context); /* null is fine */

/* Null is fine. Connections that were made with it go on. */
void tls_context_free(struct tls_context *context);

/* ---- what follows is for tls.c ---- */

struct ssl_ctx_st;
struct ssl_st;
struct x509_store_ctx_st;

struct tls_context {
    atomic_uint shares; /* its owner's and one for each connection */
    struct ssl_ctx_st *ctx;
    bool is_server;
    bool skip_verify;
    enum tls_min min_version;
    bool has_ca_file;
};

/* In tls.c: verifies the certificates of a server. */
int tls_context_verify(struct x509_store_ctx_st *store, void *context);

/* In tls.c: whether a client shows its certificate. */
int tls_context_choose(struct ssl_st *ssl, void *context);

/* What OpenSSL gives null for when there is no memory: the process ends, as in mem.h. */
void *tls_context_memory(void *p);

#endif
