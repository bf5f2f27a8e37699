/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets and the modules they build on: the parsers of their keys, and how a target comes to be from the
 * defaults, its module and what it says itself. What must hold between several keys or several targets is
 * target_check.c; routes are target_route.c, TLS is target_tls.c, and logging in is target_auth.c.
 */
#include "config/target.h"

#include "config/alike.h"
#include "config/endpoint.h"
#include "config/nearest.h"
#include "config/path.h"
#include "config/scalar.h"
#include "config/target_auth.h"
#include "config/target_check.h"
#include "config/target_claim.h"
#include "config/target_dialogue.h"
#include "config/target_message.h"
#include "config/target_tls.h"
#include "probe/base/clock.h"
#include "probe/proto/placeholder.h"

#include <stdlib.h>
#include <string.h>

static const struct target *find_module(const struct load *l, const char *name)
{
    size_t low = 0;
    size_t high = l->module_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, l->modules[middle].is.name);
        if (order == 0)
            return &l->modules[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* A guess costs a look at every module, so there is none where nobody would read it. */
static const char *nearest_module(struct load *l, const char *name)
{
    if (l->findings->error_count >= FINDINGS_SHOWN)
        return NULL;
    const char **names = arena_alloc(l->scratch, l->module_count * sizeof(*names));
    for (size_t i = 0; i < l->module_count; i++)
        names[i] = l->modules[i].is.name;
    return nearest(name, names, l->module_count);
}

/* The module itself was found before the other keys were read; here a wrong name is told. */
void target_module(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const struct target *t = slot;
    if (strcmp(t->own->parent->key, "modules") == 0) {
        load_key_error(l, node, "unknown key (a module builds on no other module)");
        return;
    }
    const char *name = scalar_read(l, row, node);
    if (name && !t->module)
        load_bad_guess(l, node, "no such module", row->expected, nearest_module(l, name));
}

/* unix:/path, the path as the system wants it; null, or what is wrong with it. */
static const char *read_path(struct load *l, const char *text, struct plan *plan)
{
    const char *path;
    const char *why = path_socket(l->scratch, l->file, text + strlen(ADDRESS_UNIX), &path);
    if (why)
        return why;
    plan->host = arena_printf(l->keep, ADDRESS_UNIX "%s", path);
    plan->port = 0;
    return NULL;
}

void target_address(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct plan *plan = &((struct target *)slot)->is.plan;
    const char *text = scalar_read(l, row, node);
    const char *why = NULL;
    if (text)
        why = address_is_path(text) ? read_path(l, text, plan)
                                    : endpoint_host(text, l->keep, &plan->host, &plan->port);
    if (why)
        load_bad(l, node, why, row->expected);
    plan->mx = false;
}

void target_family(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *names[FAMILY_COUNT];
    for (int i = 0; i < FAMILY_COUNT; i++)
        names[i] = family_name((enum family)i);
    int family = scalar_word(l, row, node, names, FAMILY_COUNT);
    if (family >= 0)
        *(enum family *)slot = (enum family)family;
}

void target_source(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *text = scalar_read(l, row, node);
    if (text && address_parse(text, 0, slot) != 0)
        load_bad(l, node, "not an IP address", row->expected);
}

void target_protocol(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *names[PROTOCOL_COUNT];
    for (int i = 0; i < PROTOCOL_COUNT; i++)
        names[i] = protocol_name((enum protocol)i);
    int protocol = scalar_word(l, row, node, names, PROTOCOL_COUNT);
    if (protocol >= 0)
        *(enum protocol *)slot = (enum protocol)protocol;
}

/* Known placeholders are filled in later, by the target; here they only have to be known. */
void target_helo(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const struct placeholder known[] = {{"hostname", "x"}, {"target", "x"}, {"address", "x"}};
    const char *why = NULL;
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    const char *sample = placeholder_fill(l->scratch, text, known, sizeof(known) / sizeof(known[0]), &why);
    if (!sample)
        load_bad(l, node, why, row->expected);
    else if (!target_check_helo(sample))
        load_bad(l, node, "not 1 to 255 printable ASCII characters without spaces", row->expected);
    else
        *(const char **)slot = arena_dup(l->keep, text);
}

void target_interval(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    int64_t us = CLOCK_NONE;
    scalar_duration(l, row, node, &us);
    if (us != CLOCK_NONE && us != 0 && us < CLOCK_US_PER_S)
        load_bad(l, node, "too short", row->expected);
    else if (us != CLOCK_NONE)
        *(int64_t *)slot = us;
}

void target_stop_after(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *names[PHASE_COUNT];
    size_t count = 0;
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        if (phase_is_timed(p))
            names[count++] = phase_name(p);
    int word = scalar_word(l, row, node, names, count);
    if (word >= 0)
        *(enum phase *)slot = phase_by_name(names[word]);
}

void target_defaults(struct load *l, struct target *t)
{
    *t = (struct target){.is.plan.stop_after = PHASE_COUNT, .is.plan.login.mechanism = AUTH_MECHANISM_COUNT};
    keys_defaults(l, "targets.*", t);
}

/* Reads what the map says over what is in t already. */
static void read_map(struct load *l, struct node *node, struct target *t)
{
    t->own = node;
    t->is.name = arena_dup(l->keep, node->key);
    load_check_key_name(l, node);
    if (keys_is_map(l, node, "a map of keys such as address and routes"))
        keys_read(l, "targets.*", node, t);
    target_check(l, t);
    target_claim_check(l, t);
}

static int compare_names(const void *left, const void *right)
{
    const struct target *a = left;
    const struct target *b = right;
    return strcmp(a->is.name, b->is.name);
}

void target_read_modules(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    (void)slot;
    if (!load_is_map(l, node, row->expected))
        return;
    struct target *modules = arena_alloc(l->scratch, node->count * sizeof(*modules));
    for (size_t i = 0; i < node->count; i++) {
        modules[i] = *l->defaults;
        read_map(l, node->items[i], &modules[i]);
    }
    qsort(modules, node->count, sizeof(*modules), compare_names);
    l->modules = modules;
    l->module_count = node->count;
}

static const struct target *module_of(const struct load *l, const struct node *node)
{
    const struct node *name = node_get(node, "module");
    return name && name->kind == NODE_SCALAR ? find_module(l, name->text) : NULL;
}

const char *target_address_text(struct arena *a, const struct plan *plan)
{
    struct address literal;
    const char *host = plan->host ? plan->host : "";
    if (address_is_path(host))
        return "localhost"; /* a Unix socket is on this machine */
    if (address_parse(host, 0, &literal) != 0)
        return host;
    return arena_printf(a, address_family(&literal) == AF_INET6 ? "[IPv6:%.*s]" : "[%.*s]",
                        (int)strcspn(host, "%"), host); /* a literal in mail has no scope */
}

/* The greeting of this target, all placeholders replaced. */
static void fill_helo(struct load *l, struct target *t)
{
    struct plan *plan = &t->is.plan;
    const char *why;
    const char *address = target_address_text(l->scratch, plan);
    struct placeholder known[] = {{"hostname", l->hostname}, {"target", t->is.name}, {"address", address}};
    const char *helo = placeholder_fill(l->keep, plan->helo, known, sizeof(known) / sizeof(known[0]), &why);
    if (!helo)
        load_key_error(l, t->own, "helo: %s", why);
    else if (!target_check_helo(helo))
        load_key_error(l, t->own,
                       "helo is not 1 to 255 printable ASCII characters without spaces (found \"%s\")",
                       node_show(l->scratch, helo));
    plan->helo = helo;
    t->is.dialogue_order.address = arena_dup(l->keep, address);
}

static void read_target(struct load *l, struct node *node, struct target *t)
{
    const struct target *module = module_of(l, node);
    *t = module ? *module : *l->defaults;
    t->module = module;
    t->is.module = module ? module->is.name : NULL;
    t->is.plan_hash = alike_hash(l, node, module ? module->own : NULL);
    read_map(l, node, t);
    if (node->kind == NODE_MAP) {
        target_check_complete(l, t);
        target_claim_check_complete(l, t);
    }
    fill_helo(l, t);
    target_dialogue_prepare(l, t);
    target_tls_prepare(l, t);
    target_auth_prepare(l, t);
    t->is.plan.target = t->is.name;
    target_message_prepare(l, t);
}

void target_read_all(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct snapshot *s = slot;
    if (!load_is_map(l, node, row->expected))
        return;
    struct target *targets = arena_alloc(l->scratch, node->count * sizeof(*targets));
    struct snapshot_target *keep = arena_alloc(l->keep, node->count * sizeof(*keep));
    for (size_t i = 0; i < node->count; i++) {
        read_target(l, node->items[i], &targets[i]);
        keep[i] = targets[i].is;
    }
    target_check_all(l, targets, node->count);
    s->targets = keep;
    s->target_count = node->count;
}
