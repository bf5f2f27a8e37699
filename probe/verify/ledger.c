/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger of deliveries: a tree of tokens, a timer for each that is pending. A message may be seen before
 * its sender has read the reply to it; then it is settled as soon as that is told. Latency is counted with
 * the monotonic clock alone. Who is answered when a delivery settles is the caller's.
 */
#include "probe/verify/ledger.h"

#include "probe/base/mem.h"
#include "probe/net/handle.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct letter {
    const char *token; /* first, so that a key for the tree needs no more */
    struct ledger *ledger;
    void *owner;
    struct delivery delivery;
    int64_t deadline_us;
    int64_t arrived_us; /* CLOCK_NONE = not yet */
    uv_timer_t *timer;  /* null unless pending */
    bool closed;        /* to be removed when it is settled */
    char texts[];
};

struct ledger {
    uv_loop_t *loop;
    ledger_changed *changed;
    void *context;
    void *letters; /* a tree of tsearch(3) */
};

static int compare(const void *left, const void *right)
{
    return strcmp(((const struct letter *)left)->token, ((const struct letter *)right)->token);
}

static struct letter *find(const struct ledger *l, const char *token)
{
    struct letter key = {.token = token};
    struct letter **found = tfind(&key, &l->letters, compare);

    return found ? *found : NULL;
}

struct ledger *ledger_new(uv_loop_t *loop, ledger_changed *changed, void *context)
{
    struct ledger *l = mem_alloc(sizeof *l);

    l->loop = loop;
    l->changed = changed;
    l->context = context;
    return l;
}

static void letter_free(void *node)
{
    struct letter *p = node;

    handle_close_timer(p->timer);
    free(p);
}

void ledger_free(struct ledger *l)
{
    if (!l)
        return;
    tdestroy(l->letters, letter_free);
    free(l);
}

static const char *put(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    const char *copy = memcpy(*at, text, size);

    *at += size;
    return copy;
}

void ledger_open(struct ledger *l, const char *token, const char *run, const char *mailbox, void *owner)
{
    struct letter *p = mem_alloc(sizeof *p + strlen(token) + strlen(run) + strlen(mailbox) + 3);
    char *texts = p->texts;

    p->ledger = l;
    p->owner = owner;
    p->arrived_us = CLOCK_NONE;
    p->token = put(&texts, token);
    p->delivery = (struct delivery){.state = ROUTE_NONE,
                                    .run = put(&texts, run),
                                    .mailbox = put(&texts, mailbox),
                                    .sent_us = CLOCK_NONE,
                                    .settled_us = CLOCK_NONE,
                                    .latency_us = CLOCK_NONE};
    if (!tsearch(p, &l->letters, compare))
        abort();
}

static void tell(const struct letter *p)
{
    p->ledger->changed(p->ledger->context, p->owner, &p->delivery);
}

static void letter_remove(struct letter *p)
{
    tdelete(p, &p->ledger->letters, compare);
    letter_free(p);
}

static void settle(struct letter *p, enum route_state state, int64_t at_us)
{
    handle_close_timer(p->timer);
    p->timer = NULL;
    p->delivery.state = state;
    p->delivery.settled_us = at_us;
    p->delivery.ok = state == ROUTE_DELIVERED;
    tell(p);
    if (p->closed)
        letter_remove(p);
}

static void settle_arrived(struct letter *p)
{
    int64_t latency_us = p->arrived_us - p->delivery.sent_us;

    p->delivery.latency_us = latency_us > 0 ? latency_us : 0;
    settle(p, p->arrived_us <= p->deadline_us ? ROUTE_DELIVERED : ROUTE_LATE, p->arrived_us);
}

static void on_deadline(uv_timer_t *timer)
{
    struct letter *p = timer->data;

    settle(p, ROUTE_LOST, p->deadline_us);
}

void ledger_sent(struct ledger *l, const char *token, int64_t sent_us, int64_t within_us)
{
    struct letter *p = find(l, token);

    if (!p || p->delivery.state != ROUTE_NONE)
        return;
    p->delivery.sent_us = sent_us;
    p->deadline_us = sent_us + within_us;
    if (p->arrived_us != CLOCK_NONE) {
        settle_arrived(p);
        return;
    }
    p->delivery.state = ROUTE_PENDING;
    p->timer = handle_timer(l->loop, p);
    handle_at(p->timer, on_deadline, p->deadline_us);
}

void ledger_close(struct ledger *l, const char *token)
{
    struct letter *p = find(l, token);

    if (!p)
        return;
    p->closed = true;
    if (p->delivery.state != ROUTE_PENDING)
        letter_remove(p);
}

bool ledger_arrive(struct ledger *l, const char *token, const char *mailbox, int64_t at_us)
{
    struct letter *p = find(l, token);

    if (!p || strcmp(p->delivery.mailbox, mailbox) != 0)
        return false;
    if (p->arrived_us != CLOCK_NONE) {
        p->delivery.flags |= UINT64_C(1) << FLAG_DUPLICATE;
        if (p->delivery.state != ROUTE_NONE)
            tell(p);
        return true;
    }
    p->arrived_us = at_us;
    if (p->delivery.state != ROUTE_NONE)
        settle_arrived(p);
    return true;
}

const struct delivery *ledger_find(const struct ledger *l, const char *token)
{
    const struct letter *p = find(l, token);

    return p ? &p->delivery : NULL;
}
