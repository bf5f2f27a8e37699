/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must outlive a run: when a route last sent, and its last settled delivery, which stands while the next
 * one is under way. A route is told by its target's name and its own, and by what it wants.
 */
#include "server/memories.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <assert.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
    return strcmp(((const struct memory *)left)->key, ((const struct memory *)right)->key);
}

static struct memory *recall(const struct memories *memories, const char *key)
{
    struct memory wanted = {.key = key};
    struct memory **found = tfind(&wanted, &memories->tree, compare);

    return found != NULL ? *found : NULL;
}

static const char *key_of(struct arena *arena, const char *target, const char *route)
{
    return arena_printf(arena, "%s/%s", target, route);
}

struct memory *memories_recall(const struct memories *memories, const char *target, const char *route)
{
    struct arena scratch = {0};
    struct memory *m = recall(memories, key_of(&scratch, target, route));

    arena_free(&scratch);
    return m;
}

struct memory *memories_remember(struct memories *memories, const char *target, const char *route)
{
    struct arena scratch = {0};
    const char *key = key_of(&scratch, target, route);
    struct memory *m = recall(memories, key);

    if (m == NULL) {
        m = mem_alloc(sizeof *m);
        m->key = mem_dup(key);
        m->sent_us = CLOCK_NONE;
        m->wish_us = INT64_MIN;
        void *added = tsearch(m, &memories->tree, compare);
        assert(added != NULL);
    }
    arena_free(&scratch);
    return m;
}

static void memory_free(void *node)
{
    struct memory *m = node;

    free((char *)m->key);
    arena_free(&m->texts);
    free(m);
}

void memories_free(struct memories *memories)
{
    tdestroy(memories->tree, memory_free);
    memories->tree = NULL;
}

/* ---- one of them ---- */

static void *put(void *arena, const void *source, size_t size)
{
    return memcpy(arena_alloc(arena, size), source, size);
}

/* A message that came as wanted is never forgotten for a newer one that did not. */
static void note_good(struct memory *m, const struct delivery *d)
{
    if (d->ok && d->latency_us != CLOCK_NONE && d->sent_us >= m->wish_us &&
        (m->last_good_us == 0 || d->settled_us > m->last_good_us))
        m->last_good_us = d->settled_us;
}

void memory_keep(struct memory *m, const struct delivery *d)
{
    struct arena texts = {0};

    note_good(m, d);
    if (d->sent_us < m->wish_us || (m->last.state != ROUTE_NONE && m->last.sent_us > d->sent_us))
        return;
    m->last = delivery_copy(d, put, &texts);
    arena_free(&m->texts);
    m->texts = texts;
}

void memory_sent(struct memory *m, const char *token, int64_t data_us)
{
    if (m->sent_us != CLOCK_NONE && data_us < m->sent_us)
        return;
    m->sent_us = data_us;
    snprintf(m->newest, sizeof m->newest, "%s", token);
}

void memory_adopt(struct memory *m, uint64_t wish, int64_t now_us)
{
    if (m->wish == wish)
        return;
    m->wish = wish;
    m->wish_us = now_us;
    m->last.state = ROUTE_NONE;
    m->last_good_us = 0;
}

/* Of a message whose run had not ended nobody knows whether it was sent: it counts for the interval. One that
 * nobody answered for stays uncertain until more is known. */
void memory_restore(struct memory *m, const struct ledger_row *row)
{
    bool said = row->data_us != CLOCK_NONE;
    int64_t began_us = clock_mono_of(said ? row->data_us : row->opened_us);

    if (said)
        memory_adopt(m, row->wish, began_us);
    memory_sent(m, row->token, began_us);
    if (row->state == ROUTE_PENDING && row->reason != REASON_NONE)
        memory_keep(m, &(struct delivery){.state = ROUTE_UNCERTAIN,
                                          .phase = row->phase,
                                          .reason = row->reason,
                                          .run = row->run,
                                          .sent_us = clock_mono_of(row->sent_us),
                                          .settled_us = clock_mono_of(row->sent_us),
                                          .latency_us = CLOCK_NONE});
}

/* ---- wishes ---- */

static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211); /* FNV-1a */
    return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    return text != NULL ? mix(hash, text, strlen(text) + 1) : mix(hash, "\1", 1);
}

uint64_t memory_wish(const struct plan *plan, const struct plan_route *route)
{
    uint64_t hash = mix_text(UINT64_C(14695981039346656037), plan->host);

    hash = mix(hash, &plan->port, sizeof plan->port);
    hash = mix(hash, &plan->protocol, sizeof plan->protocol);
    hash = mix_text(mix_text(hash, route->from), route->mailbox);
    hash = mix_text(hash, route->bounce_mailbox);
    for (size_t i = 0; i < route->to_count; i++)
        hash = mix_text(hash, route->to[i]);
    hash = mix(hash, &route->expect, sizeof route->expect);
    hash = mix(hash, &route->at_final, sizeof route->at_final);
    hash = mix(hash, &route->reply_code, sizeof route->reply_code);
    hash = mix(hash, &route->reply_enhanced, sizeof route->reply_enhanced);
    hash = mix(hash, &route->message.hash, sizeof route->message.hash);
    hash = mix(hash, &route->message.octets, sizeof route->message.octets);
    hash = mix(hash, &route->dsn.notify, sizeof route->dsn.notify);
    hash = mix(hash, &route->dsn.ret, sizeof route->dsn.ret);
    hash = mix_text(hash, route->dsn.envid);
    return mix(hash, &route->deliver_within_us, sizeof route->deliver_within_us);
}
