/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GnuTLS, as libmicrohttpd speaks it. The library knows one certificate for all of its life; ours can change
 * while it runs, so each session gets its own credentials before its handshake. A caller's certificate is
 * looked at in the handshake: who may not in, never gets to ask. Known limit: no revocation.
 */
#include "server/https.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct https {
    atomic_uint references;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priorities;
    enum snapshot_client_auth client_auth;
};

static int know_none(void)
{
    return -1;
}

https_none *const https_nobody = know_none;

const char *https_version(void)
{
    return gnutls_check_version(NULL);
}

/* ---- callers' certificates ---- */

/* 0, or an error that ends the handshake. Without a certificate there is nothing to verify; whether there had
 * to be one GnuTLS knows. */
static int verify_caller(gnutls_session_t session)
{
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    unsigned status, count;

    if (gnutls_certificate_get_peers(session, &count) == NULL)
        return 0;
    if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) != GNUTLS_E_SUCCESS || status != 0)
        return GNUTLS_E_CERTIFICATE_ERROR;
    return 0;
}

static bool verifies(enum snapshot_client_auth auth)
{
    return auth == SNAPSHOT_CLIENT_VERIFY_IF_GIVEN || auth == SNAPSHOT_CLIENT_REQUIRE_AND_VERIFY;
}

static gnutls_certificate_request_t request_of(enum snapshot_client_auth auth)
{
    if (auth == SNAPSHOT_CLIENT_NONE)
        return GNUTLS_CERT_IGNORE;
    return auth == SNAPSHOT_CLIENT_REQUIRE_ANY || auth == SNAPSHOT_CLIENT_REQUIRE_AND_VERIFY
               ? GNUTLS_CERT_REQUIRE
               : GNUTLS_CERT_REQUEST;
}

void https_begin(struct https *https, gnutls_session_t session)
{
    int set = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, https->credentials);

    assert(set == GNUTLS_E_SUCCESS);
    set = gnutls_priority_set(session, https->priorities);
    assert(set == GNUTLS_E_SUCCESS);
    gnutls_certificate_server_set_request(session, request_of(https->client_auth));
}

/* ---- made ready ---- */

static gnutls_datum_t datum_of(struct span bytes)
{
    assert(bytes.len <= UINT_MAX);
    return (gnutls_datum_t){.data = (unsigned char *)(uintptr_t)bytes.data, .size = (unsigned)bytes.len};
}

static int fail(char error_r[HTTPS_ERROR_SIZE], const char *what, int code)
{
    snprintf(error_r, HTTPS_ERROR_SIZE, "%s: %s", what, gnutls_strerror(code));
    return -1;
}

static const char *priorities_of(const struct snapshot_tls *settings)
{
    return settings->min_version == TLS_MIN_13 ? "NORMAL:-VERS-ALL:+VERS-TLS1.3"
                                               : "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
}

static int take_callers(struct https *https, struct span ca, char error_r[HTTPS_ERROR_SIZE])
{
    gnutls_datum_t pem = datum_of(ca);

    if (!verifies(https->client_auth))
        return 0;
    gnutls_certificate_set_verify_function(https->credentials, verify_caller);
    int taken = gnutls_certificate_set_x509_trust_mem(https->credentials, &pem, GNUTLS_X509_FMT_PEM);
    if (taken > 0)
        return 0;
    return fail(error_r, "server.tls_server_config.client_ca_file",
                taken < 0 ? taken : GNUTLS_E_NO_CERTIFICATE_FOUND);
}

static int take_files(struct https *https, const struct https_files *files, char error_r[HTTPS_ERROR_SIZE])
{
    gnutls_datum_t cert = datum_of(files->cert), key = datum_of(files->key);
    int taken = gnutls_certificate_set_x509_key_mem(https->credentials, &cert, &key, GNUTLS_X509_FMT_PEM);

    if (taken < 0)
        return fail(error_r, "server.tls_server_config.cert_file, or its key", taken);
    return take_callers(https, files->client_ca, error_r);
}

struct https *https_new(const struct snapshot_tls *settings, const struct https_files *files,
                        char error_r[HTTPS_ERROR_SIZE])
{
    struct https *https = mem_alloc(sizeof *https);
    int made = gnutls_certificate_allocate_credentials(&https->credentials);

    assert(made == GNUTLS_E_SUCCESS);
    atomic_init(&https->references, 1);
    https->client_auth = settings->client_auth;
    made = gnutls_priority_init(&https->priorities, priorities_of(settings), NULL);
    if (made == GNUTLS_E_SUCCESS && take_files(https, files, error_r) == 0)
        return https;
    if (made != GNUTLS_E_SUCCESS) {
        https->priorities = NULL;
        (void)fail(error_r, "server.tls_server_config", made);
    }
    https_unref(https);
    return NULL;
}

struct https *https_ref(struct https *https)
{
    if (https != NULL)
        atomic_fetch_add_explicit(&https->references, 1, memory_order_relaxed);
    return https;
}

void https_unref(struct https *https)
{
    if (https == NULL || atomic_fetch_sub_explicit(&https->references, 1, memory_order_acq_rel) > 1)
        return;
    if (https->priorities != NULL)
        gnutls_priority_deinit(https->priorities);
    gnutls_certificate_free_credentials(https->credentials);
    free(https);
}
