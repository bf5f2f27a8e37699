/* SPDX-License-Identifier: Apache-2.0 */
/* What is this machine's or the target's own, and no server's: what OpenSSL may speak, whom it trusts, and to
 * whom a certificate of our own is shown. */
#include "tests/unit/probe/net/tls_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST         "mx.example.org"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct certificates_made root;
static struct certificates_made good;
static struct certificates_made expired;
static struct certificates_made own;
static const char *ca_file, *own_pair, *nothing;

static int set_up(void **state)
{
    (void)state;
    certificates_open_folder();
    root = certificates_make(
        &(struct certificates_spec){.subject = "Root", .is_ca = true, .key = CERTIFICATES_EC_OTHER});
    good =
        certificates_make(&(struct certificates_spec){.subject = "mx", .alt = "DNS:" HOST, .issuer = &root});
    expired = certificates_make(&(struct certificates_spec){
        .subject = "mx", .alt = "DNS:" HOST, .issuer = &root, .not_after = "20200101000000Z"});
    own = certificates_make(&(struct certificates_spec){.subject = "probe"});
    ca_file = certificates_write("ca.pem", &root, 1, NULL);
    own_pair = certificates_write("probe.pem", &own, 1, own.key);
    nothing = certificates_path("nothing");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    certificates_free(&root);
    certificates_free(&good);
    certificates_free(&expired);
    certificates_free(&own);
    certificates_close_folder();
    return 0;
}

/* ---- what may be spoken ---- */

/* Takes away all that is left to speak; says what OpenSSL makes of it. */
static void take_protocols(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3);
}

static void take_ciphers(SSL_CTX *ctx)
{
    SSL_CTX_set_ciphersuites(ctx, "");
    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
}

/* Before a byte came nothing can be the server's fault. */
static void test_what_cannot_be_begun_is_ours(void **state)
{
    static const struct {
        void (*take)(SSL_CTX *ctx);
        const char *says;
    } rows[] = {
        {take_protocols, "TLS cannot be begun here: no protocols available"},
        {take_ciphers, "TLS cannot be begun here: no ciphers available"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tls_context_error error;
        struct tls_context *context = tls_context_new(&(struct plan_tls){.ca_file = ca_file}, &error);
        const char *message;
        assert_non_null(context);
        rows[i].take(context->ctx);
        struct tls *t = tls_new(context, HOST);
        assert_int_equal(tls_state(t), TLS_FAILED);
        assert_int_equal(tls_failure(t, &message), REASON_LOCAL_RESOURCE);
        assert_string_equal(message, rows[i].says);
        tls_free(t);
        tls_context_free(context);
    }
}

/* ---- whom this machine trusts ---- */

/* With that file and these folders in the place of the system's; null when it can be made. */
static const char *mistake(const char *file, const char *folders, struct plan_tls settings)
{
    static struct tls_context_error error;

    setenv("SSL_CERT_FILE", file, 1);
    setenv("SSL_CERT_DIR", folders, 1);
    struct tls_context *context = tls_context_new(&settings, &error);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    if (!context)
        assert_null(error.setting);
    tls_context_free(context);
    return context ? NULL : error.message;
}

static void test_a_machine_that_trusts_nobody(void **state)
{
    char wanted[TLS_CONTEXT_ERROR_SIZE], folders[512], folder[256], link[300];
    const char *empty = certificates_write_text("empty.pem", "");
    (void)state;

    snprintf(
        wanted, sizeof(wanted),
        "no certificate could be verified: there is no authority in %s, nor in %s (install some, Debian: "
        "ca-certificates, or name one with tls_config.ca_file)",
        nothing, nothing);
    assert_string_equal(mistake(nothing, nothing, (struct plan_tls){0}), wanted);
    assert_non_null(mistake(empty, "", (struct plan_tls){0}));
    assert_non_null(mistake(nothing, "::", (struct plan_tls){0}));
    assert_null(mistake(nothing, nothing, (struct plan_tls){.insecure_skip_verify = true}));
    assert_null(mistake(nothing, nothing, (struct plan_tls){.ca_file = ca_file}));
    assert_null(mistake(ca_file, nothing, (struct plan_tls){0}));

    snprintf(folder, sizeof(folder), "%s", certificates_path("roots"));
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(folders, sizeof(folders), "%s:%s", nothing, folder);
    assert_non_null(mistake(nothing, folders, (struct plan_tls){0}));
    snprintf(link, sizeof(link), "%s/0123abcd.0", folder);
    assert_int_equal(symlink(ca_file, link), 0);
    assert_null(mistake(nothing, folders, (struct plan_tls){0}));
    unlink(link);
    rmdir(folder);
}

/* ---- to whom we show ourselves ---- */

static int take_any(int good_so_far, X509_STORE_CTX *store)
{
    (void)good_so_far;
    (void)store;
    return 1;
}

/* Whether a server with that certificate, which asks for ours, sees it; and how the client ends. */
static bool is_shown(const struct certificates_made *server, int version, bool insists, bool skips_verify,
                     enum reason *reason_r)
{
    struct plan_tls settings = {
        .ca_file = ca_file, .cert_file = own_pair, .insecure_skip_verify = skips_verify};
    struct tls_context_error error;
    struct tls_context *context = tls_context_new(&settings, &error);
    const char *message;
    struct tls_peer p;

    assert_non_null(context);
    tls_peer_init(&p, server, 1);
    SSL_CTX_set_max_proto_version(p.ctx, version);
    SSL_CTX_set_verify(p.ctx, SSL_VERIFY_PEER | (insists ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), take_any);
    tls_peer_start(&p);
    struct tls *t = tls_new(context, HOST);
    tls_peer_talk(&p, t);
    *reason_r = tls_failure(t, &message);
    X509 *seen = SSL_get1_peer_certificate(p.ssl);
    bool shown = seen && X509_cmp(seen, own.certificate) == 0;
    assert_true(shown || !seen);
    X509_free(seen);
    tls_free(t);
    tls_peer_clear(&p);
    tls_context_free(context);
    return shown;
}

static void test_a_bad_server_does_not_see_us(void **state)
{
    enum reason reason;
    (void)state;

    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (int insists = 0; insists < 2; insists++) {
            assert_true(is_shown(&good, version, insists, false, &reason));
            assert_int_equal(reason, REASON_NONE);
            assert_false(is_shown(&expired, version, insists, false, &reason));
            assert_int_equal(reason, REASON_CERT_EXPIRED);
            assert_true(is_shown(&expired, version, insists, true, &reason));
            assert_int_equal(reason, REASON_NONE);
        }
    }
}

/* ---- our end first ---- */

/* T40: what the server says behind our end of TLS is read, and its own end seen. */
static void test_t40_heard_after_our_end(void **state)
{
    struct tls_context_error error;
    struct tls_context *context = tls_context_new(&(struct plan_tls){.ca_file = ca_file}, &error);
    (void)state;

    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls *t = tls_new(context, HOST);
        struct tls_peer p;
        tls_peer_init(&p, &good, 1);
        SSL_CTX_set_max_proto_version(p.ctx, version);
        tls_peer_start(&p);
        tls_peer_talk(&p, t);
        assert_int_equal(tls_state(t), TLS_UP);
        tls_shut(t);
        size_t said = tls_output(t).len;
        tls_shut(t); /* once is enough */
        assert_int_equal(tls_output(t).len, said);
        assert_int_equal(tls_write(t, span_of("QUIT\r\n")), 0);
        SSL_write(p.ssl, "late", 4);
        tls_peer_talk(&p, t);
        assert_int_equal(p.read.len, 4);
        assert_int_equal(tls_state(t), TLS_UP);
        SSL_shutdown(p.ssl);
        tls_peer_talk(&p, t);
        assert_int_equal(tls_state(t), TLS_CLOSED);
        tls_free(t);
        tls_peer_clear(&p);
    }
    tls_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_be_begun_is_ours),
        cmocka_unit_test(test_a_machine_that_trusts_nobody),
        cmocka_unit_test(test_a_bad_server_does_not_see_us),
        cmocka_unit_test(test_t40_heard_after_our_end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
