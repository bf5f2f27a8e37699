/* SPDX-License-Identifier: Apache-2.0 */
/* A question between its arrival and its handler: its asker has to be let in first. */
#include "server/entry.h"

struct entry {
    struct login *login;
    struct login_waiter *waiter;
    struct question *q;
    entry_next *next;
    void *context;
};

static void conclude(struct entry *e, enum login_verdict verdict)
{
    struct question *q = e->q;

    if (verdict == LOGIN_IN) {
        e->next(e->context, q);
    } else if (verdict == LOGIN_BUSY) {
        q->later = true;
        question_refuse(q, 503, NULL,
                        q->request->reserved ? "All connections but those kept for health checks are in use: "
                                               "no password is looked at that is not known yet."
                                             : "Too many passwords are being looked at.");
    } else {
        q->challenge = login_challenge(e->login);
        question_refuse(q, 401, NULL,
                        q->request->authorization != NULL ? "This login is not good."
                                                          : "A login is needed here.");
    }
}

static void on_login(void *context, enum login_verdict verdict)
{
    struct entry *e = context;

    conclude(e, verdict);
}

static void leave(struct question *q)
{
    struct entry *e = q->waiting;

    login_leave(e->waiter);
}

void entry_ask(struct login *login, struct question *q, entry_next *next, void *context)
{
    if (login == NULL) {
        next(context, q);
        return;
    }
    struct entry *e = arena_alloc(&q->arena, sizeof *e);
    *e = (struct entry){.login = login, .q = q, .next = next, .context = context};
    q->waiting = e;
    q->leave = leave;
    const struct login_asker asker = {q->request->authorization, q->request->from};
    enum login_verdict verdict =
        login_ask(login, &asker, q->request->reserved ? NULL : on_login, e, &e->waiter);
    if (verdict != LOGIN_LATER)
        conclude(e, verdict);
}
