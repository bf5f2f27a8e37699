/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no single key can tell: limits that do not fit, a source that cannot reach the address, keys that have
 * no place with a Unix socket, names that differ only by case. A contradiction is blamed on the target where
 * it says one side of it itself, else on the module, at the module's own line, where any number of targets
 * makes it one mistake.
 */
#include "config/target_check.h"

#include "config/endpoint.h"
#include "config/target_mx.h"
#include "config/value.h"
#include "probe/base/clock.h"
#include "probe/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_HELO 255

bool target_check_helo(const char *text)
{
    size_t len = strlen(text);
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return false;
    return len >= 1 && len <= MAX_HELO;
}

static const struct node *module_said(const struct target *t, const char *path)
{
    return t->module ? node_at(t->module->own, path) : NULL;
}

/* What was said of the key, by the target or its module; null: nothing. */
static const struct node *said(const struct target *t, const char *path)
{
    const struct node *own = node_at(t->own, path);
    return own ? own : module_said(t, path);
}

/* Which of two keys that contradict each other to blame: what the target says itself comes first. */
static const struct node *blame(const struct target *t, const char *path, const char *other)
{
    const struct node *node = node_at(t->own, path);
    if (!node)
        node = node_at(t->own, other);
    return node ? node : said(t, path);
}

/* Whether the value that was said of a limit could be read; if not, its key's parser said so. */
static bool is_limit(const struct node *node)
{
    int64_t us;
    return node->kind == NODE_SCALAR && value_duration(node->text, &us) == 0 && us >= CLOCK_US_PER_MS;
}

static bool is_module(const struct target *t)
{
    return strcmp(t->own->parent->key, "modules") == 0;
}

static void check_limits(struct load *l, const struct target *t)
{
    const int64_t *limits = t->is.plan.limits_us;
    const char *run_key = limit_key(LIMIT_RUN);
    const struct node *run_said = said(t, run_key);
    if (!run_said && is_module(t)) /* its targets will say */
        return;
    if (run_said && !is_limit(run_said))
        return;
    for (int i = LIMIT_RUN + 1; i < LIMIT_COUNT; i++) {
        char limit[TEXT_DURATION_SIZE];
        char run[TEXT_DURATION_SIZE];
        const char *key = limit_key((enum limit)i);
        const struct node *limit_said = said(t, key);
        if (!limit_said || !is_limit(limit_said) || limits[i] <= limits[LIMIT_RUN])
            continue;
        text_duration(limits[i], limit);
        text_duration(limits[LIMIT_RUN], run);
        load_error(l, blame(t, key, run_key), "%s (%s) is longer than the whole run may take (%s is %s%s)",
                   key, limit, run_key, run, run_said ? "" : " by default");
    }
}

static void check_source(struct load *l, const struct target *t)
{
    static const char *const names[] = {[FAMILY_IPV4] = "IPv4", [FAMILY_IPV6] = "IPv6"};
    const struct plan *plan = &t->is.plan;
    struct address host;
    const struct node *source_said = said(t, "source");
    if (!source_said || source_said->kind != NODE_SCALAR || address_parse(source_said->text, 0, &host) != 0)
        return;
    enum family source = address_family(&plan->source) == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;
    if ((plan->family == FAMILY_IPV4 || plan->family == FAMILY_IPV6) && plan->family != source)
        load_error(l, blame(t, "source", "family"), "source is an %s address, but family is %s",
                   names[source], family_name(plan->family));
    if (plan->host && address_parse(plan->host, 0, &host) == 0 &&
        address_family(&host) != address_family(&plan->source))
        load_error(l, blame(t, "source", "address"),
                   "source is an %s address, which cannot reach address (%s)", names[source], plan->host);
}

static bool is_family(const struct node *node, enum family family)
{
    return node && node->kind == NODE_SCALAR && strcmp(node->text, family_name(family)) == 0;
}

/* An address that is none of the family could never be dialled. */
static void check_family(struct load *l, const struct target *t)
{
    enum family family = t->is.plan.family;
    const struct node *address = said(t, "address");
    struct address literal;
    const char *host;
    uint16_t port;
    if (t->is.plan.mx || (family != FAMILY_IPV4 && family != FAMILY_IPV6) ||
        !is_family(said(t, "family"), family) || !address || address->kind != NODE_SCALAR ||
        endpoint_host(address->text, l->scratch, &host, &port) || address_parse(host, 0, &literal) != 0)
        return;
    enum family its = address_family(&literal) == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;
    if (its != family)
        load_error(l, blame(t, "family", "address"), "address is an %s address, but family is %s",
                   its == FAMILY_IPV4 ? "IPv4" : "IPv6", family_name(family));
}

/* Of two keys that have no place together: the one that has none with a Unix socket, and address. */
static void refuse_with_path(struct load *l, const struct target *t, const char *key, const char *why)
{
    load_error(l, blame(t, key, "address"), "address is a Unix socket, %s", why);
}

/* A path has no family and no local address, and its name is none that a certificate could be for. What a
 * module leaves unsaid its targets may say. */
static void check_path(struct load *l, const struct target *t)
{
    const struct plan *plan = &t->is.plan;
    const struct node *address = said(t, "address"), *source = said(t, "source"), *family = said(t, "family");
    struct address literal;
    if (!plan->host || !address_is_path(plan->host) || address->kind != NODE_SCALAR ||
        !address_is_path(address->text))
        return;
    if (source && source->kind == NODE_SCALAR && address_parse(source->text, 0, &literal) == 0)
        refuse_with_path(l, t, "source", "which is not dialled from a source address");
    if (plan->family != FAMILY_ANY && is_family(family, plan->family))
        refuse_with_path(l, t, "family",
                         arena_printf(l->scratch, "but family is %s", family_name(plan->family)));
    if (!is_module(t) && plan->proxy.wanted && !plan->proxy.local)
        refuse_with_path(l, t, "proxy_protocol",
                         "of which proxy_protocol cannot speak (but with command: local)");
    if (!is_module(t) && plan->tls.mode != TLS_MODE_OFF && !said(t, "tls_config.server_name") &&
        !plan->tls.insecure_skip_verify)
        refuse_with_path(l, t, "tls",
                         "so tls needs tls_config.server_name: whom the certificate must be for");
}

void target_check(struct load *l, const struct target *t)
{
    check_limits(l, t);
    check_source(l, t);
    check_family(l, t);
    check_path(l, t);
    target_mx_check(l, t);
}

void target_check_complete(struct load *l, const struct target *t)
{
    bool module_unknown = !t->module && node_get(t->own, "module");
    bool module_broken = t->module && t->module->own->kind != NODE_MAP;
    if (!said(t, "address") && !said(t, "mx") && !module_unknown && !module_broken)
        load_missing(l, t->own, "address",
                     arena_printf(l->scratch, "%s; or mx", keys_row("targets.*.address")->expected));
}

/* In the order written where the names are the same but for case. */
static int compare_names(const void *left, const void *right)
{
    const struct target *a = *(const struct target *const *)left;
    const struct target *b = *(const struct target *const *)right;
    int order = strcasecmp(a->is.name, b->is.name);
    return order ? order : (a > b) - (a < b);
}

/* Where a target's connection ends, in one spelling. */
struct end {
    const char *host;
    uint16_t port;
    const struct target *target;
};

static int compare_ends(const struct end *a, const struct end *b)
{
    bool paths = address_is_path(a->host) && address_is_path(b->host);
    int order = paths ? strcmp(a->host, b->host) : strcasecmp(a->host, b->host);
    return order ? order : (a->port > b->port) - (a->port < b->port);
}

/* In the order written where the ends are the same. */
static int order_ends(const void *left, const void *right)
{
    const struct end *a = left;
    const struct end *b = right;
    int order = compare_ends(a, b);
    return order ? order : (a->target > b->target) - (a->target < b->target);
}

/* An IP address can be written in many ways, and a dot at the end of a name changes nothing but the search.
 */
static const char *spell_host(struct arena *a, const char *host)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address literal;
    size_t len = strlen(host);
    if (address_is_path(host))
        return host;
    if (address_parse(host, 0, &literal) == 0) {
        address_text(&literal, text);
        return arena_dup(a, text);
    }
    return arena_dup_span(a, (struct span){host, len - (host[len - 1] == '.')});
}

static void check_names(struct load *l, const struct target **sorted, size_t count)
{
    qsort(sorted, count, sizeof(*sorted), compare_names);
    for (size_t i = 1; i < count; i++)
        if (strcasecmp(sorted[i - 1]->is.name, sorted[i]->is.name) == 0)
            load_key_error(l, sorted[i]->own, "differs only by case from target %s",
                           node_show(l->scratch, sorted[i - 1]->is.name));
}

static void check_ends(struct load *l, const struct target *targets, size_t count)
{
    struct end *ends = arena_alloc(l->scratch, count * sizeof(*ends));
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        const struct plan *plan = &targets[i].is.plan;
        if (plan->host && !plan->mx) /* a domain may be checked in several ways */
            ends[known++] = (struct end){spell_host(l->scratch, plan->host), plan->port, &targets[i]};
    }
    qsort(ends, known, sizeof(*ends), order_ends);
    for (size_t i = 1, first = 0; i < known; i++) {
        if (compare_ends(&ends[first], &ends[i]) == 0)
            load_key_warning(l, ends[i].target->own, "has the same %s as target %s",
                             address_is_path(ends[i].host) ? "address" : "host and port",
                             node_show(l->scratch, ends[first].target->is.name));
        else
            first = i;
    }
}

void target_check_all(struct load *l, const struct target *targets, size_t count)
{
    const struct target **sorted = arena_alloc(l->scratch, count * sizeof(*sorted));
    for (size_t i = 0; i < count; i++)
        sorted[i] = &targets[i];
    check_names(l, sorted, count);
    check_ends(l, targets, count);
}
