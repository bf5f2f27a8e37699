/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets that are several runs: every host that takes the mail of a domain, every address. The parsers of
 * their keys, and what must hold. A target has one of mx and address: what it says itself goes before what
 * its module says of the other.
 */
#include "config/target_mx.h"

#include "config/endpoint.h"
#include "config/scalar.h"

#include <string.h>

/* "DOMAIN" or "DOMAIN:PORT": what is wrong with it, or null. */
static const char *parse(const char *text, struct arena *scratch, struct arena *keep, const char **domain_r,
                         uint16_t *port_r)
{
    const char *full = strchr(text, ':') ? text : arena_printf(scratch, "%s:%d", text, PLAN_SMTP_PORT);
    struct address literal;
    const char *domain;
    uint16_t port;
    const char *why = endpoint_host(full, scratch, &domain, &port);

    if (why)
        return why;
    if (address_parse(domain, 0, &literal) == 0)
        return "an IP address has no MX records";
    size_t len = strlen(domain);
    *domain_r = arena_dup_span(keep, (struct span){domain, len - (domain[len - 1] == '.')});
    *port_r = port;
    return NULL;
}

void target_mx(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct target *t = slot;
    struct plan *plan = &t->is.plan;
    const char *text = scalar_read(l, row, node);
    const char *why = text ? parse(text, l->scratch, l->keep, &plan->host, &plan->port) : NULL;

    if (why)
        load_bad(l, node, why, row->expected);
    plan->mx = true;
}

void target_mx_require(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *words[MX_REQUIRE_COUNT];
    for (int i = 0; i < MX_REQUIRE_COUNT; i++)
        words[i] = mx_require_name((enum mx_require)i);
    int word = scalar_word(l, row, node, words, MX_REQUIRE_COUNT);
    if (word >= 0)
        *(enum mx_require *)slot = (enum mx_require)word;
}

static bool is_module(const struct target *t)
{
    return strcmp(t->own->parent->key, "modules") == 0;
}

/* The key by which it itself makes them several; null: its module does. */
static const struct node *own_cause(const struct target *t)
{
    const struct node *mx = node_get(t->own, "mx");

    return mx || t->is.plan.family != FAMILY_EACH ? mx : node_get(t->own, "family");
}

/* One message is sent to one server; which one of several would be chance. */
static void check_sending(struct load *l, const struct target *t)
{
    const struct plan *plan = &t->is.plan;
    const struct node *routes = node_get(t->own, "routes");
    const struct node *blamed = routes ? routes : own_cause(t);

    for (size_t i = 0; blamed && i < plan->route_count; i++) {
        if (!plan_route_sends(&plan->routes[i]))
            continue;
        load_key_error(l, blamed,
                       "a message is sent to one address, and %s makes several runs (route %s sends one)",
                       plan->mx ? "mx" : "family: each", plan->routes[i].name ? plan->routes[i].name : "?");
        return;
    }
}

/* What stands behind MX records takes mail from others' servers. */
static void check_protocol(struct load *l, const struct target *t)
{
    const struct node *mx = node_get(t->own, "mx");
    const struct node *blamed = mx ? mx : node_get(t->own, "protocol");

    if (blamed && t->is.plan.mx && t->is.plan.protocol == PROTOCOL_LMTP)
        load_key_error(l, blamed, "MX hosts speak SMTP, and protocol is lmtp");
}

/* Whether the family that was said could be read; if not, its key's parser said so. */
static bool is_family_known(const struct target *t)
{
    const struct node *own = node_get(t->own, "family");
    const struct node *said = own || !t->module ? own : node_get(t->module->own, "family");

    return !said || (said->kind == NODE_SCALAR && strcmp(said->text, family_name(t->is.plan.family)) == 0);
}

void target_mx_check(struct load *l, const struct target *t)
{
    const struct node *require = node_get(t->own, "mx_require");

    if (node_get(t->own, "mx") && node_get(t->own, "address"))
        load_key_error(l, node_get(t->own, "mx"), "address is there too; a target has one of the two");
    if (require && !is_module(t) && !plan_is_several(&t->is.plan) && is_family_known(t))
        load_key_error(l, require, "there is but one run (it belongs to mx, and to family: each)");
    check_protocol(l, t);
    if (plan_is_several(&t->is.plan))
        check_sending(l, t);
}
