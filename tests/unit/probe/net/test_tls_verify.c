/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/base/text.h"
#include "probe/net/tls_verify.h"
#include "tests/unit/probe/net/tls_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOST         "mx.example.org"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The authorities: one that is trusted, one below it, and one that nobody knows. */
static struct certificates_made root;
static struct certificates_made below;
static struct certificates_made constrained; /* likewise below, for another domain */
static struct certificates_made stranger;
static struct certificates_made forger; /* says it is the first, but has another key */
static const char *ca_file;

static const char long_name[5000]; /* NULs: four characters each when shown */

enum issuer { ROOT, BELOW, CONSTRAINED, STRANGER, FORGER, SELF };

static const struct {
    const char *what;
    struct certificates_spec spec;
    enum issuer issuer;
    const char *host;    /* null = HOST */
    enum reason reason;  /* REASON_NONE: it is good */
    const char *message; /* that must be in the sentence */
} rows[] = {
    {"EC", {.subject = "mx", .alt = "DNS:" HOST}, ROOT, NULL, REASON_NONE, ""},
    {"RSA", {.subject = "mx", .alt = "DNS:" HOST, .key = CERTIFICATES_RSA}, ROOT, NULL, REASON_NONE, ""},
    {"Ed25519",
     {.subject = "mx", .alt = "DNS:" HOST, .key = CERTIFICATES_ED25519},
     ROOT,
     NULL,
     REASON_NONE,
     ""},
    {"below", {.subject = "mx", .alt = "DNS:" HOST}, BELOW, NULL, REASON_NONE, ""},
    {"wildcard", {.alt = "DNS:*.example.org"}, ROOT, NULL, REASON_NONE, ""},
    {"absolute", {.alt = "DNS:" HOST}, ROOT, HOST ".", REASON_NONE, ""},
    {"case", {.alt = "DNS:MX.Example.ORG"}, ROOT, NULL, REASON_NONE, ""},
    {"IPv4", {.alt = "IP:192.0.2.1"}, ROOT, "192.0.2.1", REASON_NONE, ""},
    {"IPv6", {.alt = "IP:2001:db8::1"}, ROOT, "2001:db8:0::1", REASON_NONE, ""},
    {"server purpose", {.alt = "DNS:" HOST, .purpose = "serverAuth"}, ROOT, NULL, REASON_NONE, ""},

    {"T14 self-signed",
     {.subject = "mx", .alt = "DNS:" HOST},
     SELF,
     NULL,
     REASON_CERT_SELF_SIGNED,
     "\"CN=mx\" is signed by itself and not one of tls_config.ca_file"},
    {"untrusted",
     {.subject = "mx", .alt = "DNS:" HOST},
     STRANGER,
     NULL,
     REASON_CERT_UNTRUSTED,
     "\"CN=mx\", issued by \"CN=Stranger\""},
    {"forged",
     {.subject = "mx", .alt = "DNS:" HOST},
     FORGER,
     NULL,
     REASON_CERT_UNTRUSTED,
     "signature failure"},
    {"constrained",
     {.subject = "mx", .alt = "DNS:" HOST},
     CONSTRAINED,
     NULL,
     REASON_CERT_UNTRUSTED,
     "permitted subtree violation"},
    {"T15 expired",
     {.subject = "mx", .alt = "DNS:" HOST, .not_before = "20200101000000Z", .not_after = "20210203040506Z"},
     ROOT,
     NULL,
     REASON_CERT_EXPIRED,
     "\"CN=mx\" expired at 2021-02-03T04:05:06Z"},
    {"L08 expired in 1950",
     {.subject = "mx", .alt = "DNS:" HOST, .not_before = "19500101000000Z", .not_after = "19500102000000Z"},
     ROOT,
     NULL,
     REASON_CERT_EXPIRED,
     "expired at 1950-01-02T00:00:00Z"},
    {"L08 until 9999",
     {.subject = "mx", .alt = "DNS:" HOST, .not_after = "99991231235959Z"},
     ROOT,
     NULL,
     REASON_NONE,
     ""},
    {"T16 not yet valid",
     {.subject = "mx", .alt = "DNS:" HOST, .not_before = "22000101000000Z", .not_after = "22010101000000Z"},
     ROOT,
     NULL,
     REASON_CERT_NOT_YET_VALID,
     "is not valid before 2200-01-01T00:00:00Z; by the clock here it is 20"},
    {"T17 another name",
     {.alt = "DNS:a.example.org,DNS:b.example.org"},
     ROOT,
     NULL,
     REASON_CERT_NAME_MISMATCH,
     "is for a.example.org, b.example.org, not for " HOST},
    {"T17 common name alone",
     {.subject = HOST},
     ROOT,
     NULL,
     REASON_CERT_NAME_MISMATCH,
     "no host (it has no subjectAltName"},
    {"T17 wildcard too high", {.alt = "DNS:*.org"}, ROOT, NULL, REASON_CERT_NAME_MISMATCH, "*.org"},
    {"T17 partial wildcard",
     {.alt = "DNS:m*.example.org"},
     ROOT,
     NULL,
     REASON_CERT_NAME_MISMATCH,
     "m*.example"},
    {"T17 address as a name",
     {.alt = "DNS:192.0.2.1"},
     ROOT,
     "192.0.2.1",
     REASON_CERT_NAME_MISMATCH,
     "stands there as a host's name and not as an IP address"},
    {"T17 another address",
     {.alt = "IP:192.0.2.2"},
     ROOT,
     "192.0.2.1",
     REASON_CERT_NAME_MISMATCH,
     "is for 192.0.2.2, not for 192.0.2.1"},
    {"T20 NUL",
     {.raw_name = {HOST "\0.example.net", sizeof(HOST "\0.example.net") - 1}},
     ROOT,
     NULL,
     REASON_CERT_NAME_MISMATCH,
     "mx.example.org\\x00.example.net"},
    {"T20 other kinds",
     {.alt = "otherName:1.2.3.4;UTF8:" HOST ",email:a@" HOST ",URI:https://" HOST "/,RID:1.2.3"},
     ROOT,
     NULL,
     REASON_CERT_NAME_MISMATCH,
     "no host"},
    {"T20 10,000 names",
     {.many = 10000},
     ROOT,
     NULL,
     REASON_CERT_NAME_MISMATCH,
     "name2.example.org and 9997 more, not for " HOST},
    {"T23 client purpose",
     {.subject = "mx", .alt = "DNS:" HOST, .purpose = "clientAuth"},
     ROOT,
     NULL,
     REASON_CERT_PURPOSE,
     "\"CN=mx\" may not be used for a TLS server"},
    {"T13 RSA 1024",
     {.subject = "mx", .alt = "DNS:" HOST, .key = CERTIFICATES_RSA_1024},
     ROOT,
     NULL,
     REASON_WEAK,
     "\"CN=mx\" (RSA 1024) is too weak"},
    {"T13 SHA-1", {.subject = "mx", .alt = "DNS:" HOST, .sha1 = true}, ROOT, NULL, REASON_WEAK, "too weak"},
    {"untrusted before expired",
     {.alt = "DNS:a.example.org", .not_before = "20200101000000Z", .not_after = "20210101000000Z"},
     STRANGER,
     NULL,
     REASON_CERT_UNTRUSTED,
     "stands behind"},
    {"T20 a long name",
     {.raw_name = {long_name, sizeof(long_name)}},
     ROOT,
     NULL,
     REASON_CERT_NAME_MISMATCH,
     "..., not for " HOST},
    {"no subject", {.alt = "DNS:a.example.org"}, ROOT, NULL, REASON_CERT_NAME_MISMATCH, "a.example.org"},
};

static int set_up(void **state)
{
    (void)state;
    certificates_open_folder();
    root = certificates_make(
        &(struct certificates_spec){.subject = "Root", .is_ca = true, .key = CERTIFICATES_EC_OTHER});
    stranger = certificates_make(
        &(struct certificates_spec){.subject = "Stranger", .is_ca = true, .key = CERTIFICATES_EC_OTHER});
    below = certificates_make(&(struct certificates_spec){
        .subject = "Below", .is_ca = true, .key = CERTIFICATES_RSA, .issuer = &root});
    constrained = certificates_make(&(struct certificates_spec){.subject = "Constrained",
                                                                .is_ca = true,
                                                                .key = CERTIFICATES_RSA,
                                                                .issuer = &root,
                                                                .constraints = "permitted;DNS:example.net"});
    forger = certificates_make(&(struct certificates_spec){.subject = "Root", .is_ca = true});
    ca_file = certificates_write("ca.pem", &root, 1, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    certificates_free(&root);
    certificates_free(&below);
    certificates_free(&constrained);
    certificates_free(&stranger);
    certificates_free(&forger);
    certificates_close_folder();
    return 0;
}

static struct tls_context *context_of(struct plan_tls settings)
{
    struct tls_context_error error;
    struct tls_context *context = tls_context_new(&settings, &error);

    assert_non_null(context);
    return context;
}

static struct tls *play(struct tls_peer *p, struct plan_tls settings, const char *host)
{
    struct tls_context *context = context_of(settings);
    struct tls *t = tls_new(context, host);

    tls_context_free(context);
    tls_peer_start(p);
    tls_peer_talk(p, t);
    return t;
}

static size_t make_chain(size_t row, struct certificates_made chain[2])
{
    struct certificates_made *issuers[] = {&root, &below, &constrained, &stranger, &forger, NULL};
    struct certificates_spec spec = rows[row].spec;

    spec.issuer = issuers[rows[row].issuer];
    chain[0] = certificates_make(&spec);
    if (rows[row].issuer != BELOW && rows[row].issuer != CONSTRAINED)
        return 1;
    chain[1] = *spec.issuer;
    return 2;
}

/* All that can be seen is there, good or bad. */
static void check_facts(const struct tls *t, size_t row, size_t count)
{
    struct arena a = {0};
    struct result_tls shown;

    tls_show(t, &a, &shown);
    assert_string_equal(shown.version, "TLSv1.3");
    assert_string_equal(shown.cipher, "TLS_AES_256_GCM_SHA384");
    assert_string_equal(shown.group, "X25519");
    assert_null(shown.alert);
    assert_int_equal(shown.verified, rows[row].reason == REASON_NONE ? TRI_TRUE : TRI_FALSE);
    assert_int_equal(shown.reason, rows[row].reason);
    assert_int_equal(shown.chain_count, count);
    assert_int_equal(strlen(shown.chain[0].sha256), 64);
    arena_free(&a);
}

/* Nothing goes out when the certificate is bad. */
static void check_strict(size_t row)
{
    struct certificates_made chain[2];
    size_t count = make_chain(row, chain);
    bool good = rows[row].reason == REASON_NONE;
    const char *message;
    struct tls_peer p;

    tls_peer_init(&p, chain, count);
    struct tls *t = play(&p, (struct plan_tls){.ca_file = ca_file}, rows[row].host ? rows[row].host : HOST);
    if (tls_failure(t, &message) != rows[row].reason || !strstr(message, rows[row].message))
        print_message("%s: %s: %s\n", rows[row].what, reason_name(tls_failure(t, &message)), message);
    assert_int_equal(tls_failure(t, &message), rows[row].reason);
    assert_non_null(strstr(message, rows[row].message));
    assert_true(text_is_clean(span_of(message)));
    assert_int_equal(tls_state(t), good ? TLS_UP : TLS_FAILED);
    assert_int_equal(tls_write(t, span_of("EHLO a\r\n")), good ? 8 : 0);
    tls_peer_talk(&p, t);
    assert_int_equal(p.got.len, good ? 8 : 0);
    check_facts(t, row, count);
    assert_int_equal(tls_flags(t), 0);
    tls_free(t);
    tls_peer_clear(&p);
    certificates_free(&chain[0]);
}

static void check_skipping(size_t row)
{
    struct certificates_made chain[2];
    size_t count = make_chain(row, chain);
    const char *message;
    struct tls_peer p;

    tls_peer_init(&p, chain, count);
    struct tls *t = play(&p, (struct plan_tls){.ca_file = ca_file, .insecure_skip_verify = true},
                         rows[row].host ? rows[row].host : HOST);
    assert_int_equal(tls_failure(t, &message), REASON_NONE);
    assert_string_equal(message, "");
    assert_int_equal(tls_state(t), TLS_UP);
    assert_int_equal(tls_flags(t), UINT64_C(1) << FLAG_INSECURE_SKIP_VERIFY);
    assert_int_equal(tls_write(t, span_of("EHLO a\r\n")), 8);
    tls_peer_talk(&p, t);
    assert_int_equal(p.got.len, 8);
    check_facts(t, row, count);
    tls_free(t);
    tls_peer_clear(&p);
    certificates_free(&chain[0]);
}

static void test_every_kind(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT(rows); row++)
        check_strict(row);
}

static void test_every_kind_without_verifying(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT(rows); row++)
        check_skipping(row);
}

/* ca_file may hold the very certificate, or one in the middle. */
static void test_whom_ca_file_trusts(void **state)
{
    struct certificates_made self =
        certificates_make(&(struct certificates_spec){.subject = "mx", .alt = "DNS:" HOST});
    struct certificates_made leaf =
        certificates_make(&(struct certificates_spec){.subject = "mx", .alt = "DNS:" HOST, .issuer = &below});
    struct {
        struct certificates_made *leaf;
        const char *ca_file;
    } good[] = {{&self, certificates_write("self.pem", &self, 1, NULL)},
                {&leaf, certificates_write("below.pem", &below, 1, NULL)},
                {&leaf, certificates_write("leaf.pem", &leaf, 1, NULL)}};
    (void)state;

    for (size_t i = 0; i < COUNT(good); i++) {
        struct tls_peer p;
        tls_peer_init(&p, good[i].leaf, 1);
        struct tls *t = play(&p, (struct plan_tls){.ca_file = good[i].ca_file}, HOST);
        assert_int_equal(tls_state(t), TLS_UP);
        tls_free(t);
        tls_peer_clear(&p);
    }
    certificates_free(&self);
    certificates_free(&leaf);
}

static void test_no_ca_file_is_the_systems(void **state)
{
    struct certificates_made chain[2];
    const char *message;
    struct tls_peer p;
    (void)state;

    make_chain(0, chain);
    tls_peer_init(&p, chain, 1);
    struct tls *t = play(&p, (struct plan_tls){0}, HOST);
    assert_int_equal(tls_failure(t, &message), REASON_CERT_UNTRUSTED);
    assert_non_null(strstr(message, "none of the system's authorities stands behind"));
    tls_free(t);
    tls_peer_clear(&p);
    certificates_free(&chain[0]);
}

/* A middle of the chain that has expired is named, and shown. */
static void test_what_is_wrong_is_named(void **state)
{
    struct certificates_made chain[2];
    const char *message;
    struct tls_peer p;
    struct arena a = {0};
    struct result_tls shown;
    (void)state;

    chain[1] = certificates_make(&(struct certificates_spec){.subject = "Old",
                                                             .is_ca = true,
                                                             .key = CERTIFICATES_RSA,
                                                             .issuer = &root,
                                                             .not_before = "20200101000000Z",
                                                             .not_after = "20210101000000Z"});
    chain[0] = certificates_make(
        &(struct certificates_spec){.subject = "mx", .alt = "DNS:" HOST, .issuer = &chain[1]});
    tls_peer_init(&p, chain, 2);
    struct tls *t = play(&p, (struct plan_tls){.ca_file = ca_file}, HOST);
    assert_int_equal(tls_failure(t, &message), REASON_CERT_EXPIRED);
    assert_non_null(strstr(message, "\"CN=Old\" expired at 2021-01-01"));
    tls_show(t, &a, &shown);
    assert_int_equal(shown.chain_count, 2);
    assert_string_equal(shown.chain[0].subject, "CN=mx");
    assert_string_equal(shown.chain[0].issuer, "CN=Old");
    assert_string_equal(shown.chain[1].subject, "CN=Old");
    assert_string_equal(shown.chain[1].key, "RSA 2048");
    arena_free(&a);
    tls_free(t);
    tls_peer_clear(&p);
    certificates_free(&chain[0]);
    certificates_free(&chain[1]);
}

/* The handshake breaks on something else, behind a certificate that has expired. */
static void check_broken_handshake(bool skip, enum reason reason, const char *says)
{
    struct certificates_made old =
        certificates_make(&(struct certificates_spec){.subject = "mx",
                                                      .alt = "DNS:" HOST,
                                                      .issuer = &root,
                                                      .not_before = "20200101000000Z",
                                                      .not_after = "20210101000000Z"});
    const char *message;
    struct tls_peer p;
    struct arena a = {0};
    struct result_tls shown;

    tls_peer_init(&p, &old, 1);
    SSL_CTX_set_max_proto_version(p.ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(p.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    struct tls *t = play(&p, (struct plan_tls){.ca_file = ca_file, .insecure_skip_verify = skip}, HOST);
    assert_int_equal(tls_failure(t, &message), reason);
    assert_non_null(strstr(message, says));
    tls_show(t, &a, &shown);
    assert_string_equal(shown.alert, "handshake_failure");
    assert_int_equal(shown.verified, TRI_FALSE);
    assert_int_equal(shown.reason, REASON_CERT_EXPIRED);
    arena_free(&a);
    tls_free(t);
    tls_peer_clear(&p);
    certificates_free(&old);
}

static void test_a_bad_certificate_comes_first(void **state)
{
    (void)state;
    check_broken_handshake(false, REASON_CERT_EXPIRED, "expired at 2021-01-01T00:00:00Z");
    check_broken_handshake(true, REASON_ALERT, "the server ended TLS with the alert handshake_failure (40)");
}

static void make_long_chain(struct certificates_made *chain, size_t count, size_t names)
{
    for (size_t i = count; i-- > 0;) {
        struct certificates_spec spec = {.subject = i ? "Link" : "mx", .is_ca = i > 0, .many = names};
        spec.issuer = i == count - 1 ? &root : &chain[i + 1];
        spec.key = i % 2 ? CERTIFICATES_EC : CERTIFICATES_EC_OTHER;
        spec.alt = i ? NULL : "DNS:" HOST;
        char subject[32];
        snprintf(subject, sizeof(subject), "Link %zu", i);
        if (i)
            spec.subject = subject;
        chain[i] = certificates_make(&spec);
    }
}

static void check_long_chain(size_t count, size_t names, enum reason reason, const char *says,
                             size_t shown_count)
{
    struct certificates_made chain[128];
    const char *message;
    struct tls_peer p;
    struct arena a = {0};
    struct result_tls shown;

    make_long_chain(chain, count, names);
    tls_peer_init(&p, chain, count);
    struct tls *t = play(&p, (struct plan_tls){.ca_file = ca_file}, HOST);
    assert_int_equal(tls_failure(t, &message), reason);
    assert_non_null(strstr(message, says));
    tls_show(t, &a, &shown);
    assert_int_equal(shown.chain_count, shown_count);
    assert_int_equal(shown.reason, shown_count ? reason : REASON_NONE);
    assert_int_equal(shown.verified, reason == REASON_NONE ? TRI_TRUE : shown_count ? TRI_FALSE : TRI_NULL);
    arena_free(&a);
    tls_free(t);
    tls_peer_clear(&p);
    for (size_t i = 0; i < count; i++)
        certificates_free(&chain[i]);
}

/* T24: at the limit, one beyond it, 100, and 1 MiB of them. */
static void test_long_chains(void **state)
{
    (void)state;
    check_long_chain(TLS_VERIFY_CHAIN_MOST, 0, REASON_NONE, "", TLS_VERIFY_CHAIN_MOST);
    check_long_chain(TLS_VERIFY_CHAIN_MOST + 1, 0, REASON_HANDSHAKE, "more than 20 certificates",
                     TLS_VERIFY_CHAIN_MOST);
    check_long_chain(100, 0, REASON_HANDSHAKE, "more than 20 certificates", TLS_VERIFY_CHAIN_MOST);
    check_long_chain(100, 500, REASON_HANDSHAKE, "excessive message size", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_every_kind_without_verifying),
        cmocka_unit_test(test_whom_ca_file_trusts),
        cmocka_unit_test(test_no_ca_file_is_the_systems),
        cmocka_unit_test(test_what_is_wrong_is_named),
        cmocka_unit_test(test_a_bad_certificate_comes_first),
        cmocka_unit_test(test_long_chains),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
