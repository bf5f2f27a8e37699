/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a letter. It is settled as soon as it is known: everybody has it, it came where it does not
 * belong, a report says that it will not come. Otherwise its mailbox is looked into when its time is over,
 * and what is not there then is lost, or unverified if nobody could look. What was there in that look is in
 * time: a mailbox that is only looked into now and then does not say when a message came. A lost one may
 * still come: then it is late, or one of the others.
 */
#include "probe/base/arena.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "probe/verify/ledger_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Some recipients' replies are a verdict that stands, whatever becomes of the message for the others. */
void letter_tell(struct letter *p)
{
    enum route_state verdict = p->verdict.state;
    bool beside = verdict != ROUTE_NONE && verdict != ROUTE_UNCERTAIN;

    p->ledger->changed(p->ledger->context, p->owner, &p->delivery, beside);
}

static const char *place_of(const struct letter *p, enum route_state state)
{
    if (state == ROUTE_ELSEWHERE)
        return p->astray;
    if (state == ROUTE_BOUNCED)
        return p->reported_in;
    return p->found.place;
}

static void settle(struct letter *p, enum route_state state, int64_t at_us)
{
    struct delivery *d = &p->delivery;
    bool is_uncertain = state == ROUTE_UNCERTAIN;

    handle_close_timer(p->timer);
    p->timer = NULL;
    d->state = state;
    d->settled_us = at_us;
    d->ok = state == ROUTE_DELIVERED || state == ROUTE_ALTERED;
    d->phase = is_uncertain ? p->verdict.phase : PHASE_CONFIG;
    d->reason = is_uncertain ? p->verdict.reason : REASON_NONE;
    d->found = place_of(p, state);
    d->why = state == ROUTE_UNVERIFIED ? p->why : NULL;
    d->bounce = state == ROUTE_BOUNCED ? &p->bounce : NULL;
    p->changed = true;
    letter_tell(p);
}

/* Everybody has it. */
static void settle_arrived(struct letter *p, bool in_time)
{
    int64_t latency_us = p->arrived_us - p->delivery.sent_us;
    bool is_altered = p->delivery.flags >> FLAG_ALTERED & 1;
    enum route_state good = is_altered ? ROUTE_ALTERED : ROUTE_DELIVERED;
    enum route_state bad = p->blind || p->delivery.state == ROUTE_UNVERIFIED ? ROUTE_UNVERIFIED : ROUTE_LATE;

    p->delivery.latency_us = latency_us > 0 ? latency_us : 0;
    settle(p, in_time ? good : bad, p->arrived_us);
}

/* Its time is over, and it is not where it should be. */
static void settle_unseen(struct letter *p)
{
    enum route_state state = p->why || p->blind                    ? ROUTE_UNVERIFIED
                             : p->astray                           ? ROUTE_ELSEWHERE
                             : p->verdict.state == ROUTE_UNCERTAIN ? ROUTE_UNCERTAIN
                                                                   : ROUTE_LOST;

    settle(p, state, p->deadline_us);
}

/* ---- its time ---- */

static bool is_named(const char *name, const char *mailbox)
{
    return name && strcmp(name, mailbox) == 0;
}

static bool is_looked_for(const struct letter *p)
{
    return p->looked && (!p->bounce_mailbox || p->reports_looked);
}

static void not_looked(struct letter *p, const char *why)
{
    if (p->why)
        return;
    p->why = mem_dup(why);
}

static void on_no_answer(uv_timer_t *timer)
{
    struct letter *p = timer->data;

    if (!p->looked) {
        struct arena scratch = {0};
        not_looked(p, arena_printf(&scratch, "%s: it has not been looked into within %d s",
                                   p->delivery.mailbox, (int)(p->ledger->look_us / CLOCK_US_PER_S)));
        arena_free(&scratch);
    }
    settle_unseen(p);
    letter_done(p);
}

/* The loop may be late, and the message be in a socket that it has not come to: one more round of reading. */
static void on_round(uv_timer_t *timer)
{
    struct letter *p = timer->data;

    settle_unseen(p);
    letter_done(p);
}

static void on_deadline(uv_timer_t *timer)
{
    struct letter *p = timer->data;
    const struct mailbox_wishes *wishes = p->ledger->wishes;

    if (!wishes) {
        handle_at(p->timer, on_round, clock_mono_us() + CLOCK_US_PER_MS);
        return;
    }
    handle_at(p->timer, on_no_answer, clock_mono_us() + p->ledger->look_us);
    wishes->look(p->ledger->wishes_context, p->delivery.mailbox);
    if (p->bounce_mailbox && !is_named(p->bounce_mailbox, p->delivery.mailbox))
        wishes->look(p->ledger->wishes_context, p->bounce_mailbox);
}

static void expect_in(const struct letter *p, const char *mailbox)
{
    const struct ledger *l = p->ledger;

    if (l->wishes && mailbox)
        l->wishes->expect(l->wishes_context, mailbox, p->deadline_us);
}

static void expect(const struct letter *p)
{
    expect_in(p, p->delivery.mailbox);
    expect_in(p, p->bounce_mailbox);
}

void ledger_set_mailboxes(struct ledger *l, const struct mailbox_wishes *wishes, void *context)
{
    l->wishes = wishes;
    l->wishes_context = context;
    for (const struct letter *p = l->oldest; p; p = p->newer)
        if (p->delivery.state == ROUTE_PENDING)
            expect(p);
}

void letter_wait(struct letter *p)
{
    p->delivery.state = ROUTE_PENDING;
    p->changed = true;
    if (p->unnamed && p->name_count + p->unnamed > p->recipients)
        p->delivery.flags |= UINT64_C(1) << FLAG_DUPLICATE;
    if (p->is_bounced) {
        settle(p, ROUTE_BOUNCED, p->bounced_us);
    } else if (letter_has_arrived(p)) {
        settle_arrived(p, !p->arrived_exact || p->arrived_us <= p->deadline_us);
    } else if (p->astray_in_own) {
        settle(p, ROUTE_ELSEWHERE, p->astray_us);
    } else {
        p->timer = handle_timer(p->ledger->loop, p);
        handle_at(p->timer, on_deadline, p->deadline_us);
        expect(p);
    }
}

/* One more mailbox of the letter's was looked into: that may have been the last. */
static void note_look(struct letter *p, const char *mailbox, const char *why)
{
    bool is_own = is_named(p->delivery.mailbox, mailbox);

    p->looked = p->looked || is_own;
    p->reports_looked = p->reports_looked || is_named(p->bounce_mailbox, mailbox);
    if (is_own && why)
        not_looked(p, why);
    if (is_looked_for(p))
        settle_unseen(p);
    else if (is_own)
        handle_at(p->timer, on_no_answer, clock_mono_us() + p->ledger->report_us);
}

void ledger_looked(struct ledger *l, const char *mailbox, int64_t began_us, const char *why)
{
    for (struct letter *p = l->oldest, *next; p; p = next) {
        bool is_meant = is_named(p->delivery.mailbox, mailbox) || is_named(p->bounce_mailbox, mailbox);
        next = p->newer;
        if (p->delivery.state != ROUTE_PENDING || !is_meant || p->deadline_us > began_us)
            continue;
        note_look(p, mailbox, why);
        letter_done(p);
    }
}

/* ---- what was seen ---- */

/* Nobody knows yet that it came, and it still may. */
static bool is_open(const struct letter *p)
{
    enum route_state state = p->delivery.state;

    return state == ROUTE_NONE || state == ROUTE_PENDING || state == ROUTE_LOST || state == ROUTE_UNCERTAIN ||
           state == ROUTE_UNVERIFIED;
}

static void on_arrival(struct letter *p, const struct sighting *s)
{
    bool had_arrived = letter_has_arrived(p), was_open = is_open(p);
    bool again = letter_give(p, s);

    if (again)
        p->delivery.flags |= UINT64_C(1) << FLAG_DUPLICATE;
    if (was_open && !had_arrived) {
        p->arrived_us = s->at_us;
        p->arrived_exact = s->exact;
        letter_take_found(p, s);
        if (p->found.evidence.change_count)
            p->delivery.flags |= UINT64_C(1) << FLAG_ALTERED;
    }
    if (p->delivery.state == ROUTE_NONE)
        return;
    if (was_open && !had_arrived && letter_has_arrived(p))
        settle_arrived(p, p->delivery.state == ROUTE_PENDING && (!s->exact || s->at_us <= p->deadline_us));
    else if (again && letter_is_settled(p))
        letter_tell(p);
}

static void on_astray(struct letter *p, const struct sighting *s, bool in_own)
{
    enum route_state state = p->delivery.state;

    if (!is_open(p))
        return;
    if (!p->astray || (in_own && !p->astray_in_own)) {
        struct arena scratch = {0};
        free(p->astray);
        p->astray = mem_dup(arena_printf(&scratch, *s->folder ? "%s %s" : "%s", s->mailbox, s->folder));
        arena_free(&scratch);
        p->astray_us = s->at_us;
    }
    p->astray_in_own = p->astray_in_own || in_own;
    if (p->arrived_us == CLOCK_NONE)
        letter_take_found(p, s);
    if (state == ROUTE_LOST || state == ROUTE_UNCERTAIN || (state == ROUTE_PENDING && in_own))
        settle(p, ROUTE_ELSEWHERE, s->at_us);
}

static void on_report(struct letter *p, const struct sighting *s, const struct bounce *report)
{
    if (!is_open(p) || !report->action || strcmp(report->action, "failed") != 0 || p->is_bounced)
        return;
    letter_take_report(p, s, report);
    p->is_bounced = true;
    p->bounced_us = s->at_us;
    /* What a mailbox of ours did not take may well have come back for just that. */
    if (p->delivery.state != ROUTE_NONE && !(p->delivery.state == ROUTE_UNVERIFIED && p->blind))
        settle(p, ROUTE_BOUNCED, s->at_us);
}

bool ledger_seen(struct ledger *l, const char *token, const struct sighting *s, const struct bounce *report)
{
    struct letter *p = letter_find(l, token);

    if (!p)
        return false;
    if (letter_knows(p, s))
        return true;
    bool is_own = is_named(p->delivery.mailbox, s->mailbox);
    p->changed = true;
    if (report)
        on_report(p, s, report);
    else if (is_own && !s->astray)
        on_arrival(p, s);
    else if (p->delivery.mailbox)
        on_astray(p, s, is_own);
    letter_done(p);
    return true;
}
