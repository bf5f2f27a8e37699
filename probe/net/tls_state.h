/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_TLS_STATE_H
#define PROBE_NET_TLS_STATE_H

#include "probe/base/buffer.h"
#include "probe/net/tls.h"
#include "probe/net/tls_record.h"
#include "probe/net/tls_verify.h"

/* A connection from inside. Private to tls.c and tls_fail.c; OpenSSL's types are named by their tags. */
struct bio_st;
struct ssl_st;

struct tls {
    struct tls_context *context;
    struct ssl_st *ssl;
    struct bio_st *in;
    struct bio_st *out;
    char *host; /* null in a server */
    bool hides; /* what the peer wrote in the place of TLS */
    enum tls_state state;
    enum reason reason;
    char message[TLS_MESSAGE_SIZE];

    struct tls_record record;
    size_t received;
    unsigned idle;       /* records after the handshake with nothing inside */
    struct buffer plain; /* that was inside and not read yet */
    int64_t plain_us;

    int hello_version; /* as the peer's hello says; 0 = none came */
    int alert;         /* of the peer's; -1 = none came */
    bool alert_was_warning;

    struct tls_verify verify;
};

/* How it ends (tls_fail.c). It fails once: the first reason stays. */
bool tls_fail_is_over(const struct tls *t);     /* closed or failed */
const char *tls_fail_peer(const struct tls *t); /* "the server" */

void tls_fail(struct tls *t, enum reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void tls_fail_openssl(struct tls *t);                  /* what stands in OpenSSL's queue of errors */
void tls_fail_record(struct tls *t, struct span rest); /* rest came where a record should have */

#endif
