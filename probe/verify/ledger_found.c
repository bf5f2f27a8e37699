/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of a message that was found: what its header shows, what of it is not as it was sent, and,
 * where somebody keeps the ledger, the header itself. All headers together have a limit: then those of the
 * oldest letters are forgotten, and what became of these stands all the same.
 */
#include "probe/base/clock.h"
#include "probe/proto/evidence.h"
#include "probe/proto/header.h"
#include "probe/proto/original.h"
#include "probe/verify/ledger_state.h"

#include <string.h>

/* What a header takes beside its own octets: lists, and texts that are its parts. */
enum { FOUND_BESIDE = 8192 };

void letter_forget_found(struct letter *p)
{
    p->ledger->found_octets -= p->found.octets;
    if (p->delivery.found == p->found.place)
        p->delivery.found = NULL;
    arena_free(&p->found.arena);
    p->found = (struct found){0};
    p->delivery.evidence = NULL;
}

static void make_room(struct ledger *l)
{
    if (l->found_octets <= LEDGER_MAX_HEADERS)
        return;
    for (struct letter *p = l->oldest; p && l->found_octets > LEDGER_MAX_HEADERS / 8 * 7; p = p->newer)
        letter_forget_found(p);
}

static struct span header_of(struct span kept)
{
    struct span body;

    if (header_body(kept, &body))
        kept.len = (size_t)(body.data - kept.data);
    if (kept.len > LEDGER_MAX_HEADER)
        kept.len = LEDGER_MAX_HEADER;
    return kept;
}

void letter_read_found(struct letter *p, struct span header, size_t size, int64_t seen_wall_us)
{
    struct found *f = &p->found;

    letter_forget_found(p);
    f->octets = header.len + FOUND_BESIDE;
    f->seen_wall_us = seen_wall_us;
    if (p->ledger->keeper)
        f->header = (struct span){arena_dup_span(&f->arena, header), header.len};
    evidence_read(&f->arena, header, size, seen_wall_us, &f->evidence);
    p->delivery.evidence = &f->evidence;
    p->ledger->found_octets += f->octets;
}

void letter_take_found(struct letter *p, const struct sighting *s)
{
    struct found *f = &p->found;

    letter_read_found(p, header_of(s->kept), s->size, clock_wall_of(s->at_us));
    f->place = *s->folder ? arena_dup(&f->arena, s->folder) : NULL;
    if (p->original.len)
        f->evidence.change_count =
            original_compare(&f->arena, p->original, s->kept, s->size, &f->evidence.changes);
    make_room(p->ledger);
}

void letter_take_report(struct letter *p, const struct sighting *s, const struct bounce *report)
{
    struct arena *a = &p->report;

    arena_free(a);
    p->bounce = (struct bounce){.action = arena_dup(a, report->action),
                                .status = arena_dup(a, report->status),
                                .diagnostic = arena_dup(a, report->diagnostic),
                                .recipient = arena_dup(a, report->recipient),
                                .reporter = arena_dup(a, report->reporter)};
    p->reported_in = arena_printf(a, *s->folder ? "%s %s" : "%s", s->mailbox, s->folder);
}
