/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages by target and route. The ledger knows each token; memories.c what must outlive a run; copies.c
 * which token a copy in a mailbox has. What a result with deliveries means is probe/conclude's. A copy is
 * removed for one of two reasons: what was learned from it is safe, or nobody knows it any more and it is too
 * old for anybody to wait for it.
 */
#include "server/letters.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/conclude.h"
#include "probe/proto/message.h"
#include "probe/proto/original.h"
#include "probe/proto/report.h"
#include "probe/proto/template.h"
#include "probe/verify/ledger.h"
#include "server/copies.h"
#include "server/memories.h"
#include "server/script.h"
#include "server/told.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What became of a run's messages, as octets: of more nothing is kept. */
#define LETTERS_MAX_WAY ((size_t)1024 * 1024)

struct letters {
    struct token_key key;
    struct ledger *ledger;
    struct memories memories;
    struct copies *copies;
    struct told *told;
    int64_t leftover_us; /* a token as old as that is nobody's any more */
    letters_settled *settled;
    void *context;
};

static void on_changed(void *context, void *owner, const struct delivery *d, bool beside)
{
    struct letters *l = context;
    struct memory *m = owner;

    if (!beside)
        memory_keep(m, d);
    l->settled(l->context, m->key, d);
}

struct letters *letters_new(uv_loop_t *loop, const struct token_key *key, letters_settled *settled,
                            void *context)
{
    struct letters *l = mem_alloc(sizeof *l);

    l->ledger = ledger_new(loop, on_changed, l);
    l->copies = copies_new();
    l->told = told_new(1);
    l->leftover_us = CLOCK_NEVER;
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
    copies_free(l->copies);
    told_free(l->told);
    memories_free(&l->memories);
    free(l);
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

static void open_letter(struct letters *l, struct memory *m, const struct plan *plan,
                        const struct plan_route *route, const struct plan_letter *letter, const char *run)
{
    bool is_delivered = plan_route_is_delivered(route);
    struct arena scratch = {0};
    struct ledger_letter from = {.token = letter->token,
                                 .target = plan->target,
                                 .route = route->name,
                                 .run = run,
                                 .mailbox = is_delivered ? route->mailbox : NULL,
                                 .bounce_mailbox = is_delivered ? route->bounce_mailbox : NULL,
                                 .to = route->to,
                                 .to_count = is_delivered ? route->to_count : 0,
                                 .wish = memory_wish(plan, route),
                                 .owner = m};

    if (is_delivered)
        from.original = original_pack(&scratch, letter);
    ledger_open(l->ledger, &from);
    arena_free(&scratch);
}

const struct plan_letter *letters_write(struct letters *l, struct arena *arena, const struct plan *plan,
                                        const char *run, bool all)
{
    struct plan_letter *letters = NULL;

    for (size_t i = 0; i < plan->route_count && plan->stop_after >= PHASE_FINAL; i++) {
        const struct plan_route *route = &plan->routes[i];
        if (!plan_route_sends(route))
            continue;
        struct memory *m = memories_remember(&l->memories, plan->target, route->name);
        if (!all && !is_due(m, route))
            continue;
        if (letters == NULL)
            letters = arena_alloc(arena, plan->route_count * sizeof *letters);
        letters[i] = write_letter(l, arena, route);
        m->under_way++;
        open_letter(l, m, plan, route, &letters[i], run);
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

/* Whether some recipients' replies to a message took it though others' did not (LMTP). */
static bool is_partly_taken(const struct plan *plan, const struct result_route *route)
{
    return plan->protocol == PROTOCOL_LMTP && count_accepted(route) > 0 &&
           (route->state == ROUTE_REJECTED || route->state == ROUTE_DEFERRED);
}

static void wait_for(struct letters *l, const struct plan_route *plan, const struct result_route *route,
                     const struct delivery *sending, int64_t data_us)
{
    struct ledger_sending s = {.data_us = data_us,
                               .sent_us = sending->sent_us,
                               .within_us = plan->deliver_within_us,
                               .recipients = count_accepted(route)};

    if (route->state != ROUTE_QUEUED)
        s.verdict = *sending;
    ledger_sent(l->ledger, route->token, &s);
}

/* What was lost before a restart is not waited for when there is a newer one. */
static void forget_restored(struct letters *l, struct memory *m)
{
    if (*m->restored != '\0')
        ledger_close(l->ledger, m->restored);
    *m->restored = '\0';
}

static void settle_letter(struct letters *l, struct memory *m, const struct plan *plan,
                          const struct result *r, size_t i, int64_t data_us)
{
    const struct result_route *route = &r->routes[i];
    bool dot = route->sent_us != CLOCK_NONE;
    bool taken =
        route->state == ROUTE_QUEUED || route->state == ROUTE_UNCERTAIN || is_partly_taken(plan, route);
    bool is_delivered = plan_route_is_delivered(&plan->routes[i]);
    struct delivery sending = delivery_of(r, route, dot ? r->started_mono_us + route->sent_us : data_us);

    memory_adopt(m, memory_wish(plan, &plan->routes[i]), data_us);
    memory_sent(m, route->token, data_us);
    forget_restored(l, m);
    if (!is_delivered || route->state != ROUTE_QUEUED)
        memory_keep(m, &sending);
    if (is_delivered && dot && taken)
        wait_for(l, &plan->routes[i], route, &sending, data_us);
    else
        ledger_end(l->ledger, route->token, data_us, &sending);
}

void letters_sent(struct letters *l, const struct plan *plan, const struct result *r)
{
    for (size_t i = 0; plan->letters != NULL && i < plan->route_count; i++) {
        const struct plan_letter *letter = &plan->letters[i];
        if (letter->token == NULL)
            continue;
        struct memory *m = memories_remember(&l->memories, plan->target, plan->routes[i].name);
        int64_t data_us = data_said_us(r, i);
        m->under_way--;
        if (data_us != CLOCK_NONE && r->routes[i].state != ROUTE_NONE)
            settle_letter(l, m, plan, r, i, data_us);
        else
            ledger_drop(l->ledger, letter->token);
    }
}

/* ---- mailboxes ---- */

/* What the message is: a report on one of ours (1), one of ours (0), or nobody's (-1). A report is never one
 * of ours, whatever of ours its own header repeats. */
static int read_kind(const struct sighting *s, struct arena *arena, char token_r[MESSAGE_TOKEN_SIZE],
                     struct bounce *report_r)
{
    if (report_is_one(s->kept))
        return report_read(arena, s->kept, token_r, report_r) ? 1 : -1;
    return message_token_of(s->kept, token_r) ? 0 : -1;
}

bool letters_seen(struct letters *l, const struct sighting *s)
{
    struct arena scratch = {0};
    struct bounce report = {0};
    char token[MESSAGE_TOKEN_SIZE];
    int64_t made_wall_us;
    int kind = read_kind(s, &scratch, token, &report);
    bool ours = kind >= 0 && token_check(&l->key, token, &made_wall_us);

    if (ours && s->id != NULL)
        copies_add(l->copies, s->mailbox, s->id, token, made_wall_us);
    bool live = ours && ledger_seen(l->ledger, token, s, kind == 1 ? &report : NULL);
    arena_free(&scratch);
    return live;
}

bool letters_may_remove(struct letters *l, const char *mailbox, const char *id)
{
    int64_t made_wall_us;
    const char *token = copies_find(l->copies, mailbox, id, &made_wall_us);

    if (token == NULL)
        return false;
    if (ledger_find(l->ledger, token) != NULL)
        return ledger_may_remove(l->ledger, token, mailbox, id);
    return clock_wall_us() - made_wall_us > l->leftover_us;
}

void letters_unremoved(struct letters *l, const char *mailbox, const char *id)
{
    int64_t made_wall_us;
    const char *token = copies_find(l->copies, mailbox, id, &made_wall_us);

    if (token != NULL)
        ledger_unremoved(l->ledger, token);
}

void letters_set_longest(struct letters *l, int64_t deliver_within_us)
{
    l->leftover_us = deliver_within_us + LEFTOVER_MARGIN_US;
}

void letters_looked(struct letters *l, const char *mailbox, int64_t began_us, const char *why)
{
    ledger_looked(l->ledger, mailbox, began_us, why);
}

void letters_blind(struct letters *l, const char *mailbox, bool blind)
{
    ledger_blind(l->ledger, mailbox, blind);
}

void letters_set_mailboxes(struct letters *l, const struct mailbox_wishes *wishes, void *context)
{
    ledger_set_mailboxes(l->ledger, wishes, context);
}

/* ---- keeping ---- */

void letters_set_keeper(struct letters *l, const struct ledger_keeper *keeper, void *context)
{
    ledger_set_keeper(l->ledger, keeper, context);
}

void letters_saved(struct letters *l, const char *token, uint64_t serial)
{
    ledger_saved(l->ledger, token, serial);
}

/* It may still come, or wait in its mailbox to be removed: it stays until there is a newer one. */
void letters_restore(struct letters *l, const struct ledger_row *row, bool blind)
{
    struct memory *m = memories_remember(&l->memories, row->target, row->route);

    memory_restore(m, row);
    const struct delivery *d = ledger_restore(l->ledger, row, blind, m);
    if (d == NULL)
        return;
    forget_restored(l, m);
    if (d->settled_us != CLOCK_NONE)
        memory_keep(m, d);
    if (row->mailbox != NULL)
        snprintf(m->restored, sizeof m->restored, "%s", row->token);
    else
        ledger_close(l->ledger, row->token);
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

    if (d != NULL && d->mailbox == NULL)
        d = NULL;
    if (d != NULL && (this_run || d->state == ROUTE_PENDING))
        own = *d;
    if (this_run && d != NULL && d->state == ROUTE_NONE)
        own.state = ROUTE_PENDING;
    return own;
}

/* A result with the same deliveries is the same one. */
static struct result *conclude_once(const struct letters *l, const struct plan *plan, struct result *result,
                                    const struct conclude_delivery *deliveries)
{
    struct buffer way;

    buffer_init(&way, LETTERS_MAX_WAY);
    for (size_t i = 0; i < plan->route_count; i++) {
        told_put_delivery(&way, &deliveries[i].own);
        told_put_delivery(&way, &deliveries[i].last);
    }
    struct result *made = way.full ? NULL : told_recall(l->told, result, buffer_span(&way));
    if (made == NULL) {
        made = conclude_delivered(result, plan, deliveries);
        if (!way.full)
            told_keep(l->told, result, buffer_span(&way), made);
    }
    buffer_free(&way);
    return made;
}

struct result *letters_show(const struct letters *l, const struct plan *plan, struct result *result)
{
    struct arena scratch = {0};
    struct conclude_delivery *deliveries = NULL;

    for (size_t i = 0; i < plan->route_count; i++) {
        const struct plan_route *route = &plan->routes[i];
        const struct memory *m =
            plan_route_sends(route) ? memories_recall(&l->memories, plan->target, route->name) : NULL;
        if (m == NULL)
            continue;
        bool same_wish = m->wish == memory_wish(plan, route);
        if (deliveries == NULL)
            deliveries = arena_alloc(&scratch, plan->route_count * sizeof *deliveries);
        if (same_wish || result->routes[i].token != NULL)
            deliveries[i].own = own_delivery(l, &result->routes[i], m);
        if (same_wish)
            deliveries[i].last = m->last;
        deliveries[i].own.last_good_us = deliveries[i].last.last_good_us = same_wish ? m->last_good_us : 0;
    }
    result = deliveries != NULL ? conclude_once(l, plan, result, deliveries) : result_ref(result);
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
