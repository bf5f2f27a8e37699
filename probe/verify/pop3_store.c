/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A POP3 mailbox as a store: when it is looked into (pace.h), with which login (link.h, oauth.h), and which
 * of its messages are known already, by unique id (RFC 1939 section 7). What is said in a session is
 * probe/proto/pop3.c's. Strangers are known by a hash of their ids alone: a mailbox of 100,000 of them takes
 * less than a megabyte.
 */
#include "probe/verify/pop3_store.h"

#include "probe/base/arena.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "probe/proto/message.h"
#include "probe/proto/pop3.h"
#include "probe/proto/report.h"
#include "probe/verify/link.h"
#include "probe/verify/oauth.h"
#include "probe/verify/pace.h"
#include "probe/verify/trouble.h"

#include <stdlib.h>
#include <string.h>

#define LOGIN_US INT64_C(30000000)
#define LOOK_US  INT64_C(120000000) /* login and session */
#define MAX_OURS 10000              /* copies that are shown and not removed yet; more are strangers */

static const struct pace_limits limits = {.first_us = 500 * CLOCK_US_PER_MS,
                                          .most_us = 10 * CLOCK_US_PER_S,
                                          .idle_us = 60 * CLOCK_US_PER_S,
                                          .patience_us = 60 * CLOCK_US_PER_S};

struct ours {
    bool here; /* the present session has it in its list */
    char uid[POP3_UID_SIZE];
};

/* Of ids; sorted when the session that found them is over. */
struct hashes {
    uint64_t *list;
    size_t count, room;
};

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
    bool retried; /* with another token */
    int64_t began_us;
    int64_t listed_us; /* CLOCK_NONE = the list has not come */
    struct link *link; /* null: not yet, or not any more */
    bool in_session;
    struct pop3 session;
    struct hashes strangers;
    struct hashes present; /* those of them that this session has found */
    struct ours *ours;
    size_t ours_count;
    char name[];
};

static void begin(uv_timer_t *timer);

/* ---- which messages are known ---- */

static uint64_t hash_of(const char *uid)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *uid != '\0'; uid++)
        hash = (hash ^ (unsigned char)*uid) * UINT64_C(1099511628211); /* FNV-1a */
    return hash;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static bool has(const struct hashes *h, uint64_t hash)
{
    return h->count > 0 && bsearch(&hash, h->list, h->count, sizeof hash, compare) != NULL;
}

static void add(struct hashes *h, uint64_t hash)
{
    if (h->count == h->room) {
        h->room = h->room > 0 ? 2 * h->room : 64;
        h->list = mem_resize(h->list, h->room * sizeof *h->list);
    }
    h->list[h->count++] = hash;
}

static void hashes_free(struct hashes *h)
{
    free(h->list);
    *h = (struct hashes){0};
}

static struct ours *find(struct pop3_store *s, const char *uid)
{
    for (size_t i = 0; i < s->ours_count; i++)
        if (strcmp(s->ours[i].uid, uid) == 0)
            return &s->ours[i];
    return NULL;
}

/* A session that went well has seen all that there is: who was not in its list is forgotten. */
static void forget_gone(struct pop3_store *s)
{
    size_t left = 0;

    for (size_t i = 0; i < s->ours_count; i++)
        if (s->ours[i].here)
            s->ours[left++] = s->ours[i];
    s->ours_count = left;
    if (s->present.count > 0)
        qsort(s->present.list, s->present.count, sizeof *s->present.list, compare);
    hashes_free(&s->strangers);
    s->strangers = s->present;
    s->present = (struct hashes){0};
}

/* ---- what the session asks ---- */

static enum pop3_wish wish(void *context, const char *uid)
{
    struct pop3_store *s = context;
    struct ours *known = find(s, uid);
    uint64_t hash = hash_of(uid);

    if (s->listed_us == CLOCK_NONE)
        s->listed_us = clock_mono_us();
    if (known != NULL) {
        known->here = true;
        return s->store.events->may_remove(s->store.context, s->name, uid) ? POP3_REMOVE : POP3_SKIP;
    }
    if (!has(&s->strangers, hash))
        return POP3_READ;
    add(&s->present, hash);
    return POP3_SKIP;
}

static bool is_candidate(void *context, const char *uid, struct span header)
{
    struct pop3_store *s = context;
    char token[MESSAGE_TOKEN_SIZE];

    if (s->ours_count < MAX_OURS && (message_token_of(header, token) > 0 || report_is_one(header)))
        return true;
    add(&s->present, hash_of(uid));
    return false;
}

static void on_read(void *context, const char *uid, struct span kept, size_t size)
{
    struct pop3_store *s = context;
    struct sighting sighting = {
        .mailbox = s->name, .folder = "", .id = uid, .kept = kept, .size = size, .at_us = s->listed_us};

    s->ours = mem_resize(s->ours, (s->ours_count + 1) * sizeof *s->ours);
    struct ours *o = &s->ours[s->ours_count++];
    o->here = true;
    memcpy(o->uid, uid, strlen(uid) + 1);
    s->store.events->seen(s->store.context, &sighting);
}

static void on_removed(void *context, const char *uid)
{
    struct ours *gone = find(context, uid);

    if (gone != NULL)
        gone->here = false;
}

static const struct pop3_reader reader = {wish, is_candidate, on_read, on_removed};

/* ---- a look ---- */

static void set_timer(struct pop3_store *s, int64_t due_us)
{
    s->due_us = due_us;
    handle_at(s->timer, begin, due_us);
}

static void hang_up(struct pop3_store *s)
{
    if (s->oauth != NULL)
        oauth_cancel(s->oauth);
    link_free(s->link);
    s->link = NULL;
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
        s->present.count = 0;
    } else {
        trouble_over(&s->trouble);
        forget_gone(s);
    }
    hang_up(s);
    s->looking = false;
    set_timer(s, pace_next(&s->pace, why == NULL, clock_mono_us()));
    s->store.events->looked(s->store.context, s->name, s->began_us, why);
    arena_free(&scratch);
}

static void on_overdue(uv_timer_t *timer)
{
    end(timer->data, "the session did not end within 120 s");
}

static void speak(struct pop3_store *s)
{
    struct span out = pop3_output(&s->session);

    if (out.len > 0)
        link_send(s->link, out);
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
    else
        end(s, pop3_why(&s->session));
}

static void ask_token(struct pop3_store *s);

static void on_down(void *context, const char *why, bool is_login)
{
    struct pop3_store *s = context;

    if (!is_login || s->oauth == NULL || s->retried) {
        end(s, why);
        return;
    }
    s->retried = true;
    oauth_refused(s->oauth);
    hang_up(s);
    ask_token(s);
}

static const struct link_events link_events = {on_up, on_bytes, on_down};

static void dial(struct pop3_store *s, struct span token)
{
    s->link = link_open(&(struct link_order){.loop = s->loop,
                                             .dns = s->dns,
                                             .account = s->account,
                                             .token = token,
                                             .deadline_us = s->began_us + LOGIN_US},
                        &link_events, s);
}

static void on_token(void *context, struct span token, const char *why)
{
    if (why != NULL)
        end(context, why);
    else
        dial(context, token);
}

static void ask_token(struct pop3_store *s)
{
    oauth_ask(s->oauth, s->began_us + LOGIN_US, on_token, s);
}

static void begin(uv_timer_t *timer)
{
    struct pop3_store *s = timer->data;

    s->looking = true;
    s->retried = false;
    s->began_us = clock_mono_us();
    s->listed_us = CLOCK_NONE;
    for (size_t i = 0; i < s->ours_count; i++)
        s->ours[i].here = false;
    pace_begin(&s->pace);
    handle_at(s->timer, on_overdue, s->began_us + LOOK_US);
    if (s->oauth != NULL)
        ask_token(s);
    else
        dial(s, (struct span){0});
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
    hashes_free(&s->strangers);
    hashes_free(&s->present);
    free(s->ours);
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
