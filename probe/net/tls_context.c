/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SSL_CTX out of settings, once for many connections: what is allowed, whom to trust, whom to be. Each
 * mistake in a file is named with the setting and the file. No renegotiation, compression, session or ticket
 * is ever taken up: every check is a whole handshake. The security level stays the system's. What this
 * machine lacks for it, authorities or anything to speak, is a mistake as well: no server is to be blamed for
 * it.
 */
#include "probe/net/tls_context.h"

#include "probe/base/mem.h"
#include "probe/net/certificate.h"

#include <dirent.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(struct tls_context_error *error_r, const char *setting, const char *path, const char *why)
{
    error_r->setting = setting;
    snprintf(error_r->message, sizeof(error_r->message), "%s: %s", path, why);
    return -1;
}

static const char *openssl_says(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text ? text : "refused by OpenSSL";
}

static int trust_file(SSL_CTX *ctx, const char *path, struct tls_context_error *error_r)
{
    struct certificate_file file = {0};
    char why[CERTIFICATE_ERROR_SIZE];
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);

    if (certificate_file_read(path, &file, why))
        return refuse(error_r, "ca_file", path, why);
    for (size_t i = 0; i < file.count; i++)
        X509_STORE_add_cert(store, file.certificates[i]);
    bool empty = file.count == 0;
    certificate_file_free(&file);
    return empty ? refuse(error_r, "ca_file", path, "holds no certificate") : 0;
}

static int use_certificates(SSL_CTX *ctx, const struct certificate_file *file, const char *path,
                            struct tls_context_error *error_r)
{
    if (file->count == 0)
        return refuse(error_r, "cert_file", path, "holds no certificate");
    ERR_clear_error();
    if (SSL_CTX_use_certificate(ctx, file->certificates[0]) != 1)
        return refuse(error_r, "cert_file", path, openssl_says());
    for (size_t i = 1; i < file->count; i++)
        if (SSL_CTX_add1_chain_cert(ctx, file->certificates[i]) != 1)
            return refuse(error_r, "cert_file", path, openssl_says());
    return 0;
}

static int use_key(SSL_CTX *ctx, EVP_PKEY *key, const char *setting, const char *path,
                   struct tls_context_error *error_r)
{
    if (!key)
        return refuse(error_r, setting, path, "holds no private key");
    ERR_clear_error();
    if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        return refuse(error_r, setting, path, "its private key is not the certificate's");
    return 0;
}

static int use_pair(SSL_CTX *ctx, const char *cert_file, const char *key_file,
                    struct tls_context_error *error_r)
{
    struct certificate_file own = {0};
    struct certificate_file other = {0};
    char why[CERTIFICATE_ERROR_SIZE];
    int result = -1;

    if (certificate_file_read(cert_file, &own, why))
        refuse(error_r, "cert_file", cert_file, why);
    else if (key_file && certificate_file_read(key_file, &other, why))
        refuse(error_r, "key_file", key_file, why);
    else if (use_certificates(ctx, &own, cert_file, error_r) == 0)
        result = key_file ? use_key(ctx, other.key, "key_file", key_file, error_r)
                          : use_key(ctx, own.key, "cert_file", cert_file, error_r);
    certificate_file_free(&own);
    certificate_file_free(&other);
    return result;
}

void *tls_context_memory(void *p)
{
    if (!p)
        abort(); /* as in mem.h */
    return p;
}

/* ---- this machine's OpenSSL ---- */

static bool has_roots(const char *folder)
{
    DIR *dir = opendir(folder);
    bool found = false;

    if (!dir)
        return false;
    /* "5ed36f99.0": looked up by the hash of a name */
    for (struct dirent *entry = readdir(dir); entry && !found; entry = readdir(dir))
        found = strspn(entry->d_name, "0123456789abcdef") == 8 && entry->d_name[8] == '.';
    closedir(dir);
    return found;
}

static const char *from_environment(const char *variable, const char *otherwise)
{
    const char *value = secure_getenv(variable);

    return value ? value : otherwise;
}

/* The system's authorities, as OpenSSL finds them: one file, which is read here, and folders in which it
 * looks when it needs one. */
static int trust_system(SSL_CTX *ctx, struct tls_context_error *error_r)
{
    const char *file = from_environment(X509_get_default_cert_file_env(), X509_get_default_cert_file());
    const char *folders = from_environment(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
    char folder[PATH_MAX];

    ERR_clear_error();
    SSL_CTX_set_default_verify_paths(ctx);
    ERR_clear_error();
    if (sk_X509_OBJECT_num(X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx))) > 0)
        return 0;
    for (const char *at = folders; *at; at += strspn(at, ":")) {
        size_t len = strcspn(at, ":");
        snprintf(folder, sizeof(folder), "%.*s", (int)len, at);
        if (has_roots(folder))
            return 0;
        at += len;
    }
    error_r->setting = NULL;
    snprintf(
        error_r->message, sizeof(error_r->message),
        "no certificate could be verified: there is no authority in %.120s, nor in %.120s (install some, Debian: "
        "ca-certificates, or name one with tls_config.ca_file)",
        file, folders);
    return -1;
}

/* Begins a handshake with nobody, as each connection will. */
static int try_to_begin(SSL_CTX *ctx, enum tls_min least, struct tls_context_error *error_r)
{
    SSL *ssl = tls_context_memory(SSL_new(ctx));
    BIO *in = tls_context_memory(BIO_new(BIO_s_mem()));
    BIO *out = tls_context_memory(BIO_new(BIO_s_mem()));
    bool begun;

    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    ERR_clear_error();
    begun = SSL_get_error(ssl, SSL_do_handshake(ssl)) == SSL_ERROR_WANT_READ;
    if (!begun) {
        error_r->setting = NULL;
        snprintf(
            error_r->message, sizeof(error_r->message),
            "the OpenSSL of this machine cannot begin TLS (min_version %s): %s (what its configuration leaves, see "
            "openssl.cnf)",
            tls_min_name(least), openssl_says());
    }
    ERR_clear_error();
    SSL_free(ssl);
    return begun ? 0 : -1;
}

static SSL_CTX *make_ctx(const SSL_METHOD *method, struct tls_context_error *error_r)
{
    SSL_CTX *ctx = SSL_CTX_new(method);

    if (!ctx) { /* its own configuration is broken */
        refuse(error_r, NULL, "OpenSSL", openssl_says());
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(ctx, TLS_CONTEXT_CERT_LIST_MOST);
    SSL_CTX_set_num_tickets(ctx, 0);
    return ctx;
}

/* OpenSSL speaks versions before 1.2 only where any algorithm is good enough. That is asked for the handshake
 * alone: certificates are held to the same level as ever. */
static void set_versions(SSL_CTX *ctx, enum tls_min least)
{
    static const int versions[TLS_MIN_COUNT] = {
        [TLS_MIN_10] = TLS1_VERSION,
        [TLS_MIN_11] = TLS1_1_VERSION,
        [TLS_MIN_12] = TLS1_2_VERSION,
        [TLS_MIN_13] = TLS1_3_VERSION,
    };

    SSL_CTX_set_min_proto_version(ctx, versions[least]);
    SSL_CTX_set_max_proto_version(ctx, 0);
    if (least == TLS_MIN_10 || least == TLS_MIN_11) {
        X509_VERIFY_PARAM_set_auth_level(SSL_CTX_get0_param(ctx), SSL_CTX_get_security_level(ctx));
        SSL_CTX_set_security_level(ctx, 0);
    }
}

static struct tls_context *own_ctx(SSL_CTX *ctx)
{
    struct tls_context *context = mem_alloc(sizeof(*context));

    context->ctx = ctx;
    atomic_init(&context->shares, 1);
    return context;
}

struct tls_context *tls_context_new(const struct plan_tls *settings, struct tls_context_error *error_r)
{
    SSL_CTX *ctx = make_ctx(TLS_client_method(), error_r);

    if (!ctx)
        return NULL;
    if (settings->ca_file && trust_file(ctx, settings->ca_file, error_r))
        goto wrong;
    /* Who looks past what is wrong with a certificate needs nobody to trust. */
    if (!settings->ca_file && trust_system(ctx, error_r) && !settings->insecure_skip_verify)
        goto wrong;
    if (settings->key_file && !settings->cert_file) {
        refuse(error_r, "key_file", settings->key_file, "a key without a certificate (cert_file)");
        goto wrong;
    }
    if (settings->cert_file && use_pair(ctx, settings->cert_file, settings->key_file, error_r))
        goto wrong;
    set_versions(ctx, settings->min_version);
    if (try_to_begin(ctx, settings->min_version, error_r))
        goto wrong;
    /* Whoever stands in ca_file is trusted, a root or not. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, tls_context_verify, NULL);
    SSL_CTX_set_cert_cb(ctx, tls_context_choose, NULL);

    struct tls_context *context = own_ctx(ctx);
    context->skip_verify = settings->insecure_skip_verify;
    context->min_version = settings->min_version;
    context->has_ca_file = settings->ca_file != NULL;
    return context;

wrong:
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return NULL;
}

struct tls_context *tls_context_new_server(const char *cert_file, const char *key_file,
                                           struct tls_context_error *error_r)
{
    SSL_CTX *ctx = make_ctx(TLS_server_method(), error_r);

    if (!ctx)
        return NULL;
    if (use_pair(ctx, cert_file, key_file, error_r)) {
        ERR_clear_error();
        SSL_CTX_free(ctx);
        return NULL;
    }
    set_versions(ctx, TLS_MIN_12);
    SSL_CTX_set_dh_auto(ctx, 1);
    struct tls_context *context = own_ctx(ctx);
    context->is_server = true;
    return context;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    if (context)
        atomic_fetch_add_explicit(&context->shares, 1, memory_order_relaxed);
    return context;
}

void tls_context_free(struct tls_context *context)
{
    if (!context || atomic_fetch_sub_explicit(&context->shares, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(context->ctx);
    free(context);
}
