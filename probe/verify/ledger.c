/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger of deliveries: a tree of tokens, a timer for each that is pending. A message may be seen before
 * its sender has read the reply to it; then it is settled as soon as that is told. Latency is counted with
 * the monotonic clock alone. Who is answered when a delivery settles is the caller's.
 */
#include "probe/verify/ledger.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Recipients of one message that are told apart; a route has fewer. */
#define LEDGER_MAX_SEEN 1000

struct letter {
    const char *token; /* first, so that a key for the tree needs no more */
    struct ledger *ledger;
    void *owner;
    struct delivery delivery;
    int64_t deadline_us;
    int64_t arrived_us; /* the newest recipient has it; CLOCK_NONE = none has */
    size_t recipients;  /* it was sent to; 0 = not known yet */
    char **seen;        /* the different ones who have it */
    size_t seen_count;
    bool blind;        /* its mailbox could not take it for a time, or cannot now */
    bool last_look;    /* the deadline is over; what is in the sockets already is still read */
    uv_timer_t *timer; /* null unless pending */
    bool closed;       /* to be removed when it is settled */
    char texts[];
};

struct ledger {
    uv_loop_t *loop;
    ledger_changed *changed;
    void *context;
    void *letters; /* a tree of tsearch(3) */
    void *blind;   /* likewise: names of mailboxes */
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
    for (size_t i = 0; i < p->seen_count; i++)
        free(p->seen[i]);
    free(p->seen);
    free(p);
}

void ledger_free(struct ledger *l)
{
    if (!l)
        return;
    tdestroy(l->letters, letter_free);
    tdestroy(l->blind, free);
    free(l);
}

static const char *put(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    const char *copy = memcpy(*at, text, size);

    *at += size;
    return copy;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(left, right);
}

static bool is_blind(const struct ledger *l, const char *mailbox)
{
    return tfind(mailbox, &l->blind, compare_names);
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
    p->blind = is_blind(l, mailbox);
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

/* Whether everybody has it who should. */
static bool has_arrived(const struct letter *p)
{
    return p->recipients > 0 && p->seen_count >= p->recipients;
}

static void settle_arrived(struct letter *p)
{
    int64_t latency_us = p->arrived_us - p->delivery.sent_us;
    bool in_time = p->arrived_us <= p->deadline_us;

    p->delivery.latency_us = latency_us > 0 ? latency_us : 0;
    settle(p, in_time ? ROUTE_DELIVERED : p->blind ? ROUTE_UNVERIFIED : ROUTE_LATE, p->arrived_us);
}

/* The loop may be late, and the message be in a socket that it has not come to: one more round of reading. */
static void on_deadline(uv_timer_t *timer)
{
    struct letter *p = timer->data;

    if (p->last_look) {
        settle(p, p->blind ? ROUTE_UNVERIFIED : ROUTE_LOST, p->deadline_us);
        return;
    }
    p->last_look = true;
    handle_at(p->timer, on_deadline, clock_mono_us() + CLOCK_US_PER_MS);
}

void ledger_sent(struct ledger *l, const char *token, int64_t sent_us, int64_t within_us, size_t recipients)
{
    struct letter *p = find(l, token);

    if (!p || p->delivery.state != ROUTE_NONE)
        return;
    p->delivery.sent_us = sent_us;
    p->delivery.within_us = within_us;
    p->recipients = recipients;
    p->deadline_us = sent_us + within_us;
    if (has_arrived(p)) {
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

/* One more recipient has it; false when it had it already. */
static bool see(struct letter *p, const char *to)
{
    for (size_t i = 0; i < p->seen_count; i++)
        if (strcasecmp(p->seen[i], to) == 0)
            return false;
    if (p->seen_count == LEDGER_MAX_SEEN)
        return true;
    p->seen = mem_resize(p->seen, (p->seen_count + 1) * sizeof *p->seen);
    p->seen[p->seen_count++] = mem_dup(to);
    return true;
}

bool ledger_arrive(struct ledger *l, const char *token, const char *mailbox, const char *const *to,
                   size_t to_count, int64_t at_us)
{
    struct letter *p = find(l, token);
    bool again = false;

    if (!p || strcmp(p->delivery.mailbox, mailbox) != 0)
        return false;
    bool had_arrived = has_arrived(p);
    for (size_t i = 0; i < to_count; i++)
        again = !see(p, to[i]) || again;
    if (again)
        p->delivery.flags |= UINT64_C(1) << FLAG_DUPLICATE;
    if (!had_arrived)
        p->arrived_us = at_us;
    if (!had_arrived && has_arrived(p))
        settle_arrived(p);
    else if (again && p->delivery.settled_us != CLOCK_NONE)
        tell(p);
    return true;
}

static void mark_blind(const void *node, VISIT visit, void *context)
{
    struct letter *p = *(struct letter *const *)node;
    const char *mailbox = context;

    if ((visit == postorder || visit == leaf) && p->delivery.settled_us == CLOCK_NONE &&
        strcmp(p->delivery.mailbox, mailbox) == 0)
        p->blind = true;
}

void ledger_blind(struct ledger *l, const char *mailbox, bool blind)
{
    char **found = tfind(mailbox, &l->blind, compare_names);

    twalk_r(l->letters, mark_blind, (void *)mailbox);
    if (blind && !found && !tsearch(mem_dup(mailbox), &l->blind, compare_names))
        abort();
    if (!blind && found) {
        char *name = *found;
        tdelete(mailbox, &l->blind, compare_names);
        free(name);
    }
}

const struct delivery *ledger_find(const struct ledger *l, const char *token)
{
    const struct letter *p = find(l, token);

    return p ? &p->delivery : NULL;
}
