/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/probe/net/certificates.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATHS_MOST 64

static char folder[] = "/tmp/ehlod-certificates-XXXXXX";
static char *paths[PATHS_MOST];
static size_t path_count;

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}

/* Keys are slow to make: each kind is made once. */
static EVP_PKEY *key_of(enum certificates_key kind)
{
    static EVP_PKEY *keys[CERTIFICATES_KEY_COUNT];

    if (!keys[kind]) {
        if (kind == CERTIFICATES_EC || kind == CERTIFICATES_EC_OTHER)
            keys[kind] = EVP_EC_gen("P-256");
        else if (kind == CERTIFICATES_ED25519)
            keys[kind] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        else
            keys[kind] = EVP_RSA_gen(kind == CERTIFICATES_RSA ? 2048u : 1024u);
    }
    must(keys[kind] && EVP_PKEY_up_ref(keys[kind]), "key");
    return keys[kind];
}

static void set_times(X509 *x, const struct certificates_spec *spec)
{
    ASN1_TIME *before = X509_getm_notBefore(x);
    ASN1_TIME *after = X509_getm_notAfter(x);

    must(spec->not_before ? ASN1_TIME_set_string_X509(before, spec->not_before) == 1
                          : X509_gmtime_adj(before, -24L * 3600) != NULL,
         "notBefore");
    must(spec->not_after ? ASN1_TIME_set_string_X509(after, spec->not_after) == 1
                         : X509_gmtime_adj(after, 30L * 24 * 3600) != NULL,
         "notAfter");
}

static void add(X509 *x, int nid, const char *value)
{
    X509V3_CTX context;

    if (!value)
        return;
    X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    must(extension && X509_add_ext(x, extension, -1), value);
    X509_EXTENSION_free(extension);
}

static void push_dns(GENERAL_NAMES *names, struct span bytes)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();

    must(name && text && ASN1_STRING_set(text, bytes.data, (int)bytes.len), "a name");
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    sk_GENERAL_NAME_push(names, name);
}

static void add_names(X509 *x, const struct certificates_spec *spec)
{
    add(x, NID_subject_alt_name, spec->alt);
    if (spec->raw_name.len == 0 && spec->many == 0)
        return;
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    if (!names)
        names = sk_GENERAL_NAME_new_null();
    if (spec->raw_name.len)
        push_dns(names, spec->raw_name);
    for (size_t i = 0; i < spec->many; i++) {
        char text[64];
        snprintf(text, sizeof(text), "name%zu.example.org", i);
        push_dns(names, span_of(text));
    }
    must(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE) == 1, "names");
    GENERAL_NAMES_free(names);
}

struct certificates_made certificates_make(const struct certificates_spec *spec)
{
    static long serial;
    struct certificates_made made = {X509_new(), key_of(spec->key)};
    X509 *x = made.certificate;
    X509 *issuer = spec->issuer ? spec->issuer->certificate : x;
    EVP_PKEY *signer = spec->issuer ? spec->issuer->key : made.key;
    const EVP_MD *hash = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519 ? NULL
                         : spec->sha1                                     ? EVP_sha1()
                                                                          : EVP_sha256();

    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    set_times(x, spec);
    X509_set_pubkey(x, made.key);
    if (spec->subject)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)spec->subject, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    add(x, NID_basic_constraints, spec->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    add(x, NID_ext_key_usage, spec->purpose);
    add(x, NID_name_constraints, spec->constraints);
    add_names(x, spec);
    must(X509_sign(x, signer, hash) != 0, "signature");
    return made;
}

void certificates_free(struct certificates_made *made)
{
    X509_free(made->certificate);
    EVP_PKEY_free(made->key);
}

void certificates_open_folder(void)
{
    must(mkdtemp(folder) != NULL, "folder");
}

void certificates_close_folder(void)
{
    for (size_t i = 0; i < path_count; i++) {
        unlink(paths[i]);
        free(paths[i]);
    }
    rmdir(folder);
    path_count = 0;
}

const char *certificates_path(const char *name)
{
    must(path_count < PATHS_MOST && asprintf(&paths[path_count], "%s/%s", folder, name) > 0, "path");
    return paths[path_count++];
}

const char *certificates_write(const char *name, const struct certificates_made *list, size_t count,
                               EVP_PKEY *key)
{
    const char *path = certificates_path(name);
    BIO *out = BIO_new_file(path, "w");

    must(out != NULL, path);
    for (size_t i = 0; i < count; i++)
        PEM_write_bio_X509(out, list[i].certificate);
    if (key)
        PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    BIO_free(out);
    return path;
}

const char *certificates_write_text(const char *name, const char *text)
{
    const char *path = certificates_path(name);
    FILE *out = fopen(path, "w");

    must(out && fputs(text, out) >= 0 && fclose(out) == 0, path);
    return path;
}
