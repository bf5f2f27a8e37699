/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TALK_TALK_H
#define TESTS_TALK_TALK_H

#include "probe/base/arena.h"
#include "probe/plan.h"
#include "probe/result.h"

/*
 * A talk: what server and client say to each other, and the verdict that must come of it. README.md in this
 * folder describes the file.
 */
enum talk_kind {
    TALK_SAY,        /* the server says bytes */
    TALK_HEAR,       /* the client must say this line */
    TALK_HEAR_START, /* the client must say a line that begins so */
    TALK_HEADER,     /* the client must say the PROXY header of its plan */
    TALK_LETTER,     /* the client must say these bytes, all of its message or a part */
    TALK_PAUSE,      /* time passes */
    TALK_CLOSE,
    TALK_RESET
};

struct talk_event {
    enum talk_kind kind;
    int line; /* of the file */
    struct span bytes;
    bool part; /* a letter: from here on the server reads no more */
    int64_t us;
};

/* A route, a recipient or a message as it must come out. */
struct talk_wanted {
    const char *name;
    const char *value; /* a route's state, a recipient's or a message's code; "none" where there is none */
    const char *ok;    /* "true", "false", "null"; of a message its queue id */
};

struct talk {
    const char *path;
    const char *name;
    struct plan plan;
    const char *dialogue; /* the file that is played instead of routes; null = none */
    struct talk_event *events;
    size_t event_count;
    size_t secure_at;  /* the first event that is inside of TLS; only where it is played in TLS */
    bool not_starttls; /* makes no sense there */
    bool not_clear;    /* it is not played in the clear */
    bool not_tls;      /* nor in TLS */

    /* the verdict */
    const char *status;
    const char *phase; /* null when nothing fails */
    const char *reason;
    int code;             /* -1 = not looked at */
    const char *enhanced; /* null = not looked at */
    const char *route;    /* likewise */
    uint64_t flags;
    const char *honoured; /* null = "null" */
    const char *login;    /* who is logged in; null = nobody */
    struct talk_wanted *routes;
    size_t route_count;
    struct talk_wanted *recipients; /* of all routes, in order */
    size_t recipient_count;
    struct talk_wanted *messages; /* of all routes */
    size_t message_count;
    struct result_extension *offers; /* all that EHLO offered */
    size_t offer_count;
    bool offers_known;
    const char **lines; /* each must be a line of some reply */
    size_t line_count;
    const char **says; /* each must be contained in the failure's message */
    size_t say_count;
    int64_t timing_us[PHASE_COUNT]; /* CLOCK_NONE = not looked at; only where time is a number */
};

/* The PROXY header that the client must say to a server at that address. */
struct span talk_header(struct arena *a, const struct talk *talk, const struct address *server);

/* Reads a file; prints what is wrong with it and returns null when it is no talk. */
struct talk *talk_load(struct arena *a, const char *path);

/* Whether it may be played in TLS from the first byte on: not one that says no, nor one with a PROXY header,
 * as who speaks TLS behind that has taken it. */
bool talk_is_for_tls(const struct talk *talk);

/* The same talk inside of TLS: from the first byte on, or behind a STARTTLS that is put before its EHLO. Null
 * where that makes no sense: it never comes to EHLO, goes no further, or says so ("not starttls", "not tls").
 */
struct talk *talk_inside(struct arena *a, const struct talk *talk, enum tls_mode mode);

/* What of the verdict is not as the talk wants it, or breaks a rule that holds for every run, one complaint a
 * line; null when all is well. exact: time was a number, so times, and what is told from them, count too. */
char *talk_check(struct arena *a, const struct talk *talk, const struct result *r, bool exact);

/* Likewise, but only the rules that hold for every run. */
char *talk_check_always(struct arena *a, const struct result *r);

#endif
