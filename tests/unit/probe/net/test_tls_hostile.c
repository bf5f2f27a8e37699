/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/base/text.h"
#include "probe/net/certificate.h"
#include "probe/net/tls_verify.h"
#include "tests/unit/probe/net/tls_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOST      "mx.example.org"
#define MUTATIONS 1000 /* of each kind */

static struct certificates_made root;
static struct certificates_made leaf;
static struct certificates_made huge; /* 250 KB of names */
static struct tls_context *client;
static struct tls_context *careless;
static struct tls_context *server;

static int set_up(void **state)
{
    struct tls_context_error error;
    (void)state;

    certificates_open_folder();
    root = certificates_make(
        &(struct certificates_spec){.subject = "Root", .is_ca = true, .key = CERTIFICATES_EC_OTHER});
    leaf = certificates_make(
        &(struct certificates_spec){.subject = "mx", .alt = "DNS:" HOST ",IP:192.0.2.1", .issuer = &root});
    huge = certificates_make(
        &(struct certificates_spec){.subject = "mx", .alt = "DNS:" HOST, .many = 10000, .issuer = &root});
    const char *ca_file = certificates_write("ca.pem", &root, 1, NULL);
    client = tls_context_new(&(struct plan_tls){.ca_file = ca_file}, &error);
    careless = tls_context_new(&(struct plan_tls){.ca_file = ca_file, .insecure_skip_verify = true}, &error);
    server = tls_context_new_server(certificates_write("mx.pem", &leaf, 1, leaf.key), NULL, &error);
    return client && careless && server ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tls_context_free(client);
    tls_context_free(careless);
    tls_context_free(server);
    certificates_free(&root);
    certificates_free(&leaf);
    certificates_free(&huge);
    certificates_close_folder();
    return 0;
}

static void check_failed(const struct tls *t, enum reason reason, const char *says)
{
    const char *message;

    assert_int_equal(tls_state(t), TLS_FAILED);
    assert_int_equal(tls_failure(t, &message), reason);
    if (!strstr(message, says))
        assert_string_equal(message, says);
}

/* ---- T31: floods ---- */

static struct tls *up(struct tls_peer *p)
{
    struct tls *t = tls_new(client, HOST);

    tls_peer_init(p, &leaf, 1);
    SSL_CTX_set_num_tickets(p->ctx, 0);
    tls_peer_start(p);
    tls_peer_talk(p, t);
    assert_int_equal(tls_state(t), TLS_UP);
    return t;
}

static void send_ticket(struct tls_peer *p)
{
    assert_int_equal(SSL_new_session_ticket(p->ssl), 1);
    SSL_do_handshake(p->ssl);
}

static void send_key_update(struct tls_peer *p)
{
    assert_int_equal(SSL_key_update(p->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    SSL_do_handshake(p->ssl);
}

/* As many as are taken, with replies between them, and one more. */
static void check_flood(void (*send)(struct tls_peer *p))
{
    struct tls_peer p;
    struct tls *t = up(&p);

    for (int i = 0; i < TLS_MAX_IDLE; i++) {
        send(&p);
        SSL_write(p.ssl, "x", 1);
        tls_peer_talk(&p, t);
        assert_int_equal(tls_state(t), TLS_UP);
    }
    assert_int_equal(p.read.len, TLS_MAX_IDLE);
    send(&p);
    tls_peer_talk(&p, t);
    check_failed(t, REASON_HANDSHAKE, "the server sent 65 TLS records with nothing inside");
    tls_free(t);
    tls_peer_clear(&p);
}

static void test_t31_tickets(void **state)
{
    (void)state;
    check_flood(send_ticket);
}

static void test_t31_key_updates(void **state)
{
    (void)state;
    check_flood(send_key_update);
}

/* All at once: the answers that it makes do not grow either. */
static void test_t31_many_at_once(void **state)
{
    struct tls_peer p;
    struct tls *t = up(&p);
    unsigned char wire[100000];
    (void)state;

    for (int i = 0; i < 1000; i++)
        send_key_update(&p);
    size_t len = tls_peer_take(&p, wire, sizeof(wire));
    tls_peer_hand(&p, t, wire, len);
    check_failed(t, REASON_HANDSHAKE, "TLS records with nothing inside");
    assert_true(tls_output(t).len < 100 * (TLS_MAX_IDLE + 1));
    tls_free(t);
    tls_peer_clear(&p);
}

/* A server that wants another handshake gets an alert, and no second ClientHello. */
static void test_t31_renegotiation(void **state)
{
    struct tls *t = tls_new(client, HOST);
    unsigned char wire[1000];
    struct tls_peer p;
    (void)state;

    tls_peer_init(&p, &leaf, 1);
    SSL_CTX_set_max_proto_version(p.ctx, TLS1_2_VERSION);
    tls_peer_start(&p);
    tls_peer_talk(&p, t);
    assert_int_equal(tls_state(t), TLS_UP);
    assert_int_equal(SSL_renegotiate(p.ssl), 1);
    SSL_do_handshake(p.ssl);
    size_t len = tls_peer_take(&p, wire, sizeof(wire));
    assert_true(len > 0);
    tls_peer_hand(&p, t, wire, len);
    assert_int_equal(tls_state(t), TLS_UP);
    assert_true(tls_output(t).len > 0 && tls_output(t).len < 64);
    tls_free(t);
    tls_peer_clear(&p);
}

static void check_repeated(const char *record, size_t len, size_t most)
{
    struct tls *t = tls_new(client, HOST);
    size_t times = 0;

    while (tls_state(t) == TLS_HANDSHAKING && times < most) {
        tls_receive(t, (struct span){record, len}, 1);
        times++;
    }
    check_failed(t, REASON_HANDSHAKE, "the server");
    assert_true(times < most);
    tls_free(t);
}

static void test_t31_before_the_handshake_is_over(void **state)
{
    (void)state;
    check_repeated("\x15\x03\x03\x00\x02\x01\x5a", 7, 100); /* warnings */
    check_repeated("\x16\x03\x03\x00\x00", 5, 100);         /* empty records */
    check_repeated("\x14\x03\x03\x00\x01\x01", 6, 100);     /* change_cipher_spec */
    check_repeated("\x17\x03\x03\x00\x01x", 6, 100);        /* application data */
}

/* ---- T24, T25: what a server shows ---- */

/* The first certificate in a flight of TLS 1.2, which is not encrypted; null when there is none. */
static unsigned char *find_certificate(unsigned char *data, size_t len)
{
    for (size_t at = 0; at + 15 < len; at += 5u + (size_t)(data[at + 3] << 8 | data[at + 4]))
        if (data[at] == 22 && data[at + 5] == 11) /* a handshake record, Certificate */
            return data + at + 5 + 10;
    return NULL;
}

static void break_certificate(struct tls_peer *p, unsigned char *data, size_t len)
{
    unsigned char *certificate = find_certificate(data, len);

    (void)p;
    if (certificate)
        certificate[0] = 0x31; /* no SEQUENCE any more */
}

static void test_t25_malformed_asn1(void **state)
{
    struct tls *t = tls_new(client, HOST);
    struct arena a = {0};
    struct result_tls shown;
    struct tls_peer p;
    (void)state;

    tls_peer_init(&p, &leaf, 1);
    SSL_CTX_set_max_proto_version(p.ctx, TLS1_2_VERSION);
    tls_peer_start(&p);
    p.touch = break_certificate;
    tls_peer_talk(&p, t);
    check_failed(t, REASON_HANDSHAKE, "the server's TLS cannot be used: wrong tag");
    tls_show(t, &a, &shown);
    assert_int_equal(shown.chain_count, 0);
    assert_int_equal(shown.verified, TRI_NULL);
    assert_string_equal(shown.version, "TLSv1.2");
    assert_string_equal(shown.cipher, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    arena_free(&a);
    tls_free(t);
    tls_peer_clear(&p);
}

static struct tls_peer start_huge(void)
{
    struct tls_peer p;

    tls_peer_init(&p, &huge, 1);
    SSL_CTX_set_max_proto_version(p.ctx, TLS1_2_VERSION);
    tls_peer_start(&p);
    return p;
}

static void test_t20_ten_thousand_names(void **state)
{
    struct tls *t = tls_new(client, HOST);
    struct tls_peer p = start_huge();
    struct arena a = {0};
    struct result_tls shown;
    (void)state;

    p.step = 1000;
    tls_peer_talk(&p, t);
    assert_int_equal(tls_state(t), TLS_UP);
    tls_show(t, &a, &shown);
    assert_int_equal(shown.chain[0].name_count, RESULT_MAX_NAMES);
    assert_int_equal(shown.chain[0].name_total, 10001);
    assert_string_equal(shown.chain[0].names[0], HOST);
    assert_string_equal(shown.chain[0].names[19], "name18.example.org");
    arena_free(&a);
    tls_free(t);
    tls_peer_clear(&p);
}

/* The same in records of one byte each: six times as much, which is too much. */
static void test_t24_a_handshake_is_bounded(void **state)
{
    struct tls *t = tls_new(client, HOST);
    struct tls_peer p = start_huge();
    size_t size = 1 << 20;
    unsigned char *wire = malloc(size);
    struct span hello = tls_output(t);
    size_t handed = 0;
    (void)state;

    BIO_write(p.in, hello.data, (int)hello.len);
    SSL_do_handshake(p.ssl);
    size_t len = tls_peer_take(&p, wire, size);
    assert_true(len > 200000);
    for (size_t at = 0; at < len && tls_state(t) == TLS_HANDSHAKING;) {
        size_t body = (size_t)(wire[at + 3] << 8 | wire[at + 4]);
        for (size_t i = 0; i < body && tls_state(t) == TLS_HANDSHAKING; i++) {
            unsigned char record[6] = {wire[at], wire[at + 1], wire[at + 2], 0, 1, wire[at + 5 + i]};
            tls_receive(t, (struct span){(char *)record, sizeof(record)}, 1);
            handed += sizeof(record);
        }
        at += 5 + body;
    }
    check_failed(t, REASON_HANDSHAKE, "the server sent more than 640 KiB in a handshake");
    assert_true(handed > TLS_MAX_HANDSHAKE && handed <= TLS_MAX_HANDSHAKE + 6);
    free(wire);
    tls_free(t);
    tls_peer_clear(&p);
}

/* ---- anything at all ---- */

static unsigned random_of(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

static void mutate(struct tls_peer *p, unsigned char *data, size_t len)
{
    unsigned count = random_of(&p->seed) % 3 + 1;

    for (unsigned i = 0; i < count && len; i++)
        data[random_of(&p->seed) % len] ^= (unsigned char)(1u << random_of(&p->seed) % 8);
}

static bool is_clean(const char *text)
{
    return !text || text_is_clean(span_of(text));
}

static void check_certificate(const struct result_certificate *c)
{
    assert_true(is_clean(c->subject) && is_clean(c->issuer) && is_clean(c->key));
    assert_int_equal(strlen(c->sha256), 64);
    assert_true(c->name_count <= RESULT_MAX_NAMES && c->name_count <= c->name_total);
    for (size_t i = 0; i < c->name_count; i++)
        assert_true(is_clean(c->names[i]));
}

/* Whatever came: a state, one reason, and what is shown can be shown. */
static void check_sound(struct tls *t)
{
    struct arena a = {0};
    struct result_tls shown;
    const char *message;
    enum reason reason = tls_failure(t, &message);

    assert_int_equal(tls_state(t) == TLS_FAILED, reason != REASON_NONE);
    assert_int_equal(*message != '\0', reason != REASON_NONE);
    assert_true(is_clean(message));
    tls_show(t, &a, &shown);
    assert_true(is_clean(shown.version) && is_clean(shown.cipher) && is_clean(shown.group));
    assert_true(shown.chain_count <= TLS_VERIFY_CHAIN_MOST);
    for (size_t i = 0; i < shown.chain_count; i++)
        check_certificate(&shown.chain[i]);
    arena_free(&a);
}

static bool play_mutated(struct tls_context *context, int version, unsigned seed)
{
    struct tls *t = tls_new(context, HOST);
    struct tls_peer p;

    tls_peer_init(&p, &leaf, 1);
    SSL_CTX_set_max_proto_version(p.ctx, version);
    tls_peer_start(&p);
    p.touch = mutate;
    p.seed = seed;
    p.step = seed % 3 ? 0 : 1 + seed % 50;
    p.says = "220 " HOST "\r\n";
    tls_peer_talk(&p, t);
    check_sound(t);
    tls_broken(t, REASON_CLOSED);
    bool failed = tls_state(t) == TLS_FAILED;
    check_sound(t);
    tls_free(t);
    tls_peer_clear(&p);
    return failed;
}

static void test_mutated_servers(void **state)
{
    unsigned failed = 0;
    (void)state;

    for (unsigned seed = 0; seed < MUTATIONS; seed++) {
        failed += play_mutated(client, TLS1_2_VERSION, seed);
        failed += play_mutated(careless, seed % 2 ? TLS1_2_VERSION : TLS1_3_VERSION, seed + MUTATIONS);
    }
    assert_true(failed > MUTATIONS);
}

static void test_mutated_clients(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < MUTATIONS; seed++) {
        struct tls *c = tls_new(client, HOST);
        struct tls *s = tls_new(server, NULL);
        char hello[2048];
        struct span out = tls_output(c);
        struct tls_peer p = {.seed = seed};
        assert_true(out.len < sizeof(hello));
        memcpy(hello, out.data, out.len);
        mutate(&p, (unsigned char *)hello, out.len);
        tls_receive(s, (struct span){hello, out.len}, 1);
        check_sound(s);
        tls_free(c);
        tls_free(s);
    }
}

static void test_mutated_certificates(void **state)
{
    unsigned char *der = NULL;
    int len = i2d_X509(leaf.certificate, &der);
    struct tls_peer p = {.seed = 1};
    unsigned read = 0;
    (void)state;

    for (unsigned i = 0; i < 5 * MUTATIONS; i++) {
        unsigned char copy[2048];
        const unsigned char *at = copy;
        struct result_certificate c;
        struct arena a = {0};
        assert_true(len > 0 && (size_t)len < sizeof(copy));
        memcpy(copy, der, (size_t)len);
        mutate(&p, copy, (size_t)len);
        X509 *x = d2i_X509(NULL, &at, len);
        if (!x)
            continue;
        read++;
        certificate_show(&a, x, &c);
        check_certificate(&c);
        certificate_is_for(x, HOST);
        certificate_is_for(x, "192.0.2.1");
        arena_free(&a);
        X509_free(x);
    }
    assert_true(read > MUTATIONS);
    OPENSSL_free(der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_t31_tickets),
        cmocka_unit_test(test_t31_key_updates),
        cmocka_unit_test(test_t31_many_at_once),
        cmocka_unit_test(test_t31_renegotiation),
        cmocka_unit_test(test_t31_before_the_handshake_is_over),
        cmocka_unit_test(test_t25_malformed_asn1),
        cmocka_unit_test(test_t20_ten_thousand_names),
        cmocka_unit_test(test_t24_a_handshake_is_bounded),
        cmocka_unit_test(test_mutated_servers),
        cmocka_unit_test(test_mutated_clients),
        cmocka_unit_test(test_mutated_certificates),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
