/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Good and bad ones are remembered apart, so that a flood of bad ones does not make the good be forgotten.
 * Everybody who logs in reads, so readers do not wait for one another.
 */
#include "server/known.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

/* The last ones, the oldest is overwritten. */
struct memory {
    struct digest ring[KNOWN_KEPT];
    size_t count;
    size_t next;
};

struct known {
    uv_rwlock_t lock;
    struct memory good;
    struct memory bad;
};

static void remember(struct memory *m, const struct digest *digest)
{
    m->ring[m->next] = *digest;
    m->next = (m->next + 1) % KNOWN_KEPT;
    if (m->count < KNOWN_KEPT)
        m->count++;
}

struct known *known_new(void)
{
    struct known *k = mem_alloc(sizeof *k);
    int failed = uv_rwlock_init(&k->lock);

    assert(!failed);
    return k;
}

void known_free(struct known *k)
{
    if (k == NULL)
        return;
    uv_rwlock_destroy(&k->lock);
    free(k);
}

enum known_verdict known_find(struct known *k, const struct digest *digest)
{
    enum known_verdict verdict = KNOWN_NOT;

    uv_rwlock_rdlock(&k->lock);
    if (digest_is_among(k->good.ring, k->good.count, digest))
        verdict = KNOWN_GOOD;
    else if (digest_is_among(k->bad.ring, k->bad.count, digest))
        verdict = KNOWN_BAD;
    uv_rwlock_rdunlock(&k->lock);
    return verdict;
}

void known_add(struct known *k, const struct digest *digest, bool good)
{
    uv_rwlock_wrlock(&k->lock);
    remember(good ? &k->good : &k->bad, digest);
    uv_rwlock_wrunlock(&k->lock);
}
