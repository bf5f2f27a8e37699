/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table with open addressing, at most half full. Nothing is deleted alone: a sweep builds it anew
 * where something went. Two names with one hash of 64 bits would be taken for one; among a million that is
 * one chance in 37 million, and nobody who names files knows the seed.
 */
#include "probe/verify/maildir_known.h"

#include "probe/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define LEAST 64

/* FNV-1a. */
static uint64_t fold(uint64_t hash, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Every bit of the one hangs on every bit of the other. */
static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ (hash >> 33);
}

uint64_t maildir_known_hash(const struct maildir_known *k, const char *folder, const char *base, size_t len)
{
    uint64_t hash = fold(k->seed ^ UINT64_C(0xcbf29ce484222325), folder, strlen(folder) + 1);

    return mix(fold(hash, base, len));
}

/* Where it is, or where it would be. */
static struct maildir_known_entry *place_of(struct maildir_known_entry *entries, size_t size, uint64_t hash)
{
    size_t at = (size_t)hash & (size - 1);

    while (entries[at].kind != MAILDIR_KNOWN_NONE && entries[at].hash != hash)
        at = (at + 1) & (size - 1);
    return &entries[at];
}

struct maildir_known_entry *maildir_known_find(const struct maildir_known *k, uint64_t hash)
{
    struct maildir_known_entry *e = k->size > 0 ? place_of(k->entries, k->size, hash) : NULL;

    return e != NULL && e->kind != MAILDIR_KNOWN_NONE ? e : NULL;
}

/* Into another table of that size. */
static void move(struct maildir_known *k, size_t size)
{
    struct maildir_known_entry *entries = mem_alloc(size * sizeof *entries);

    for (size_t i = 0; i < k->size; i++)
        if (k->entries[i].kind != MAILDIR_KNOWN_NONE)
            *place_of(entries, size, k->entries[i].hash) = k->entries[i];
    free(k->entries);
    k->entries = entries;
    k->size = size;
}

struct maildir_known_entry *maildir_known_put(struct maildir_known *k, uint64_t hash)
{
    struct maildir_known_entry *e = maildir_known_find(k, hash);

    if (e == NULL) {
        if (k->count == MAILDIR_KNOWN_MOST)
            return NULL;
        if (2 * (k->count + 1) > k->size)
            move(k, k->size > 0 ? 2 * k->size : LEAST);
        e = place_of(k->entries, k->size, hash);
        *e = (struct maildir_known_entry){.hash = hash, .kind = MAILDIR_KNOWN_STRANGE};
        k->count++;
    }
    e->round = k->round;
    return e;
}

void maildir_known_sweep(struct maildir_known *k, void (*gone)(void *context, struct maildir_copy *copy),
                         void *context)
{
    size_t before = k->count, size = LEAST;

    for (size_t i = 0; i < k->size; i++) {
        struct maildir_known_entry *e = &k->entries[i];
        if (e->kind == MAILDIR_KNOWN_NONE || e->round == k->round)
            continue;
        if (e->kind == MAILDIR_KNOWN_COPY)
            gone(context, e->is.copy);
        e->kind = MAILDIR_KNOWN_NONE;
        k->count--;
    }
    while (size < 2 * k->count)
        size *= 2;
    if (k->count < before)
        move(k, size);
}

void maildir_known_free(struct maildir_known *k)
{
    free(k->entries);
    *k = (struct maildir_known){0};
}
