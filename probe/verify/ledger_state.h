/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_LEDGER_STATE_H
#define PROBE_VERIFY_LEDGER_STATE_H

#include "probe/base/arena.h"
#include "probe/verify/ledger.h"

/*
 * The inside of the ledger: ledger.c has the letters, ledger_settle.c says what becomes of one,
 * ledger_copies.c who has it, ledger_found.c what was found, ledger_row.c how one is kept. Private to these.
 */

/* One that a mailbox keeps. */
struct copy {
    char *mailbox;
    char *id;
    uint64_t serial; /* of the save that knows it; 0 = none does yet */
};

/* What was found of it last. */
struct found {
    struct arena arena; /* all below is in it */
    size_t octets;      /* that count for LEDGER_MAX_HEADERS */
    struct span header; /* empty where nobody keeps it */
    const char *place;  /* as its mailbox calls it; null = it has no name */
    int64_t seen_wall_us;
    struct evidence evidence;
};

struct letter {
    const char *token; /* first, so that a key for the tree needs no more */
    struct ledger *ledger;
    struct letter *older;
    struct letter *newer;
    void *owner;
    const char *target;
    const char *route;
    const char *bounce_mailbox;
    uint64_t wish;
    struct span original;
    struct delivery delivery;
    struct delivery verdict; /* on the sending; state ROUTE_NONE = there is none */
    int64_t opened_us;
    int64_t data_us;
    int64_t deadline_us;
    size_t recipients; /* it was sent to; 0 = not known yet */
    uv_timer_t *timer; /* null unless pending */

    char **to;
    size_t to_count;

    /* who has it */
    char **names; /* the different ones */
    size_t name_count;
    size_t unnamed; /* copies that do not say whose they are */
    struct copy *copies;
    size_t copy_count;
    int64_t arrived_us; /* the newest recipient has it; CLOCK_NONE = none has */
    bool arrived_exact;
    char *astray; /* where else it was seen; null = nowhere */
    int64_t astray_us;
    bool astray_in_own; /* that is a folder of its own mailbox */
    struct found found;
    bool is_bounced;
    int64_t bounced_us;
    struct bounce bounce;
    const char *reported_in; /* the place */
    struct arena report;     /* these two are in it */

    /* who has looked */
    bool blind;  /* its mailbox could not take it for a time, or cannot now */
    bool looked; /* its mailbox was, or could not be, since its time was over */
    bool reports_looked;
    char *why; /* the mailbox could not be looked into; null = it could */

    bool closed;     /* to be removed when it is settled */
    bool changed;    /* since it was saved */
    uint64_t serial; /* of its last save */
    uint64_t saved;  /* of the last that is safe */
    char texts[];
};

struct ledger {
    uv_loop_t *loop;
    ledger_changed *changed;
    void *context;
    const struct mailbox_wishes *wishes;
    void *wishes_context;
    const struct ledger_keeper *keeper;
    void *keeper_context;
    void *letters; /* a tree of tsearch(3) */
    void *blind;   /* likewise: names of mailboxes */
    struct letter *oldest;
    struct letter *newest;
    size_t count;
    size_t found_octets;
    uint64_t serial;
    int64_t look_us; /* LEDGER_LOOK_US, and so on */
    int64_t report_us;
};

static inline bool letter_is_settled(const struct letter *p)
{
    return p->delivery.settled_us != CLOCK_NONE;
}

/* ledger.c: live and in its place, not saved yet. Null: there is one with that token. */
struct letter *letter_new(struct ledger *ledger, const struct ledger_letter *from);
struct letter *letter_find(const struct ledger *ledger, const char *token);
void letter_remove(struct letter *p);
/* The end of each call that changed a letter: it is saved, and goes if nobody needs it any more. */
void letter_done(struct letter *p);

/* ledger_settle.c: it has been sent, and its time runs. Settles what is known already. */
void letter_wait(struct letter *p);
void letter_tell(struct letter *p);

/* ledger_copies.c: whether the copy is known already; if not it is from now on. */
bool letter_knows(struct letter *p, const struct sighting *s);
/* Its recipients have it too: whether one of them had it before. */
bool letter_give(struct letter *p, const struct sighting *s);
bool letter_has_arrived(const struct letter *p);
void letter_add_copy(struct letter *p, const char *mailbox, const char *id);
bool letter_add_name(struct letter *p, const char *name); /* false: it was there */
void letter_add_recipient(struct letter *p, const char *to);
void letter_copies_free(struct letter *p);

/* ledger_found.c */
void letter_take_found(struct letter *p, const struct sighting *s);
void letter_take_report(struct letter *p, const struct sighting *s, const struct bounce *report);
void letter_read_found(struct letter *p, struct span header, size_t size, int64_t seen_wall_us);
void letter_forget_found(struct letter *p);

/* ledger_row.c */
void letter_save(struct letter *p);

#endif
