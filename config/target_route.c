/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes of a target: who writes to whom, and what must become of it. A list of routes stands or falls
 * as a whole: one in a target replaces that of its module. The dialogue that the routes need has to fit
 * into PLAN_MAX_COMMANDS.
 */
#include "config/target_route.h"

#include "config/envelope.h"
#include "config/scalar.h"
#include "config/target.h"

#include <string.h>

#define MAX_ROUTES PLAN_MAX_COMMANDS /* more can never fit, so they are not read */

void target_route_name(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    if (!load_name_is_good(text))
        load_bad(l, node, "not a usable name", row->expected);
    else
        *(const char **)slot = arena_dup(l->keep, text);
}

/* An address by one of the two checks, or null and an error. */
static const char *read_address(struct load *l, const struct keys_row *row, const struct node *node,
                                const char *(*check)(const char *))
{
    const char *text = scalar_read(l, row, node);
    const char *why = text ? check(text) : NULL;
    if (why)
        load_bad(l, node, why, row->expected);
    return text && !why ? arena_dup(l->keep, text) : NULL;
}

void target_route_from(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *from = read_address(l, row, node, envelope_check_from);
    if (from)
        *(const char **)slot = from;
}

void target_route_to(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct plan_route *route = slot;
    size_t items = load_items(l, node, row->expected, PLAN_MAX_COMMANDS);
    const char **list = arena_alloc(l->keep, items * sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < items; i++) {
        list[count] = read_address(l, row, load_item(node, i), envelope_check_to);
        if (list[count])
            count++;
    }
    route->to = list;
    route->to_count = count;
}

void target_route_expect(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const enum expect all[] = {EXPECT_ACCEPTED, EXPECT_REJECTED, EXPECT_DEFERRED};
    enum { COUNT = sizeof(all) / sizeof(all[0]) };
    const char *names[COUNT];
    unsigned set = 0;
    unsigned any = 0; /* what an entry that cannot be read may mean, so that reply is not blamed for it */
    for (size_t i = 0; i < COUNT; i++) {
        names[i] = expect_name(all[i]);
        any |= all[i];
    }
    size_t items = load_items(l, node, row->expected, COUNT);
    for (size_t i = 0; i < items; i++) {
        int word = scalar_word(l, row, load_item(node, i), names, COUNT);
        set |= word >= 0 ? all[word] : any;
    }
    *(unsigned *)slot = set ? set : any;
}

void target_route_at(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const char *const words[] = {"rcpt"};
    (void)slot; /* the only choice so far */
    scalar_word(l, row, node, words, 1);
}

/* code = ( "2" / "4" / "5" ) %x30-35 DIGIT (RFC 5321 section 4.2.1; 3yz decides no route) */
static bool is_code(const char *text)
{
    return strchr("245", text[0]) && text[0] && text[1] >= '0' && text[1] <= '5' && text[2] >= '0' &&
           text[2] <= '9';
}

/* reply = code [ SP enhanced-code ]: null, or what is wrong. */
static const char *parse_reply(const char *text, struct plan_route *route)
{
    struct enhanced enhanced = {0};
    size_t len;
    if (strlen(text) < 3 || !is_code(text))
        return "not a reply code that can decide a route (2xx, 4xx or 5xx)";
    if (text[3] != '\0') {
        struct span rest = span_of(text + 4);
        if (text[3] != ' ' || enhanced_parse(rest, &enhanced, &len) != 1 || len != rest.len)
            return "not an enhanced code of the form 5.1.1 after the code and one space";
        if (enhanced.class != text[0] - '0')
            return "the enhanced code is of another class than the code";
    }
    route->reply_code = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
    route->reply_enhanced = enhanced;
    return NULL;
}

void target_route_reply(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *text = scalar_read(l, row, node);
    const char *why = text ? parse_reply(text, slot) : NULL;
    if (why)
        load_bad(l, node, why, row->expected);
}

/* The answer that a reply of this code is. */
static enum expect meaning(int code)
{
    if (code < 300)
        return EXPECT_ACCEPTED;
    return code < 500 ? EXPECT_DEFERRED : EXPECT_REJECTED;
}

static void check_route(struct load *l, const struct node *node, struct plan_route *route, bool alone)
{
    static const char *const needed[] = {"from", "to"};
    const struct node *reply = node_get(node, "reply");
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        const char *row = arena_printf(l->scratch, "targets.*.routes[].%s", needed[i]);
        if (!node_get(node, needed[i]))
            load_missing(l, node, needed[i], keys_row(row)->expected);
    }
    if (!node_get(node, "name") && !alone)
        load_missing(l, node, "name", "one for each route where there are several");
    if (reply && route->reply_code && !(route->expect & meaning(route->reply_code)))
        load_error(l, reply, "can never come: a %d means %s, which expect does not allow", route->reply_code,
                   expect_name(meaning(route->reply_code)));
}

static void check_name(struct load *l, const struct node *node, const struct plan_route *routes, size_t count)
{
    const char *name = routes[count].name;
    for (size_t i = 0; name && i < count; i++)
        if (routes[i].name && strcmp(routes[i].name, name) == 0)
            load_error(l, node_get(node, "name"), "a route before it has this name already (found \"%s\")",
                       name);
}

static void read_route(struct load *l, const struct node *node, struct plan_route *routes, size_t count,
                       bool alone)
{
    struct plan_route *route = &routes[count];
    keys_defaults(l, "targets.*.routes[]", route);
    if (!load_is_map(l, node, "a map with name, from, to and expect"))
        return;
    keys_read(l, "targets.*.routes[]", node, route);
    check_route(l, node, route, alone);
    check_name(l, node, routes, count);
    if (!route->name)
        route->name = "route1";
}

/* EHLO, HELO and QUIT; for each route MAIL, a RCPT for each recipient, and RSET. */
static void check_commands(struct load *l, const struct node *node, const struct plan_route *routes,
                           size_t count)
{
    size_t recipients = 0;
    for (size_t i = 0; i < count; i++)
        recipients += routes[i].to_count;
    size_t commands = 3 + 2 * count + recipients;
    if (commands > PLAN_MAX_COMMANDS)
        load_error(l, node,
                   "too much for one connection: up to %zu commands (expected at most %d; routes: %zu, "
                   "recipients: %zu)",
                   commands, PLAN_MAX_COMMANDS, count, recipients);
}

void target_route_read_all(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct plan *plan = &((struct target *)slot)->is.plan;
    if (node->kind != NODE_LIST) {
        load_bad(l, node, "wrong kind of value", row->expected);
        return;
    }
    if (node->count > MAX_ROUTES) {
        load_error(l, node, "too many routes for one connection (expected at most %d, found %zu)", MAX_ROUTES,
                   node->count);
        return;
    }
    struct plan_route *routes = arena_alloc(l->keep, node->count * sizeof(*routes));
    for (size_t i = 0; i < node->count; i++)
        read_route(l, node->items[i], routes, i, node->count == 1);
    check_commands(l, node, routes, node->count);
    plan->routes = routes;
    plan->route_count = node->count;
}
