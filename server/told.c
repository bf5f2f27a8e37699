/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list with what was asked for last in front. Among a delivery's octets are addresses of what it learned:
 * the same ones with other octets behind them are told apart by these, and the same octets at other addresses
 * are made once more, which does no harm.
 */
#include "server/told.h"

#include "probe/base/mem.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    struct result *of;
    struct result *made;
    size_t size;
    size_t way_len;
    char way[];
};

struct told {
    struct entry *first;
    size_t count;
    size_t bytes;
    size_t most;
};

static void drop(struct told *t, struct entry **at)
{
    struct entry *e = *at;

    *at = e->next;
    t->count--;
    t->bytes -= e->size;
    result_unref(e->of);
    result_unref(e->made);
    free(e);
}

static void drop_last(struct told *t)
{
    struct entry **at = &t->first;

    while ((*at)->next != NULL)
        at = &(*at)->next;
    drop(t, at);
}

static void put_in_front(struct told *t, struct entry *e)
{
    e->next = t->first;
    t->first = e;
}

struct result *told_recall(struct told *t, const struct result *of, struct span way)
{
    struct entry **at = &t->first;

    while (*at != NULL && ((*at)->of != of || (*at)->way_len != way.len ||
                           (way.len > 0 && memcmp((*at)->way, way.data, way.len) != 0)))
        at = &(*at)->next;
    if (*at == NULL)
        return NULL;
    struct entry *e = *at;
    *at = e->next;
    put_in_front(t, e);
    return result_ref(e->made);
}

void told_keep(struct told *t, struct result *of, struct span way, struct result *made)
{
    size_t size = sizeof(struct entry) + way.len + result_size(of) + result_size(made);

    if (size > TOLD_MOST_OF_ONE)
        return;
    while (t->count == TOLD_KEPT || t->bytes + size > t->most)
        drop_last(t);
    struct entry *e = mem_alloc(sizeof *e + way.len);
    e->of = result_ref(of);
    e->made = result_ref(made);
    e->size = size;
    e->way_len = way.len;
    if (way.len > 0)
        memcpy(e->way, way.data, way.len);
    put_in_front(t, e);
    t->count++;
    t->bytes += size;
}

static void *put(void *context, const void *source, size_t size)
{
    buffer_put(context, source, size);
    return NULL;
}

void told_put_delivery(struct buffer *way, const struct delivery *d)
{
    const int64_t values[] = {d->state,           d->ok,
                              d->phase,           d->reason,
                              d->sent_us,         d->settled_us,
                              d->within_us,       d->latency_us,
                              d->last_good_us,    d->run != NULL,
                              d->mailbox != NULL, d->found != NULL,
                              d->why != NULL,     d->evidence != NULL,
                              d->bounce != NULL};

    buffer_put(way, (const char *)values, sizeof values);
    buffer_put(way, (const char *)&d->flags, sizeof d->flags);
    delivery_copy(d, put, way);
}

struct told *told_new(unsigned loops)
{
    struct told *t = mem_alloc(sizeof *t);

    t->most = TOLD_MOST / loops > TOLD_MOST_OF_ONE ? TOLD_MOST / loops : TOLD_MOST_OF_ONE;
    return t;
}

void told_free(struct told *t)
{
    while (t != NULL && t->first != NULL)
        drop(t, &t->first);
    free(t);
}

size_t told_count(const struct told *t)
{
    return t->count;
}

size_t told_bytes(const struct told *t)
{
    return t->bytes;
}
