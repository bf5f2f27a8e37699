/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the messages of a POP3 mailbox. Strangers are known by a hash of their ids alone: a
 * mailbox of 100,000 of them takes less than two megabytes. What a session that broke off has found out is
 * kept, or a server that always breaks off would never be read to its end.
 */
#include "probe/verify/pop3_known.h"

#include "probe/base/mem.h"
#include "probe/proto/header.h"

#include <stdlib.h>
#include <string.h>

#define MOST_STRANGERS ((size_t)2 * POP3_MAX_MESSAGES) /* a server may invent ids for ever */
#define HASH_BASIS     UINT64_C(14695981039346656037)

/* FNV-1a. */
static uint64_t hash_on(uint64_t hash, struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(1099511628211);
    return hash;
}

/* ---- strangers ---- */

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static bool has(const struct pop3_hashes *h, uint64_t hash)
{
    return h->count > 0 && bsearch(&hash, h->list, h->count, sizeof hash, compare) != NULL;
}

static void add(struct pop3_hashes *h, uint64_t hash)
{
    if (h->count == h->room) {
        h->room = h->room > 0 ? 2 * h->room : 64;
        h->list = mem_resize(h->list, h->room * sizeof *h->list);
    }
    h->list[h->count++] = hash;
}

static void clear(struct pop3_hashes *h)
{
    free(h->list);
    *h = (struct pop3_hashes){0};
}

/* Each but once. */
static void sort(struct pop3_hashes *h)
{
    size_t left = 0;

    if (h->count == 0)
        return;
    qsort(h->list, h->count, sizeof *h->list, compare);
    for (size_t i = 0; i < h->count; i++)
        if (left == 0 || h->list[left - 1] != h->list[i])
            h->list[left++] = h->list[i];
    h->count = left;
}

static void end_strangers(struct pop3_known *k, bool good)
{
    if (!good && k->strangers.count + k->present.count <= MOST_STRANGERS)
        for (size_t i = 0; i < k->strangers.count; i++)
            add(&k->present, k->strangers.list[i]);
    clear(&k->strangers);
    sort(&k->present);
    k->strangers = k->present;
    k->present = (struct pop3_hashes){0};
}

bool pop3_known_is_stranger(struct pop3_known *k, const char *uid)
{
    if (!has(&k->strangers, hash_on(HASH_BASIS, span_of(uid))))
        return false;
    pop3_known_add_stranger(k, uid);
    return true;
}

void pop3_known_add_stranger(struct pop3_known *k, const char *uid)
{
    add(&k->present, hash_on(HASH_BASIS, span_of(uid)));
}

/* ---- ours ---- */

struct pop3_copy *pop3_known_find(struct pop3_known *k, const char *uid)
{
    uint64_t hash = hash_on(HASH_BASIS, span_of(uid));

    for (size_t i = 0; i < k->count; i++) {
        size_t at = (k->next + i) % k->count;
        if (k->copies[at].hash != hash || strcmp(k->copies[at].uid, uid) != 0)
            continue;
        k->next = at + 1;
        return &k->copies[at];
    }
    return NULL;
}

bool pop3_known_is_full(const struct pop3_known *k)
{
    return k->count >= POP3_KNOWN_MAX;
}

struct pop3_copy *pop3_known_add(struct pop3_known *k, const char *uid)
{
    k->copies = mem_resize(k->copies, (k->count + 1) * sizeof *k->copies);
    struct pop3_copy *c = &k->copies[k->count++];
    *c = (struct pop3_copy){.here = true, .hash = hash_on(HASH_BASIS, span_of(uid))};
    memcpy(c->uid, uid, strlen(uid) + 1);
    return c;
}

/* ---- a session ---- */

void pop3_known_begin(struct pop3_known *k)
{
    for (size_t i = 0; i < k->count; i++)
        k->copies[i].here = false;
    k->next = 0;
}

void pop3_known_end(struct pop3_known *k, bool good)
{
    size_t left = 0;

    end_strangers(k, good);
    if (!good)
        return;
    for (size_t i = 0; i < k->count; i++)
        if (k->copies[i].here)
            k->copies[left++] = k->copies[i];
    k->count = left;
}

void pop3_known_free(struct pop3_known *k)
{
    clear(&k->strangers);
    clear(&k->present);
    free(k->copies);
    *k = (struct pop3_known){0};
}

/* ---- likeness ---- */

uint64_t pop3_known_likeness(struct span header)
{
    static const char *const names[] = {"Received", "Message-ID", "Date", "From", "X-Ehlod-Token"};
    uint64_t hash = HASH_BASIS;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct header_field field = {0};
        if (header_find(header, names[i], &field) > 0)
            hash = hash_on(hash, field.value);
        hash = hash_on(hash, span_of("\n"));
    }
    return hash;
}
