/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates (RFC 5280) as facts: names after RFC 2253, subjectAltName, dates, SHA-256, key; and PEM files
 * (RFC 7468). Whether a certificate can be trusted is for tls.c. A certificate of a peer may say anything:
 * each text is cut to a size and shown escaped where it is not clean.
 */
#include "probe/net/certificate.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DN_MOST   1024
#define NAME_MOST 255
#define FILE_MOST (4 * 1024 * 1024)

const char *certificate_text(struct arena *a, struct span text, size_t most)
{
    struct span part = text;

    if (text.len > most) {
        part.len = most;
        while (part.len && ((unsigned char)part.data[part.len] & 0xc0) == 0x80)
            part.len--;
    }
    const char *clean = text_is_clean(text) ? arena_dup_span(a, part) : text_escape(a, part);
    return part.len < text.len ? arena_printf(a, "%s...", clean) : clean;
}

/* RFC 2253 in UTF-8. A string that cannot be turned into UTF-8 makes the whole name hexadecimal, "CN=#0C..".
 */
static const char *show_dn(struct arena *a, const X509_NAME *name)
{
    static const unsigned long flags[] = {XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB,
                                          XN_FLAG_RFC2253 | ASN1_STRFLGS_DUMP_ALL};
    const char *text = "";

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && *text == '\0'; i++) {
        BIO *out = BIO_new(BIO_s_mem());
        char *data;
        if (X509_NAME_print_ex(out, name, 0, flags[i]) >= 0) {
            long len = BIO_get_mem_data(out, &data);
            text = certificate_text(a, (struct span){data, (size_t)len}, DN_MOST);
        }
        BIO_free(out);
    }
    return text;
}

/* Null for a kind of name that is neither a host's nor an IP address. */
static const char *show_name(struct arena *a, const GENERAL_NAME *name)
{
    char literal[INET6_ADDRSTRLEN];
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);

    if (type != GEN_DNS && type != GEN_IPADD)
        return NULL;
    struct span bytes = {(const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)};
    if (type == GEN_DNS)
        return certificate_text(a, bytes, NAME_MOST);
    if (bytes.len != 4 && bytes.len != 16)
        return NULL;
    return arena_dup(a, inet_ntop(bytes.len == 4 ? AF_INET : AF_INET6, bytes.data, literal, sizeof(literal)));
}

static void show_names(struct arena *a, X509 *certificate, struct result_certificate *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const char **list = arena_alloc(a, RESULT_MAX_NAMES * sizeof(*list));
    struct arena beyond = {0};

    out->names = list;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        bool room = out->name_count < RESULT_MAX_NAMES;
        const char *name = show_name(room ? a : &beyond, sk_GENERAL_NAME_value(names, i));
        if (!name)
            continue;
        out->name_total++;
        if (room)
            list[out->name_count++] = name;
        arena_free(&beyond);
    }
    GENERAL_NAMES_free(names);
}

static int64_t wall_of(const ASN1_TIME *time)
{
    struct tm t;

    if (!ASN1_TIME_to_tm(time, &t))
        return CLOCK_NONE;
    return (int64_t)timegm(&t) * CLOCK_US_PER_S;
}

static const char *show_key(struct arena *a, X509 *certificate)
{
    EVP_PKEY *key = X509_get0_pubkey(certificate);

    if (!key)
        return "unknown";
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return arena_printf(a, "RSA %d", EVP_PKEY_get_bits(key));
    case EVP_PKEY_RSA_PSS:
        return arena_printf(a, "RSA-PSS %d", EVP_PKEY_get_bits(key));
    case EVP_PKEY_EC:
        return arena_printf(a, "EC %d", EVP_PKEY_get_bits(key));
    case EVP_PKEY_DSA:
        return arena_printf(a, "DSA %d", EVP_PKEY_get_bits(key));
    case EVP_PKEY_ED25519:
        return "Ed25519";
    case EVP_PKEY_ED448:
        return "Ed448";
    default:
        return "unknown";
    }
}

static const char *show_sha256(struct arena *a, const X509 *certificate)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    X509_digest(certificate, EVP_sha256(), hash, &len);
    char *text = arena_alloc(a, 2 * (size_t)len + 1);
    for (unsigned i = 0; i < len; i++) {
        text[2 * i] = hex[hash[i] >> 4];
        text[2 * i + 1] = hex[hash[i] & 0x0f];
    }
    text[2 * len] = '\0';
    return text;
}

int64_t certificate_expiry(X509 *certificate)
{
    return wall_of(X509_get0_notAfter(certificate));
}

void certificate_show(struct arena *a, struct x509_st *certificate, struct result_certificate *out_r)
{
    struct result_certificate out = {
        .subject = show_dn(a, X509_get_subject_name(certificate)),
        .issuer = show_dn(a, X509_get_issuer_name(certificate)),
        .not_before_wall_us = wall_of(X509_get0_notBefore(certificate)),
        .not_after_wall_us = certificate_expiry(certificate),
        .sha256 = show_sha256(a, certificate),
        .key = show_key(a, certificate),
    };

    show_names(a, certificate, &out);
    ERR_clear_error();
    *out_r = out;
}

bool certificate_is_for(struct x509_st *certificate, const char *host)
{
    const unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    size_t len = strlen(host);
    struct address address;

    if (address_parse(host, 0, &address) == 0) {
        bool v4 = address_family(&address) == AF_INET;
        const void *octets = v4 ? (const void *)&address.v4.sin_addr : (const void *)&address.v6.sin6_addr;
        return X509_check_ip(certificate, octets, v4 ? 4 : 16, flags) == 1;
    }
    if (len && host[len - 1] == '.') /* absolute, in a resolver's eyes; in a certificate no name is */
        len--;
    return len && X509_check_host(certificate, host, len, flags, NULL) == 1;
}

bool certificate_holds_ip_as_name(struct x509_st *certificate, const char *host)
{
    struct address address;

    return address_parse(host, 0, &address) == 0 &&
           X509_check_host(certificate, host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

/* ---- PEM files ---- */

static int refuse(char error_r[CERTIFICATE_ERROR_SIZE], const char *what, int number)
{
    snprintf(error_r, CERTIFICATE_ERROR_SIZE, "%s%s%s", what, number ? ": " : "",
             number ? strerror(number) : "");
    return -1;
}

/* The whole of a regular file; wiped and freed by the caller. */
static int read_whole(const char *path, char **data_r, size_t *len_r, char error_r[CERTIFICATE_ERROR_SIZE])
{
    struct stat about;
    int result = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */

    if (fd < 0)
        return refuse(error_r, "cannot be opened", errno);
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        refuse(error_r, "is no regular file", 0);
    } else if (about.st_size > FILE_MOST) {
        refuse(error_r, "is larger than 4 MiB", 0);
    } else {
        size_t size = (size_t)about.st_size;
        char *data = mem_alloc(size);
        ssize_t got = size ? read(fd, data, size) : 0;
        if (got >= 0) {
            *data_r = data;
            *len_r = (size_t)got;
            result = 0;
        } else {
            refuse(error_r, "cannot be read", errno);
            free(data);
        }
    }
    close(fd);
    return result;
}

/* OpenSSL would ask at the terminal. *context becomes true: there was a need to. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    if (context)
        *(bool *)context = true;
    return -1;
}

/* The end of the file, or of what is PEM in it, is no mistake. */
static bool is_end(void)
{
    unsigned long last = ERR_peek_last_error();

    return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

static int take_certificates(BIO *in, struct certificate_file *file, char error_r[CERTIFICATE_ERROR_SIZE])
{
    X509 *one;

    ERR_clear_error();
    while ((one = PEM_read_bio_X509(in, NULL, no_passphrase, NULL))) {
        if (file->count == CERTIFICATE_FILE_MOST) {
            X509_free(one);
            return refuse(error_r, "holds more than 1000 certificates", 0);
        }
        file->certificates = mem_resize(file->certificates, (file->count + 1) * sizeof(struct x509_st *));
        file->certificates[file->count++] = one;
    }
    if (is_end())
        return 0;
    snprintf(error_r, CERTIFICATE_ERROR_SIZE, "its certificate no. %zu is broken", file->count + 1);
    return -1;
}

/* What OpenSSL says of a file without a key is no different from what it says of one with a broken key. */
static int take_key(BIO *in, struct span text, struct certificate_file *file,
                    char error_r[CERTIFICATE_ERROR_SIZE])
{
    static const char mark[] = "PRIVATE KEY-----";
    bool asked = false;

    if (text.len == 0 || !memmem(text.data, text.len, mark, sizeof(mark) - 1))
        return 0;
    ERR_clear_error();
    file->key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, &asked);
    if (file->key)
        return 0;
    return refuse(error_r, asked ? "its private key is under a passphrase" : "its private key is broken", 0);
}

int certificate_file_read(const char *path, struct certificate_file *file_r,
                          char error_r[CERTIFICATE_ERROR_SIZE])
{
    struct certificate_file file = {0};
    char *data = NULL;
    size_t len = 0;

    if (read_whole(path, &data, &len, error_r))
        return -1;
    BIO *in = BIO_new_mem_buf(data, (int)len);
    BIO *again = BIO_new_mem_buf(data, (int)len);
    int result =
        take_certificates(in, &file, error_r) || take_key(again, (struct span){data, len}, &file, error_r)
            ? -1
            : 0;

    BIO_free(in);
    BIO_free(again);
    OPENSSL_cleanse(data, len);
    free(data);
    ERR_clear_error();
    if (result == 0)
        *file_r = file;
    else
        certificate_file_free(&file);
    return result;
}

void certificate_file_free(struct certificate_file *file)
{
    for (size_t i = 0; i < file->count; i++)
        X509_free(file->certificates[i]);
    free(file->certificates);
    EVP_PKEY_free(file->key);
    *file = (struct certificate_file){0};
}
