/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/base/text.h"
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

static struct certificates_made root;
static struct certificates_made ec;
static struct certificates_made rsa;
static struct tls_context *client;
static struct tls_context *server; /* ours, with the EC certificate */
static const char *ca_file;

static int set_up(void **state)
{
    struct tls_context_error error;
    (void)state;

    certificates_open_folder();
    root = certificates_make(
        &(struct certificates_spec){.subject = "Root", .is_ca = true, .key = CERTIFICATES_EC_OTHER});
    ec = certificates_make(&(struct certificates_spec){.subject = "mx", .alt = "DNS:" HOST, .issuer = &root});
    rsa = certificates_make(&(struct certificates_spec){
        .subject = "mx", .alt = "DNS:" HOST, .issuer = &root, .key = CERTIFICATES_RSA});
    ca_file = certificates_write("ca.pem", &root, 1, NULL);
    client = tls_context_new(&(struct plan_tls){.ca_file = ca_file}, &error);
    server = tls_context_new_server(certificates_write("ec.pem", &ec, 1, ec.key), NULL, &error);
    return client && server ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tls_context_free(client);
    tls_context_free(server);
    certificates_free(&root);
    certificates_free(&ec);
    certificates_free(&rsa);
    certificates_close_folder();
    return 0;
}

static void check_failure(const struct tls *t, enum reason reason, const char *says)
{
    const char *message;

    assert_int_equal(tls_failure(t, &message), reason);
    assert_int_equal(tls_state(t) == TLS_FAILED, reason != REASON_NONE);
    if (!strstr(message, says))
        assert_string_equal(message, says);
    assert_true(text_is_clean(span_of(message)));
}

/* The alert that is shown; "" for none. */
static void check_alert(const struct tls *t, const char *name)
{
    struct arena a = {0};
    struct result_tls shown;

    tls_show(t, &a, &shown);
    assert_string_equal(shown.alert ? shown.alert : "", name);
    arena_free(&a);
}

/* ---- good ---- */

static const struct {
    struct certificates_made *certificate;
    int version;
    const char *ciphers; /* of TLS 1.2 */
    const char *groups;
    const char *shown_version, *shown_cipher, *shown_group, *shown_key;
} good[] = {
    {&ec, TLS1_3_VERSION, NULL, "X25519", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "X25519", "EC 256"},
    {&rsa, TLS1_3_VERSION, NULL, "P-384", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "P-384", "RSA 2048"},
    {&ec, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", "P-256", "TLSv1.2",
     "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "P-256", "EC 256"},
    {&rsa, TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", "X25519", "TLSv1.2",
     "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "X25519", "RSA 2048"},
    {&rsa, TLS1_2_VERSION, "DHE-RSA-AES256-GCM-SHA384", "X25519", "TLSv1.2",
     "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DH 2048", "RSA 2048"},
    {&rsa, TLS1_2_VERSION, "AES256-GCM-SHA384", "X25519", "TLSv1.2", "TLS_RSA_WITH_AES_256_GCM_SHA384", "",
     "RSA 2048"},
};

static void start_good(struct tls_peer *p, size_t row)
{
    tls_peer_init(p, good[row].certificate, 1);
    SSL_CTX_set_max_proto_version(p->ctx, good[row].version);
    if (good[row].ciphers)
        SSL_CTX_set_cipher_list(p->ctx, good[row].ciphers);
    SSL_CTX_set1_groups_list(p->ctx, good[row].groups);
    SSL_CTX_set_dh_auto(p->ctx, 1);
    tls_peer_start(p);
}

static void check_good(size_t row, size_t step)
{
    struct tls_peer p;
    struct arena a = {0};
    struct result_tls shown;
    struct tls *t = tls_new(client, HOST);

    start_good(&p, row);
    p.step = step;
    p.says = "220 " HOST "\r\n";
    tls_peer_talk(&p, t);
    check_failure(t, REASON_NONE, "");
    assert_int_equal(tls_state(t), TLS_UP);
    assert_string_equal(p.read.data, "220 " HOST "\r\n");
    assert_int_equal(tls_write(t, span_of("EHLO a\r\n")), 8);
    tls_peer_talk(&p, t);
    assert_string_equal(p.got.data, "EHLO a\r\n");
    tls_show(t, &a, &shown);
    assert_string_equal(shown.version, good[row].shown_version);
    assert_string_equal(shown.cipher, good[row].shown_cipher);
    assert_string_equal(shown.group ? shown.group : "", good[row].shown_group);
    assert_int_equal(shown.verified, TRI_TRUE);
    assert_int_equal(shown.chain_count, 1);
    assert_string_equal(shown.chain[0].key, good[row].shown_key);
    assert_string_equal(shown.chain[0].names[0], HOST);
    arena_free(&a);
    tls_free(t);
    tls_peer_clear(&p);
}

static void test_whole(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT(good); row++)
        check_good(row, 0);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT(good); row++)
        for (size_t step = 1; step <= 7; step += 2)
            check_good(row, step);
}

/* Ours on both sides, as the sink has it; and more than a record holds. */
static void move(struct tls *from, struct tls *to)
{
    struct span out = tls_output(from);

    tls_receive(to, out, 1);
    tls_sent(from, out.len);
}

static void test_client_and_server_of_ours(void **state)
{
    static char sent[40000];
    static char got[40000];
    struct tls *c = tls_new(client, HOST);
    struct tls *s = tls_new(server, NULL);
    int64_t at_us = 0;
    size_t taken = 0;
    size_t len = 0;
    (void)state;

    assert_int_equal(tls_output(s).len, 0);
    for (int i = 0; i < 3; i++) {
        move(c, s);
        move(s, c);
    }
    assert_int_equal(tls_state(c), TLS_UP);
    assert_int_equal(tls_state(s), TLS_UP);
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (char)(i * 7);
    while (taken < sizeof(sent)) {
        size_t more = tls_write(s, (struct span){sent + taken, sizeof(sent) - taken});
        assert_true(more > 0 && more <= TLS_WRITE_MOST);
        taken += more;
    }
    move(s, c);
    while ((taken = tls_read(c, got + len, sizeof(got) - len < 999 ? sizeof(got) - len : 999, &at_us)) > 0)
        len += taken;
    assert_int_equal(len, sizeof(sent));
    assert_memory_equal(sent, got, sizeof(sent));
    assert_int_equal(at_us, 1);
    tls_shut(c);
    move(c, s);
    assert_int_equal(tls_state(s), TLS_CLOSED);
    assert_int_equal(tls_write(c, span_of("x")), 0);
    tls_free(c);
    tls_free(s);
}

static void test_context_outlives_its_owner(void **state)
{
    struct tls_context_error error;
    struct tls_context *context = tls_context_new(&(struct plan_tls){.ca_file = ca_file}, &error);
    struct tls *t = tls_new(context, HOST);
    struct tls_peer p;
    (void)state;

    tls_context_free(context);
    start_good(&p, 0);
    tls_peer_talk(&p, t);
    assert_int_equal(tls_state(t), TLS_UP);
    tls_free(t);
    tls_free(NULL);
    tls_peer_clear(&p);
}

/* A reply's time is that of the piece which made its record whole. */
static void test_time_of_what_was_inside(void **state)
{
    struct tls *t = tls_new(client, HOST);
    unsigned char wire[1000];
    char plain[100];
    int64_t at_us = 0;
    struct tls_peer p;
    (void)state;

    start_good(&p, 0);
    tls_peer_talk(&p, t);
    SSL_write(p.ssl, "250 Ok\r\n", 8);
    size_t len = tls_peer_take(&p, wire, sizeof(wire));
    tls_receive(t, (struct span){(char *)wire, len - 1}, 5000);
    assert_int_equal(tls_read(t, plain, sizeof(plain), &at_us), 0);
    assert_int_equal(at_us, 0);
    tls_receive(t, (struct span){(char *)wire + len - 1, 1}, 6000);
    assert_int_equal(tls_read(t, plain, 3, &at_us), 3);
    assert_memory_equal(plain, "250", 3);
    assert_int_equal(at_us, 6000);
    assert_int_equal(tls_read(t, plain, sizeof(plain), &at_us), 5);
    assert_memory_equal(plain, " Ok\r\n", 5);
    assert_int_equal(at_us, 6000);
    tls_free(t);
    tls_peer_clear(&p);
}

/* T32 */
static void test_t32_a_record_for_each_byte(void **state)
{
    struct tls *t = tls_new(client, HOST);
    struct tls_peer p;
    (void)state;

    start_good(&p, 0);
    tls_peer_talk(&p, t);
    for (int i = 0; i < 500; i++)
        SSL_write(p.ssl, "x", 1);
    tls_peer_talk(&p, t);
    assert_int_equal(tls_state(t), TLS_UP);
    assert_int_equal(p.read.len, 500);
    tls_free(t);
    tls_peer_clear(&p);
}

/* ---- bad ---- */

/* B13, T09, T38: what comes in the place of TLS */
static void test_not_tls(void **state)
{
    static const struct {
        struct span bytes;
        const char *says;
    } rows[] = {
        {{"220 mx.example.org ESMTP\r\n", 26},
         "the server does not speak TLS here, it sent \"220 mx.example.org ESMTP\""},
        {{"454 4.7.0 no TLS\r\n250 x\r\n", 25}, "it sent \"454 4.7.0 no TLS\""},
        {{"\x80\x2e\x01\x00\x02", 5}, "it sent \"\\x80.\\x01\\x00\\x02\""},
        {{"\x16\x03\x07zz", 5}, "it sent \"\\x16\\x03\\x07zz\""},
        {{"\r\n", 2}, "it sent \"\""},
        {{"0123456789012345678901234567890123456789012345678901234567890123456789", 70},
         "\"012345678901234567890123456789012345678901234567890123456789\""},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tls *t = tls_new(client, HOST);
        tls_receive(t, rows[i].bytes, 1);
        check_failure(t, REASON_NOT_TLS, rows[i].says);
        tls_receive(t, rows[i].bytes, 2);
        tls_broken(t, REASON_RESET);
        check_failure(t, REASON_NOT_TLS, rows[i].says);
        tls_free(t);
    }
}

/* H28 */
static void test_what_is_hidden_is_not_quoted(void **state)
{
    struct tls *t = tls_new(client, HOST);
    const char *message;
    (void)state;

    tls_hide(t);
    tls_receive(t, span_of("220 mx.example.org ESMTP\r\n"), 1);
    check_failure(t, REASON_NOT_TLS, "the server does not speak TLS here, it sent \"***\"");
    tls_failure(t, &message);
    assert_null(strstr(message, "example"));
    tls_free(t);
}

static void test_t06_plain_text_behind_a_record(void **state)
{
    struct tls *t = tls_new(client, HOST);
    (void)state;

    tls_receive(t,
                (struct span){"\x15\x03\x03\x00\x02\x01\x5a"
                              "250 Ok\r\n",
                              15},
                1);
    check_failure(t, REASON_HANDSHAKE, "the server left TLS for \"250 Ok\"");
    tls_free(t);
}

/* T08 */
static void test_t08_the_connection_ends_in_the_handshake(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        enum reason how = reset ? REASON_RESET : REASON_CLOSED;
        struct tls *t = tls_new(client, HOST);
        tls_broken(t, how);
        check_failure(
            t, how,
            reset ? "the server reset the connection in the TLS handshake, without a byte of its own"
                  : "the server closed the connection in the TLS handshake, without a byte of its own");
        tls_free(t);
        t = tls_new(client, HOST);
        tls_receive(t, (struct span){"\x16\x03\x03", 3}, 1);
        tls_broken(t, how);
        check_failure(t, how, "in the TLS handshake");
        tls_free(t);
    }
}

/* T11, T12, T33 and others: an alert says what it is, before anything else came. */
static void test_alerts(void **state)
{
    static const struct {
        unsigned char number;
        enum reason reason;
        const char *name;
    } rows[] = {
        {40, REASON_ALERT, "handshake_failure"}, {112, REASON_ALERT, "unrecognized_name"},
        {80, REASON_ALERT, "internal_error"},    {70, REASON_VERSION, "protocol_version"},
        {200, REASON_ALERT, "unknown"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        char bytes[] = {21, 3, 1, 0, 2, 2, (char)rows[i].number};
        char says[100];
        struct tls *t = tls_new(client, HOST);
        tls_receive(t, (struct span){bytes, sizeof(bytes)}, 1);
        snprintf(says, sizeof(says), "the server ended TLS with the alert %s (%d)", rows[i].name,
                 rows[i].number);
        check_failure(t, rows[i].reason, rows[i].reason == REASON_ALERT ? says : "TLS12");
        check_alert(t, rows[i].name);
        tls_free(t);
    }
}

static void test_t11_no_shared_cipher(void **state)
{
    struct tls *t = tls_new(client, HOST);
    struct tls_peer p;
    (void)state;

    tls_peer_init(&p, &rsa, 1);
    SSL_CTX_set_max_proto_version(p.ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(p.ctx, "ECDHE-ECDSA-AES128-GCM-SHA256");
    tls_peer_start(&p);
    tls_peer_talk(&p, t);
    check_failure(t, REASON_ALERT, "handshake_failure (40)");
    check_alert(t, "handshake_failure");
    tls_free(t);
    tls_peer_clear(&p);
}

static void test_t13_weak_dh(void **state)
{
    struct tls *t = tls_new(client, HOST);
    struct tls_peer p;
    struct arena a = {0};
    struct result_tls shown;
    (void)state;

    tls_peer_init(&p, &rsa, 1);
    SSL_CTX_set_max_proto_version(p.ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(p.ctx, "DHE-RSA-AES256-GCM-SHA384");
    EVP_PKEY *dh = tls_peer_weak_dh();
    assert_int_equal(SSL_CTX_set0_tmp_dh_pkey(p.ctx, dh), 1);
    tls_peer_start(&p);
    tls_peer_talk(&p, t);
    check_failure(t, REASON_WEAK, "dh key too small");
    tls_show(t, &a, &shown);
    assert_int_equal(shown.chain_count, 1);
    assert_int_equal(shown.verified, TRI_TRUE);
    arena_free(&a);
    tls_free(t);
    tls_peer_clear(&p);
}

/* ---- client certificates ---- */

static int take_any(int good_so_far, X509_STORE_CTX *store)
{
    (void)good_so_far;
    (void)store;
    return 1;
}

static void start_asking(struct tls_peer *p, int version)
{
    tls_peer_init(p, &ec, 1);
    SSL_CTX_set_max_proto_version(p->ctx, version);
    SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, take_any);
    tls_peer_start(p);
}

/* T26: TLS 1.3's client is through before the server refuses. */
static void test_t26_a_client_certificate_is_wanted(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls *t = tls_new(client, HOST);
        const char *name = version == TLS1_3_VERSION ? "certificate_required" : "handshake_failure";
        struct tls_peer p;
        start_asking(&p, version);
        tls_peer_talk(&p, t);
        check_failure(t, REASON_ALERT, name);
        check_alert(t, name);
        tls_free(t);
        tls_peer_clear(&p);
    }
}

static void test_a_client_certificate_is_shown(void **state)
{
    struct certificates_made own = certificates_make(&(struct certificates_spec){.subject = "probe"});
    struct tls_context_error error;
    const char *pair = certificates_write("probe.pem", &own, 1, own.key);
    struct tls_context *context =
        tls_context_new(&(struct plan_tls){.ca_file = ca_file, .cert_file = pair}, &error);
    (void)state;

    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls *t = tls_new(context, HOST);
        struct tls_peer p;
        start_asking(&p, version);
        tls_peer_talk(&p, t);
        check_failure(t, REASON_NONE, "");
        assert_int_equal(tls_state(t), TLS_UP);
        X509 *seen = SSL_get1_peer_certificate(p.ssl);
        assert_int_equal(X509_cmp(seen, own.certificate), 0);
        X509_free(seen);
        tls_free(t);
        tls_peer_clear(&p);
    }
    tls_context_free(context);
    certificates_free(&own);
}

/* ---- the name that is asked for ---- */

static char asked[300];

static int note_name(SSL *ssl, int *alert, void *answer)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    snprintf(asked, sizeof(asked), "%s", name ? name : "");
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return *(int *)answer;
}

static void check_name(const char *host, int answer, enum reason reason, uint64_t flags, const char *alert,
                       const char *sni)
{
    struct tls *t = tls_new(client, host);
    struct tls_peer p;

    tls_peer_init(&p, &ec, 1);
    SSL_CTX_set_max_proto_version(p.ctx, TLS1_2_VERSION); /* later ones know no warnings */
    SSL_CTX_set_tlsext_servername_callback(p.ctx, note_name);
    SSL_CTX_set_tlsext_servername_arg(p.ctx, &answer);
    tls_peer_start(&p);
    tls_peer_talk(&p, t);
    check_failure(t, reason, "");
    check_alert(t, alert);
    assert_int_equal(tls_flags(t), flags);
    assert_string_equal(asked, sni);
    tls_free(t);
    tls_peer_clear(&p);
}

static void test_t33_the_name_that_is_asked_for(void **state)
{
    static char long_host[400];
    (void)state;
    memset(long_host, 'a', sizeof(long_host) - 1);
    check_name(HOST, SSL_TLSEXT_ERR_OK, REASON_NONE, 0, "", HOST);
    check_name(HOST ".", SSL_TLSEXT_ERR_OK, REASON_NONE, 0, "", HOST);
    check_name("192.0.2.1", SSL_TLSEXT_ERR_OK, REASON_CERT_NAME_MISMATCH, 0, "", "");
    check_name("2001:db8::1", SSL_TLSEXT_ERR_OK, REASON_CERT_NAME_MISMATCH, 0, "", "");
    check_name(long_host, SSL_TLSEXT_ERR_OK, REASON_CERT_NAME_MISMATCH, 0, "", "");
    check_name("", SSL_TLSEXT_ERR_OK, REASON_CERT_NAME_MISMATCH, 0, "", "");
    check_name(HOST, SSL_TLSEXT_ERR_ALERT_WARNING, REASON_NONE, UINT64_C(1) << FLAG_TLS_UNRECOGNIZED_NAME,
               "unrecognized_name", HOST);
    check_name(HOST, SSL_TLSEXT_ERR_ALERT_FATAL, REASON_ALERT, 0, "unrecognized_name", HOST);
}

/* ---- ends ---- */

static struct tls *up(struct tls_peer *p)
{
    struct tls *t = tls_new(client, HOST);

    start_good(p, 0);
    tls_peer_talk(p, t);
    assert_int_equal(tls_state(t), TLS_UP);
    return t;
}

static void test_t28_truncated(void **state)
{
    struct tls_peer p;
    struct tls *t = up(&p);
    char plain[8];
    int64_t at_us;
    unsigned char wire[100];
    (void)state;

    SSL_write(p.ssl, "250-half", 8);
    size_t len = tls_peer_take(&p, wire, sizeof(wire));
    tls_receive(t, (struct span){(char *)wire, len}, 9);
    tls_broken(t, REASON_CLOSED);
    check_failure(t, REASON_TRUNCATED, "without ending TLS (close_notify)");
    assert_int_equal(tls_read(t, plain, sizeof(plain), &at_us), 8); /* what came, came */
    tls_free(t);
    tls_peer_clear(&p);
}

static void test_reset(void **state)
{
    struct tls_peer p;
    struct tls *t = up(&p);
    (void)state;

    tls_broken(t, REASON_RESET);
    check_failure(t, REASON_RESET, "the server reset the connection");
    tls_free(t);
    tls_peer_clear(&p);
}

/* T29, and what comes behind it is nothing any more */
static void test_t29_close_notify(void **state)
{
    struct tls_peer p;
    struct tls *t = up(&p);
    (void)state;

    SSL_write(p.ssl, "221 Bye\r\n", 9);
    SSL_shutdown(p.ssl);
    tls_peer_talk(&p, t);
    assert_string_equal(p.read.data, "221 Bye\r\n");
    assert_int_equal(tls_state(t), TLS_CLOSED);
    tls_receive(t, span_of("plain"), 99);
    tls_broken(t, REASON_CLOSED);
    assert_int_equal(tls_state(t), TLS_CLOSED);
    check_failure(t, REASON_NONE, "");
    tls_free(t);
    tls_peer_clear(&p);
}

static void test_close_notify_in_the_handshake(void **state)
{
    struct tls *t = tls_new(client, HOST);
    (void)state;

    tls_receive(t, (struct span){"\x15\x03\x03\x00\x02\x01\x00", 7}, 1);
    check_failure(t, REASON_CLOSED, "the server ended TLS (close_notify) in the handshake");
    tls_free(t);
}

/* T40: nobody is waited for. */
static void test_t40_shutting(void **state)
{
    struct tls_peer p;
    struct tls *t = up(&p);
    (void)state;

    tls_shut(t);
    assert_true(tls_output(t).len > 0);
    tls_shut(t);
    tls_peer_talk(&p, t);
    assert_true(SSL_get_shutdown(p.ssl) & SSL_RECEIVED_SHUTDOWN);
    assert_int_equal(tls_state(t), TLS_UP);
    tls_broken(t, REASON_CLOSED);
    check_failure(t, REASON_TRUNCATED, "close_notify");
    tls_shut(t);
    tls_free(t);
    tls_peer_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_client_and_server_of_ours),
        cmocka_unit_test(test_context_outlives_its_owner),
        cmocka_unit_test(test_time_of_what_was_inside),
        cmocka_unit_test(test_t32_a_record_for_each_byte),
        cmocka_unit_test(test_not_tls),
        cmocka_unit_test(test_what_is_hidden_is_not_quoted),
        cmocka_unit_test(test_t06_plain_text_behind_a_record),
        cmocka_unit_test(test_t08_the_connection_ends_in_the_handshake),
        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_t11_no_shared_cipher),
        cmocka_unit_test(test_t13_weak_dh),
        cmocka_unit_test(test_t26_a_client_certificate_is_wanted),
        cmocka_unit_test(test_a_client_certificate_is_shown),
        cmocka_unit_test(test_t33_the_name_that_is_asked_for),
        cmocka_unit_test(test_t28_truncated),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_t29_close_notify),
        cmocka_unit_test(test_close_notify_in_the_handshake),
        cmocka_unit_test(test_t40_shutting),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
