/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.probe_allow: who may be dialled for a caller who names the host himself. An entry is a network, an
 * address, a host name, or *.NAME for every name below it; what each admits is probe/allow.c's. A network
 * whose address goes on behind its length is refused: it is not clear which one was meant.
 *
 *   entry = address [ "/" length ] / name / "*." name
 */
#include "config/server_allow.h"

#include "config/endpoint.h"
#include "config/scalar.h"

#include <string.h>

#define MAX_ENTRIES 256
#define BITS_OF_V4  32
#define BITS_OF_V6  128

static bool looks_like_address(const char *text)
{
    return strchr(text, ':') || strchr(text, '/') || text[strspn(text, "0123456789.")] == '\0';
}

static unsigned bits_of(const struct address *a)
{
    return address_family(a) == AF_INET || IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr) ? BITS_OF_V4 : BITS_OF_V6;
}

/* Null, or what is wrong with it. */
static const char *read_net(struct load *l, const char *text, struct allow_net *net_r)
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    struct allow_net net;
    int64_t bits;
    if (strchr(text, '%') ||
        address_parse(arena_dup_span(l->scratch, (struct span){text, len}), 0, &net.network) != 0)
        return "not an IP address in its full form";
    net.bits = bits_of(&net.network);
    if (slash) {
        if (value_integer(slash + 1, 0, net.bits, &bits) != 0)
            return net.bits == BITS_OF_V4 ? "the length of the network is not a whole number from 0 to 32"
                                          : "the length of the network is not a whole number from 0 to 128";
        net.bits = (unsigned)bits;
    }
    if (allow_net_has_more(&net.network, net.bits))
        return "the address goes on behind the length of the network";
    *net_r = net;
    return NULL;
}

static const char *read_name(struct load *l, const char *text, const char **name_r)
{
    bool below = strncmp(text, "*.", 2) == 0;
    if (!endpoint_is_host_name(below ? text + 2 : text))
        return "not a network, an address, a host name or *.NAME";
    char *name = arena_dup(l->keep, below ? text + 1 : text);
    size_t len = strlen(name);
    if (name[len - 1] == '.')
        name[len - 1] = '\0';
    for (char *c = name; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    *name_r = name;
    return NULL;
}

/* The lists have room. */
static void add(struct load *l, const struct keys_row *row, const struct node *node, struct allow_net *nets,
                const char **names, struct allow *allow)
{
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    bool net = looks_like_address(text);
    const char *why =
        net ? read_net(l, text, &nets[allow->net_count]) : read_name(l, text, &names[allow->name_count]);
    if (why)
        load_bad(l, node, why, row->expected);
    else if (net)
        allow->net_count++;
    else
        allow->name_count++;
}

void server_allow(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    if (node->kind == NODE_LIST && node->count == 0)
        return;
    size_t items = load_items(l, node, row->expected, MAX_ENTRIES);
    struct allow_net *nets = arena_alloc(l->keep, (items + 1) * sizeof(*nets));
    const char **names = arena_alloc(l->keep, (items + 1) * sizeof(*names));
    struct allow allow = {.nets = nets, .names = names};
    for (size_t i = 0; i < items; i++)
        add(l, row, load_item(node, i), nets, names, &allow);
    *(struct allow *)slot = allow;
}
