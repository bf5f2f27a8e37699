/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For each mailbox with a sink a listener, and a receiver that gets its connections. What a receiver says to
 * a client is probe/proto/sink.c's; how many it serves at a time, probe/verify/receiver.c's. Across configs a
 * receiver is told by its address or path, not by the mailbox's name.
 */
#include "server/receivers.h"

#include "probe/base/mem.h"
#include "probe/verify/receiver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mailbox {
    struct receivers *receivers;
    const struct snapshot_sink *sink;
    struct sink_policy policy;
    struct receiver *receiver;
    struct listen *listen;
};

struct mailboxes {
    struct snapshot *snapshot; /* what they are of */
    size_t count;
    struct mailbox **list;
};

struct receivers {
    struct receivers_order order;
    struct mailboxes now;
    struct mailboxes next; /* between receivers_prepare and its end */
};

/* Who comes when all sessions are in use waits in the kernel's queue; what is not seen meanwhile is no fault
 * of the mail server. */
static void take(void *context, int fd, const struct address *peer)
{
    struct mailbox *m = context;

    (void)peer;
    receiver_take(m->receiver, fd);
    if (!receiver_is_full(m->receiver))
        return;
    listen_hold(m->listen);
    log_event(m->receivers->order.log, LOG_LEVEL_WARN, "mail waits: all sessions are in use", "mailbox",
              m->sink->name, NULL);
    jobs_blind(m->receivers->order.jobs, m->sink->name, true);
}

static void on_room(void *context)
{
    struct mailbox *m = context;

    jobs_blind(m->receivers->order.jobs, m->sink->name, false);
    listen_go(m->listen);
}

/* Nobody could be accepted for a moment. */
static void on_starved(void *context)
{
    struct mailbox *m = context;
    bool full = receiver_is_full(m->receiver);

    jobs_blind(m->receivers->order.jobs, m->sink->name, true);
    if (!full)
        jobs_blind(m->receivers->order.jobs, m->sink->name, false);
}

static void on_message(void *context, const struct sink_message *message)
{
    struct mailbox *m = context;

    jobs_seen(m->receivers->order.jobs, &(struct sighting){.mailbox = m->sink->name,
                                                           .folder = "",
                                                           .to = message->to,
                                                           .to_count = message->to_count,
                                                           .kept = message->kept,
                                                           .size = message->size,
                                                           .at_us = message->at_us,
                                                           .exact = true});
}

static void say_listening(struct log *log, const struct snapshot_sink *sink)
{
    char name[LISTEN_NAME_SIZE];

    listen_name(&sink->listen, name);
    log_event(log, LOG_LEVEL_INFO, "receiving mail", "mailbox", sink->name, "address", name, "protocol",
              protocol_name(sink->protocol), NULL);
}

/* ---- one mailbox ---- */

/* From now on it is that of this config. Its sessions read the policy anew with each command. */
static void follow(struct mailbox *m, const struct snapshot *snapshot, const struct snapshot_sink *sink)
{
    m->sink = sink;
    m->policy = (struct sink_policy){.name = snapshot->host_name,
                                     .domains = sink->domains,
                                     .domain_count = sink->domain_count,
                                     .protocol = sink->protocol,
                                     .offers_tls = sink->tls_context != NULL,
                                     .take = on_message,
                                     .context = m};
    receiver_set_tls(m->receiver, sink->tls_context);
}

static void close_mailbox(struct mailbox *m)
{
    listen_take_last(m->listen);
    listen_free(m->listen);
    receiver_free(m->receiver);
    free(m);
}

static struct mailbox *open_mailbox(struct receivers *r, const struct snapshot *snapshot,
                                    const struct snapshot_sink *sink, char error_r[LISTEN_ERROR_SIZE])
{
    struct mailbox *m = mem_alloc(sizeof *m);
    char key[LISTEN_KEY_SIZE];

    snprintf(key, sizeof key, "mailboxes.%s.sink", sink->name);
    m->receivers = r;
    m->listen = listen_new(&(struct listen_order){.loop = r->order.loop,
                                                  .log = r->order.log,
                                                  .places = &sink->listen,
                                                  .count = 1,
                                                  .key = key,
                                                  .take = take,
                                                  .starved = on_starved,
                                                  .context = m},
                           error_r);
    if (m->listen == NULL) {
        free(m);
        return NULL;
    }
    m->receiver = receiver_new(r->order.loop, &m->policy, r->order.max_sessions, on_room, m);
    follow(m, snapshot, sink);
    return m;
}

/* That of this sink: one that is open already, which makes its socket anew where somebody has removed the
 * file, or a new one. */
static struct mailbox *prepare_mailbox(struct receivers *r, struct mailbox *open,
                                       const struct snapshot *snapshot, const struct snapshot_sink *sink,
                                       char error_r[LISTEN_ERROR_SIZE])
{
    if (open == NULL)
        return open_mailbox(r, snapshot, sink, error_r);
    return listen_prepare(open->listen, &sink->listen, 1, error_r) == 0 ? open : NULL;
}

/* ---- all of them ---- */

static struct mailbox *find(const struct mailboxes *set, const struct snapshot_listen *place)
{
    for (size_t i = 0; i < set->count; i++)
        if (listen_is_same(&set->list[i]->sink->listen, place))
            return set->list[i];
    return NULL;
}

/* Closes what the one has and the other has not. */
static void drop(struct mailboxes *set, const struct mailboxes *stay)
{
    for (size_t i = 0; i < set->count; i++)
        if (find(stay, &set->list[i]->sink->listen) == NULL)
            close_mailbox(set->list[i]);
    free(set->list);
    snapshot_unref(set->snapshot);
    *set = (struct mailboxes){0};
}

int receivers_prepare(struct receivers *r, struct snapshot *snapshot, char error_r[LISTEN_ERROR_SIZE])
{
    r->next.snapshot = snapshot_ref(snapshot);
    r->next.list = mem_alloc((snapshot->sink_count + 1) * sizeof(struct mailbox *));
    for (size_t i = 0; i < snapshot->sink_count; i++) {
        const struct snapshot_sink *sink = &snapshot->sinks[i];
        struct mailbox *m = prepare_mailbox(r, find(&r->now, &sink->listen), snapshot, sink, error_r);
        if (m == NULL) {
            receivers_abandon(r);
            return -1;
        }
        r->next.list[r->next.count++] = m;
    }
    return 0;
}

void receivers_abandon(struct receivers *r)
{
    for (size_t i = 0; i < r->next.count; i++)
        listen_abandon(r->next.list[i]->listen);
    drop(&r->next, &r->now);
}

void receivers_commit(struct receivers *r)
{
    for (size_t i = 0; i < r->next.count; i++) {
        const struct snapshot_sink *sink = &r->next.snapshot->sinks[i];
        if (find(&r->now, &sink->listen) == NULL)
            say_listening(r->order.log, sink);
        else
            listen_commit(r->next.list[i]->listen);
    }
    drop(&r->now, &r->next);
    r->now = r->next;
    r->next = (struct mailboxes){0};
    for (size_t i = 0; i < r->now.count; i++)
        follow(r->now.list[i], r->now.snapshot, &r->now.snapshot->sinks[i]);
}

struct receivers *receivers_new(const struct receivers_order *order, char error_r[LISTEN_ERROR_SIZE])
{
    struct receivers *r = mem_alloc(sizeof *r);

    r->order = *order;
    if (r->order.max_sessions == 0)
        r->order.max_sessions = RECEIVER_MAX_SESSIONS;
    if (receivers_prepare(r, order->snapshot, error_r) != 0) {
        free(r);
        return NULL;
    }
    receivers_commit(r);
    return r;
}

bool receivers_up(const struct receivers *r, const char *name)
{
    for (size_t i = 0; i < r->now.count; i++)
        if (strcmp(r->now.list[i]->sink->name, name) == 0)
            return !receiver_is_full(r->now.list[i]->receiver);
    return false;
}

void receivers_free(struct receivers *r)
{
    static const struct mailboxes none = {0};

    if (r == NULL)
        return;
    drop(&r->now, &none);
    free(r);
}
