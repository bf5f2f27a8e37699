/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROBE_NET_TLS_PEER_H
#define TESTS_UNIT_PROBE_NET_TLS_PEER_H

#include "probe/base/buffer.h"
#include "probe/net/tls.h"
#include "tests/unit/probe/net/certificates.h"

/*
 * A TLS server as sick as wanted, in memory, and the wire between it and a client. It takes any version and
 * anything weak; a test sets ctx before tls_peer_start and changes what is on the wire with touch.
 */
struct tls_peer {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in;
    BIO *out;
    struct buffer got;  /* of the client's plain text */
    struct buffer read; /* of the server's, by the client */
    const char *says;   /* as soon as its handshake is over; null = nothing */
    size_t step;        /* bytes that the client gets at once; 0 = all */
    int64_t now_us;     /* one more with each piece */
    int64_t read_us;    /* when the client's last plain text came */
    void (*touch)(struct tls_peer *p, unsigned char *data, size_t len); /* changes what the client gets */
    unsigned seed;                                                      /* for touch */
};

void tls_peer_init(struct tls_peer *p, const struct certificates_made *chain, size_t count);
void tls_peer_start(struct tls_peer *p);
void tls_peer_clear(struct tls_peer *p);

EVP_PKEY *tls_peer_weak_dh(void); /* of 1,024 bits, for the caller to free */

/* Lets both talk until neither has anything to say. */
void tls_peer_talk(struct tls_peer *p, struct tls *t);

/* What the server has to say now, taken off it: tls_peer_hand hands it, or anything, to the client. */
size_t tls_peer_take(struct tls_peer *p, unsigned char *data, size_t size);
void tls_peer_hand(struct tls_peer *p, struct tls *t, const void *data, size_t len);

#endif
