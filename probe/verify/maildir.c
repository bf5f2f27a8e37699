/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Maildir, as the loop sees it: when to look, and what to tell. The work itself is done in pieces
 * (maildir_scan.c), each on a thread that ends with it; while one is under way the loop touches nothing of
 * it but its progress. A thread of its own and not one of libuv's few, since a file system that hangs would
 * keep logins waiting. Known limit: while it hangs, the process cannot end by itself.
 */
#include "probe/verify/maildir.h"

#include "probe/base/arena.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/base/text.h"
#include "probe/net/handle.h"
#include "probe/verify/maildir_expected.h"
#include "probe/verify/maildir_scan.h"
#include "probe/verify/maildir_watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* From the end of a look to the next one, while a message is expected and else; and so many times what the
 * last one took. */
#define EXPECTING_US (1 * CLOCK_US_PER_S)
#define IDLE_US      (15 * CLOCK_US_PER_S)
#define REST         20

/* How soon it is asked whether what was seen may be removed: doubled each time, and then at each look. */
#define ASK_US      (50 * CLOCK_US_PER_MS)
#define ASK_MOST_US (5 * CLOCK_US_PER_S)

/* How long the file system may be silent, and how long somebody waits for a look. */
#define GUARD_US  (1 * CLOCK_US_PER_S)
#define SILENT_US (10 * CLOCK_US_PER_S)
#define WAIT_US   (60 * CLOCK_US_PER_S)

#define MAX_SHOWN 1000

struct maildir {
    struct store store;
    uv_loop_t *loop;
    char *name;
    char *path;
    struct maildir_scan *scan;
    struct maildir_watch *watch;
    /* the piece under way */
    uv_async_t over;
    uv_thread_t thread;
    bool busy;
    bool looking; /* it is part of a look */
    int refused;  /* there is no thread for it */
    struct maildir_piece piece;
    struct maildir_named *named; /* what it was given */
    size_t named_count;
    size_t named_done;
    /* looks */
    bool wanted;            /* one that begins from now on */
    int64_t began_us;       /* of the one under way */
    int64_t asked_us;       /* somebody has waited for one since; CLOCK_NONE = nobody does */
    int64_t failed_wall_us; /* they have failed since; CLOCK_NONE = the last one has not */
    unsigned long progress; /* of the file system, */
    int64_t progress_us;    /* and when it made some */
    struct maildir_expected expected;
    bool asking;       /* it is time to ask what may be removed */
    int64_t asking_us; /* how long until the time after that; 0 = at looks */
    uv_timer_t *next;
    uv_timer_t *ask;
    uv_timer_t *guard;
    bool inside; /* events are being told: whoever is told may ask for things */
    bool freeing;
};

static void pump(struct maildir *m);
static void destroy(struct maildir *m);

/* ---- telling ---- */

static void tell_looked(struct maildir *m, int64_t began_us, const char *what)
{
    struct arena a = {0};
    char since[TEXT_TIME_SIZE];
    const char *why = NULL;

    m->asked_us = m->asked_us <= began_us ? CLOCK_NONE : m->asked_us;
    if (what == NULL) {
        m->failed_wall_us = CLOCK_NONE;
    } else {
        if (m->failed_wall_us == CLOCK_NONE)
            m->failed_wall_us = clock_wall_us();
        text_time(m->failed_wall_us, since);
        why = arena_printf(&a, "%s: cannot be looked into since %.8sZ: %s",
                           text_show(&a, span_of(m->path), MAX_SHOWN), since + strlen("2026-11-23T"),
                           text_show(&a, span_of(what), MAX_SHOWN));
    }
    m->store.events->looked(m->store.context, m->name, began_us, why);
    arena_free(&a);
}

static void tell_seen(struct maildir *m)
{
    for (size_t i = 0; i < m->piece.found_count; i++) {
        struct maildir_found *f = &m->piece.found[i];
        struct sighting s = {.mailbox = m->name,
                             .folder = f->folder,
                             .astray = f->astray,
                             .id = f->id,
                             .kept = {f->kept, f->kept_len},
                             .size = f->size,
                             .at_us = f->at_us};
        if (!m->freeing)
            m->store.events->seen(m->store.context, &s);
        free(f->id);
        free(f->kept);
    }
    if (m->piece.found_count > 0)
        m->asking_us = ASK_US;
}

static void tell_unremoved(struct maildir *m)
{
    for (size_t i = 0; i < m->piece.unremoved_count; i++) {
        struct arena a = {0};
        char text[128];
        const char *why = arena_printf(&a, "%s: %s", text_show(&a, span_of(m->path), MAX_SHOWN),
                                       strerror_r(m->piece.unremoved[i].error, text, sizeof text));
        if (!m->freeing)
            m->store.events->unremoved(m->store.context, m->name, m->piece.unremoved[i].id, why);
        arena_free(&a);
        free(m->piece.unremoved[i].id);
    }
}

/* ---- removal ---- */

static void on_ask(uv_timer_t *timer)
{
    struct maildir *m = timer->data;

    m->asking = true;
    pump(m);
}

/* Puts what may be removed into the next piece, as much as that takes. One that could not be is tried again
 * at looks only. Whether there is more to ask for. */
static bool collect_removals(struct maildir *m, bool at_look)
{
    struct maildir_piece *p = &m->piece;
    bool more = false;

    for (struct maildir_copy *c = maildir_scan_copies(m->scan); c != NULL && !m->freeing; c = c->next) {
        if (c->removing || (c->unremoved && !at_look))
            continue;
        if (p->removal_count == MAILDIR_SCAN_REMOVED)
            return true;
        if (!m->store.events->may_remove(m->store.context, m->name, c->id)) {
            more = true;
            continue;
        }
        c->removing = true;
        p->removals[p->removal_count++] = c;
    }
    return more;
}

static void ask_removals(struct maildir *m, bool at_look)
{
    bool more = collect_removals(m, at_look);
    bool full = m->piece.removal_count == MAILDIR_SCAN_REMOVED;

    m->asking = false;
    if (!more || (m->asking_us == 0 && !full))
        return;
    handle_at(m->ask, on_ask, full ? 0 : clock_mono_us() + m->asking_us);
    m->asking_us = 2 * m->asking_us <= ASK_MOST_US ? 2 * m->asking_us : 0;
}

/* ---- looks ---- */

static void on_next(uv_timer_t *timer)
{
    struct maildir *m = timer->data;

    m->wanted = true;
    pump(m);
}

static void plan_next(struct maildir *m, int64_t took_us)
{
    int64_t now_us = clock_mono_us();
    int64_t rest_us = maildir_expects(&m->expected, now_us) ? EXPECTING_US : IDLE_US;

    if (rest_us < REST * took_us)
        rest_us = REST * took_us;
    handle_at(m->next, on_next, now_us + rest_us);
}

static void end_look(struct maildir *m, const char *why)
{
    const struct maildir_unreadable *unreadable = &m->piece.unreadable;

    if (why == NULL && unreadable->since_us != CLOCK_NONE &&
        unreadable->since_us >= maildir_expects_since(&m->expected, clock_mono_us()))
        why = unreadable->why;
    plan_next(m, clock_mono_us() - m->began_us);
    tell_looked(m, m->began_us, why);
}

/* The file system is silent, or somebody waits too long. */
static void on_guard(uv_timer_t *timer)
{
    struct maildir *m = timer->data;
    unsigned long progress = maildir_scan_progress(m->scan);
    int64_t now_us = clock_mono_us();

    if (m->busy || m->looking)
        handle_at(m->guard, on_guard, now_us + GUARD_US);
    if (progress != m->progress)
        m->progress_us = now_us;
    m->progress = progress;
    if (m->busy && now_us - m->progress_us >= SILENT_US) {
        m->progress_us = now_us;
        tell_looked(m, now_us, "the file system does not answer");
    } else if (m->asked_us != CLOCK_NONE && now_us - m->asked_us >= WAIT_US) {
        tell_looked(m, now_us, "to look through it takes longer than a minute");
    }
}

/* ---- pieces ---- */

static void on_thread(void *context)
{
    struct maildir *m = context;

    maildir_scan_work(m->scan, &m->piece);
    uv_async_send(&m->over);
}

/* What the next piece is to do; false: nothing. */
static bool prepare(struct maildir *m)
{
    struct maildir_piece *p = &m->piece;

    if (maildir_watch_missed(m->watch))
        m->wanted = true;
    if (m->named == NULL) {
        m->named = maildir_watch_take(m->watch, &m->named_count);
        m->named_done = 0;
    }
    p->begin = m->wanted && !m->looking;
    p->named = m->named != NULL ? m->named + m->named_done : NULL;
    p->named_count = m->named_count - m->named_done;
    return p->begin || m->looking || p->named_count > 0 || p->removal_count > 0;
}

static void begin_piece(struct maildir *m)
{
    struct maildir_piece *p = &m->piece;

    p->inotify = maildir_watch_descriptor(m->watch);
    if (p->begin) {
        uv_timer_stop(m->next); /* it is planned anew at the end */
        m->wanted = false;
        m->looking = true;
        m->began_us = clock_mono_us();
    }
    m->busy = true;
    m->progress_us = clock_mono_us();
    if (!uv_is_active((uv_handle_t *)m->guard))
        handle_at(m->guard, on_guard, m->progress_us + GUARD_US);
    m->refused = uv_thread_create(&m->thread, on_thread, m);
    if (m->refused != 0)
        uv_async_send(&m->over);
}

static void pump(struct maildir *m)
{
    if (m->busy || m->inside || m->freeing)
        return;
    m->inside = true;
    if (m->asking)
        ask_removals(m, false);
    m->inside = false;
    if (m->freeing)
        destroy(m);
    else if (prepare(m))
        begin_piece(m);
}

static void clear_piece(struct maildir *m)
{
    struct maildir_piece *p = &m->piece;

    m->named_done += p->named_done;
    if (m->named_done == m->named_count) {
        free(m->named);
        m->named = NULL;
        m->named_count = m->named_done = 0;
    }
    p->named_done = p->found_count = p->unremoved_count = 0;
    p->over = p->failed = false;
    p->unreadable.since_us = CLOCK_NONE;
}

static void tell_piece(struct maildir *m)
{
    struct maildir_piece *p = &m->piece;

    m->looking = maildir_scan_is_looking(m->scan);
    p->removal_count = 0;
    tell_seen(m);
    tell_unremoved(m);
    if (p->over || p->found_count > 0)
        ask_removals(m, p->over);
    if (p->over && !m->freeing)
        end_look(m, p->failed ? p->why : NULL);
    clear_piece(m);
}

/* Names and removals wait for the next piece. */
static void tell_refused(struct maildir *m)
{
    m->wanted = true;
    m->looking = maildir_scan_is_looking(m->scan);
    plan_next(m, 0);
    tell_looked(m, clock_mono_us(), "the system gives no thread to do it");
}

static void on_over(uv_async_t *async)
{
    struct maildir *m = async->data;
    bool refused = m->refused != 0;

    if (!m->busy)
        return;
    if (!refused)
        uv_thread_join(&m->thread); /* it has said its last word: this takes no time */
    m->busy = false;
    m->inside = true;
    if (!refused)
        tell_piece(m);
    else if (!m->freeing)
        tell_refused(m);
    m->inside = false;
    if (m->freeing)
        destroy(m);
    else if (!refused)
        pump(m);
}

/* ---- what others see ---- */

static void expect(struct store *store, int64_t until_us)
{
    struct maildir *m = (struct maildir *)store;
    uint64_t soon_ms = EXPECTING_US / CLOCK_US_PER_MS;

    maildir_expect(&m->expected, clock_mono_us(), until_us);
    if (uv_is_active((uv_handle_t *)m->next) && uv_timer_get_due_in(m->next) > soon_ms)
        handle_at(m->next, on_next, clock_mono_us() + EXPECTING_US);
}

static void look(struct store *store)
{
    struct maildir *m = (struct maildir *)store;

    m->wanted = true;
    if (m->asked_us == CLOCK_NONE)
        m->asked_us = clock_mono_us();
    pump(m);
}

static void on_closed(uv_handle_t *handle)
{
    struct maildir *m = handle->data;

    free(m->name);
    free(m->path);
    free(m);
}

static void destroy(struct maildir *m)
{
    maildir_scan_free(m->scan);
    free(m->named);
    uv_close((uv_handle_t *)&m->over, on_closed);
}

static void free_store(struct store *store)
{
    struct maildir *m = (struct maildir *)store;

    m->freeing = true;
    maildir_watch_free(m->watch);
    handle_close_timer(m->next);
    handle_close_timer(m->ask);
    handle_close_timer(m->guard);
    if (!m->busy && !m->inside)
        destroy(m);
}

static const struct store_ops ops = {.expect = expect, .look = look, .free = free_store};

static void on_said(void *context)
{
    pump(context);
}

struct store *maildir_new(const struct maildir_order *order)
{
    struct maildir *m = mem_alloc(sizeof *m);

    m->loop = order->loop;
    m->name = mem_dup(order->name);
    m->path = mem_dup(order->path);
    m->store =
        (struct store){.ops = &ops, .name = m->name, .events = order->events, .context = order->context};
    m->scan = maildir_scan_new(m->path);
    m->watch = maildir_watch_new(order->loop, on_said, m);
    m->asked_us = m->failed_wall_us = m->piece.unreadable.since_us = CLOCK_NONE;
    m->next = handle_timer(order->loop, m);
    m->ask = handle_timer(order->loop, m);
    m->guard = handle_timer(order->loop, m);
    int made = uv_async_init(order->loop, &m->over, on_over);
    assert(made == 0);
    m->over.data = m;
    handle_at(m->next, on_next, 0); /* by then it is known what is expected */
    return &m->store;
}
