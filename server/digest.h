/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_DIGEST_H
#define SERVER_DIGEST_H

#include "probe/base/secret.h"

#include <stdbool.h>
#include <stddef.h>

/* What stands for a secret in a memory: nobody who reads it there, but without the key, can try any. */
#define DIGEST_SIZE 32

struct digest {
    unsigned char bytes[DIGEST_SIZE];
};

/* What makes them, for one thread; those of one key make the same ones. */
struct digests;

struct secret *digests_key_new(void); /* drawn */
struct digests *digests_new(const struct secret *key);
void digests_free(struct digests *digests); /* null is fine */

/* Of these texts, and of no others that are the same ones put together. */
struct digest digests_of(struct digests *digests, const struct span *texts, size_t count);

/* In a time that does not hang on where they differ, or on which one it is. */
bool digest_is_same(const void *a, const void *b, size_t len);
bool digest_is_among(const struct digest *list, size_t count, const struct digest *digest);

#endif
