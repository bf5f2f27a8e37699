/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A letter as it outlives a restart, and back. Who had a message, and which copies were found, is
 * a row of texts with a letter before each: t = whom it is for, c and i = a copy's mailbox and what that
 * calls it, n = a recipient, u = a recipient without a name, a = another place, A = likewise, in a folder of
 * its own mailbox.
 */
#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/verify/ledger_state.h"

#include <stdlib.h>
#include <string.h>

#define SEEN_MOST ((size_t)4 * 1024 * 1024)

/* ---- saving ---- */

static void put_text(struct buffer *b, char what, const char *text)
{
    buffer_put(b, &what, 1);
    buffer_put(b, text, strlen(text) + 1);
}

static void put_seen(struct buffer *b, const struct letter *p)
{
    for (size_t i = 0; i < p->to_count; i++)
        put_text(b, 't', p->to[i]);
    for (size_t i = 0; i < p->copy_count; i++) {
        put_text(b, 'c', p->copies[i].mailbox);
        put_text(b, 'i', p->copies[i].id);
    }
    for (size_t i = 0; i < p->name_count; i++)
        put_text(b, 'n', p->names[i]);
    for (size_t i = 0; i < p->unnamed; i++)
        put_text(b, 'u', "");
    if (p->astray)
        put_text(b, p->astray_in_own ? 'A' : 'a', p->astray);
}

static void put_changes(struct buffer *b, const struct evidence *e)
{
    for (size_t i = 0; i < e->change_count; i++)
        buffer_printf(b, "%s%s", i ? "\n" : "", e->changes[i]);
}

/* A verdict that stands beside what becomes of the message is what the route is told by. An uncertain one
 * says why, while nothing better is known. */
static void fill_verdict(const struct letter *p, struct ledger_row *row)
{
    const struct delivery *d = &p->delivery, *v = &p->verdict;
    bool stands = v->state != ROUTE_NONE && v->state != ROUTE_UNCERTAIN;
    const struct delivery *told = stands ? v : d;

    row->state = told->state;
    row->ok = told->ok;
    row->phase = told->phase;
    row->reason = told->reason;
    row->settled_us = clock_wall_of(told->settled_us);
    row->latency_us = told->latency_us;
    row->flags = told->flags;
    row->why = told->why;
    row->found = told->found;
    if (v->state == ROUTE_UNCERTAIN && d->state == ROUTE_PENDING) {
        row->phase = v->phase;
        row->reason = v->reason;
    }
}

static void fill_row(const struct letter *p, struct ledger_row *row)
{
    const struct delivery *d = &p->delivery;

    row->token = p->token;
    row->serial = p->serial;
    row->target = p->target;
    row->route = p->route;
    row->run = d->run;
    row->mailbox = d->mailbox;
    row->bounce_mailbox = p->bounce_mailbox;
    row->wish = p->wish;
    row->opened_us = clock_wall_of(p->opened_us);
    row->data_us = clock_wall_of(p->data_us);
    row->sent_us = clock_wall_of(d->sent_us);
    row->within_us = d->within_us;
    row->recipients = p->recipients;
    row->closed = p->closed;
    row->original = p->original;
    fill_verdict(p, row);
    row->found_us = CLOCK_NONE;
    if (d->evidence) {
        row->found_header = p->found.header;
        row->found_size = d->evidence->size;
        row->found_us = p->found.seen_wall_us;
    }
    if (d->bounce)
        row->bounce = *d->bounce;
}

static void note_copies(struct letter *p)
{
    for (size_t i = 0; i < p->copy_count; i++)
        if (p->copies[i].serial == 0)
            p->copies[i].serial = p->serial;
}

void letter_save(struct letter *p)
{
    struct ledger *l = p->ledger;
    struct ledger_row row = {0};
    struct buffer seen, changes;

    p->serial = ++l->serial;
    p->changed = false;
    note_copies(p);
    if (!l->keeper) {
        p->saved = p->serial;
        return;
    }
    buffer_init(&seen, SEEN_MOST);
    buffer_init(&changes, SEEN_MOST);
    fill_row(p, &row);
    put_seen(&seen, p);
    row.seen = buffer_span(&seen);
    if (p->delivery.evidence)
        put_changes(&changes, p->delivery.evidence);
    row.changes = changes.len ? changes.data : NULL;
    l->keeper->save(l->keeper_context, &row);
    buffer_free(&seen);
    buffer_free(&changes);
}

void ledger_saved(struct ledger *l, const char *token, uint64_t serial)
{
    struct letter *p = letter_find(l, token);

    if (p && serial > p->saved && serial <= p->serial)
        p->saved = serial;
}

/* ---- restoring ---- */

/* The text at the start of the span, which moves behind it; null when none is there. */
static const char *next_text(struct span *seen, char *what_r)
{
    const char *start = seen->data;
    const char *end = seen->len > 1 ? memchr(start, '\0', seen->len) : NULL;

    if (!end || end == start)
        return NULL;
    *what_r = *start;
    seen->len -= (size_t)(end + 1 - start);
    seen->data = end + 1;
    return start + 1;
}

static void read_seen(struct letter *p, struct span seen)
{
    const char *text, *mailbox = NULL;
    char what;

    while ((text = next_text(&seen, &what))) {
        if (what == 't')
            letter_add_recipient(p, text);
        else if (what == 'c')
            mailbox = text;
        else if (what == 'i' && mailbox)
            letter_add_copy(p, mailbox, text);
        else if (what == 'n')
            letter_add_name(p, text);
        else if (what == 'u' && p->unnamed < LEDGER_MAX_COPIES)
            p->unnamed++;
        else if ((what == 'a' || what == 'A') && !p->astray)
            p->astray = mem_dup(text);
        p->astray_in_own = p->astray_in_own || what == 'A';
    }
}

static void read_changes(struct found *f, const char *text)
{
    const char **changes = NULL;
    size_t count = 0;

    for (; text && *text && count < EVIDENCE_MAX_CHANGES; count++) {
        size_t len = strcspn(text, "\n");
        changes = arena_grow(&f->arena, changes, count, sizeof *changes);
        changes[count] = arena_dup_span(&f->arena, (struct span){text, len});
        text += len + (text[len] == '\n');
    }
    f->evidence.changes = changes;
    f->evidence.change_count = count;
}

static void read_found(struct letter *p, const struct ledger_row *row)
{
    struct found *f = &p->found;

    if (row->found_us != CLOCK_NONE) {
        letter_read_found(p, row->found_header, row->found_size, row->found_us);
        read_changes(f, row->changes);
    }
    f->place = arena_dup(&f->arena, row->found);
    p->delivery.found = f->place;
}

static void read_bounce(struct letter *p, const struct ledger_row *row)
{
    struct sighting nowhere = {.mailbox = row->found ? row->found : "", .folder = ""};

    if (!row->bounce.action)
        return;
    letter_take_report(p, &nowhere, &row->bounce);
    p->is_bounced = true;
    p->delivery.bounce = &p->bounce;
    p->delivery.found = p->reported_in;
}

/* What may still come of it says the state: only a pending one waits. */
static void read_state(struct letter *p, const struct ledger_row *row)
{
    struct delivery *d = &p->delivery;

    d->state = row->state;
    d->ok = row->ok;
    d->phase = row->phase;
    d->reason = row->reason;
    d->sent_us = clock_mono_of(row->sent_us);
    d->settled_us = clock_mono_of(row->settled_us);
    d->within_us = row->within_us;
    d->latency_us = row->latency_us;
    d->flags = row->flags;
    p->why = mem_dup(row->why);
    d->why = p->why;
    p->data_us = clock_mono_of(row->data_us);
    p->opened_us = clock_mono_of(row->opened_us);
    p->recipients = row->recipients;
    p->deadline_us = d->sent_us == CLOCK_NONE ? CLOCK_NONE : d->sent_us + d->within_us;
}

/* It waits on, unless it says so itself that nobody knows whether it was sent. */
static void go_on(struct letter *p)
{
    struct delivery *d = &p->delivery;

    if (d->reason != REASON_NONE)
        p->verdict = (struct delivery){.state = ROUTE_UNCERTAIN, .phase = d->phase, .reason = d->reason};
    d->phase = PHASE_CONFIG;
    d->reason = REASON_NONE;
    d->settled_us = CLOCK_NONE;
    letter_wait(p);
    p->changed = false;
}

/* A row that says otherwise was not written here. */
static bool can_wait(const struct ledger_row *row)
{
    return row->sent_us != CLOCK_NONE && row->within_us >= 0 && row->within_us < CLOCK_NEVER / 2 &&
           row->mailbox;
}

const struct delivery *ledger_restore(struct ledger *l, const struct ledger_row *row, bool blind, void *owner)
{
    if (row->state == ROUTE_NONE || (row->state == ROUTE_PENDING && !can_wait(row)))
        return NULL;
    struct letter *p = letter_new(l, &(struct ledger_letter){.token = row->token,
                                                             .target = row->target,
                                                             .route = row->route,
                                                             .run = row->run,
                                                             .mailbox = row->mailbox,
                                                             .bounce_mailbox = row->bounce_mailbox,
                                                             .wish = row->wish,
                                                             .original = row->original,
                                                             .owner = owner});
    if (!p)
        return NULL;
    p->blind = row->state == ROUTE_PENDING && (p->blind || blind);
    read_state(p, row);
    read_seen(p, row->seen);
    read_found(p, row);
    read_bounce(p, row);
    p->serial = p->saved = ++l->serial;
    note_copies(p);
    if (row->state == ROUTE_PENDING)
        go_on(p);
    return &p->delivery;
}
