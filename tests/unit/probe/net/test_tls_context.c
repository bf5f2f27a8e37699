/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/probe/net/tls_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct certificates_made mx;
static struct certificates_made other;
static struct certificates_made weak;
static const char *good, *key, *only, *other_key, *weak_pair, *empty, *broken, *none;

static int set_up(void **state)
{
    (void)state;
    certificates_open_folder();
    mx = certificates_make(&(struct certificates_spec){.subject = "mx", .alt = "DNS:mx.example.org"});
    other = certificates_make(&(struct certificates_spec){.subject = "other", .key = CERTIFICATES_EC_OTHER});
    weak = certificates_make(&(struct certificates_spec){.subject = "weak", .key = CERTIFICATES_RSA_1024});
    good = certificates_write("good.pem", &mx, 1, mx.key);
    only = certificates_write("only.pem", &mx, 1, NULL);
    key = certificates_write("key.pem", NULL, 0, mx.key);
    other_key = certificates_write("other.pem", NULL, 0, other.key);
    weak_pair = certificates_write("weak.pem", &weak, 1, weak.key);
    empty = certificates_write_text("empty.pem", "");
    broken =
        certificates_write_text("broken.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    none = certificates_path("none.pem");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    certificates_free(&mx);
    certificates_free(&other);
    certificates_free(&weak);
    certificates_close_folder();
    return 0;
}

static void test_mistakes_are_named(void **state)
{
    const struct {
        const char *ca_file, *cert_file, *key_file;
        const char *setting; /* null: there is no mistake */
        const char *path, *why;
    } rows[] = {
        {NULL, NULL, NULL, NULL, NULL, NULL},
        {only, NULL, NULL, NULL, NULL, NULL},
        {NULL, good, NULL, NULL, NULL, NULL},
        {NULL, only, key, NULL, NULL, NULL},
        {NULL, good, key, NULL, NULL, NULL},
        {none, NULL, NULL, "ca_file", none, "cannot be opened: No such file or directory"},
        {empty, NULL, NULL, "ca_file", empty, "holds no certificate"},
        {key, NULL, NULL, "ca_file", key, "holds no certificate"},
        {broken, NULL, NULL, "ca_file", broken, "its certificate no. 1 is broken"},
        {"/tmp", NULL, NULL, "ca_file", "/tmp", "is no regular file"},
        {NULL, none, NULL, "cert_file", none, "cannot be opened: No such file or directory"},
        {NULL, empty, key, "cert_file", empty, "holds no certificate"},
        {NULL, only, NULL, "cert_file", only, "holds no private key"},
        {NULL, only, none, "key_file", none, "cannot be opened: No such file or directory"},
        {NULL, only, empty, "key_file", empty, "holds no private key"},
        {NULL, only, other_key, "key_file", other_key, "its private key is not the certificate's"},
        {NULL, NULL, key, "key_file", key, "a key without a certificate (cert_file)"},
        {NULL, weak_pair, NULL, "cert_file", weak_pair, "ee key too small"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan_tls settings = {
            .ca_file = rows[i].ca_file, .cert_file = rows[i].cert_file, .key_file = rows[i].key_file};
        struct tls_context_error error = {0};
        char message[TLS_CONTEXT_ERROR_SIZE] = "";
        struct tls_context *context = tls_context_new(&settings, &error);
        assert_int_equal(context == NULL, rows[i].setting != NULL);
        if (rows[i].setting) {
            snprintf(message, sizeof(message), "%s: %s", rows[i].path, rows[i].why);
            assert_string_equal(error.setting, rows[i].setting);
        }
        assert_string_equal(error.message, message);
        tls_context_free(context);
    }
}

static void test_servers_mistakes_are_named(void **state)
{
    struct tls_context_error error = {0};
    (void)state;

    assert_null(tls_context_new_server(none, NULL, &error));
    assert_string_equal(error.setting, "cert_file");
    assert_null(tls_context_new_server(only, other_key, &error));
    assert_string_equal(error.setting, "key_file");
    struct tls_context *context = tls_context_new_server(only, key, &error);
    assert_non_null(context);
    tls_context_free(context);
    tls_context_free(NULL);
}

/* What the client's min_version lets through, from a server that has just the one version. */
static void check_version(enum tls_min least, int version, const char *name, const char *refused_with)
{
    struct plan_tls settings = {.ca_file = only, .min_version = least};
    struct tls_context_error error;
    struct tls_context *context = tls_context_new(&settings, &error);
    struct result_tls shown;
    struct arena a = {0};
    const char *message;
    struct tls_peer p;

    tls_peer_init(&p, &mx, 1);
    SSL_CTX_set_min_proto_version(p.ctx, version);
    SSL_CTX_set_max_proto_version(p.ctx, version);
    tls_peer_start(&p);
    struct tls *t = tls_new(context, "mx.example.org");
    tls_context_free(context);
    tls_peer_talk(&p, t);
    enum reason reason = tls_failure(t, &message);
    tls_show(t, &a, &shown);
    if (refused_with) {
        assert_int_equal(reason, REASON_VERSION);
        assert_string_equal(message, refused_with);
    } else {
        assert_int_equal(reason, REASON_NONE);
        assert_int_equal(tls_state(t), TLS_UP);
        assert_string_equal(shown.version, name);
    }
    arena_free(&a);
    tls_free(t);
    tls_peer_clear(&p);
}

static void test_t12_versions(void **state)
{
    static const char refused[] = "the server speaks no TLS version from tls_config.min_version (TLS12) up";
    (void)state;

    check_version(TLS_MIN_12, TLS1_3_VERSION, "TLSv1.3", NULL);
    check_version(TLS_MIN_12, TLS1_2_VERSION, "TLSv1.2", NULL);
    check_version(TLS_MIN_12, TLS1_1_VERSION, NULL, refused);
    check_version(TLS_MIN_12, TLS1_VERSION, NULL, refused);
    check_version(TLS_MIN_13, TLS1_3_VERSION, "TLSv1.3", NULL);
    check_version(TLS_MIN_13, TLS1_2_VERSION, NULL,
                  "the server speaks no TLS version from tls_config.min_version (TLS13) up");
    check_version(TLS_MIN_11, TLS1_1_VERSION, "TLSv1.1", NULL);
    check_version(TLS_MIN_11, TLS1_VERSION, NULL,
                  "the server speaks no TLS version from tls_config.min_version (TLS11) up");
    check_version(TLS_MIN_10, TLS1_VERSION, "TLSv1", NULL);
}

/* A server from before TLS 1.3 does not see what the client minds, and answers with the version it has. */
static void test_t12_a_server_that_names_its_version(void **state)
{
    static const char *const spoken[] = {"SSLv3", "TLSv1", "TLSv1.1"};
    struct tls_context_error error;
    struct tls_context *context = tls_context_new(&(struct plan_tls){.ca_file = only}, &error);
    (void)state;

    for (unsigned char minor = 0; minor < COUNT(spoken); minor++) {
        /* ServerHello: version, 32 octets of random, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression
         */
        char hello[5 + 4 + 2 + 32 + 1 + 2 + 1] = {22, 3, (char)minor, 0, 42, 2, 0, 0, 38, 3, (char)minor};
        char message[TLS_CONTEXT_ERROR_SIZE];
        const char *says;
        hello[sizeof(hello) - 2] = 0x2f;
        struct tls *t = tls_new(context, "mx.example.org");
        tls_receive(t, (struct span){hello, sizeof(hello)}, 1);
        assert_int_equal(tls_failure(t, &says), REASON_VERSION);
        snprintf(message, sizeof(message), "the server speaks %s, and tls_config.min_version is TLS12",
                 spoken[minor]);
        assert_string_equal(says, message);
        tls_free(t);
    }
    tls_context_free(context);
}

/* An old version is no leave for a weak certificate. */
static void test_old_versions_want_good_certificates(void **state)
{
    struct certificates_made ca = certificates_make(
        &(struct certificates_spec){.subject = "CA", .is_ca = true, .key = CERTIFICATES_EC_OTHER});
    struct certificates_made poor = certificates_make(&(struct certificates_spec){
        .subject = "poor", .alt = "DNS:mx.example.org", .issuer = &ca, .key = CERTIFICATES_RSA_1024});
    struct plan_tls settings = {.ca_file = certificates_write("ca.pem", &ca, 1, NULL),
                                .min_version = TLS_MIN_10};
    struct tls_context_error error;
    struct tls_context *context = tls_context_new(&settings, &error);
    const char *message;
    struct tls_peer p;
    (void)state;

    tls_peer_init(&p, &poor, 1);
    SSL_CTX_set_max_proto_version(p.ctx, TLS1_VERSION);
    tls_peer_start(&p);
    struct tls *t = tls_new(context, "mx.example.org");
    tls_peer_talk(&p, t);
    assert_int_equal(tls_failure(t, &message), REASON_WEAK);
    assert_non_null(strstr(message, "(RSA 1024) is too weak"));
    tls_free(t);
    tls_peer_clear(&p);
    tls_context_free(context);
    certificates_free(&poor);
    certificates_free(&ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_servers_mistakes_are_named),
        cmocka_unit_test(test_t12_versions),
        cmocka_unit_test(test_t12_a_server_that_names_its_version),
        cmocka_unit_test(test_old_versions_want_good_certificates),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
