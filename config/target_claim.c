/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a target claims to be: the parsers of proxy_protocol and xclient, and what must hold between them and
 * other keys. The values of XCLIENT are kept as Postfix wants them (its XCLIENT_README), IPv6 addresses with
 * their mark; xtext and the length of a line are probe/proto/xclient.c's.
 */
#include "config/target_claim.h"

#include "config/endpoint.h"
#include "config/scalar.h"
#include "config/target_check.h"
#include "probe/proto/xclient.h"

#include <string.h>
#include <strings.h>

/* the PROXY header */

void target_claim_proxy(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct target *t = slot;
    struct node *map = node_get(node->parent, node->key);
    if (!keys_is_map(l, map, row->expected))
        return;
    t->is.plan.proxy.wanted = true;
    keys_read(l, row->path, node, t);
}

void target_claim_version(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    int64_t version;
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    if (value_integer(text, 1, 2, &version) != 0)
        load_bad(l, node, "no such version", row->expected);
    else
        *(unsigned *)slot = (unsigned)version;
}

static const char *const commands[] = {"proxy", "local"};

void target_claim_command(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    int word = scalar_word(l, row, node, commands, 2);
    if (word >= 0)
        *(bool *)slot = word == 1;
}

void target_claim_source(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *text = scalar_read(l, row, node);
    const char *why = NULL;
    if (text && strchr(text, '%'))
        why = "a scope has no place in the header";
    else if (text)
        why = endpoint_literal(text, slot);
    if (why)
        load_bad(l, node, why, row->expected);
}

/* XCLIENT */

/* "[UNAVAILABLE]", which stands for a value that nobody knows. */
static bool is_unavailable(const char *text)
{
    return strcmp(text, "[UNAVAILABLE]") == 0;
}

/* As Postfix wants it: with its mark where it is IPv6. */
static const char *read_address(struct arena *a, const char *text, const char **value_r)
{
    char canonical[ADDRESS_TEXT_SIZE];
    struct address address;
    size_t mark = sizeof(XCLIENT_IPV6) - 1;
    bool is_marked = strncasecmp(text, XCLIENT_IPV6, mark) == 0;
    if (strchr(text, '%') || address_parse(is_marked ? text + mark : text, 0, &address) != 0 ||
        (is_marked && address_family(&address) != AF_INET6))
        return "not an IP address";
    address_text(&address, canonical);
    *value_r = arena_printf(a, "%s%s", address_family(&address) == AF_INET6 ? XCLIENT_IPV6 : "", canonical);
    return NULL;
}

/* What is wrong with a value that is no address. */
static const char *check_value(enum xclient x, const char *text)
{
    int64_t port;
    switch (x) {
    case XCLIENT_NAME:
        return strcmp(text, "[TEMPUNAVAIL]") == 0 || endpoint_is_host_name(text) ? NULL : "not a host name";
    case XCLIENT_PORT:
    case XCLIENT_DESTPORT:
        return value_integer(text, 1, UINT16_MAX, &port) == 0 ? NULL : "not a port";
    case XCLIENT_PROTO:
        return strcmp(text, "SMTP") == 0 || strcmp(text, "ESMTP") == 0 ? NULL : "neither SMTP nor ESMTP";
    case XCLIENT_HELO:
        return target_check_helo(text) ? NULL : "not 1 to 255 printable ASCII characters without spaces";
    default:
        return *text == '\0' ? "empty" : strlen(text) > SCALAR_MAX_TEXT ? "longer than 255 octets" : NULL;
    }
}

const char *target_claim_read(struct arena *a, enum xclient x, const char *text, const char **value_r)
{
    bool may_be_unknown = x != XCLIENT_PROTO && x != XCLIENT_HELO && x != XCLIENT_LOGIN;
    const char *why = NULL;
    if (may_be_unknown && is_unavailable(text)) {
        *value_r = arena_dup(a, text);
        return NULL;
    }
    if (x == XCLIENT_ADDR || x == XCLIENT_DESTADDR)
        return read_address(a, text, value_r);
    why = check_value(x, text);
    if (!why)
        *value_r = arena_dup(a, text);
    return why;
}

static void read_value(struct load *l, const struct keys_row *row, const struct node *node, enum xclient x,
                       void *slot)
{
    const char *text = scalar_read(l, row, node);
    const char *why = text ? target_claim_read(l->keep, x, text, slot) : NULL;
    if (why)
        load_bad(l, node, why, row->expected);
}

void target_claim_address(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    read_value(l, row, node, XCLIENT_ADDR, slot);
}

void target_claim_name(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    read_value(l, row, node, XCLIENT_NAME, slot);
}

void target_claim_port(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    read_value(l, row, node, XCLIENT_PORT, slot);
}

void target_claim_protocol(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const char *const words[] = {"SMTP", "ESMTP"};
    int word = scalar_word(l, row, node, words, 2);
    if (word >= 0)
        *(const char **)slot = words[word];
}

void target_claim_helo(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    read_value(l, row, node, XCLIENT_HELO, slot);
}

void target_claim_login(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    scalar_text(l, row, node, slot);
}

/* what must hold between keys */

static const struct node *said(const struct target *t, const char *path)
{
    const struct node *own = node_at(t->own, path);
    return own || !t->module ? own : node_at(t->module->own, path);
}

/* What the target says itself comes first. */
static const struct node *blame(const struct target *t, const char *path, const char *other)
{
    const struct node *node = node_at(t->own, path);
    if (!node)
        node = node_at(t->own, other);
    return node ? node : said(t, path);
}

static const char *family_of(const struct address *a)
{
    return address_family(a) == AF_INET ? "IPv4" : "IPv6";
}

/* The header names both ends, in one family. */
static void check_family(struct load *l, const struct target *t)
{
    static const char *const key = "proxy_protocol.source";
    const struct plan *plan = &t->is.plan;
    const struct address *source = &plan->proxy.source;
    struct address host;
    bool is_one = plan->family == FAMILY_IPV4 || plan->family == FAMILY_IPV6;
    if (is_one && (plan->family == FAMILY_IPV4) != (address_family(source) == AF_INET))
        load_error(l, blame(t, key, "family"), "proxy_protocol.source is an %s address, but family is %s",
                   family_of(source), family_name(plan->family));
    if (plan->host && address_parse(plan->host, 0, &host) == 0 &&
        address_family(&host) != address_family(source))
        load_error(l, blame(t, key, "address"),
                   "proxy_protocol.source is an %s address, but address (%s) is an %s one", family_of(source),
                   plan->host, family_of(&host));
    if (address_family(&plan->source) != AF_UNSPEC && address_family(&plan->source) != address_family(source))
        load_error(l, blame(t, key, "source"),
                   "proxy_protocol.source is an %s address, but source is an %s one", family_of(source),
                   family_of(&plan->source));
}

/* Whether the command that holds could be read; if not, its parser said so. */
static bool is_command_known(const struct target *t)
{
    const struct node *node = said(t, "proxy_protocol.command");
    return !node || (node->kind == NODE_SCALAR &&
                     (strcmp(node->text, commands[0]) == 0 || strcmp(node->text, commands[1]) == 0));
}

static void check_proxy(struct load *l, const struct target *t)
{
    const struct plan_proxy *proxy = &t->is.plan.proxy;
    const struct node *source = node_at(t->own, "proxy_protocol.source");
    if (proxy->local && source)
        load_error(l, source, "nothing is claimed where command is local");
    if (!proxy->local && address_family(&proxy->source) != AF_UNSPEC)
        check_family(l, t);
}

static void check_xclient(struct load *l, const struct target *t)
{
    const struct node *own = node_at(t->own, "xclient");
    if (own && own->kind == NODE_MAP && own->count == 0)
        load_bad(l, own, "empty", "one attribute or more");
    if (own && plan_has_xclient(&t->is.plan) && !xclient_command(l->scratch, &t->is.plan))
        load_error(l, own, "does not fit in one command (512 octets)");
}

void target_claim_check(struct load *l, const struct target *t)
{
    if (t->is.plan.proxy.wanted)
        check_proxy(l, t);
    check_xclient(l, t);
}

void target_claim_check_complete(struct load *l, const struct target *t)
{
    const struct plan_proxy *proxy = &t->is.plan.proxy;
    if (!proxy->wanted || proxy->local || said(t, "proxy_protocol.source") || !is_command_known(t))
        return;
    load_missing(l, said(t, "proxy_protocol"), "source",
                 keys_row("targets.*.proxy_protocol.source")->expected);
}
