/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a route sends: the parsers of its keys, and its message made ready. A template is read here, once for
 * all routes that name its file, so that one that cannot be used is a mistake like any other, and so that a
 * large one is in memory once. What may stand in it is probe/proto/template.c's.
 */
#include "config/target_message.h"

#include "config/endpoint.h"
#include "config/path.h"
#include "config/scalar.h"
#include "probe/base/slurp.h"
#include "probe/base/text.h"
#include "probe/proto/command.h"
#include "probe/proto/template.h"

#include <string.h>

#define MAX_ENVID 100 /* octets, RFC 3461 section 5.4 */

/* A file that was read. */
struct load_template {
    const char *path;
    const struct template *template; /* null: it cannot be used, which was said */
    const struct node_origin *origin;
};

/* the file */

static void complain(struct load *l, const struct node_origin *origin, const struct node *node,
                     const struct template_mistakes *mistakes)
{
    for (size_t i = 0; i < mistakes->count; i++) {
        const struct template_mistake *m = &mistakes->list[i];
        const struct node_mark mark = {origin, m->line, 0};
        if (findings_wants(l->findings, FINDINGS_ERROR))
            findings_add(l->findings, FINDINGS_ERROR, &mark,
                         arena_printf(l->scratch, "%s: %s", node_path(l->scratch, node), m->text));
    }
}

static const struct load_template *find(const struct load *l, const char *path)
{
    for (size_t i = 0; i < l->template_count; i++)
        if (strcmp(l->templates[i].path, path) == 0)
            return &l->templates[i];
    return NULL;
}

static const struct load_template *read_file(struct load *l, const struct node *node, const char *path)
{
    static const struct slurp_kind kind = {"a message", TEMPLATE_MAX_FILE};
    struct arena file = {0}; /* the text is not kept beside what is made of it */
    struct template_mistakes mistakes = {.count = 0};
    struct node_origin *origin = arena_alloc(l->scratch, sizeof(*origin));
    struct span text;
    const char *why = slurp_file(path, &kind, &file, &text);

    *origin = (struct node_origin){.name = path, .is_named = true};
    l->templates = arena_grow(l->scratch, l->templates, l->template_count, sizeof(*l->templates));
    struct load_template *made = &l->templates[l->template_count++];
    *made = (struct load_template){.path = path, .origin = origin};
    if (why)
        load_error(l, node, "%s: %s", node_show(l->scratch, path), why);
    else
        made->template = template_read(l->keep, l->scratch, text, &mistakes);
    complain(l, origin, node, &mistakes);
    arena_free(&file);
    return made;
}

void target_message_file(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *path = NULL;
    scalar_text(l, row, node, &path);
    if (!path)
        return;
    path = path_resolve(l->keep, l->file, path);
    const struct load_template *read = find(l, path);
    if (!read)
        read = read_file(l, node, path);
    *(const struct template **)slot = read->template;
}

/* the other keys */

void target_message_size(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    int64_t octets;
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    if (value_size(text, &octets) != 0)
        load_bad(l, node, "not a size", row->expected);
    else if (octets < 1 || octets > (int64_t)TEMPLATE_MAX_PADDED)
        load_bad(l, node, octets ? "too large" : "too small", row->expected);
    else
        *(size_t *)slot = (size_t)octets;
}

void target_message_notify(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const enum plan_notify all[] = {PLAN_NOTIFY_NEVER, PLAN_NOTIFY_SUCCESS, PLAN_NOTIFY_FAILURE,
                                           PLAN_NOTIFY_DELAY};
    enum { COUNT = sizeof(all) / sizeof(all[0]) };
    const char *names[COUNT];
    unsigned set = 0;
    for (size_t i = 0; i < COUNT; i++)
        names[i] = plan_notify_name(all[i]);
    size_t items = load_items(l, node, row->expected, COUNT);
    for (size_t i = 0; i < items; i++) {
        int word = scalar_word(l, row, load_item(node, i), names, COUNT);
        set |= word >= 0 ? all[word] : 0;
    }
    if (set & PLAN_NOTIFY_NEVER && set != PLAN_NOTIFY_NEVER)
        load_error(l, node, "never goes with nothing else");
    *(unsigned *)slot = set;
}

void target_message_ret(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *const words[] = {plan_ret_name(PLAN_RET_FULL), plan_ret_name(PLAN_RET_HDRS)};
    int word = scalar_word(l, row, node, words, sizeof(words) / sizeof(words[0]));
    if (word >= 0)
        *(enum plan_ret *)slot = word == 0 ? PLAN_RET_FULL : PLAN_RET_HDRS;
}

void target_message_envid(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *text = NULL;
    scalar_text(l, row, node, &text);
    if (!text)
        return;
    if (!text_is_ascii(span_of(text)))
        load_bad(l, node, "not ASCII", row->expected);
    else if (strlen(command_xtext(l->scratch, text)) > MAX_ENVID)
        load_bad(l, node, "longer than 100 octets (spaces, + and = count three)", row->expected);
    else
        *(const char **)slot = text;
}

/* made ready */

static bool has_utf8(const struct plan_route *route)
{
    bool utf8 = !text_is_ascii(span_of(route->from));
    for (size_t i = 0; i < route->to_count; i++)
        utf8 = utf8 || !text_is_ascii(span_of(route->to[i]));
    return utf8;
}

/* All recipients in one text. */
static const char *join(struct arena *a, const struct plan_route *route)
{
    size_t len = 0;
    char *end, *list;
    for (size_t i = 0; i < route->to_count; i++)
        len += strlen(route->to[i]) + 2;
    list = end = arena_alloc(a, len + 1);
    for (size_t i = 0; i < route->to_count; i++) {
        if (i)
            end = stpcpy(end, ", ");
        end = stpcpy(end, route->to[i]);
    }
    return list;
}

static const char *const *values_of(struct load *l, const struct plan *plan, const struct plan_route *route)
{
    const char **values = arena_alloc(l->keep, TEMPLATE_NAME_COUNT * sizeof(*values));
    values[TEMPLATE_HOSTNAME] = plan->helo;
    values[TEMPLATE_FROM] = route->from;
    values[TEMPLATE_TO] = join(l->keep, route);
    values[TEMPLATE_TARGET] = plan->target;
    values[TEMPLATE_ROUTE] = route->name;
    values[TEMPLATE_ADDRESS] = target_address_text(l->keep, plan);
    return values;
}

static const struct node_origin *origin_of(const struct load *l, const struct template *template)
{
    for (size_t i = 0; i < l->template_count; i++)
        if (l->templates[i].template == template)
            return l->templates[i].origin;
    return NULL;
}

/* As many octets as its size says. */
static void pad(struct load *l, const struct node *node, struct plan_message *m)
{
    const struct node *said = node_get(node, "size");
    if (m->octets > m->size) {
        load_error(l, said ? said : node, "smaller than the message, which has %zu octets without padding",
                   m->octets);
        return;
    }
    if (!template_can_pad(m->size - m->octets)) {
        load_error(l, said ? said : node,
                   "the message has %zu octets without padding, and a single one cannot be added", m->octets);
        return;
    }
    if (!l->pad.len)
        l->pad = template_pad(l->keep);
    m->pad = l->pad;
    m->padding = m->size - m->octets;
    m->octets = m->size;
}

static void prepare(struct load *l, const struct node *node, const struct plan *plan,
                    struct plan_route *route)
{
    struct plan_message *m = &route->message;
    struct template_mistakes mistakes = {.count = 0};
    const struct node *said = node_get(node, "message");
    bool is_utf8 = false;

    route->is_utf8 = has_utf8(route);
    if (said && !m->template)
        return;
    if (!said && !m->size && !plan_route_sends(route))
        return;
    if (!said && !l->built_in)
        l->built_in = template_built_in(l->keep);
    if (!said)
        m->template = l->built_in;
    m->values = values_of(l, plan, route);
    if (template_check(l->scratch, m, &is_utf8, &mistakes) != 0) {
        const struct node_origin *origin = origin_of(l, m->template);
        complain(l, origin ? origin : node->mark.origin, said ? said : node, &mistakes);
        return;
    }
    route->is_utf8 = route->is_utf8 || is_utf8;
    if (m->size)
        pad(l, node, m);
}

void target_message_prepare(struct load *l, struct target *t)
{
    struct plan *plan = &t->is.plan;
    struct plan_route *routes = arena_alloc(l->keep, plan->route_count * sizeof(*routes));
    if (!plan->helo || !plan->host)
        return;
    if (plan->route_count)
        memcpy(routes, plan->routes, plan->route_count * sizeof(*routes));
    for (size_t i = 0; i < plan->route_count; i++)
        if (routes[i].from && routes[i].name)
            prepare(l, t->route_nodes[i], plan, &routes[i]);
    plan->routes = routes;
}
