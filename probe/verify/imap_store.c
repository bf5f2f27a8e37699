/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An IMAP account as a store: when it is looked into (pace.h), with which login (logon.h), and what
 * is known of its folders already (imap_copies.h). What is said in a session is probe/proto/imap.c's. A
 * connection that was kept and turns out to be dead is replaced once, within the same look.
 */
#include "probe/verify/imap_store.h"

#include "probe/base/arena.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "probe/proto/imap.h"
#include "probe/proto/message.h"
#include "probe/proto/report.h"
#include "probe/verify/imap_copies.h"
#include "probe/verify/logon.h"
#include "probe/verify/pace.h"
#include "probe/verify/trouble.h"

#include <stdlib.h>
#include <string.h>

#define LOGIN_US INT64_C(30000000)
#define LOOK_US  INT64_C(120000000) /* login and all folders */

static const struct pace_limits limits = {.first_us = 250 * CLOCK_US_PER_MS,
                                          .most_us = 5 * CLOCK_US_PER_S,
                                          .idle_us = 60 * CLOCK_US_PER_S,
                                          .patience_us = 60 * CLOCK_US_PER_S};

struct imap_store {
    struct store store;
    uv_loop_t *loop;
    struct dns *dns;
    const struct account *account;
    struct oauth *oauth; /* null: there is a password */
    struct trouble trouble;
    struct pace pace;
    uv_timer_t *timer; /* to the next look, or to the end of this one */
    int64_t due_us;
    bool looking;
    unsigned look; /* its number */
    int64_t began_us;
    bool kept;           /* the connection is of an earlier look, and has not been heard in this one */
    bool full;           /* there was no room for a copy */
    struct logon *logon; /* null: there is no connection, and none is made */
    bool in_session;     /* session is live */
    struct imap session;
    int64_t listed_us; /* the headers of the present folder came */
    struct imap_copies *folders;
    char name[];
};

static void begin(uv_timer_t *timer);

/* ---- what the session asks ---- */

static uint32_t from(void *context, size_t folder, uint32_t validity)
{
    struct imap_store *s = context;
    struct imap_copies *c = &s->folders[folder];

    imap_copies_begin(c, imap_folder_shown(&s->session, folder), validity);
    return c->upto < UINT32_MAX ? c->upto + 1 : 0;
}

static bool is_ours(struct span kept)
{
    char token[MESSAGE_TOKEN_SIZE];

    return message_token_of(kept, token) > 0 || report_is_one(kept);
}

/* As far as fields of its header tell. */
static bool may_be_ours(struct span header)
{
    char token[MESSAGE_TOKEN_SIZE];

    return message_token_of(header, token) > 0 || report_may_be_one(header);
}

static bool is_candidate(void *context, size_t folder, uint32_t uid, struct span header)
{
    struct imap_store *s = context;

    s->listed_us = clock_mono_us();
    return may_be_ours(header) && !imap_copies_find(&s->folders[folder], uid);
}

static void on_read(void *context, size_t folder, uint32_t uid, struct span kept, uint64_t size)
{
    struct imap_store *s = context;
    struct imap_copies *c = &s->folders[folder];
    struct arena a = {0};

    if (!is_ours(kept) || imap_copies_find(c, uid))
        return;
    struct imap_copy *copy = imap_copies_add(c, uid);
    if (!copy) {
        s->full = true;
        return;
    }
    copy->likeness = imap_copies_likeness(kept);
    struct sighting sighting = {.mailbox = s->name,
                                .folder = c->folder,
                                .astray = folder > 0,
                                .id = imap_copies_id(c, &a, uid),
                                .kept = kept,
                                .size = size < kept.len ? kept.len : (size_t)size,
                                .at_us = s->listed_us};
    s->store.events->seen(s->store.context, &sighting);
    arena_free(&a);
}

static void on_folder_looked(void *context, size_t folder, uint32_t upto)
{
    struct imap_store *s = context;

    if (upto > s->folders[folder].upto && !s->full)
        s->folders[folder].upto = upto;
}

static bool may_remove(struct imap_store *s, const struct imap_copies *c, uint32_t uid)
{
    struct arena a = {0};
    bool may = s->store.events->may_remove(s->store.context, s->name, imap_copies_id(c, &a, uid));

    arena_free(&a);
    return may;
}

/* Each is asked about once in a look. */
static size_t removable(void *context, size_t folder, size_t most, uint32_t *uids_r)
{
    struct imap_store *s = context;
    struct imap_copies *c = &s->folders[folder];
    size_t count = 0;

    for (size_t i = 0; i < c->count && count < most; i++) {
        struct imap_copy *copy = &c->list[i];
        if (copy->asked == s->look)
            continue;
        copy->asked = s->look;
        if (may_remove(s, c, copy->uid))
            uids_r[count++] = copy->uid;
    }
    return count;
}

static bool is_same(void *context, size_t folder, uint32_t uid, struct span header)
{
    struct imap_store *s = context;
    const struct imap_copy *copy = imap_copies_find(&s->folders[folder], uid);

    return copy && may_be_ours(header) && copy->likeness == imap_copies_likeness(header);
}

static void on_removed(void *context, size_t folder, const uint32_t *uids, size_t count)
{
    struct imap_store *s = context;

    for (size_t i = 0; i < count; i++)
        imap_copies_drop(&s->folders[folder], uids[i]);
}

static void on_unremoved(void *context, size_t folder, const uint32_t *uids, size_t count, const char *why)
{
    struct imap_store *s = context;
    struct imap_copies *c = &s->folders[folder];
    struct arena a = {0};

    for (size_t i = 0; i < count; i++) {
        struct imap_copy *copy = imap_copies_find(c, uids[i]);
        if (!copy || copy->stuck)
            continue;
        copy->stuck = true;
        s->store.events->unremoved(s->store.context, s->name, imap_copies_id(c, &a, uids[i]), why);
    }
    arena_free(&a);
}

static const struct imap_reader reader = {from,      is_candidate, on_read,    on_folder_looked,
                                          removable, is_same,      on_removed, on_unremoved};

/* ---- a look ---- */

static void set_timer(struct imap_store *s, int64_t due_us)
{
    s->due_us = due_us;
    handle_at(s->timer, begin, due_us);
}

static void hang_up(struct imap_store *s)
{
    if (s->in_session && s->session.state == IMAP_IDLE)
        logon_send(s->logon, span_of("E0 LOGOUT\r\n"));
    logon_free(s->logon);
    s->logon = NULL;
    if (s->in_session)
        imap_free(&s->session);
    s->in_session = s->kept = false;
}

/* It is over; why null: it went well. The last thing that is done with the store in a callback. */
static void end(struct imap_store *s, const char *why)
{
    int64_t now_us = clock_mono_us();
    struct arena scratch = {0};

    if (why)
        why = trouble_say(&s->trouble, &scratch, s->account->url, why);
    else
        trouble_over(&s->trouble);
    s->looking = false;
    set_timer(s, pace_next(&s->pace, !why, now_us));
    if (why || s->due_us > now_us + limits.most_us)
        hang_up(s);
    s->store.events->looked(s->store.context, s->name, s->began_us, why);
    arena_free(&scratch);
}

static void connect_anew(struct imap_store *s);

/* The connection is of no use any more. */
static void broken(struct imap_store *s, const char *why)
{
    if (s->looking && !s->kept) {
        end(s, why);
        return;
    }
    hang_up(s);
    if (s->looking)
        connect_anew(s);
}

static void on_overdue(uv_timer_t *timer)
{
    end(timer->data, "the server did not get ready within 120 s");
}

static void speak(struct imap_store *s)
{
    struct span out = imap_output(&s->session);

    if (out.len > 0)
        logon_send(s->logon, out);
    imap_sent(&s->session);
}

static void on_up(void *context)
{
    struct imap_store *s = context;

    imap_init(&s->session, s->account->folders, s->account->folder_count, &reader, s);
    s->in_session = true;
    speak(s);
}

static void on_bytes(void *context, struct span bytes)
{
    struct imap_store *s = context;
    int got = imap_feed(&s->session, bytes);

    if (got < 0) {
        broken(s, imap_why(&s->session));
        return;
    }
    s->kept = s->kept && !s->looking;
    if (got > 0)
        end(s, s->full ? "there are more messages of ours than can be known" : NULL);
    else
        speak(s);
}

static void on_down(void *context, const char *why, bool is_login)
{
    (void)is_login;
    broken(context, why);
}

static const struct link_events link_events = {on_up, on_bytes, on_down};

static void connect_anew(struct imap_store *s)
{
    s->logon = logon_open(&(struct logon_order){.loop = s->loop,
                                                .dns = s->dns,
                                                .account = s->account,
                                                .oauth = s->oauth,
                                                .deadline_us = clock_mono_us() + LOGIN_US},
                          &link_events, s);
}

static void begin(uv_timer_t *timer)
{
    struct imap_store *s = timer->data;

    s->looking = true;
    s->full = false;
    s->look++;
    s->began_us = clock_mono_us();
    pace_begin(&s->pace);
    handle_at(s->timer, on_overdue, s->began_us + LOOK_US);
    s->kept = s->in_session;
    if (!s->kept) {
        connect_anew(s);
        return;
    }
    imap_look(&s->session);
    speak(s);
}

/* ---- the store ---- */

static void look_sooner(struct imap_store *s)
{
    if (!s->looking)
        set_timer(s, pace_sooner(&s->pace, s->due_us, clock_mono_us()));
}

static void expect(struct store *store, int64_t until_us)
{
    struct imap_store *s = (struct imap_store *)store;

    pace_expect(&s->pace, until_us);
    look_sooner(s);
}

static void look(struct store *store)
{
    struct imap_store *s = (struct imap_store *)store;

    pace_ask(&s->pace);
    look_sooner(s);
}

static void store_free(struct store *store)
{
    struct imap_store *s = (struct imap_store *)store;

    hang_up(s);
    oauth_free(s->oauth);
    handle_close_timer(s->timer);
    for (size_t i = 0; i < s->account->folder_count; i++)
        imap_copies_free(&s->folders[i]);
    free(s->folders);
    free(s);
}

static const struct store_ops ops = {expect, look, store_free};

struct store *imap_store_new(const struct imap_store_order *order)
{
    size_t size = strlen(order->name) + 1;
    struct imap_store *s = mem_alloc(sizeof *s + size);

    memcpy(s->name, order->name, size);
    s->store = (struct store){&ops, s->name, order->events, order->context};
    s->loop = order->loop;
    s->dns = order->dns;
    s->account = order->account;
    s->folders = mem_alloc(order->account->folder_count * sizeof *s->folders);
    if (order->account->oauth.token_url)
        s->oauth = oauth_new(order->loop, order->dns, order->account);
    pace_init(&s->pace, &limits);
    s->timer = handle_timer(order->loop, s);
    set_timer(s, clock_mono_us());
    return &s->store;
}
