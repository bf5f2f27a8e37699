/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HTTPS_H
#define SERVER_HTTPS_H

#include "config/snapshot.h"

/*
 * How callers are spoken TLS with: certificate, key, and whom a caller's own certificate must come from, made
 * ready for any number of connections. Immutable, shared by count over threads. Reads no file.
 */
struct https;

/* What stands in the files, as PEM. */
struct https_files {
    struct span cert;
    struct span key;
    struct span client_ca; /* empty: there is none */
};

/* Null with a sentence when they cannot be used. Nothing of them is kept. */
#define HTTPS_ERROR_SIZE 256
struct https *https_new(const struct snapshot_tls *settings, const struct https_files *files,
                        char error_r[HTTPS_ERROR_SIZE]);

struct https *https_ref(struct https *https); /* null is fine, here and below */
void https_unref(struct https *https);

/* A GnuTLS session that has not yet begun its handshake gets these settings. They must stay until it is over.
 */
struct gnutls_session_int;
void https_begin(struct https *https, struct gnutls_session_int *session);

/* What libmicrohttpd wants to have instead of a certificate for all: knows none. */
typedef int https_none(void);
extern https_none *const https_nobody;

/* Of GnuTLS, as it runs. */
const char *https_version(void);

#endif
