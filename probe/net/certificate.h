/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_CERTIFICATE_H
#define PROBE_NET_CERTIFICATE_H

#include "probe/base/arena.h"
#include "probe/base/span.h"
#include "probe/result.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * What stands in an X.509 certificate, for people, and what stands in a PEM file. OpenSSL's types are named
 * by their tags, so that whoever includes this needs no header of OpenSSL's.
 */
struct x509_st;
struct evp_pkey_st;

/* Everything is bounded and clean, whoever wrote it. */
void certificate_show(struct arena *a, struct x509_st *certificate, struct result_certificate *out_r);

/* CLOCK_NONE = cannot be read. */
int64_t certificate_expiry(struct x509_st *certificate);

/* Whether it is for the host (a name, or an IP literal): by subjectAltName alone (RFC 9525). */
bool certificate_is_for(struct x509_st *certificate, const char *host);

/* Whether an IP address stands in it, but as the name of a host, which makes it good for nobody. */
bool certificate_holds_ip_as_name(struct x509_st *certificate, const char *host);

/* Clean (probe/base/text.h), escaped as a whole where it was not; of a longer text so many octets and "...".
 */
const char *certificate_text(struct arena *a, struct span text, size_t most);

/* The certificates of a PEM file in their order, and its private key. */
#define CERTIFICATE_FILE_MOST 1000 /* certificates in one file */
struct certificate_file {
    struct x509_st **certificates;
    size_t count;
    struct evp_pkey_st *key; /* null = it holds none */
};

#define CERTIFICATE_ERROR_SIZE 160

/* Reads a PEM file of at most 4 MiB, blocking: for when a config is loaded. 0, or -1 when it cannot be read
 * or something in it is broken: error_r says what, "cannot be opened: No such file or directory". A key under
 * a passphrase cannot be read, and nobody is asked for one. */
int certificate_file_read(const char *path, struct certificate_file *file_r,
                          char error_r[CERTIFICATE_ERROR_SIZE]);
void certificate_file_free(struct certificate_file *file);

#endif
