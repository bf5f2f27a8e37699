/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A deep copy of what became of a message, for whoever shows it longer than the ledger keeps it. How much it
 * may be is bounded where it is made (evidence.h).
 */
#include "probe/delivery.h"

#include <string.h>

struct copier {
    delivery_put *put;
    void *context;
};

static void *put(const struct copier *c, const void *source, size_t size)
{
    return size ? c->put(c->context, source, size) : NULL;
}

static const char *put_text(const struct copier *c, const char *text)
{
    return text ? put(c, text, strlen(text) + 1) : NULL;
}

static const char *const *put_texts(const struct copier *c, const char *const *from, size_t count)
{
    const char **to = put(c, from, count * sizeof *to);

    for (size_t i = 0; i < count; i++) {
        const char *text = put_text(c, from[i]);
        if (to)
            to[i] = text;
    }
    return to;
}

static const struct evidence_hop *put_hops(const struct copier *c, const struct evidence *e)
{
    struct evidence_hop *to = put(c, e->hops, e->hop_count * sizeof *to);

    for (size_t i = 0; i < e->hop_count; i++) {
        struct evidence_hop hop = e->hops[i];
        hop.by = put_text(c, hop.by);
        hop.from = put_text(c, hop.from);
        hop.with = put_text(c, hop.with);
        if (to)
            to[i] = hop;
    }
    return to;
}

static const struct evidence_field *put_fields(const struct copier *c, const struct evidence *e)
{
    struct evidence_field *to = put(c, e->fields, e->field_count * sizeof *to);

    for (size_t i = 0; i < e->field_count; i++) {
        struct evidence_field field = {put_text(c, e->fields[i].name), put_text(c, e->fields[i].value)};
        if (to)
            to[i] = field;
    }
    return to;
}

static const struct evidence *put_evidence(const struct copier *c, const struct evidence *from)
{
    struct evidence *to = from ? put(c, from, sizeof *to) : NULL;

    if (!from)
        return NULL;
    struct evidence copy = *from;
    copy.hops = put_hops(c, from);
    copy.auth = put_texts(c, from->auth, from->auth_count);
    copy.fields = put_fields(c, from);
    copy.changes = put_texts(c, from->changes, from->change_count);
    if (to)
        *to = copy;
    return to;
}

static const struct bounce *put_bounce(const struct copier *c, const struct bounce *from)
{
    struct bounce *to = from ? put(c, from, sizeof *to) : NULL;

    if (!from)
        return NULL;
    struct bounce copy = {.action = put_text(c, from->action),
                          .status = put_text(c, from->status),
                          .diagnostic = put_text(c, from->diagnostic),
                          .recipient = put_text(c, from->recipient),
                          .reporter = put_text(c, from->reporter)};
    if (to)
        *to = copy;
    return to;
}

struct delivery delivery_copy(const struct delivery *from, delivery_put *put_octets, void *context)
{
    struct copier c = {put_octets, context};
    struct delivery d = *from;

    d.run = put_text(&c, from->run);
    d.mailbox = put_text(&c, from->mailbox);
    d.found = put_text(&c, from->found);
    d.why = put_text(&c, from->why);
    d.evidence = put_evidence(&c, from->evidence);
    d.bounce = put_bounce(&c, from->bounce);
    return d;
}
