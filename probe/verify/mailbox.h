/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_MAILBOX_H
#define PROBE_VERIFY_MAILBOX_H

#include "probe/base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A place where messages can be seen, whatever kind it is of. Two kinds of kinds: a sink is told of each
 * message as it comes and keeps none; a store (a Maildir, an IMAP or POP3 account) keeps them and is looked
 * into. A store never touches, opens or marks a message that is not shown to be ours, and removes one only
 * when it is told that it may. Everything runs on one loop; nothing blocks; no callback comes from inside a
 * call.
 */

/* Octets of a message that are read, from its beginning: its header is there. */
#define MAILBOX_MAX_KEPT (64 * 1024)

/* A message that was seen, or a report on one. Lives as long as the call that shows it. */
struct sighting {
    const char *mailbox; /* its name in the config */
    const char *folder;  /* "INBOX", "Junk"; "" = the mailbox has but one place */
    bool astray;         /* a folder that mail should not go to */
    /* Tells this copy from every other one of the mailbox, also after a restart and after the copy moved from
     * new/ to cur/: folder, UIDVALIDITY and UID, a file's base name, a POP3 UIDL. Null: it keeps none (a
     * sink), and each sighting is a copy of its own. */
    const char *id;
    const char *const *to; /* envelope recipients, where the mailbox knows them */
    size_t to_count;       /* 0 = it does not: the header may (X-Original-To, Delivered-To, Envelope-To) */
    struct span kept;      /* its first MAILBOX_MAX_KEPT octets, lines end with CRLF */
    size_t size;           /* octets of all of it, with such line ends */
    int64_t at_us;         /* monotonic: by then it was there */
    bool exact;            /* that is when it came, not only when somebody looked */
};

/* What mailboxes tell. None of it comes from inside a call of theirs. */
struct mailbox_events {
    /* A message whose header has a token (message_token_of), or a report that may quote one (report_is_one),
     * was found. Once for each copy while the mailbox lives; after a restart once more. */
    void (*seen)(void *context, const struct sighting *s);
    /* Whether that copy may be removed now. Asked at each look for each copy that was shown and is still
     * there. */
    bool (*may_remove)(void *context, const char *mailbox, const char *id);
    /* It may, but it cannot be: why says so in one sentence without its full stop. Once for each copy; it is
     * tried again at later looks. */
    void (*unremoved)(void *context, const char *mailbox, const char *id, const char *why);
    /* A look that began at began_us is over: why null, all that was there then has been told; else the
     * mailbox could not be looked into, and why says so in one sentence without its full stop, with the
     * place: "imaps://mail.example.org: AUTHENTICATE failed since 02:10:11Z: the token expired". */
    void (*looked)(void *context, const char *mailbox, int64_t began_us, const char *why);
};

/* What is asked of mailboxes, by name. */
struct mailbox_wishes {
    /* A message is under way that ought to be there by until_us: look often. A name that is none is fine. */
    void (*expect)(void *context, const char *mailbox, int64_t until_us);
    /* Look at once: looked follows, of a look that begins after this call; of a name that is none, or is not
     * any more, it says that. */
    void (*look)(void *context, const char *mailbox);
};

/* A store. Each kind has its own new() and its own struct, which begins with this. */
struct store;

struct store_ops {
    void (*expect)(struct store *s, int64_t until_us);
    void (*look)(struct store *s);
    /* No event comes any more. Memory follows from the loop. */
    void (*free)(struct store *s);
};

struct store {
    const struct store_ops *ops;
    const char *name; /* of the mailbox; the kind's own copy */
    const struct mailbox_events *events;
    void *context;
};

#endif
