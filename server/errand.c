/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of another loop's target: a note takes the ask over to the loop whose it is, where it is
 * asked as if by one of its own, and the same note brings the result back. Who leaves sends another after it,
 * which comes back, too: so whatever happens, the last that is done is done at home, and is counted there. A
 * reload may come between the sending of a note and its calling: then what was asked for is of another config
 * than the owner's. Where the target has the same plan in both it is as if the ask had come after the reload;
 * else it is run as a guest that passes through.
 */
#include "server/job.h"

#include "config/alike.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct errand {
    struct jobs_waiter here; /* what who asks holds in his hand */
    struct jobs *home;
    struct jobs *there;
    struct post_note note;
    struct post_note leaving;
    struct jobs_ask ask;
    struct snapshot *config;    /* of the home, when it was asked */
    struct snapshot *snapshot;  /* that the target is of: the same, or a guest's */
    char *key;                  /* of the guest; null: it is none */
    struct jobs_waiter *waiter; /* there */
    struct result *result;
    bool answered; /* there */
    bool left;     /* here */
    bool back;
    bool is_leaving; /* the other note is not back yet */
};

/* ---- at home ---- */

static void free_errand(struct errand *e)
{
    struct away *away = e->home->order.away;

    result_unref(e->result);
    snapshot_unref(e->config);
    snapshot_unref(e->snapshot);
    free(e->key);
    free(e);
    away_back(away);
}

static void on_left(void *context)
{
    struct errand *e = context;

    e->is_leaving = false;
    if (e->back)
        free_errand(e);
}

static void on_back(void *context)
{
    struct errand *e = context;

    e->back = true;
    if (!e->left) {
        struct result *result = e->result;
        e->result = NULL;
        e->here.done(e->here.context, result);
    }
    if (!e->is_leaving)
        free_errand(e);
}

/* ---- there ---- */

static void send_back(struct errand *e, struct result *result)
{
    e->answered = true;
    e->result = result;
    e->note.called = on_back;
    post_send(e->home->order.away->post, &e->note);
}

static void on_result(void *context, struct result *result)
{
    struct errand *e = context;

    e->waiter = NULL;
    send_back(e, result);
}

static void ask_there(struct errand *e, const struct jobs_ask *ask)
{
    struct result *result = ask->at_hand != NULL ? jobs_at_hand(e->there, ask) : jobs_recall(e->there, ask);

    if (result != NULL)
        send_back(e, result);
    else
        e->waiter = jobs_wait(e->there, ask, on_result, e);
}

/* The owner knows the guest by its key, or gets to know it now. */
static const struct guest *find_guest(struct errand *e)
{
    struct guests *guests = e->there->guests;
    const struct guest *known = guests_find(guests, e->key);

    return known != NULL ? known : guests_add(guests, e->key, snapshot_ref(e->snapshot));
}

/* Whom the owner has of that name, when it is still the same. */
static const struct snapshot_target *find_alike(const struct errand *e)
{
    const struct snapshot *present = e->there->order.snapshot;
    const struct snapshot_target *target =
        e->key == NULL ? snapshot_target(present, e->ask.target->name) : NULL;

    return target != NULL && alike_plan(e->config, e->ask.target, present, target) ? target : NULL;
}

static void on_there(void *context)
{
    struct errand *e = context;
    struct jobs_ask ask = e->ask;
    struct guest passing = {.snapshot = e->snapshot};
    bool is_other = e->there->order.snapshot != e->config;
    const struct snapshot_target *alike = is_other ? find_alike(e) : NULL;

    if (alike != NULL) {
        ask.target = alike;
    } else if (is_other) {
        passing.shelf = shelf_new();
        ask.guest = &passing;
    } else if (e->key != NULL) {
        ask.guest = find_guest(e);
        ask.target = &ask.guest->snapshot->targets[0];
    }
    ask_there(e, &ask);
    shelf_unref(passing.shelf);
}

static void on_leaving(void *context)
{
    struct errand *e = context;

    if (!e->answered) {
        jobs_leave(e->waiter);
        e->waiter = NULL;
        send_back(e, NULL);
    }
    e->leaving.called = on_left;
    post_send(e->home->order.away->post, &e->leaving);
}

/* ---- from here ---- */

struct jobs_waiter *errand_begin(struct jobs *jobs, const struct jobs_ask *ask, jobs_done *done,
                                 void *context)
{
    struct errand *e = mem_alloc(sizeof *e);

    e->here = (struct jobs_waiter){.errand = e, .done = done, .context = context};
    e->home = jobs;
    e->there = jobs->order.crew->all[jobs_owner(jobs, ask)];
    e->ask = *ask;
    e->config = snapshot_ref(jobs->order.snapshot);
    e->snapshot = snapshot_ref(jobs_snapshot(jobs, ask));
    e->key = ask->guest != NULL ? mem_dup(ask->guest->key) : NULL;
    e->note = (struct post_note){.called = on_there, .context = e};
    away_go(jobs->order.away);
    post_send(e->there->order.away->post, &e->note);
    return &e->here;
}

void errand_leave(struct errand *e)
{
    assert(!e->left && !e->back);
    e->left = e->is_leaving = true;
    e->leaving = (struct post_note){.called = on_leaving, .context = e};
    post_send(e->there->order.away->post, &e->leaving);
}
