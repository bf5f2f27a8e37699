/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_IMAP_COPIES_H
#define PROBE_VERIFY_IMAP_COPIES_H

#include "probe/base/arena.h"
#include "probe/base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of one folder of an IMAP account: up to where it was read, and which messages were shown. A
 * zeroed one is of a folder that was never looked into. */
#define IMAP_COPIES_MAX 100000 /* shown and not removed; more are not looked at */

struct imap_copy {
    uint32_t uid;
    unsigned asked; /* the number of the look that last asked whether it may be removed */
    bool stuck;     /* that it cannot be was told */
    uint64_t likeness;
};

struct imap_copies {
    char *folder; /* its name; null = never looked into */
    uint32_t validity;
    uint32_t upto;          /* all UIDs up to this one are known */
    struct imap_copy *list; /* by UID */
    size_t count, room;
};

/* It is this folder, of this validity: if it was another, nothing is known any more. */
void imap_copies_begin(struct imap_copies *c, const char *folder, uint32_t validity);
void imap_copies_free(struct imap_copies *c);

struct imap_copy *imap_copies_find(struct imap_copies *c, uint32_t uid); /* null = not there */
struct imap_copy *imap_copies_add(struct imap_copies *c, uint32_t uid);  /* null = no room */
void imap_copies_drop(struct imap_copies *c, uint32_t uid);

/* Of what makes a message that one and no other, however a server writes its header. */
uint64_t imap_copies_likeness(struct span header);

/* "INBOX/1795643587/4" */
const char *imap_copies_id(const struct imap_copies *c, struct arena *a, uint32_t uid);

#endif
