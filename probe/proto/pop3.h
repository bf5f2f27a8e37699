/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_POP3_H
#define PROBE_PROTO_POP3_H

#include "probe/base/arena.h"
#include "probe/base/buffer.h"
#include "probe/base/span.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * One session of a POP3 client (RFC 1939) after its login: a look into a mailbox. It lists what is there by
 * its unique ids, reads the headers that somebody wants to see and more of some, deletes what it is told to
 * when its header is still the same, and says QUIT, which makes that so. It never says RETR, which some
 * servers take for "has been read".
 */
#define POP3_MAX_LINE     1024        /* octets of a line that is no line of a message (RFC 1939: 512) */
#define POP3_MAX_MESSAGES 100000      /* in the mailbox */
#define POP3_MAX_KEPT     (64 * 1024) /* octets of a message that are kept; more is read and dropped */
#define POP3_MAX_READS    1000        /* messages that a session reads, the newest first; the others wait */
#define POP3_MAX_OCTETS   (256 * 1024 * 1024) /* of messages in a session; the others wait, too */
#define POP3_UID_SIZE     (70 + 1)            /* RFC 1939 section 7 */

/* What is to be done with a message. */
enum pop3_wish { POP3_SKIP, POP3_READ, POP3_REMOVE };

/* Who wants to know. Called from inside pop3_feed; texts and spans live as long as the call. */
struct pop3_reader {
    enum pop3_wish (*wish)(void *context, const char *uid);
    /* Of a message that was to be read: whether its header (lines end with CRLF) makes the rest worth
     * reading. */
    bool (*is_candidate)(void *context, const char *uid, struct span header);
    /* A candidate: its first POP3_MAX_KEPT octets, and how many it has. */
    void (*read)(void *context, const char *uid, struct span kept, size_t size);
    /* Of a message that is to be removed: whether what the server has under that id (its header, and what
     * is_candidate is given with it) is what was read. Else it stays: some servers use an id again. */
    bool (*is_same)(void *context, const char *uid, struct span header);
    void (*removed)(void *context, const char *uid); /* the session ended well, so it is gone */
    void (*unremoved)(void *context, const char *uid, const char *why); /* the server did not want that */
};

struct pop3_message {
    unsigned number;
    bool wanted;  /* deleted by this session */
    bool deleted; /* it was, which QUIT makes so */
    char uid[POP3_UID_SIZE];
};

enum pop3_state {
    POP3_UIDL,
    POP3_HEADER,
    POP3_TEXT,
    POP3_AGAIN,
    POP3_DELE,
    POP3_QUIT,
    POP3_DONE,
    POP3_FAILED
};
enum pop3_data { POP3_LINE_START, POP3_DOT, POP3_DOT_CR, POP3_IN_LINE, POP3_CR };

struct pop3 {
    const struct pop3_reader *reader;
    void *context;
    enum pop3_state state;
    bool in_lines;      /* of an answer of several lines, behind the first */
    struct buffer line; /* the one that is being read */
    struct buffer out;
    struct arena arena; /* of the reason, and of the list */

    struct pop3_message *messages; /* those that are to be read or removed */
    size_t count;
    size_t total;  /* that are there */
    bool deleting; /* all that is to be read was */
    size_t left;   /* of the messages, that were not looked at yet for that; the newest first */
    size_t reads;
    bool has_unread; /* the session has read as many as it may, and left others */

    enum pop3_data data;
    struct buffer kept;
    size_t size;
    size_t octets; /* of all messages of the session */
    const char *why;
};

/* Begins: the first command is in the output. */
void pop3_init(struct pop3 *p, const struct pop3_reader *reader, void *context);
void pop3_free(struct pop3 *p);

/* 0: more is needed, 1: the session is over and all went well, -1: it did not (pop3_why). */
int pop3_feed(struct pop3 *p, struct span bytes);

/* What is to be sent now; empty when nothing is. The caller sends all of it and then says so. */
struct span pop3_output(const struct pop3 *p);
void pop3_sent(struct pop3 *p);

/* Why it failed: one sentence without its full stop, clean text; null when it did not. */
const char *pop3_why(const struct pop3 *p);

#endif
