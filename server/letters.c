/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages by target and route. The ledger knows each token; here is kept what must outlive a run: when a
 * route last sent, and its last settled delivery, which stands while the next one is under way. What a result
 * with deliveries means is probe/conclude's.
 */
#include "server/letters.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/conclude.h"
#include "probe/proto/message.h"
#include "probe/proto/template.h"
#include "probe/verify/ledger.h"
#include "server/script.h"

#include <assert.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is remembered of one route of one target. */
struct memory {
    const char *key;                 /* first: "TARGET/ROUTE"; names hold no slash */
    uint64_t wish;                   /* what the route wanted when its newest message was sent */
    int64_t wish_us;                 /* since when; what was sent before is no news */
    unsigned under_way;              /* runs that are to send its message, and have not ended */
    int64_t sent_us;                 /* its newest message: DATA was said; CLOCK_NONE = never */
    char newest[MESSAGE_TOKEN_SIZE]; /* and its token; "" = never */
    struct delivery last;            /* the newest that is settled; its texts are ours */
};

struct letters {
    struct token_key key;
    struct ledger *ledger;
    void *memories; /* a tree of tsearch(3) */
    letters_settled *settled;
    void *context;
};

/* ---- memories ---- */

static int compare(const void *left, const void *right)
{
    return strcmp(((const struct memory *)left)->key, ((const struct memory *)right)->key);
}

static struct memory *recall(const struct letters *l, const char *key)
{
    struct memory wanted = {.key = key};
    struct memory **found = tfind(&wanted, &l->memories, compare);

    return found != NULL ? *found : NULL;
}

static const char *key_of(struct arena *arena, const char *target, const char *route)
{
    return arena_printf(arena, "%s/%s", target, route);
}

static struct memory *remember(struct letters *l, const char *target, const char *route)
{
    struct arena scratch = {0};
    const char *key = key_of(&scratch, target, route);
    struct memory *m = recall(l, key);

    if (m == NULL) {
        m = mem_alloc(sizeof *m);
        m->key = mem_dup(key);
        m->sent_us = CLOCK_NONE;
        void *added = tsearch(m, &l->memories, compare);
        assert(added != NULL);
    }
    arena_free(&scratch);
    return m;
}

static void memory_free(void *node)
{
    struct memory *m = node;

    free((char *)m->key);
    free((char *)m->last.run);
    free((char *)m->last.mailbox);
    free(m);
}

/* A delivery is settled: it stands, unless a newer message is settled already. */
static void keep(struct memory *m, const struct delivery *d)
{
    if (d->sent_us < m->wish_us || (m->last.state != ROUTE_NONE && m->last.sent_us > d->sent_us))
        return;
    const char *run = m->last.run;
    const char *mailbox = m->last.mailbox;

    m->last = *d;
    m->last.run = mem_dup(d->run);
    m->last.mailbox = mem_dup(d->mailbox);
    free((char *)run);
    free((char *)mailbox);
}

static void on_changed(void *context, void *owner, const struct delivery *d)
{
    struct letters *l = context;

    struct memory *m = owner;

    keep(m, d);
    l->settled(l->context, m->key, d);
}

struct letters *letters_new(uv_loop_t *loop, const struct token_key *key, letters_settled *settled,
                            void *context)
{
    struct letters *l = mem_alloc(sizeof *l);

    l->ledger = ledger_new(loop, on_changed, l);
    l->key = *key;
    l->settled = settled;
    l->context = context;
    return l;
}

void letters_free(struct letters *l)
{
    if (l == NULL)
        return;
    ledger_free(l->ledger);
    tdestroy(l->memories, memory_free);
    free(l);
}

/* ---- wishes ---- */

static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211); /* FNV-1a */
    return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    return text != NULL ? mix(hash, text, strlen(text) + 1) : mix(hash, "\1", 1);
}

/* All that a delivery says something about, in one number. A config in which any of it differs is told
 * nothing by the messages of another. */
static uint64_t wish_of(const struct plan *plan, const struct plan_route *route)
{
    uint64_t hash = mix_text(UINT64_C(14695981039346656037), plan->host);

    hash = mix(hash, &plan->port, sizeof plan->port);
    hash = mix(hash, &plan->protocol, sizeof plan->protocol);
    hash = mix_text(mix_text(hash, route->from), route->mailbox);
    for (size_t i = 0; i < route->to_count; i++)
        hash = mix_text(hash, route->to[i]);
    hash = mix(hash, &route->expect, sizeof route->expect);
    hash = mix(hash, &route->at_final, sizeof route->at_final);
    hash = mix(hash, &route->reply_code, sizeof route->reply_code);
    hash = mix(hash, &route->reply_enhanced, sizeof route->reply_enhanced);
    hash = mix(hash, &route->message.hash, sizeof route->message.hash);
    hash = mix(hash, &route->message.octets, sizeof route->message.octets);
    hash = mix(hash, &route->dsn.notify, sizeof route->dsn.notify);
    hash = mix(hash, &route->dsn.ret, sizeof route->dsn.ret);
    hash = mix_text(hash, route->dsn.envid);
    return mix(hash, &route->deliver_within_us, sizeof route->deliver_within_us);
}

/* A message was sent by this plan: what is remembered of another wish is no longer worth anything. */
static void adopt_wish(struct memory *m, uint64_t wish, int64_t now_us)
{
    if (m->wish == wish)
        return;
    m->wish = wish;
    m->wish_us = now_us;
    m->last.state = ROUTE_NONE;
}

/* ---- writing ---- */

static bool is_due(const struct memory *m, const struct plan_route *route)
{
    if (m->under_way > 0)
        return false;
    return m->sent_us == CLOCK_NONE || clock_mono_us() - m->sent_us >= route->min_send_interval_us;
}

static struct plan_letter write_letter(const struct letters *l, struct arena *arena,
                                       const struct plan_route *route)
{
    char token[MESSAGE_TOKEN_SIZE];

    script_token(&l->key, token);
    return template_write(arena, &route->message, arena_dup(arena, token), clock_wall_us());
}

const struct plan_letter *letters_write(struct letters *l, struct arena *arena, const struct plan *plan,
                                        const char *run, bool all)
{
    struct plan_letter *letters = NULL;

    for (size_t i = 0; i < plan->route_count && plan->stop_after >= PHASE_FINAL; i++) {
        const struct plan_route *route = &plan->routes[i];
        if (!plan_route_sends(route))
            continue;
        struct memory *m = remember(l, plan->target, route->name);
        if (!all && !is_due(m, route))
            continue;
        if (letters == NULL)
            letters = arena_alloc(arena, plan->route_count * sizeof *letters);
        letters[i] = write_letter(l, arena, route);
        m->under_way++;
        if (plan_route_is_delivered(route))
            ledger_open(l->ledger, letters[i].token, run, route->mailbox, m);
    }
    return letters;
}

/* ---- sending ---- */

/* When DATA was said for the route; CLOCK_NONE = never. */
static int64_t data_said_us(const struct result *r, size_t route)
{
    for (size_t i = 0; i < r->command_count; i++) {
        const struct result_command *c = &r->commands[i];
        if (c->phase == PHASE_DATA && c->route == (int)route && c->at_us != CLOCK_NONE)
            return r->started_mono_us + c->at_us;
    }
    return CLOCK_NONE;
}

/* How the sending itself ended: it stands while no message is known to have been delivered or lost. */
static struct delivery delivery_of(const struct result *r, const struct result_route *route, int64_t sent_us)
{
    struct delivery d = {.state = route->state,
                         .ok = route->ok == TRI_TRUE,
                         .run = r->id,
                         .sent_us = sent_us,
                         .settled_us = r->ended_mono_us,
                         .latency_us = CLOCK_NONE};

    if (!d.ok && r->failure.route != NULL && strcmp(r->failure.route, route->name) == 0) {
        d.phase = r->failure.phase;
        d.reason = r->failure.reason;
    }
    return d;
}

/* For how many the server took the message. Of a recipient without a reply to it (LMTP) nobody knows: only
 * when that one has it too, everybody does. */
static size_t count_accepted(const struct result_route *route)
{
    size_t count = 0;

    for (size_t i = 0; i < route->recipient_count; i++)
        count += route->recipients[i].code / 100 == 2 || route->recipients[i].code == 0;
    return count;
}

static void settle_letter(struct letters *l, struct memory *m, const struct plan_route *plan,
                          const struct result *r, size_t i, int64_t data_us)
{
    const struct result_route *route = &r->routes[i];
    bool dot = route->sent_us != CLOCK_NONE;
    bool taken = dot && (route->state == ROUTE_QUEUED || route->state == ROUTE_UNCERTAIN);
    int64_t sent_us = dot ? r->started_mono_us + route->sent_us : data_us;
    struct delivery sending = delivery_of(r, route, sent_us);

    if (data_us > m->sent_us) {
        m->sent_us = data_us;
        snprintf(m->newest, sizeof m->newest, "%s", route->token);
    }
    if (!plan_route_is_delivered(plan) || route->state != ROUTE_QUEUED)
        keep(m, &sending);
    if (taken)
        ledger_sent(l->ledger, route->token, sent_us, plan->deliver_within_us, count_accepted(route));
    else
        ledger_close(l->ledger, route->token);
}

void letters_sent(struct letters *l, const struct plan *plan, const struct result *r)
{
    for (size_t i = 0; plan->letters != NULL && i < plan->route_count; i++) {
        const struct plan_letter *letter = &plan->letters[i];
        if (letter->token == NULL)
            continue;
        struct memory *m = remember(l, plan->target, plan->routes[i].name);
        int64_t data_us = data_said_us(r, i);
        m->under_way--;
        if (data_us != CLOCK_NONE)
            adopt_wish(m, wish_of(plan, &plan->routes[i]), data_us);
        if (data_us != CLOCK_NONE && r->routes[i].state != ROUTE_NONE)
            settle_letter(l, m, &plan->routes[i], r, i, data_us);
        else
            ledger_close(l->ledger, letter->token);
    }
}

bool letters_seen(struct letters *l, const struct sighting *s)
{
    char token[MESSAGE_TOKEN_SIZE];

    return message_token_of(s->kept, token) &&
           ledger_arrive(l->ledger, token, s->mailbox, s->to, s->to_count, s->at_us);
}

bool letters_may_remove(struct letters *l, const char *mailbox, const char *id)
{
    (void)l, (void)mailbox, (void)id;
    return false;
}

void letters_looked(struct letters *l, const char *mailbox, int64_t began_us, const char *why)
{
    (void)l, (void)mailbox, (void)began_us, (void)why;
}

void letters_set_mailboxes(struct letters *l, const struct mailbox_wishes *wishes, void *context)
{
    (void)l, (void)wishes, (void)context;
}

void letters_set_keeper(struct letters *l, const struct ledger_keeper *keeper, void *context)
{
    (void)l, (void)keeper, (void)context;
}

void letters_restore(struct letters *l, const struct ledger_row *row)
{
    (void)l, (void)row;
}

void letters_saved(struct letters *l, const char *token, uint64_t serial)
{
    (void)l, (void)token, (void)serial;
}

void letters_blind(struct letters *l, const char *mailbox, bool blind)
{
    ledger_blind(l->ledger, mailbox, blind);
}

/* ---- showing ---- */

/* This run's message, or while it is under way an earlier one's. Of a run that is not over yet nobody has
 * said that its message was taken: it is pending. */
static struct delivery own_delivery(const struct letters *l, const struct result_route *route,
                                    const struct memory *m)
{
    bool this_run = route->token != NULL && route->sent_us != CLOCK_NONE;
    const struct delivery *d = ledger_find(l->ledger, this_run ? route->token : m->newest);
    struct delivery own = {.state = ROUTE_NONE};

    if (d != NULL && (this_run || d->state == ROUTE_PENDING))
        own = *d;
    if (this_run && d != NULL && d->state == ROUTE_NONE)
        own.state = ROUTE_PENDING;
    return own;
}

struct result *letters_show(const struct letters *l, const struct plan *plan, struct result *result)
{
    struct arena scratch = {0};
    struct conclude_delivery *deliveries = NULL;

    for (size_t i = 0; i < plan->route_count; i++) {
        const struct plan_route *route = &plan->routes[i];
        const struct memory *m =
            plan_route_sends(route) ? recall(l, key_of(&scratch, plan->target, route->name)) : NULL;
        if (m == NULL)
            continue;
        bool same_wish = m->wish == wish_of(plan, route);
        if (deliveries == NULL)
            deliveries = arena_alloc(&scratch, plan->route_count * sizeof *deliveries);
        if (same_wish || result->routes[i].token != NULL)
            deliveries[i].own = own_delivery(l, &result->routes[i], m);
        if (same_wish)
            deliveries[i].last = m->last;
    }
    result = deliveries != NULL ? conclude_delivered(result, plan, deliveries) : result_ref(result);
    arena_free(&scratch);
    return result;
}

bool letters_is_pending(const struct letters *l, const struct result *result)
{
    for (size_t i = 0; i < result->route_count; i++) {
        const struct result_route *route = &result->routes[i];
        const struct delivery *d =
            route->token != NULL && route->ok != TRI_FALSE ? ledger_find(l->ledger, route->token) : NULL;
        if (d != NULL && d->state == ROUTE_PENDING)
            return true;
    }
    return false;
}

void letters_forget(struct letters *l, const struct result *result)
{
    for (size_t i = 0; i < result->route_count; i++)
        if (result->routes[i].token != NULL)
            ledger_close(l->ledger, result->routes[i].token);
}
