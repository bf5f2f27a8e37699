/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_IMAP_H
#define PROBE_PROTO_IMAP_H

#include "probe/base/arena.h"
#include "probe/base/buffer.h"
#include "probe/base/span.h"
#include "probe/proto/imap_line.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An IMAP client after its login (RFC 9051, and RFC 3501 where a server knows only that), which looks for
 * messages and removes those that it is told to. It opens folders with EXAMINE and reads with BODY.PEEK, so
 * nothing is marked; a folder is SELECTed only to remove something from it. All is done by UID, and there is
 * no EXPUNGE but that of given UIDs: without UIDPLUS what is removed is only flagged \Deleted.
 */
#define IMAP_MAX_KEPT       (64 * 1024) /* octets of a message that are read */
#define IMAP_MAX_HEADER     (16 * 1024) /* of the fields that are looked at first */
#define IMAP_MAX_CANDIDATES 10000       /* messages of a folder that one look reads; the next one goes on */
#define IMAP_MAX_UNASKED    10000       /* responses to one command that are no answer to it */
#define IMAP_BATCH          50          /* UIDs in one command */

/* Whom the messages are told to. Called from inside imap_feed; spans live as long as the call. folder: its
 * place in the list that imap_init was given. */
struct imap_reader {
    /* The folder's UIDs are of this validity: the first one that is of interest, 1 = all are. */
    uint32_t (*from)(void *context, size_t folder, uint32_t validity);
    /* Whether these fields of a header make the message worth reading. */
    bool (*is_candidate)(void *context, size_t folder, uint32_t uid, struct span header);
    void (*read)(void *context, size_t folder, uint32_t uid, struct span kept, uint64_t size);
    /* All up to this UID has been told; 0 = there is nothing. */
    void (*looked)(void *context, size_t folder, uint32_t upto);
    /* What is to be removed now, at most so many; asked until it is none, or removing has failed. */
    size_t (*removable)(void *context, size_t folder, size_t most, uint32_t *uids_r);
    /* Of one of these: whether what the server has under that UID (fields of its header) is what was read.
     * Else it stays: some servers use a UID again, after a backup was restored for one. */
    bool (*is_same)(void *context, size_t folder, uint32_t uid, struct span header);
    /* They are gone, or marked; or were not there any more. */
    void (*removed)(void *context, size_t folder, const uint32_t *uids, size_t count);
    /* These could not be, why: one sentence without its full stop. */
    void (*unremoved)(void *context, size_t folder, const uint32_t *uids, size_t count, const char *why);
};

struct imap_folder {
    const char *wanted; /* as the config says it */
    const char *name;   /* on the wire; null = not known yet, or no folder has that use */
    const char *shown;
};

enum imap_state {
    IMAP_CAPABILITY,
    IMAP_LIST,
    IMAP_EXAMINE,
    IMAP_HEADERS,
    IMAP_TEXTS,
    IMAP_SELECT,
    IMAP_AGAIN,
    IMAP_STORE,
    IMAP_EXPUNGE,
    IMAP_IDLE, /* a look is over */
    IMAP_FAILED
};

struct imap {
    const struct imap_reader *reader;
    void *context;
    struct arena arena; /* names and the reason */
    struct imap_folder *folders;
    size_t folder_count;
    enum imap_state state;
    unsigned number; /* of the last command */
    struct imap_line line;
    struct buffer out;
    bool has_uidplus;
    bool has_list_extended;
    bool has_special_use;

    /* of the command that is under way */
    size_t unasked;
    size_t answers;

    /* of the folder that is looked into */
    size_t at;
    uint32_t validity; /* as it was opened last */
    uint32_t examined; /* as it was looked into */
    uint32_t exists;
    uint32_t next; /* UIDNEXT; 0 = not said */
    uint32_t from;
    uint32_t highest; /* UID that was seen; 0 = none */
    uint32_t dropped; /* the lowest candidate that was one too many; 0 = none */
    bool read_only;
    bool selected;
    uint32_t *candidates; /* IMAP_MAX_CANDIDATES; null until there is one */
    size_t candidate_count;
    size_t candidate_at;
    uint32_t batch[IMAP_BATCH];
    size_t batch_count;
    uint32_t same[IMAP_BATCH]; /* those of the batch that are still what was read */
    size_t same_count;

    const char *why;
};

/* Begins with a first look: a command is in the output. Names are kept by the caller; the first folder must
 * be there, and so must each that is not named by its use. */
void imap_init(struct imap *im, const char *const *folders, size_t folder_count,
               const struct imap_reader *reader, void *context);
void imap_free(struct imap *im);

/* Looks again; only while it is IMAP_IDLE. */
void imap_look(struct imap *im);

/* 0: more is needed, 1: the look is over and all went well, -1: it did not, and no more can be said. */
int imap_feed(struct imap *im, struct span bytes);

/* What is to be sent now. The caller sends all of it and then says so. */
struct span imap_output(const struct imap *im);
void imap_sent(struct imap *im);

/* Why it failed: one sentence without its full stop, clean text. */
const char *imap_why(const struct imap *im);

/* The folder's name, to be shown. */
const char *imap_folder_shown(const struct imap *im, size_t folder);

#endif
