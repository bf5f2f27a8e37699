/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules as targets of their own, for /probe?module=. What can be read or tried before anybody asks is read
 * when the config is loaded, with a sample in the place of the address; what hangs on the address is done
 * when somebody does. Whether an address may be dialled at all is asked in one place, admit().
 */
#include "config/guest.h"

#include "config/endpoint.h"
#include "config/target.h"
#include "config/target_auth.h"
#include "config/target_check.h"
#include "config/target_claim.h"
#include "config/target_dialogue.h"
#include "config/target_message.h"
#include "config/target_tls.h"

#include <string.h>
#include <strings.h>

#define SAMPLE_HOST "mail.example.org"

/* The greeting; null and why not. */
static const char *fill_helo(struct arena *a, const char *helo, const char *hostname, const char *name,
                             const char *address, const char **why_r)
{
    const struct placeholder known[] = {{"hostname", hostname}, {"target", name}, {"address", address}};
    const char *filled = placeholder_fill(a, helo, known, sizeof(known) / sizeof(known[0]), why_r);
    if (filled && !target_check_helo(filled)) {
        *why_r = "the greeting (helo) is not 1 to 255 printable ASCII characters without spaces";
        return NULL;
    }
    return filled;
}

/* ---- when the config is loaded ---- */

static bool sends(const struct snapshot_target *t)
{
    bool sends = t->dialogue && dialogue_sends(t->dialogue);
    for (size_t i = 0; i < t->plan.route_count; i++)
        sends = sends || plan_route_sends(&t->plan.routes[i]);
    return sends && t->plan.stop_after >= PHASE_FINAL;
}

static void prepare(struct load *l, const struct target *module, struct snapshot_module *m)
{
    struct findings found = {0}, *told = l->findings;
    struct target t = *module;
    struct plan *plan = &t.is.plan;
    const char *why = NULL;
    m->helo = plan->helo;
    plan->host = SAMPLE_HOST;
    plan->port = PLAN_SMTP_PORT;
    plan->mx = false;
    plan->target = t.is.name;
    t.is.dialogue_order.address = SAMPLE_HOST;
    plan->helo = fill_helo(l->keep, m->helo, l->hostname, t.is.name, SAMPLE_HOST, &why);
    l->findings = &found;
    target_dialogue_prepare(l, &t);
    target_tls_prepare(l, &t);
    target_auth_prepare(l, &t);
    target_message_prepare(l, &t);
    target_claim_check_complete(l, &t);
    l->findings = told;
    m->is = t.is;
    if (!plan->helo)
        m->unfit = why;
    else if (found.error_count)
        m->unfit = arena_dup(l->keep, findings_first(&found));
    else if (sends(&t.is))
        m->unfit = "it sends messages, which only a target of the config may";
    findings_free(&found);
}

void guest_prepare(struct load *l, struct snapshot *s)
{
    struct snapshot_module *modules = arena_alloc(l->keep, l->module_count * sizeof(*modules));
    for (size_t i = 0; i < l->module_count; i++)
        prepare(l, &l->modules[i], &modules[i]);
    s->modules = modules;
    s->module_count = l->module_count;
}

/* ---- when somebody asks ---- */

static bool refuse(struct guest_refusal *refusal_r, const char *parameter, const char *why)
{
    *refusal_r = (struct guest_refusal){parameter, why};
    return false;
}

static bool is_of_config(const struct snapshot *s, const struct plan *plan)
{
    for (size_t i = 0; i < s->target_count; i++) {
        const struct plan *known = &s->targets[i].plan;
        if (!known->mx && known->port == plan->port && strcasecmp(known->host, plan->host) == 0)
            return true;
    }
    return false;
}

/* Whether its host may be dialled, as far as can be told before it is looked up. */
static bool admit(const struct snapshot *s, struct plan *plan)
{
    if (is_of_config(s, plan))
        return true;
    plan->allow = &s->probe_allow;
    return allow_has_host(plan->allow, plan->host);
}

static bool set_address(struct guest_refusal *refusal_r, const struct snapshot *base,
                        const struct guest_ask *ask, struct arena *keep, struct arena *a, struct plan *plan)
{
    const char *why = endpoint_host(ask->address, keep, &plan->host, &plan->port);
    if (why)
        return refuse(refusal_r, "target",
                      arena_printf(a,
                                   "The parameter target is neither the name of a target nor an address: %s "
                                   "(expected host:port).",
                                   why));
    if (!admit(base, plan))
        return refuse(refusal_r, "target",
                      arena_printf(a, "%s may not be dialled (server.probe_allow).", ask->address));
    return true;
}

static bool set_hostname(struct guest_refusal *refusal_r, const struct guest_ask *ask, struct arena *keep,
                         struct plan_tls *tls)
{
    struct address literal;
    if (!ask->hostname)
        return true;
    if (address_parse(ask->hostname, 0, &literal) != 0 && !endpoint_is_host_name(ask->hostname))
        return refuse(refusal_r, "hostname", "The parameter hostname is to be a host name or an IP address.");
    if (!tls->server_name)
        tls->server_name = arena_dup(keep, ask->hostname);
    return true;
}

/* What is good with one address need not be with another: a line of a dialogue may become too long. */
static bool try_dialogue(struct guest_refusal *refusal_r, const struct snapshot_target *t, struct arena *a)
{
    struct dialogue_order order = t->dialogue_order;
    struct dialogue_mistakes mistakes = {0};
    if (!t->dialogue)
        return true;
    target_dialogue_sample(&order);
    if (dialogue_write(a, t->dialogue, &order, &mistakes))
        return true;
    return refuse(refusal_r, "target",
                  arena_printf(a, "The dialogue of the module cannot be played with this address: %s.",
                               mistakes.list[0].text));
}

static bool fill(struct guest_refusal *refusal_r, const struct snapshot *base,
                 const struct snapshot_module *module, const struct guest_ask *ask, struct arena *keep,
                 struct arena *a, struct snapshot_target *t)
{
    struct plan *plan = &t->plan;
    const char *why;
    *t = module->is;
    t->tags = NULL;
    t->tag_count = 0;
    plan->own = base->own;
    plan->own_count = base->own_count;
    if (!set_address(refusal_r, base, ask, keep, a, plan) || !set_hostname(refusal_r, ask, keep, &plan->tls))
        return false;
    t->name = plan->target = arena_dup(keep, ask->address);
    t->dialogue_order.address = target_address_text(keep, plan);
    plan->helo = fill_helo(keep, module->helo, base->host_name, t->name, t->dialogue_order.address, &why);
    if (!plan->helo)
        return refuse(refusal_r, "target", arena_printf(a, "With this address %s.", why));
    t->dialogue_order.hostname = plan->helo;
    t->dialogue_order.target = t->name;
    return try_dialogue(refusal_r, t, a);
}

struct snapshot *guest_snapshot(struct snapshot *base, const struct guest_ask *ask, struct arena *arena,
                                struct guest_refusal *refusal_r)
{
    const struct snapshot_module *module = snapshot_module(base, ask->module);
    struct arena *keep;
    if (module->unfit) {
        refuse(
            refusal_r, "module",
            arena_printf(arena, "The module %s cannot be used by itself: %s.", ask->module, module->unfit));
        return NULL;
    }
    struct snapshot *s = snapshot_derive(base, &keep);
    if (fill(refusal_r, base, module, ask, keep, arena, (struct snapshot_target *)s->targets))
        return s;
    snapshot_unref(s);
    return NULL;
}
