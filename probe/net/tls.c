/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL over memory BIOs (RFC 8446, RFC 5246). One record at a time is handed in, so that what is inside
 * has a time and a peer's records can be counted. Settings are left to tls_context.c, the words for what
 * fails to tls_fail.c; certificates to tls_verify.c, which looks at them in the handshake, while what it says
 * is heeded behind it.
 */
#include "probe/net/tls.h"

#include "probe/base/mem.h"
#include "probe/net/tls_context.h"
#include "probe/net/tls_state.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

/* After a call of OpenSSL's that did not do it; mostly it waits for more. */
static void note_end(struct tls *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_ZERO_RETURN:
        if (t->state == TLS_HANDSHAKING)
            tls_fail(t, REASON_CLOSED, "%s ended TLS (close_notify) in the handshake", tls_fail_peer(t));
        else
            t->state = TLS_CLOSED;
        break;
    default:
        tls_fail_openssl(t);
    }
}

/* ---- certificates ---- */

/* Called by OpenSSL when the certificates are there; 1 = the handshake goes on. */
int tls_context_verify(X509_STORE_CTX *store, void *context)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = SSL_get_app_data(ssl);
    (void)context;

    if (tls_verify_store(&t->verify, store) == 0)
        return 1;
    tls_fail(t, REASON_HANDSHAKE, "the server sent more than %d certificates", TLS_VERIFY_CHAIN_MOST);
    return 0;
}

/* Called by OpenSSL before the client shows its own certificate; the server's was looked at by then. A server
 * that is not what it should be is not told who we are: it gets an empty list, as if there were none. */
int tls_context_choose(SSL *ssl, void *context)
{
    const struct tls *t = SSL_get_app_data(ssl);
    (void)context;

    if (t->verify.reason != REASON_NONE && !t->context->skip_verify)
        SSL_certs_clear(ssl);
    return 1;
}

/* ---- the stream ---- */

static void take_plain(struct tls *t)
{
    char data[TLS_WRITE_MOST];
    int got, most = 0;

    ERR_clear_error();
    while ((got = SSL_read(t->ssl, data, sizeof(data))) > 0) {
        buffer_put(&t->plain, data, (size_t)got);
        most = got > most ? got : most;
        ERR_clear_error();
    }
    note_end(t, got);
    OPENSSL_cleanse(data, (size_t)most);
}

/* The handshake is over: may anything be sent? */
static void judge(struct tls *t)
{
    bool shown = SSL_is_server(t->ssl) || SSL_get0_peer_certificate(t->ssl);

    t->state = TLS_UP;
    if ((t->verify.reason == REASON_NONE && shown) || t->context->skip_verify)
        return;
    SSL_shutdown(t->ssl);
    if (shown)
        tls_fail(t, t->verify.reason, "the certificate is not good");
    else /* an anonymous cipher: nothing was verified, for there was nothing to verify */
        tls_fail(t, REASON_CERT_UNTRUSTED, "%s showed no certificate", tls_fail_peer(t));
}

static void go_on(struct tls *t)
{
    if (t->state == TLS_HANDSHAKING) {
        ERR_clear_error();
        int done = SSL_do_handshake(t->ssl);
        if (done == 1)
            judge(t);
        else
            note_end(t, done);
    }
    if (t->state == TLS_UP)
        take_plain(t);
}

/* One record is whole: what OpenSSL makes of it, and whether it was of any use. */
static void take_record(struct tls *t)
{
    bool was_up = t->state == TLS_UP;
    size_t before = t->plain.len;

    go_on(t);
    if (was_up && t->plain.len == before && ++t->idle > TLS_MAX_IDLE)
        tls_fail(t, REASON_HANDSHAKE, "%s sent %u TLS records with nothing inside", tls_fail_peer(t),
                 t->idle);
}

void tls_receive(struct tls *t, struct span bytes, int64_t at_us)
{
    assert(t->plain.len == 0 && bytes.len <= TLS_RECEIVE_MOST);
    t->plain_us = at_us;
    while (bytes.len && !tls_fail_is_over(t)) {
        struct span piece;
        enum tls_record_found found = tls_record_take(&t->record, &bytes, &piece);
        t->received += piece.len;
        if (found == TLS_RECORD_WRONG) {
            tls_fail_record(t, bytes);
            return;
        }
        if (piece.len)
            BIO_write(t->in, piece.data, (int)piece.len);
        if (found == TLS_RECORD_WHOLE)
            take_record(t);
        if (t->state == TLS_HANDSHAKING && t->received > TLS_MAX_HANDSHAKE)
            tls_fail(t, REASON_HANDSHAKE, "%s sent more than %d KiB in a handshake", tls_fail_peer(t),
                     TLS_MAX_HANDSHAKE / 1024);
    }
}

void tls_broken(struct tls *t, enum reason how)
{
    const char *did = how == REASON_RESET ? "reset" : "closed";

    if (t->state == TLS_UP && how == REASON_CLOSED)
        tls_fail(t, REASON_TRUNCATED, "%s closed the connection without ending TLS (close_notify)",
                 tls_fail_peer(t));
    else if (t->state == TLS_UP)
        tls_fail(t, how, "%s reset the connection", tls_fail_peer(t));
    else
        tls_fail(t, how, "%s %s the connection in the TLS handshake%s", tls_fail_peer(t), did,
                 t->received ? "" : ", without a byte of its own");
}

struct span tls_output(const struct tls *t)
{
    char *data = NULL;
    long len = BIO_get_mem_data(t->out, &data);

    return len > 0 ? (struct span){data, (size_t)len} : (struct span){"", 0};
}

void tls_sent(struct tls *t, size_t len)
{
    char scrap[4096];

    while (len) {
        int got = BIO_read(t->out, scrap, (int)(len < sizeof(scrap) ? len : sizeof(scrap)));
        assert(got > 0);
        len -= (size_t)got;
    }
}

size_t tls_read(struct tls *t, char *data, size_t size, int64_t *at_us_r)
{
    size_t len = t->plain.len < size ? t->plain.len : size;

    if (len == 0)
        return 0;
    memcpy(data, t->plain.data, len);
    OPENSSL_cleanse(t->plain.data, len);
    buffer_consume(&t->plain, len);
    *at_us_r = t->plain_us;
    return len;
}

size_t tls_write(struct tls *t, struct span bytes)
{
    size_t len = bytes.len < TLS_WRITE_MOST ? bytes.len : TLS_WRITE_MOST;

    if (t->state != TLS_UP || len == 0 || SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN)
        return 0;
    ERR_clear_error();
    int done = SSL_write(t->ssl, bytes.data, (int)len);
    if (done > 0)
        return (size_t)done;
    note_end(t, done);
    return 0;
}

void tls_shut(struct tls *t)
{
    if ((t->state != TLS_UP && t->state != TLS_CLOSED) || SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN)
        return;
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    ERR_clear_error();
}

/* ---- making and showing ---- */

static void note_alert(const SSL *ssl, int where, int value)
{
    struct tls *t = SSL_get_app_data(ssl);

    if (where != SSL_CB_READ_ALERT || (value & 0xff) == SSL_AD_CLOSE_NOTIFY)
        return;
    t->alert = value & 0xff;
    t->alert_was_warning = value >> 8 == SSL3_AL_WARNING;
}

/* The version in the hello of the other side, which OpenSSL forgets when it does not like it. */
static void note_hello(int written, int version, int type, const void *data, size_t len, SSL *ssl,
                       void *context)
{
    const unsigned char *bytes = data;
    struct tls *t = context;
    (void)version;
    (void)ssl;

    if (!written && type == SSL3_RT_HANDSHAKE && len >= 6 &&
        (bytes[0] == SSL3_MT_SERVER_HELLO || bytes[0] == SSL3_MT_CLIENT_HELLO))
        t->hello_version = bytes[4] << 8 | bytes[5];
}

/* A name goes out as SNI, without the dot that makes it absolute; an address never does (RFC 6066), nor a
 * path.
 */
static void ask_for(struct tls *t)
{
    struct address address;
    char *name = mem_dup(t->host);
    size_t len = strlen(name);

    if (len && name[len - 1] == '.')
        name[len - 1] = '\0';
    /* Longer than a name can be: it is not asked for, and matches nothing. */
    if (address_parse_host(t->host, 0, &address) != 0)
        SSL_set_tlsext_host_name(t->ssl, name);
    free(name);
}

struct tls *tls_new(struct tls_context *context, const char *host)
{
    struct tls *t = mem_alloc(sizeof(*t));

    assert(context->is_server ? !host : host != NULL);
    t->context = tls_context_ref(context);
    t->host = mem_dup(host);
    t->verify.host = t->host;
    t->verify.has_ca_file = context->has_ca_file;
    t->alert = -1;
    buffer_init(&t->plain, TLS_RECEIVE_MOST);
    t->ssl = tls_context_memory(SSL_new(context->ctx));
    t->in = tls_context_memory(BIO_new(BIO_s_mem()));
    t->out = tls_context_memory(BIO_new(BIO_s_mem()));
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_app_data(t->ssl, t);
    SSL_set_info_callback(t->ssl, note_alert);
    SSL_set_msg_callback(t->ssl, note_hello);
    SSL_set_msg_callback_arg(t->ssl, t);
    if (context->is_server) {
        SSL_set_accept_state(t->ssl);
    } else {
        ask_for(t);
        SSL_set_connect_state(t->ssl);
    }
    go_on(t);
    return t;
}

void tls_hide(struct tls *t)
{
    t->hides = true;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    tls_verify_clear(&t->verify);
    if (t->plain.data)
        OPENSSL_cleanse(t->plain.data, t->plain.size);
    buffer_free(&t->plain);
    free(t->host);
    tls_context_free(t->context);
    free(t);
}

enum tls_state tls_state(const struct tls *t)
{
    return t->state;
}

enum reason tls_failure(const struct tls *t, const char **message_r)
{
    *message_r = t->message;
    return t->reason;
}

static const char *group_of(const struct tls *t, struct arena *a)
{
    /* Without a session OpenSSL 3.0 looks for the group at address zero. */
    int nid = SSL_get_session(t->ssl) ? (int)SSL_get_negotiated_group(t->ssl) : 0;
    EVP_PKEY *key = NULL;
    const char *name = NULL;

    if (nid)
        name = EC_curve_nid2nist(nid) ? EC_curve_nid2nist(nid) : OBJ_nid2sn(nid);
    else if (SSL_get_peer_tmp_key(t->ssl, &key) && EVP_PKEY_get_base_id(key) == EVP_PKEY_DH)
        name = arena_printf(a, "DH %d", EVP_PKEY_get_bits(key));
    EVP_PKEY_free(key);
    return arena_dup(a, name);
}

void tls_show(const struct tls *t, struct arena *a, struct result_tls *out_r)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(t->ssl);
    struct result_tls out = {0};

    if (!cipher) /* chosen, but the handshake broke before it was used */
        cipher = SSL_get_pending_cipher(t->ssl);
    if (cipher) { /* the other side's hello was taken */
        out.version = arena_dup(a, SSL_get_version(t->ssl));
        out.cipher = arena_dup(a, SSL_CIPHER_standard_name(cipher));
        out.group = group_of(t, a);
    }
    if (t->alert >= 0)
        out.alert = tls_record_alert(t->alert);
    tls_verify_show(&t->verify, a, &out);
    ERR_clear_error();
    *out_r = out;
}

const char *tls_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}

uint64_t tls_flags(const struct tls *t)
{
    uint64_t flags = 0;

    if (t->context->skip_verify)
        flags |= UINT64_C(1) << FLAG_INSECURE_SKIP_VERIFY;
    if (t->alert == SSL_AD_UNRECOGNIZED_NAME && t->alert_was_warning)
        flags |= UINT64_C(1) << FLAG_TLS_UNRECOGNIZED_NAME;
    return flags;
}
