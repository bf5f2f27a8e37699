/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/probe/net/tls_peer.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MOST 200
#define WIRE_MOST   (4 * 1024 * 1024)

void tls_peer_init(struct tls_peer *p, const struct certificates_made *chain, size_t count)
{
    *p = (struct tls_peer){.ctx = SSL_CTX_new(TLS_server_method()), .now_us = 1000};
    buffer_init(&p->got, 1 << 20);
    buffer_init(&p->read, 1 << 20);
    SSL_CTX_set_security_level(p->ctx, 0);
    SSL_CTX_set_min_proto_version(p->ctx, TLS1_VERSION);
    SSL_CTX_set_num_tickets(p->ctx, 2);
    SSL_CTX_set_max_cert_list(p->ctx, 4L * 1024 * 1024);
    if (count == 0)
        return;
    SSL_CTX_use_certificate(p->ctx, chain[0].certificate);
    SSL_CTX_use_PrivateKey(p->ctx, chain[0].key);
    for (size_t i = 1; i < count; i++)
        SSL_CTX_add1_chain_cert(p->ctx, chain[i].certificate);
}

void tls_peer_start(struct tls_peer *p)
{
    p->ssl = SSL_new(p->ctx);
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    SSL_set_bio(p->ssl, p->in, p->out);
    SSL_set_accept_state(p->ssl);
}

void tls_peer_clear(struct tls_peer *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
    buffer_free(&p->got);
    buffer_free(&p->read);
}

EVP_PKEY *tls_peer_weak_dh(void)
{
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("group", "dh_1024_160", 0),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "DHX", NULL);
    EVP_PKEY *key = NULL;

    EVP_PKEY_keygen_init(maker);
    EVP_PKEY_CTX_set_params(maker, params);
    EVP_PKEY_generate(maker, &key);
    EVP_PKEY_CTX_free(maker);
    return key;
}

static void run_server(struct tls_peer *p)
{
    char data[4096];
    int got;

    ERR_clear_error();
    if (!SSL_is_init_finished(p->ssl) && SSL_do_handshake(p->ssl) == 1 && p->says)
        SSL_write(p->ssl, p->says, (int)strlen(p->says));
    ERR_clear_error();
    while (SSL_is_init_finished(p->ssl) && (got = SSL_read(p->ssl, data, sizeof(data))) > 0)
        buffer_put(&p->got, data, (size_t)got);
    ERR_clear_error();
}

void tls_peer_hand(struct tls_peer *p, struct tls *t, const void *data, size_t len)
{
    const char *bytes = data;
    char plain[100];
    size_t got;
    size_t step = p->step ? p->step : TLS_RECEIVE_MOST;

    for (size_t at = 0; at < len; at += step) {
        tls_receive(t, (struct span){bytes + at, len - at < step ? len - at : step}, ++p->now_us);
        while ((got = tls_read(t, plain, sizeof(plain), &p->read_us)) > 0)
            buffer_put(&p->read, plain, got);
    }
}

size_t tls_peer_take(struct tls_peer *p, unsigned char *data, size_t size)
{
    int got = BIO_read(p->out, data, (int)size);

    return got > 0 ? (size_t)got : 0;
}

void tls_peer_talk(struct tls_peer *p, struct tls *t)
{
    unsigned char *wire = malloc(WIRE_MOST);
    size_t len = 1;

    for (int round = 0; round < ROUNDS_MOST && len; round++) {
        struct span out = tls_output(t);
        if (out.len)
            BIO_write(p->in, out.data, (int)out.len);
        len = out.len;
        tls_sent(t, out.len);
        run_server(p);
        size_t got = tls_peer_take(p, wire, WIRE_MOST);
        if (p->touch)
            p->touch(p, wire, got);
        tls_peer_hand(p, t, wire, got);
        len += got;
    }
    free(wire);
}
