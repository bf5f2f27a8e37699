/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_TLS_VERIFY_H
#define PROBE_NET_TLS_VERIFY_H

#include "probe/base/arena.h"
#include "probe/result.h"

#include <stdbool.h>

/* The judgement on the certificates of one connection. OpenSSL's types are named by their tags. */
#define TLS_VERIFY_CHAIN_MOST 20

struct stack_st_X509;
struct x509_st;
struct x509_store_ctx_st;

/* The caller sets host and has_ca_file; zeroed besides. */
struct tls_verify {
    const char *host; /* whom the certificate must be for */
    bool has_ca_file; /* the target's own; else the system's authorities are trusted */

    struct stack_st_X509 *chain; /* as sent; null = none came */
    bool verified;
    int64_t trusted_until_wall_us; /* as in struct result_tls */
    enum reason reason;            /* the first thing wrong; REASON_NONE = none, or none was looked at */
    int error;                     /* in OpenSSL's numbers */
    struct x509_st *certificate;   /* that is wrong; null = the chain is */
};

/* Judges what OpenSSL was sent. 0, or -1 when there are too many to be looked at. */
int tls_verify_store(struct tls_verify *v, struct x509_store_ctx_st *store);

/* What is wrong, as one sentence. reason must say that something is. */
const char *tls_verify_sentence(const struct tls_verify *v, struct arena *a);

/* Fills in verified, reason and the chain; too many certificates have the reason handshake. */
void tls_verify_show(const struct tls_verify *v, struct arena *a, struct result_tls *out);
void tls_verify_clear(struct tls_verify *v);

#endif
