/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking for a reload by HTTP. The config is loaded by one loop: who asks another one has his question go
 * there by a note and the outcome come back by the same. A client that leaves meanwhile changes nothing of
 * it.
 */
#include "server/reload_ask.h"

#include "probe/base/mem.h"

#include <stdlib.h>

/* From another loop, and back. */
struct far {
    struct post_note note;
    struct away *away;
    struct reload *reload;
    struct question *q; /* null: nobody waits any more; the home's alone */
    struct arena texts; /* of the outcome */
    struct reload_outcome outcome;
};

static const char *join_lines(struct arena *arena, const char *const *lines, size_t count)
{
    const char *text = "";

    for (size_t i = 0; i < count; i++)
        text = arena_printf(arena, "%s%s%s", text, i > 0 ? "\n" : "", lines[i]);
    return text;
}

static void on_reloaded(void *context, const struct reload_outcome *outcome)
{
    struct question *q = context;

    if (outcome->good)
        question_text(q, 200,
                      arena_printf(&q->arena, "ehlod has loaded its configuration: %zu %s.",
                                   outcome->target_count, outcome->target_count == 1 ? "target" : "targets"));
    else
        question_refuse(q, 500, NULL,
                        arena_printf(&q->arena, "The old configuration stands.\n%s",
                                     join_lines(&q->arena, outcome->mistakes, outcome->mistake_count)));
}

/* ---- on this loop ---- */

static void leave(struct question *q)
{
    reload_leave(q->waiting);
}

/* ---- on another one ---- */

static void on_back(void *context)
{
    struct far *f = context;

    away_back(f->away);
    if (f->q != NULL)
        on_reloaded(f->q, &f->outcome);
    arena_free(&f->texts);
    free(f);
}

/* The outcome lives no longer than this call. */
static void on_far_reloaded(void *context, const struct reload_outcome *outcome)
{
    struct far *f = context;
    const char **mistakes = arena_alloc(&f->texts, (outcome->mistake_count + 1) * sizeof(char *));

    for (size_t i = 0; i < outcome->mistake_count; i++)
        mistakes[i] = arena_dup(&f->texts, outcome->mistakes[i]);
    f->outcome = *outcome;
    f->outcome.mistakes = mistakes;
    f->note.called = on_back;
    post_send(f->away->post, &f->note);
}

static void on_there(void *context)
{
    struct far *f = context;

    (void)reload_ask(f->reload, on_far_reloaded, f);
}

static void leave_far(struct question *q)
{
    struct far *f = q->waiting;

    f->q = NULL;
}

static void go(struct desk *desk, struct question *q)
{
    struct far *f = mem_alloc(sizeof *f);

    *f = (struct far){
        .note = {.called = on_there, .context = f}, .away = desk->away, .reload = desk->reload, .q = q};
    q->leave = leave_far;
    q->waiting = f;
    away_go(desk->away);
    post_send(desk->first_post, &f->note);
}

void reload_ask_begin(struct desk *desk, struct question *q)
{
    if (desk->first_post != NULL) {
        go(desk, q);
        return;
    }
    q->leave = leave;
    q->waiting = reload_ask(desk->reload, on_reloaded, q);
}
