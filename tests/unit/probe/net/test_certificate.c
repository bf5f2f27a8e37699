/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/base/clock.h"
#include "probe/base/text.h"
#include "probe/net/certificate.h"
#include "tests/unit/probe/net/certificates.h"

#include <ctype.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OUTPUT_MOST  65536

static int set_up(void **state)
{
    (void)state;
    certificates_open_folder();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    certificates_close_folder();
    return 0;
}

/* What `openssl x509` prints of the certificate when it is asked for that. */
static char *openssl_prints(const char *path, const char *what)
{
    static char output[OUTPUT_MOST];
    char command[512];

    snprintf(command, sizeof(command), "LC_ALL=C openssl x509 -noout -in %s %s 2>/dev/null", path, what);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    size_t len = fread(output, 1, sizeof(output) - 1, in);
    output[len] = '\0';
    assert_int_equal(pclose(in), 0);
    while (len && output[len - 1] == '\n')
        output[--len] = '\0';
    return output;
}

static const char *after(const char *text, const char *mark)
{
    const char *found = strstr(text, mark);

    assert_non_null(found);
    return found + strlen(mark);
}

static void check_date(const char *path, const char *what, const char *mark, int64_t wall_us)
{
    struct tm t;
    char text[64];
    time_t seconds = (time_t)(wall_us / CLOCK_US_PER_S);

    gmtime_r(&seconds, &t);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%SZ", &t);
    assert_int_equal(wall_us % CLOCK_US_PER_S, 0);
    assert_string_equal(after(openssl_prints(path, what), mark), text);
}

static void check_sha256(const char *path, const char *sha256)
{
    const char *theirs = after(openssl_prints(path, "-fingerprint -sha256"), "=");

    assert_int_equal(strlen(sha256), 64);
    for (size_t i = 0; i < 32; i++) {
        assert_int_equal(sha256[2 * i], tolower((unsigned char)theirs[3 * i]));
        assert_int_equal(sha256[2 * i + 1], tolower((unsigned char)theirs[3 * i + 1]));
    }
}

/* OpenSSL writes IPv6 without "::", "2001:DB8:0:0:0:0:0:1": both are read. */
static void check_name(const char *ours, char *theirs)
{
    struct address a;
    struct address b;

    if (strncmp(theirs, "DNS:", 4) == 0) {
        assert_string_equal(ours, theirs + 4);
        return;
    }
    assert_memory_equal(theirs, "IP Address:", 11);
    assert_int_equal(address_parse(ours, 0, &a), 0);
    assert_int_equal(address_parse(theirs + 11, 0, &b), 0);
    assert_int_equal(address_compare(&a, &b), 0);
}

static void check_names(const char *path, const struct result_certificate *c)
{
    char *theirs = openssl_prints(path, "-ext subjectAltName");
    char *list = strchr(theirs, '\n');
    size_t count = 0;
    char *rest;

    if (!list) {
        assert_int_equal(c->name_total, 0);
        return;
    }
    for (char *name = strtok_r(list, ",\n", &rest); name; name = strtok_r(NULL, ",\n", &rest)) {
        name += strspn(name, " ");
        if (strncmp(name, "DNS:", 4) != 0 && strncmp(name, "IP Address:", 11) != 0)
            continue;
        if (count < c->name_count)
            check_name(c->names[count], name);
        count++;
    }
    assert_int_equal(c->name_total, count);
    assert_int_equal(c->name_count, count < RESULT_MAX_NAMES ? count : RESULT_MAX_NAMES);
}

/* "Public-Key: (256 bit)" or "ED25519 Public-Key:" */
static void check_key(const char *path, const char *key)
{
    const char *theirs = openssl_prints(path, "-text");
    const char *bits = strchr(key, ' ');
    char text[64];

    if (strcmp(key, "Ed25519") == 0) {
        assert_non_null(strstr(theirs, "ED25519 Public-Key:"));
        return;
    }
    snprintf(text, sizeof(text), "Public-Key: (%s bit)", bits + 1);
    assert_non_null(strstr(theirs, text));
    assert_non_null(strstr(theirs, strncmp(key, "EC ", 3) == 0 ? "id-ecPublicKey" : "rsaEncryption"));
}

static const struct certificates_spec kinds[] = {
    {.subject = "mx.example.org", .alt = "DNS:mx.example.org,DNS:*.example.net,IP:192.0.2.1,IP:2001:db8::1"},
    {.subject = "mx", .key = CERTIFICATES_RSA},
    {.subject = "mx", .key = CERTIFICATES_RSA_1024, .sha1 = true},
    {.subject = "mx", .key = CERTIFICATES_ED25519},
    {.alt = "email:a@example.org,DNS:mx.example.org,URI:https://example.org/"},
    {.subject = "Gr\xc3\xbc\xc3\x9f\x65, \"M\" <a+b> #; \\=", .alt = "DNS:xn--gre-6ka8e.example.org"},
    {.subject = " leading and trailing "},
    {.subject = "#hash"},
    {.subject = "old", .not_before = "19500101000000Z", .not_after = "20491231235959Z"},
    {.subject = "new", .not_before = "20500101000000Z", .not_after = "99991231235959Z"},
    {.subject = "2038", .not_before = "20380119031407Z", .not_after = "20380119031408Z"},
    {.subject = "many", .many = 1000},
    {.subject = "twenty", .many = RESULT_MAX_NAMES},
    {.subject = "twenty-one", .many = RESULT_MAX_NAMES + 1},
};

static void test_agrees_with_openssl(void **state)
{
    struct certificates_made ca =
        certificates_make(&(struct certificates_spec){.subject = "A CA", .key = CERTIFICATES_EC_OTHER});
    (void)state;

    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct certificates_spec spec = kinds[i];
        struct result_certificate c;
        struct arena a = {0};
        char name[32];

        spec.issuer = &ca;
        struct certificates_made made = certificates_make(&spec);
        snprintf(name, sizeof(name), "kind-%zu.pem", i);
        const char *path = certificates_write(name, &made, 1, NULL);
        certificate_show(&a, made.certificate, &c);
        assert_string_equal(after(openssl_prints(path, "-subject -nameopt RFC2253,-esc_msb"), "subject="),
                            c.subject);
        assert_string_equal(after(openssl_prints(path, "-issuer -nameopt RFC2253"), "issuer="), c.issuer);
        check_date(path, "-startdate -dateopt iso_8601", "notBefore=", c.not_before_wall_us);
        check_date(path, "-enddate -dateopt iso_8601", "notAfter=", c.not_after_wall_us);
        check_sha256(path, c.sha256);
        check_names(path, &c);
        check_key(path, c.key);
        arena_free(&a);
        certificates_free(&made);
    }
    certificates_free(&ca);
}

static void test_hostile_texts_are_clean(void **state)
{
    static char long_name[3000];
    memset(long_name, 'x', sizeof(long_name) - 1);
    const struct {
        struct span raw;
        const char *shown;
    } rows[] = {
        {{"a\0b", 3}, "a\\x00b"}, {{"a\r\nb", 4}, "a\\x0D\\x0Ab"}, {{"\xff", 1}, "\\xFF"},
        {{"a\\b", 3}, "a\\b"},    {{"\x1b[31m", 5}, "\\x1B[31m"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows) + 1; i++) {
        struct span raw = i < COUNT(rows) ? rows[i].raw : span_of(long_name);
        struct certificates_made made = certificates_make(&(struct certificates_spec){.raw_name = raw});
        struct result_certificate c;
        struct arena a = {0};
        certificate_show(&a, made.certificate, &c);
        assert_int_equal(c.name_count, 1);
        assert_true(text_is_clean(span_of(c.names[0])));
        if (i < COUNT(rows))
            assert_string_equal(c.names[0], rows[i].shown);
        else
            assert_int_equal(strlen(c.names[0]), 255 + 3);
        assert_string_equal(c.subject, "");
        arena_free(&a);
        certificates_free(&made);
    }
}

static void test_text_is_cut_between_characters(void **state)
{
    struct arena a = {0};
    (void)state;

    assert_string_equal(certificate_text(&a, span_of("abc"), 3), "abc");
    assert_string_equal(certificate_text(&a, span_of("abcd"), 3), "abc...");
    assert_string_equal(certificate_text(&a, span_of("a\xc3\xbc"), 3), "a\xc3\xbc");
    assert_string_equal(certificate_text(&a, span_of("a\xc3\xbc"), 2), "a...");
    assert_string_equal(certificate_text(&a, span_of("\xf0\x9f\x93\xa7x"), 3), "...");
    assert_string_equal(certificate_text(&a,
                                         (struct span){"a\xff"
                                                       "bc",
                                                       4},
                                         2),
                        "a\\xFF...");
    assert_string_equal(certificate_text(&a, (struct span){"\x80\x80\x80\x80", 4}, 2), "...");
    assert_string_equal(certificate_text(&a, (struct span){NULL, 0}, 5), "");
    arena_free(&a);
}

static void check_file(const char *path, size_t count, bool key, const char *error)
{
    struct certificate_file file;
    char text[CERTIFICATE_ERROR_SIZE] = "";
    int result = certificate_file_read(path, &file, text);

    assert_int_equal(result, error ? -1 : 0);
    if (error) {
        assert_string_equal(text, error);
        return;
    }
    assert_int_equal(file.count, count);
    assert_int_equal(file.key != NULL, key);
    certificate_file_free(&file);
}

static void test_files(void **state)
{
    struct certificates_made two[2] = {certificates_make(&(struct certificates_spec){.subject = "a"}),
                                       certificates_make(&(struct certificates_spec){.subject = "b"})};
    const char *big = certificates_write_text("big", "x");
    (void)state;

    check_file(certificates_write("two", two, 2, NULL), 2, false, NULL);
    check_file(certificates_write("both", two, 1, two[0].key), 1, true, NULL);
    check_file(certificates_write("key", two, 0, two[0].key), 0, true, NULL);
    check_file(certificates_write_text("empty", ""), 0, false, NULL);
    check_file(certificates_write_text("text", "no PEM at all\n"), 0, false, NULL);
    check_file(certificates_path("none"), 0, false, "cannot be opened: No such file or directory");
    check_file("/tmp", 0, false, "is no regular file");
    check_file("/dev/zero", 0, false, "is no regular file");
    check_file(
        certificates_write_text("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        0, false, "its certificate no. 1 is broken");
    check_file(certificates_write_text("half", "-----BEGIN CERTIFICATE-----\nAAAA\n"), 0, false,
               "its certificate no. 1 is broken");
    check_file(
        certificates_write_text("badkey", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        0, false, "its private key is broken");
    assert_int_equal(truncate(big, 4 * 1024 * 1024 + 1), 0);
    check_file(big, 0, false, "is larger than 4 MiB");
    certificates_free(&two[0]);
    certificates_free(&two[1]);
}

static void test_a_key_under_a_passphrase(void **state)
{
    struct certificates_made made = certificates_make(&(struct certificates_spec){.subject = "a"});
    const char *path = certificates_path("secret");
    BIO *out = BIO_new_file(path, "w");
    (void)state;

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(out, made.key, EVP_aes_128_cbc(), "pass", 4, NULL, NULL),
                     1);
    BIO_free(out);
    check_file(path, 0, false, "its private key is under a passphrase");
    certificates_free(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_openssl),
        cmocka_unit_test(test_hostile_texts_are_clean),
        cmocka_unit_test(test_text_is_cut_between_characters),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_a_key_under_a_passphrase),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
