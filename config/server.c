/* SPDX-License-Identifier: Apache-2.0 */
/* What the config says of the service itself: where it listens and what it answers when it cannot tell. */
#include "config/server.h"

#include "config/endpoint.h"
#include "config/scalar.h"

#define MAX_LISTEN 64

bool server_addresses_clash(const struct address *a, const struct address *b)
{
    if (address_port(a) != address_port(b) || address_family(a) != address_family(b))
        return false;
    return address_same_host(a, b) || address_is_wildcard(a) || address_is_wildcard(b);
}

/* One more address of the list, unless it is bad or clashes with those before it. */
static size_t add(struct load *l, const struct keys_row *row, const struct node *node, struct address *list,
                  size_t count)
{
    const char *text = scalar_read(l, row, node);
    const char *why = text ? endpoint_literal(text, &list[count]) : NULL;
    if (why)
        load_bad(l, node, why, row->expected);
    if (!text || why)
        return count;
    for (size_t i = 0; i < count; i++) {
        if (server_addresses_clash(&list[i], &list[count])) {
            load_error(l, node, "an address before it in this list takes this port already (found %s)",
                       node_found(l->scratch, node));
            return count;
        }
    }
    return count + 1;
}

void server_listen(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct snapshot *s = slot;
    size_t items = load_items(l, node, row->expected, MAX_LISTEN);
    if (items == 0)
        return;
    struct address *list = arena_alloc(l->keep, items * sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < items; i++)
        count = add(l, row, load_item(node, i), list, count);
    s->listen = list;
    s->listen_count = count;
}

void server_unknown_status(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    int64_t status;
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    if (value_integer(text, 200, 599, &status) != 0)
        load_bad(l, node, "not a usable status", row->expected);
    else
        *(int *)slot = (int)status;
}
