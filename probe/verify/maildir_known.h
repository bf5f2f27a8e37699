/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_MAILDIR_KNOWN_H
#define PROBE_VERIFY_MAILDIR_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The files of a Maildir that were looked at already, so that each is opened once: 24 octets for each, told
 * by a hash of folder and base name under a seed of its own. Rounds tell which of them are still there.
 */
#define MAILDIR_KNOWN_MOST 1000000

enum maildir_known_kind {
    MAILDIR_KNOWN_NONE, /* a free place */
    MAILDIR_KNOWN_STRANGE,
    MAILDIR_KNOWN_COPY,       /* ours */
    MAILDIR_KNOWN_UNREADABLE, /* to be tried again */
    MAILDIR_KNOWN_AGAIN       /* to be looked at anew: it is not what it was */
};

struct maildir_known_entry {
    uint64_t hash;
    uint32_t round; /* when it was last there */
    enum maildir_known_kind kind;
    union {
        struct maildir_copy *copy;
        int64_t since_us; /* it was found to be unreadable */
    } is;
};

struct maildir_known {
    struct maildir_known_entry *entries;
    size_t size; /* a power of two; 0 = nothing yet */
    size_t count;
    uint64_t seed;
    uint32_t round;
};

uint64_t maildir_known_hash(const struct maildir_known *k, const char *folder, const char *base, size_t len);

/* Null: not known. Both live until the next put or sweep. */
struct maildir_known_entry *maildir_known_find(const struct maildir_known *k, uint64_t hash);

/* That entry, of this round; a new one is of the kind STRANGE. Null: MAILDIR_KNOWN_MOST are known. */
struct maildir_known_entry *maildir_known_put(struct maildir_known *k, uint64_t hash);

/* Forgets what was not there in this round; gone is told each copy. */
void maildir_known_sweep(struct maildir_known *k, void (*gone)(void *context, struct maildir_copy *copy),
                         void *context);

void maildir_known_free(struct maildir_known *k); /* the copies are their owner's */

#endif
