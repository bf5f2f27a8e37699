/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC (RFC 2104) with SHA-256, by GnuTLS, which is there for the listener anyway. Each text goes in behind
 * its length.
 */
#include "server/digest.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

struct digests {
    gnutls_hmac_hd_t hmac;
};

struct secret *digests_key_new(void)
{
    char bytes[DIGEST_SIZE];
    int drawn = gnutls_rnd(GNUTLS_RND_KEY, bytes, sizeof bytes);

    assert(drawn == GNUTLS_E_SUCCESS);
    struct secret *key = secret_new((struct span){bytes, sizeof bytes});
    secret_wipe(bytes, sizeof bytes);
    return key;
}

struct digests *digests_new(const struct secret *key)
{
    struct digests *d = mem_alloc(sizeof *d);
    struct span bytes = secret_bytes(key);
    int made = gnutls_hmac_init(&d->hmac, GNUTLS_MAC_SHA256, bytes.data, bytes.len);

    assert(made == GNUTLS_E_SUCCESS);
    return d;
}

void digests_free(struct digests *d)
{
    if (d == NULL)
        return;
    gnutls_hmac_deinit(d->hmac, NULL);
    free(d);
}

static void add(struct digests *d, struct span bytes)
{
    int added = gnutls_hmac(d->hmac, &bytes.len, sizeof bytes.len);

    if (added == GNUTLS_E_SUCCESS)
        added = gnutls_hmac(d->hmac, bytes.data, bytes.len);
    assert(added == GNUTLS_E_SUCCESS);
}

struct digest digests_of(struct digests *d, const struct span *texts, size_t count)
{
    struct digest digest;

    for (size_t i = 0; i < count; i++)
        add(d, texts[i]);
    gnutls_hmac_output(d->hmac, digest.bytes);
    return digest;
}

bool digest_is_same(const void *a, const void *b, size_t len)
{
    const volatile unsigned char *one = a, *other = b;
    unsigned char differ = 0;

    for (size_t i = 0; i < len; i++)
        differ = (unsigned char)(differ | (one[i] ^ other[i]));
    return differ == 0;
}

bool digest_is_among(const struct digest *list, size_t count, const struct digest *digest)
{
    bool found = false;

    for (size_t i = 0; i < count; i++)
        found = digest_is_same(&list[i], digest, DIGEST_SIZE) || found;
    return found;
}
