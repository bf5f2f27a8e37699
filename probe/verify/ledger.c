/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger of deliveries: a tree of tokens, a timer for each that is pending, and all of them in the order
 * that they were opened. A message may be seen before its sender has read the reply to it; then it is settled
 * as soon as that is told. Latency is counted with the monotonic clock alone. Who is answered when a delivery
 * settles is the caller's.
 */
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "probe/verify/ledger_state.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
    return strcmp(((const struct letter *)left)->token, ((const struct letter *)right)->token);
}

struct letter *letter_find(const struct ledger *l, const char *token)
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
    l->look_us = LEDGER_LOOK_US;
    l->report_us = LEDGER_REPORT_US;
    return l;
}

static void letter_free(void *node)
{
    struct letter *p = node;

    handle_close_timer(p->timer);
    letter_copies_free(p);
    letter_forget_found(p);
    arena_free(&p->report);
    free(p->astray);
    free(p->why);
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

void ledger_set_keeper(struct ledger *l, const struct ledger_keeper *keeper, void *context)
{
    l->keeper = keeper;
    l->keeper_context = context;
}

/* ---- letters ---- */

static const char *put(char **at, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;

    if (!text)
        return NULL;
    const char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

static size_t size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static void link_newest(struct ledger *l, struct letter *p)
{
    p->older = l->newest;
    if (p->older)
        p->older->newer = p;
    else
        l->oldest = p;
    l->newest = p;
    l->count++;
}

static void unlink_letter(struct ledger *l, struct letter *p)
{
    *(p->older ? &p->older->newer : &l->oldest) = p->newer;
    *(p->newer ? &p->newer->older : &l->newest) = p->older;
    l->count--;
}

void letter_remove(struct letter *p)
{
    tdelete(p, &p->ledger->letters, compare);
    unlink_letter(p->ledger, p);
    letter_free(p);
}

/* The oldest that nobody asks for goes, where there are too many. */
static void make_room(struct ledger *l)
{
    struct letter *p = l->count >= LEDGER_MAX_LETTERS ? l->oldest : NULL;

    while (p && !p->closed)
        p = p->newer;
    if (p)
        letter_remove(p);
}

static bool is_blind(const struct ledger *l, const char *mailbox);

static struct letter *allocate(const struct ledger_letter *from)
{
    struct letter *p = mem_alloc(sizeof *p + size_of(from->token) + size_of(from->target) +
                                 size_of(from->route) + size_of(from->run) + size_of(from->mailbox) +
                                 size_of(from->bounce_mailbox) + from->original.len);
    char *texts = p->texts;

    p->token = put(&texts, from->token);
    p->target = put(&texts, from->target);
    p->route = put(&texts, from->route);
    p->bounce_mailbox = put(&texts, from->bounce_mailbox);
    p->delivery = (struct delivery){.state = ROUTE_NONE,
                                    .run = put(&texts, from->run),
                                    .mailbox = put(&texts, from->mailbox),
                                    .sent_us = CLOCK_NONE,
                                    .settled_us = CLOCK_NONE,
                                    .latency_us = CLOCK_NONE};
    if (from->original.len)
        memcpy(texts, from->original.data, from->original.len);
    p->original = (struct span){texts, from->original.len};
    return p;
}

struct letter *letter_new(struct ledger *l, const struct ledger_letter *from)
{
    if (letter_find(l, from->token))
        return NULL;
    make_room(l);
    struct letter *p = allocate(from);
    p->ledger = l;
    p->owner = from->owner;
    p->wish = from->wish;
    for (size_t i = 0; i < from->to_count; i++)
        letter_add_recipient(p, from->to[i]);
    p->opened_us = clock_mono_us();
    p->data_us = p->arrived_us = CLOCK_NONE;
    p->blind = from->mailbox && is_blind(l, from->mailbox);
    link_newest(l, p);
    if (!tsearch(p, &l->letters, compare))
        abort();
    return p;
}

void letter_done(struct letter *p)
{
    if (p->changed)
        letter_save(p);
    if (p->closed && letter_is_settled(p))
        letter_remove(p);
}

void ledger_open(struct ledger *l, const struct ledger_letter *from)
{
    struct letter *p = letter_new(l, from);

    if (p)
        letter_save(p);
}

void ledger_sent(struct ledger *l, const char *token, const struct ledger_sending *s)
{
    struct letter *p = letter_find(l, token);

    if (!p || p->delivery.state != ROUTE_NONE)
        return;
    p->data_us = s->data_us;
    p->delivery.sent_us = s->sent_us;
    p->delivery.within_us = s->within_us;
    p->deadline_us = s->sent_us + s->within_us;
    p->recipients = s->recipients;
    p->verdict = s->verdict;
    letter_wait(p);
    letter_done(p);
}

void ledger_end(struct ledger *l, const char *token, int64_t data_us, const struct delivery *verdict)
{
    struct letter *p = letter_find(l, token);

    if (!p)
        return;
    p->data_us = data_us;
    p->delivery.state = verdict->state;
    p->delivery.ok = verdict->ok;
    p->delivery.phase = verdict->phase;
    p->delivery.reason = verdict->reason;
    p->delivery.sent_us = verdict->sent_us;
    p->delivery.settled_us = verdict->settled_us;
    p->changed = p->closed = true;
    letter_done(p);
}

void ledger_drop(struct ledger *l, const char *token)
{
    struct letter *p = letter_find(l, token);

    if (!p)
        return;
    if (l->keeper)
        l->keeper->drop(l->keeper_context, token);
    letter_remove(p);
}

void ledger_close(struct ledger *l, const char *token)
{
    struct letter *p = letter_find(l, token);

    if (!p)
        return;
    p->closed = true;
    if (p->delivery.state != ROUTE_PENDING)
        letter_remove(p);
}

const struct delivery *ledger_find(const struct ledger *l, const char *token)
{
    const struct letter *p = letter_find(l, token);

    return p ? &p->delivery : NULL;
}

/* ---- mailboxes that cannot take what comes ---- */

static int compare_names(const void *left, const void *right)
{
    return strcmp(left, right);
}

static bool is_blind(const struct ledger *l, const char *mailbox)
{
    return tfind(mailbox, &l->blind, compare_names);
}

void ledger_blind(struct ledger *l, const char *mailbox, bool blind)
{
    char **found = tfind(mailbox, &l->blind, compare_names);

    for (struct letter *p = l->newest; p; p = p->older)
        if (!letter_is_settled(p) && p->delivery.mailbox && strcmp(p->delivery.mailbox, mailbox) == 0)
            p->blind = true;
    if (blind && !found && !tsearch(mem_dup(mailbox), &l->blind, compare_names))
        abort();
    if (!blind && found) {
        char *name = *found;
        tdelete(mailbox, &l->blind, compare_names);
        free(name);
    }
}
