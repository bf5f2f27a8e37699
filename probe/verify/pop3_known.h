/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_POP3_KNOWN_H
#define PROBE_VERIFY_POP3_KNOWN_H

#include "probe/base/span.h"
#include "probe/proto/pop3.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is known of the messages of a POP3 mailbox, by unique id: ours, which were shown, and strangers',
 * which were looked at and are nobody's business. Both are forgotten when they are gone. A zeroed one knows
 * none.
 */
#define POP3_KNOWN_MAX 10000 /* of ours */

struct pop3_copy {
    bool here;         /* the present session has it in its list */
    bool told;         /* that it cannot be removed */
    uint64_t hash;     /* of the id */
    uint64_t likeness; /* of the header that was read under it */
    char uid[POP3_UID_SIZE];
};

struct pop3_hashes {
    uint64_t *list;
    size_t count, room;
};

struct pop3_known {
    struct pop3_copy *copies;
    size_t count;
    size_t next;                  /* where the next one is looked for: lists keep their order */
    struct pop3_hashes strangers; /* sorted */
    struct pop3_hashes present;   /* strangers that the present session has found */
};

void pop3_known_begin(struct pop3_known *k); /* a session */

/* It is over. good: what was not in its list is gone. */
void pop3_known_end(struct pop3_known *k, bool good);
void pop3_known_free(struct pop3_known *k);

/* Null: it is none of ours. Lives until the next call that adds one, or ends the session. */
struct pop3_copy *pop3_known_find(struct pop3_known *k, const char *uid);
bool pop3_known_is_full(const struct pop3_known *k);
struct pop3_copy *pop3_known_add(struct pop3_known *k, const char *uid); /* when it is not full */

/* Whether it is a stranger's, which is here then. */
bool pop3_known_is_stranger(struct pop3_known *k, const char *uid);
void pop3_known_add_stranger(struct pop3_known *k, const char *uid);

/* Of what makes a message that one and no other: where it came from, when, and under which name. Not of
 * fields that servers write when a message was looked at (Status). */
uint64_t pop3_known_likeness(struct span header);

#endif
