/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For each mailbox with a sink a listener, and a receiver that gets its connections. What a receiver says to
 * a client is probe/proto/sink.c's; how many it serves at a time, probe/verify/receiver.c's.
 */
#include "server/receivers.h"

#include "probe/base/mem.h"
#include "probe/verify/receiver.h"
#include "server/render/render.h"

#include <stdio.h>
#include <stdlib.h>

struct mailbox {
    struct sink_policy policy;
    struct receiver *receiver;
    struct listen *listen;
};

struct receivers {
    struct receivers_order order;
    size_t count;
    struct mailbox mailboxes[];
};

static void take(void *context, int fd, const struct address *peer)
{
    struct mailbox *m = context;

    (void)peer;
    receiver_take(m->receiver, fd);
}

static void say_listening(struct log *log, const struct snapshot_sink *sink)
{
    char address[RENDER_HOST_SIZE];

    render_address(&sink->listen, address);
    log_event(log, LOG_LEVEL_INFO, "receiving mail", "mailbox", sink->name, "address", address, NULL);
}

static int open_mailbox(struct receivers *r, const struct snapshot_sink *sink,
                        char error_r[LISTEN_ERROR_SIZE])
{
    struct mailbox *m = &r->mailboxes[r->count];
    char key[LISTEN_KEY_SIZE];

    snprintf(key, sizeof key, "mailboxes.%s.sink", sink->name);
    m->listen = listen_new(&(struct listen_order){.loop = r->order.loop,
                                                  .log = r->order.log,
                                                  .addresses = &sink->listen,
                                                  .count = 1,
                                                  .key = key,
                                                  .take = take,
                                                  .context = m},
                           error_r);
    if (m->listen == NULL)
        return -1;
    m->policy = (struct sink_policy){
        .name = r->order.snapshot->host_name, .domains = sink->domains, .domain_count = sink->domain_count};
    m->receiver = receiver_new(r->order.loop, &m->policy);
    r->count++;
    say_listening(r->order.log, sink);
    return 0;
}

struct receivers *receivers_new(const struct receivers_order *order, char error_r[LISTEN_ERROR_SIZE])
{
    const struct snapshot *s = order->snapshot;
    struct receivers *r = mem_alloc(sizeof *r + s->sink_count * sizeof r->mailboxes[0]);

    r->order = *order;
    snapshot_ref(order->snapshot);
    for (size_t i = 0; i < s->sink_count; i++) {
        if (open_mailbox(r, &s->sinks[i], error_r) != 0) {
            receivers_free(r);
            return NULL;
        }
    }
    return r;
}

void receivers_free(struct receivers *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++) {
        listen_free(r->mailboxes[i].listen);
        receiver_free(r->mailboxes[i].receiver);
    }
    snapshot_unref(r->order.snapshot);
    free(r);
}
