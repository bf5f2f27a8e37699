/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A draft becomes a result: one block of memory, counted. The copy is written once and run twice, first
 * without a block to learn the size, then into it, so size and content cannot differ.
 */
#include "probe/result.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct shared_result {
    atomic_uint references;
    size_t size;
    struct result result;
};

/* Where the copy goes. Without a base it only counts and every put returns null: the caller reads from the
 * source and writes only where there is something to write to. */
struct copier {
    char *base;
    size_t used;
};

static size_t aligned(size_t size)
{
    return (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

static void *put(struct copier *c, const void *source, size_t size)
{
    size_t at = c->used;
    c->used += aligned(size);
    if (!c->base || size == 0)
        return NULL;
    return memcpy(c->base + at, source, size);
}

static void *put_octets(void *copier, const void *source, size_t size)
{
    return put(copier, source, size);
}

static const char *put_text(struct copier *c, const char *text)
{
    return text ? put(c, text, strlen(text) + 1) : NULL;
}

static const char *const *put_texts(struct copier *c, const char *const *from, size_t count)
{
    const char **to = put(c, from, count * sizeof(*to));
    for (size_t i = 0; i < count; i++) {
        const char *text = put_text(c, from[i]);
        if (to)
            to[i] = text;
    }
    return to;
}

static struct result_reply put_reply(struct copier *c, struct result_reply reply)
{
    reply.lines = put_texts(c, reply.lines, reply.line_count);
    return reply;
}

static struct result_failure put_failure(struct copier *c, struct result_failure failure)
{
    failure.route = put_text(c, failure.route);
    failure.message = put_text(c, failure.message);
    return failure;
}

static const struct result_certificate *put_chain(struct copier *c, const struct result_tls *tls)
{
    const struct result_certificate *from = tls->chain;
    struct result_certificate *to = put(c, from, tls->chain_count * sizeof(*to));
    for (size_t i = 0; i < tls->chain_count; i++) {
        struct result_certificate copy = from[i];
        copy.subject = put_text(c, copy.subject);
        copy.issuer = put_text(c, copy.issuer);
        copy.names = put_texts(c, copy.names, copy.name_count);
        copy.sha256 = put_text(c, copy.sha256);
        copy.key = put_text(c, copy.key);
        if (to)
            to[i] = copy;
    }
    return to;
}

static const struct result_tls *put_tls(struct copier *c, const struct result_tls *from)
{
    if (!from)
        return NULL;
    struct result_tls *to = put(c, from, sizeof(*to));
    struct result_tls copy = *from;
    copy.version = put_text(c, copy.version);
    copy.cipher = put_text(c, copy.cipher);
    copy.group = put_text(c, copy.group);
    copy.alert = put_text(c, copy.alert);
    copy.chain = put_chain(c, from);
    if (to)
        *to = copy;
    return to;
}

static void put_extensions(struct copier *c, struct result *r)
{
    const struct result_extension *from = r->extensions;
    struct result_extension *to = put(c, from, r->extension_count * sizeof(*to));
    for (size_t i = 0; i < r->extension_count; i++) {
        struct result_extension copy = {put_text(c, from[i].keyword), put_text(c, from[i].params)};
        if (to)
            to[i] = copy;
    }
    r->extensions = to;
}

static void put_commands(struct copier *c, struct result *r)
{
    const struct result_command *from = r->commands;
    struct result_command *to = put(c, from, r->command_count * sizeof(*to));
    for (size_t i = 0; i < r->command_count; i++) {
        struct result_command copy = from[i];
        copy.sent = put_text(c, copy.sent);
        copy.expected = put_text(c, copy.expected);
        copy.reply = put_reply(c, copy.reply);
        if (to)
            to[i] = copy;
    }
    r->commands = to;
}

static const struct result_recipient *put_recipients(struct copier *c, const struct result_route *route)
{
    const struct result_recipient *from = route->recipients;
    struct result_recipient *to = put(c, from, route->recipient_count * sizeof(*to));
    for (size_t i = 0; i < route->recipient_count; i++) {
        struct result_recipient copy = from[i];
        copy.to = put_text(c, copy.to);
        copy.text = put_text(c, copy.text);
        if (to)
            to[i] = copy;
    }
    return to;
}

static void put_routes(struct copier *c, struct result *r)
{
    const struct result_route *from = r->routes;
    struct result_route *to = put(c, from, r->route_count * sizeof(*to));
    for (size_t i = 0; i < r->route_count; i++) {
        struct result_route copy = from[i];
        copy.name = put_text(c, copy.name);
        copy.from = put_text(c, copy.from);
        copy.recipients = put_recipients(c, &from[i]);
        copy.token = put_text(c, copy.token);
        copy.message_id = put_text(c, copy.message_id);
        copy.queue_id = put_text(c, copy.queue_id);
        copy.final.text = put_text(c, copy.final.text);
        copy.delivery = delivery_copy(&from[i].delivery, put_octets, c);
        if (to)
            to[i] = copy;
    }
    r->routes = to;
}

static void put_attempts(struct copier *c, struct result *r)
{
    const struct result_attempt *from = r->attempts;
    struct result_attempt *to = put(c, from, r->attempt_count * sizeof(*to));
    for (size_t i = 0; i < r->attempt_count; i++) {
        struct result_attempt copy = from[i];
        copy.failure = put_failure(c, copy.failure);
        copy.host = put_text(c, copy.host);
        copy.id = put_text(c, copy.id);
        copy.summary = put_text(c, copy.summary);
        if (to)
            to[i] = copy;
    }
    r->attempts = to;
}

static struct result copy_result(struct copier *c, const struct result *draft)
{
    struct result r = *draft;
    r.target = put_text(c, r.target);
    r.id = put_text(c, r.id);
    r.vantage = put_text(c, r.vantage);
    r.summary = put_text(c, r.summary);
    r.failure = put_failure(c, r.failure);
    r.last_ok.run = put_text(c, r.last_ok.run);
    r.host = put_text(c, r.host);
    r.peer_name = put_text(c, r.peer_name);
    r.claimed.proxy = put_text(c, r.claimed.proxy);
    r.claimed.xclient = put_text(c, r.claimed.xclient);
    r.claimed.as = put_text(c, r.claimed.as);
    r.claimed.by = put_text(c, r.claimed.by);
    r.tls = put_tls(c, r.tls);
    r.login = put_text(c, r.login);
    put_extensions(c, &r);
    put_commands(c, &r);
    put_routes(c, &r);
    put_attempts(c, &r);
    return r;
}

struct result *result_publish(const struct result *draft)
{
    struct copier sizing = {.used = aligned(sizeof(struct shared_result))};
    copy_result(&sizing, draft);

    struct copier c = {.base = mem_alloc(sizing.used), .used = aligned(sizeof(struct shared_result))};
    struct shared_result *shared = (struct shared_result *)(void *)c.base;
    shared->result = copy_result(&c, draft);
    assert(c.used == sizing.used);
    atomic_init(&shared->references, 1);
    shared->size = c.used;
    return &shared->result;
}

static struct shared_result *shared_of(struct result *r)
{
    return (struct shared_result *)(void *)((char *)r - offsetof(struct shared_result, result));
}

size_t result_size(const struct result *r)
{
    return shared_of((struct result *)r)->size;
}

struct result *result_ref(struct result *r)
{
    atomic_fetch_add_explicit(&shared_of(r)->references, 1, memory_order_relaxed);
    return r;
}

void result_unref(struct result *r)
{
    if (r && atomic_fetch_sub_explicit(&shared_of(r)->references, 1, memory_order_acq_rel) == 1)
        free(shared_of(r));
}

bool result_is_message(const struct result_command *c)
{
    return (c->phase == PHASE_MESSAGE || c->phase == PHASE_FINAL) && c->sent && strcmp(c->sent, ".") == 0;
}

const struct result_command *result_command_of(const struct result *r, enum phase phase)
{
    for (size_t i = r->command_count; i > 0; i--)
        if (r->commands[i - 1].phase == phase && r->commands[i - 1].replied)
            return &r->commands[i - 1];
    return NULL;
}
