/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A POP3 mailbox as a store: when it is looked into (pace.h), with which login (logon.h), and what is
 * done with its messages, which are known by their unique ids (pop3_known.h; RFC 1939 section 7). What is
 * said in a session is probe/proto/pop3.c's. A look is one session, or as many as it takes to read all that
 * is new.
 */
#include "probe/verify/pop3_store.h"

#include "probe/base/arena.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "probe/proto/message.h"
#include "probe/proto/pop3.h"
#include "probe/proto/report.h"
#include "probe/verify/logon.h"
#include "probe/verify/pace.h"
#include "probe/verify/pop3_known.h"
#include "probe/verify/trouble.h"

#include <stdlib.h>
#include <string.h>

#define LOGIN_US INT64_C(30000000)
#define LOOK_US  INT64_C(120000000) /* login and session */

static const struct pace_limits limits = {.first_us = 500 * CLOCK_US_PER_MS,
                                          .most_us = 10 * CLOCK_US_PER_S,
                                          .idle_us = 60 * CLOCK_US_PER_S,
                                          .patience_us = 60 * CLOCK_US_PER_S};

struct pop3_store {
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
    int64_t began_us;
    int64_t listed_us;   /* CLOCK_NONE = the list has not come */
    struct logon *logon; /* null: no look is under way */
    bool in_session;
    struct pop3 session;
    struct pop3_known known;
    uint64_t likeness; /* of the candidate whose text comes next */
    bool full;         /* there is more of ours than can be known */
    char name[];
};

static void begin(uv_timer_t *timer);

/* ---- what the session asks ---- */

static enum pop3_wish wish(void *context, const char *uid)
{
    struct pop3_store *s = context;

    if (s->listed_us == CLOCK_NONE)
        s->listed_us = clock_mono_us();
    if (pop3_known_is_stranger(&s->known, uid))
        return POP3_SKIP;
    struct pop3_copy *ours = pop3_known_find(&s->known, uid);
    if (ours == NULL)
        return POP3_READ;
    ours->here = true;
    return s->store.events->may_remove(s->store.context, s->name, uid) ? POP3_REMOVE : POP3_SKIP;
}

static bool is_candidate(void *context, const char *uid, struct span header)
{
    struct pop3_store *s = context;
    char token[MESSAGE_TOKEN_SIZE];

    if (message_token_of(header, token) <= 0 && !report_is_one(header)) {
        pop3_known_add_stranger(&s->known, uid);
        return false;
    }
    s->full = s->full || pop3_known_is_full(&s->known);
    s->likeness = pop3_known_likeness(header);
    return !s->full;
}

static void on_read(void *context, const char *uid, struct span kept, size_t size)
{
    struct pop3_store *s = context;
    struct sighting sighting = {
        .mailbox = s->name, .folder = "", .id = uid, .kept = kept, .size = size, .at_us = s->listed_us};

    pop3_known_add(&s->known, uid)->likeness = s->likeness;
    s->store.events->seen(s->store.context, &sighting);
}

/* One that is not is another one, and is read as such in the next session. */
static bool is_same(void *context, const char *uid, struct span header)
{
    struct pop3_store *s = context;
    struct pop3_copy *ours = pop3_known_find(&s->known, uid);

    if (ours == NULL || ours->likeness == pop3_known_likeness(header))
        return ours != NULL;
    ours->here = false;
    return false;
}

static void on_removed(void *context, const char *uid)
{
    struct pop3_store *s = context;
    struct pop3_copy *gone = pop3_known_find(&s->known, uid);

    if (gone != NULL)
        gone->here = false;
}

static void on_unremoved(void *context, const char *uid, const char *why)
{
    struct pop3_store *s = context;
    struct pop3_copy *ours = pop3_known_find(&s->known, uid);

    if (ours == NULL || ours->told)
        return;
    ours->told = true;
    s->store.events->unremoved(s->store.context, s->name, uid, why);
}

static const struct pop3_reader reader = {wish, is_candidate, on_read, is_same, on_removed, on_unremoved};

/* ---- a look ---- */

static void set_timer(struct pop3_store *s, int64_t due_us)
{
    s->due_us = due_us;
    handle_at(s->timer, begin, due_us);
}

static void hang_up(struct pop3_store *s)
{
    logon_free(s->logon);
    s->logon = NULL;
    if (s->in_session)
        pop3_free(&s->session);
    s->in_session = false;
}

/* It is over; why null: it went well. The last thing that is done with the store in a callback. */
static void end(struct pop3_store *s, const char *why)
{
    struct arena scratch = {0};

    if (why != NULL) {
        why = trouble_say(&s->trouble, &scratch, s->account->url, why);
        pop3_known_end(&s->known, false);
    } else {
        trouble_over(&s->trouble);
    }
    hang_up(s);
    s->looking = false;
    set_timer(s, pace_next(&s->pace, why == NULL, clock_mono_us()));
    s->store.events->looked(s->store.context, s->name, s->began_us, why);
    arena_free(&scratch);
}

/* A session went well. One that has left something unread is not all of the look. */
static void end_session(struct pop3_store *s)
{
    bool has_unread = s->session.has_unread;

    pop3_known_end(&s->known, true);
    if (s->full) {
        end(s, "there are more than 10000 messages that look like ehlod's");
    } else if (has_unread) {
        hang_up(s);
        s->looking = false;
        set_timer(s, clock_mono_us());
    } else {
        end(s, NULL);
    }
}

static void on_overdue(uv_timer_t *timer)
{
    end(timer->data, "the session did not end within 120 s");
}

static void speak(struct pop3_store *s)
{
    struct span out = pop3_output(&s->session);

    if (out.len > 0)
        logon_send(s->logon, out);
    pop3_sent(&s->session);
}

static void on_up(void *context)
{
    struct pop3_store *s = context;

    pop3_init(&s->session, &reader, s);
    s->in_session = true;
    speak(s);
}

static void on_bytes(void *context, struct span bytes)
{
    struct pop3_store *s = context;
    int got = pop3_feed(&s->session, bytes);

    if (got == 0)
        speak(s);
    else if (got > 0)
        end_session(s);
    else
        end(s, pop3_why(&s->session));
}

static void on_down(void *context, const char *why, bool is_login)
{
    (void)is_login;
    end(context, why);
}

static const struct link_events link_events = {on_up, on_bytes, on_down};

static void begin(uv_timer_t *timer)
{
    struct pop3_store *s = timer->data;

    s->looking = true;
    s->began_us = clock_mono_us();
    s->listed_us = CLOCK_NONE;
    s->full = false;
    pop3_known_begin(&s->known);
    pace_begin(&s->pace);
    handle_at(s->timer, on_overdue, s->began_us + LOOK_US);
    s->logon = logon_open(&(struct logon_order){.loop = s->loop,
                                                .dns = s->dns,
                                                .account = s->account,
                                                .oauth = s->oauth,
                                                .deadline_us = s->began_us + LOGIN_US},
                          &link_events, s);
}

/* ---- the store ---- */

static void look_sooner(struct pop3_store *s)
{
    if (!s->looking)
        set_timer(s, pace_sooner(&s->pace, s->due_us, clock_mono_us()));
}

static void expect(struct store *store, int64_t until_us)
{
    struct pop3_store *s = (struct pop3_store *)store;

    pace_expect(&s->pace, until_us);
    look_sooner(s);
}

static void look(struct store *store)
{
    struct pop3_store *s = (struct pop3_store *)store;

    pace_ask(&s->pace);
    look_sooner(s);
}

static void store_free(struct store *store)
{
    struct pop3_store *s = (struct pop3_store *)store;

    hang_up(s);
    oauth_free(s->oauth);
    handle_close_timer(s->timer);
    pop3_known_free(&s->known);
    free(s);
}

static const struct store_ops ops = {expect, look, store_free};

struct store *pop3_store_new(const struct pop3_store_order *order)
{
    size_t size = strlen(order->name) + 1;
    struct pop3_store *s = mem_alloc(sizeof *s + size);

    memcpy(s->name, order->name, size);
    s->store = (struct store){&ops, s->name, order->events, order->context};
    s->loop = order->loop;
    s->dns = order->dns;
    s->account = order->account;
    if (order->account->oauth.token_url != NULL)
        s->oauth = oauth_new(order->loop, order->dns, order->account);
    pace_init(&s->pace, &limits);
    s->timer = handle_timer(order->loop, s);
    set_timer(s, clock_mono_us());
    return &s->store;
}
