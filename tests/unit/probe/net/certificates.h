/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROBE_NET_CERTIFICATES_H
#define TESTS_UNIT_PROBE_NET_CERTIFICATES_H

#include "probe/base/span.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

/* Certificates of every kind, made when a test runs. A failure to make one ends the program. */
enum certificates_key {
    CERTIFICATES_EC,
    CERTIFICATES_EC_OTHER, /* another key of the same kind: authorities have it */
    CERTIFICATES_RSA,
    CERTIFICATES_RSA_1024,
    CERTIFICATES_ED25519,
    CERTIFICATES_KEY_COUNT
};

struct certificates_made {
    X509 *certificate;
    EVP_PKEY *key;
};

struct certificates_spec {
    const char *subject;     /* common name; null = no name at all */
    const char *alt;         /* "DNS:mx.example.org,IP:192.0.2.1" as OpenSSL's config has it; null = none */
    struct span raw_name;    /* one more, of any bytes */
    size_t many;             /* so many more, "name0.example.org" and so on */
    const char *not_before;  /* "20200101000000Z"; null = yesterday */
    const char *not_after;   /* null = in a month */
    const char *purpose;     /* "serverAuth"; null = any */
    const char *constraints; /* nameConstraints; null = none */
    const struct certificates_made *issuer; /* null = itself */
    enum certificates_key key;
    bool is_ca;
    bool sha1;
};

struct certificates_made certificates_make(const struct certificates_spec *spec);
void certificates_free(struct certificates_made *made);

/* A folder of the program's own below /tmp; removed with what certificates_write put there. */
void certificates_open_folder(void);
void certificates_close_folder(void);

/* Writes a PEM file into the folder: certificates, then the key (null = none). The path lives as long as the
 * folder. */
const char *certificates_write(const char *name, const struct certificates_made *list, size_t count,
                               EVP_PKEY *key);
const char *certificates_write_text(const char *name, const char *text);
const char *certificates_path(const char *name);

#endif
