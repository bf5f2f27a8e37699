/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All mailboxes by name: receivers are those of server/receivers.c, stores are opened here and told apart by
 * their settings over configs. Sees to what both have in common: wishes of the jobs, and who is told when one
 * can be looked into no more, or again.
 */
#include "server/mailboxes.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/dns.h"
#include "probe/net/handle.h"
#include "server/mailboxes_store.h"
#include "server/receivers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A store, and the config that its settings are of. */
struct held {
    struct mailboxes *mailboxes;
    struct snapshot *snapshot;
    const struct snapshot_store *settings;
    struct store *store;
    bool looked; /* at least once */
    bool up;
    unsigned long unremoved;
    bool shown;        /* it has shown a message since it was tidied */
    int64_t tidied_us; /* the look that is waited for began after this; CLOCK_NONE = none is */
    unsigned tidy_looks;
};

struct held_list {
    size_t count;
    struct held **list;
};

/* A look that no store answers. */
struct answer {
    struct answer *next;
    int64_t began_us;
    char name[];
};

struct mailboxes {
    struct mailboxes_order order;
    struct snapshot *snapshot;
    struct snapshot *next; /* between mailboxes_prepare and its end */
    struct receivers *receivers;
    struct dns *dns; /* null: nobody has needed it yet */
    struct held_list stores;
    struct answer *answers; /* the newest first */
    uv_timer_t *answer;
    uv_timer_t *tidy;
    mailboxes_tidied *tidied;
    void *tidied_context;
};

static struct held *find_store(const struct mailboxes *m, const char *name)
{
    for (size_t i = 0; i < m->stores.count; i++)
        if (strcmp(m->stores.list[i]->settings->name, name) == 0)
            return m->stores.list[i];
    return NULL;
}

/* Whether it is a sink that listens. */
static bool is_sink(const struct mailboxes *m, const char *name)
{
    for (size_t i = 0; m->receivers != NULL && i < m->snapshot->sink_count; i++)
        if (strcmp(m->snapshot->sinks[i].name, name) == 0)
            return true;
    return false;
}

/* ---- being tidy ---- */

static bool is_tidy(const struct mailboxes *m)
{
    for (size_t i = 0; i < m->stores.count; i++)
        if (m->stores.list[i]->tidied_us != CLOCK_NONE)
            return false;
    return true;
}

static void on_tidied(uv_timer_t *timer)
{
    struct mailboxes *m = timer->data;
    mailboxes_tidied *tidied = m->tidied;

    m->tidied = NULL;
    tidied(m->tidied_context);
}

/* At one look it is asked what may be removed, at the end of the next it is. */
static void tidy_store(struct held *h, int64_t began_us, bool good)
{
    struct mailboxes *m = h->mailboxes;

    if (m->tidied == NULL || h->tidied_us == CLOCK_NONE || began_us < h->tidied_us)
        return;
    if (good && --h->tidy_looks > 0) {
        h->tidied_us = clock_mono_us();
        h->store->ops->look(h->store);
        return;
    }
    h->tidied_us = CLOCK_NONE;
    if (is_tidy(m))
        handle_at(m->tidy, on_tidied, 0);
}

void mailboxes_tidy(struct mailboxes *m, int64_t timeout_us, mailboxes_tidied *tidied, void *context)
{
    m->tidied = tidied;
    m->tidied_context = context;
    for (size_t i = 0; i < m->stores.count; i++) {
        struct held *h = m->stores.list[i];
        h->tidied_us = h->shown ? clock_mono_us() : CLOCK_NONE;
        h->tidy_looks = 2;
        if (h->shown)
            h->store->ops->look(h->store);
    }
    handle_at(m->tidy, on_tidied, is_tidy(m) ? 0 : clock_mono_us() + timeout_us);
}

/* ---- what stores tell ---- */

static void on_seen(void *context, const struct sighting *sighting)
{
    struct held *h = context;

    h->shown = true;
    jobs_seen(h->mailboxes->order.jobs, sighting);
}

static bool on_may_remove(void *context, const char *mailbox, const char *id)
{
    struct held *h = context;

    return jobs_may_remove(h->mailboxes->order.jobs, mailbox, id);
}

/* One line for a mailbox: the others of it will be for the same reason. */
static void on_unremoved(void *context, const char *mailbox, const char *id, const char *why)
{
    struct held *h = context;

    if (h->unremoved++ == 0)
        log_event(h->mailboxes->order.log, LOG_LEVEL_WARN, "a message of ours cannot be removed", "mailbox",
                  mailbox, "message", id, "why", why, NULL);
    jobs_unremoved(h->mailboxes->order.jobs, mailbox, id);
}

static void say_state(const struct held *h, const char *why)
{
    struct log *log = h->mailboxes->order.log;
    const char *place = mailboxes_store_place(h->settings), *name = h->settings->name;

    if (why != NULL)
        log_event(log, LOG_LEVEL_WARN, "a mailbox cannot be looked into", "mailbox", name, "why", why, NULL);
    else if (h->looked)
        log_event(log, LOG_LEVEL_INFO, "a mailbox can be looked into again", "mailbox", name, "place", place,
                  NULL);
    else
        log_event(log, LOG_LEVEL_INFO, "looking for mail", "mailbox", name, "place", place, NULL);
}

static void on_looked(void *context, const char *mailbox, int64_t began_us, const char *why)
{
    struct held *h = context;

    if (!h->looked || h->up != (why == NULL))
        say_state(h, why);
    h->looked = true;
    h->up = why == NULL;
    jobs_looked(h->mailboxes->order.jobs, mailbox, began_us, why);
    tidy_store(h, began_us, why == NULL);
}

static const struct mailbox_events events = {
    .seen = on_seen, .may_remove = on_may_remove, .unremoved = on_unremoved, .looked = on_looked};

/* ---- what the jobs wish ---- */

static void expect(void *context, const char *name, int64_t until_us)
{
    const struct held *h = find_store(context, name);

    if (h != NULL)
        h->store->ops->expect(h->store, until_us);
}

static void on_answer(uv_timer_t *timer)
{
    struct mailboxes *m = timer->data;
    struct answer *a = m->answers;
    char why[512];

    m->answers = NULL;
    while (a != NULL) {
        struct answer *next = a->next;
        snprintf(why, sizeof why, "%.400s: no such mailbox is watched any more", a->name);
        jobs_looked(m->order.jobs, a->name, a->began_us, is_sink(m, a->name) ? NULL : why);
        free(a);
        a = next;
    }
}

/* One is enough, however many ask. */
static struct answer *answer_of(struct mailboxes *m, const char *name)
{
    size_t size = strlen(name) + 1;
    struct answer *a = m->answers;

    while (a != NULL && strcmp(a->name, name) != 0)
        a = a->next;
    if (a != NULL)
        return a;
    a = mem_alloc(sizeof *a + size);
    a->next = m->answers;
    memcpy(a->name, name, size);
    return m->answers = a;
}

/* A sink has nothing to be looked into, but what is in its sockets already must be read first. */
static void answer_later(struct mailboxes *m, const char *name)
{
    int64_t now_us = clock_mono_us();

    answer_of(m, name)->began_us = now_us;
    handle_at(m->answer, on_answer, now_us + CLOCK_US_PER_MS);
}

static void look(void *context, const char *name)
{
    struct mailboxes *m = context;
    const struct held *h = find_store(m, name);

    if (h != NULL)
        h->store->ops->look(h->store);
    else
        answer_later(m, name);
}

static const struct mailbox_wishes wishes = {.expect = expect, .look = look};

/* ---- the stores of a config ---- */

static void close_store(struct held *h)
{
    h->store->ops->free(h->store);
    snapshot_unref(h->snapshot);
    free(h);
}

static bool is_wanted(const struct mailboxes *m, const char *name)
{
    return m->order.is_wanted == NULL || m->order.is_wanted(m->order.context, name);
}

static struct held *open_store(struct mailboxes *m, struct snapshot *snapshot,
                               const struct snapshot_store *settings)
{
    struct held *h = mem_alloc(sizeof *h);

    if (settings->maildir == NULL && m->dns == NULL)
        m->dns = dns_new(m->order.loop, NULL);
    *h = (struct held){
        .mailboxes = m, .snapshot = snapshot_ref(snapshot), .settings = settings, .tidied_us = CLOCK_NONE};
    h->store = mailboxes_store_open(m->order.loop, m->dns, settings, &events, h);
    return h;
}

/* The one of those settings, taken out of the list; or null. */
static struct held *take_same(struct held_list *list, const struct snapshot_store *settings)
{
    for (size_t i = 0; i < list->count; i++) {
        struct held *h = list->list[i];
        if (mailboxes_store_is_same(h->settings, settings)) {
            list->list[i] = list->list[--list->count];
            return h;
        }
    }
    return NULL;
}

static void close_all(struct held_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        close_store(list->list[i]);
    free(list->list);
    *list = (struct held_list){0};
}

/* Stores whose settings are another's are closed before those are opened: some servers let in but one. */
static void change_stores(struct mailboxes *m, struct snapshot *snapshot)
{
    struct held_list old = m->stores;
    struct held **list = mem_alloc((snapshot->store_count + 1) * sizeof(struct held *));

    for (size_t i = 0; i < snapshot->store_count; i++)
        list[i] = take_same(&old, &snapshot->stores[i]);
    close_all(&old);
    m->stores = (struct held_list){0, list};
    for (size_t i = 0; i < snapshot->store_count; i++) {
        struct held *h = list[i];
        if (h == NULL && is_wanted(m, snapshot->stores[i].name))
            h = open_store(m, snapshot, &snapshot->stores[i]);
        if (h != NULL)
            list[m->stores.count++] = h;
    }
}

/* ---- what others see ---- */

int mailboxes_prepare(struct mailboxes *m, struct snapshot *snapshot, char error_r[LISTEN_ERROR_SIZE])
{
    if (m->receivers != NULL && receivers_prepare(m->receivers, snapshot, error_r) != 0)
        return -1;
    m->next = snapshot_ref(snapshot);
    return 0;
}

void mailboxes_abandon(struct mailboxes *m)
{
    if (m->receivers != NULL)
        receivers_abandon(m->receivers);
    snapshot_unref(m->next);
    m->next = NULL;
}

void mailboxes_commit(struct mailboxes *m)
{
    if (m->receivers != NULL)
        receivers_commit(m->receivers);
    change_stores(m, m->next);
    snapshot_unref(m->snapshot);
    m->snapshot = m->next;
    m->next = NULL;
    jobs_set_mailboxes(m->order.jobs, &wishes, m); /* new stores do not know what is under way */
}

static int open_receivers(struct mailboxes *m, char error_r[LISTEN_ERROR_SIZE])
{
    if (m->order.without_sinks)
        return 0;
    m->receivers = receivers_new(&(struct receivers_order){.loop = m->order.loop,
                                                           .log = m->order.log,
                                                           .snapshot = m->order.snapshot,
                                                           .jobs = m->order.jobs,
                                                           .max_sessions = m->order.max_sessions},
                                 error_r);
    return m->receivers != NULL ? 0 : -1;
}

struct mailboxes *mailboxes_new(const struct mailboxes_order *order, char error_r[LISTEN_ERROR_SIZE])
{
    struct mailboxes *m = mem_alloc(sizeof *m);

    m->order = *order;
    if (open_receivers(m, error_r) != 0) {
        free(m);
        return NULL;
    }
    m->answer = handle_timer(order->loop, m);
    m->tidy = handle_timer(order->loop, m);
    m->snapshot = snapshot_ref(order->snapshot);
    change_stores(m, order->snapshot);
    jobs_set_mailboxes(order->jobs, &wishes, m);
    return m;
}

void mailboxes_each(const struct mailboxes *m, mailboxes_tell *tell, void *context)
{
    for (size_t i = 0; i < m->snapshot->sink_count; i++) {
        const char *name = m->snapshot->sinks[i].name;
        tell(context,
             &(struct mailboxes_state){name, m->receivers != NULL && receivers_up(m->receivers, name), 0});
    }
    for (size_t i = 0; i < m->stores.count; i++) {
        const struct held *h = m->stores.list[i];
        tell(context, &(struct mailboxes_state){h->settings->name, h->up, h->unremoved});
    }
}

void mailboxes_free(struct mailboxes *m)
{
    if (m == NULL)
        return;
    jobs_set_mailboxes(m->order.jobs, NULL, NULL);
    receivers_free(m->receivers);
    close_all(&m->stores);
    dns_free(m->dns);
    while (m->answers != NULL) {
        struct answer *next = m->answers->next;
        free(m->answers);
        m->answers = next;
    }
    handle_close_timer(m->answer);
    handle_close_timer(m->tidy);
    snapshot_unref(m->snapshot);
    free(m);
}
