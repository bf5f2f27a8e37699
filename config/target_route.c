/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes of a target: who writes to whom, and what must become of it. A list of routes stands or falls
 * as a whole: one in a target replaces that of its module. The dialogue that the routes need has to fit
 * into PLAN_MAX_COMMANDS.
 */
#include "config/target_route.h"

#include "config/envelope.h"
#include "config/nearest.h"
#include "config/scalar.h"
#include "config/target.h"

#include <string.h>

#define MAX_ROUTES PLAN_MAX_COMMANDS /* more can never fit, so they are not read */

/* The routes read so far. */
struct list {
    struct plan_route *routes;
    const struct node **nodes; /* where each was written */
    size_t count;
};

/* In a set of enum expect while it is read: an entry that is none may have meant any of them. */
#define UNREADABLE (EXPECT_LAST << 1)

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

/* An address by one of the two checks, as it is sent, or null and an error. */
static const char *read_address(struct load *l, const struct keys_row *row, const struct node *node,
                                const char *(*check)(const char *))
{
    const char *text = scalar_read(l, row, node);
    const char *why = text ? check(text) : NULL;
    if (why)
        load_bad(l, node, why, row->expected);
    return text && !why ? envelope_wire(l->keep, text) : NULL;
}

/* One address or a list of them: those that are good. */
static const char *const *read_addresses(struct load *l, const struct keys_row *row, const struct node *node,
                                         const char *(*check)(const char *), size_t *count_r)
{
    size_t items = load_items(l, node, row->expected, PLAN_MAX_COMMANDS);
    const char **list = arena_alloc(l->keep, items * sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < items; i++) {
        list[count] = read_address(l, row, load_item(node, i), check);
        if (list[count])
            count++;
    }
    *count_r = count;
    return list;
}

void target_route_from(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct target_route *route = slot;
    route->from = read_addresses(l, row, node, envelope_check_from, &route->from_count);
}

void target_route_to(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct plan_route *route = slot;
    route->to = read_addresses(l, row, node, envelope_check_to, &route->to_count);
}

void target_route_pairs(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const char *const words[] = {"each"};
    *(bool *)slot = scalar_word(l, row, node, words, 1) == 0;
}

void target_route_expect(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const enum expect all[] = {EXPECT_ACCEPTED, EXPECT_QUEUED, EXPECT_DELIVERED, EXPECT_REJECTED,
                                      EXPECT_DEFERRED};
    enum { COUNT = sizeof(all) / sizeof(all[0]) };
    const char *names[COUNT];
    unsigned set = 0;
    unsigned any = UNREADABLE; /* and all of them, so that no other key is blamed for it */
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
    static const char *const words[] = {"rcpt", "final"};
    int word = scalar_word(l, row, node, words, sizeof(words) / sizeof(words[0]));
    if (word >= 0)
        *(bool *)slot = word == 1;
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

/* A guess costs a look at every mailbox, so there is none where nobody would read it. */
static const char *nearest_mailbox(struct load *l, const char *name)
{
    if (l->findings->error_count >= FINDINGS_SHOWN)
        return NULL;
    return nearest(name, l->mailboxes, l->mailbox_count);
}

/* The table has the mailboxes before the targets, so they are known, wherever they stand in the file. */
void target_route_mailbox(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *name = scalar_read(l, row, node);
    for (size_t i = 0; name && i < l->mailbox_count; i++) {
        if (strcmp(l->mailboxes[i], name) == 0) {
            *(const char **)slot = l->mailboxes[i];
            return;
        }
    }
    if (name && !l->mailboxes_broken)
        load_bad_guess(l, node, "no such mailbox", row->expected, nearest_mailbox(l, name));
}

/* What a reply of this code can answer to; *name_r is it in a word. */
static unsigned meaning(int code, const char **name_r)
{
    if (code < 300) {
        *name_r = expect_name(EXPECT_ACCEPTED);
        return EXPECT_ACCEPTED | EXPECT_QUEUED | EXPECT_DELIVERED;
    }
    enum expect refusal = code < 500 ? EXPECT_DEFERRED : EXPECT_REJECTED;
    *name_r = expect_name(refusal);
    return refusal;
}

/* What the keys of a route demand of each other. An expect that cannot be read demands nothing. */
static void check_expect(struct load *l, const struct node *node, const struct plan_route *route)
{
    const char *means;
    const struct node *reply = node_get(node, "reply");
    if (reply && route->reply_code && !(route->expect & meaning(route->reply_code, &means)))
        load_error(l, reply, "can never come: a %d means %s, which expect does not allow", route->reply_code,
                   means);
    if (route->expect & UNREADABLE)
        return;
    if (route->at_final && !(route->expect & (EXPECT_REJECTED | EXPECT_DEFERRED)))
        load_error(l, node_get(node, "at"),
                   "final is where a refusal is looked for, and expect names neither rejected nor deferred");
    else if (route->at_final && (route->expect & EXPECT_ACCEPTED))
        load_error(l, node_get(node, "at"),
                   "nothing is sent where expect allows accepted, so no final reply can come");
    if (plan_route_is_delivered(route) && !node_get(node, "mailbox"))
        load_missing(l, node, "mailbox", "the name of a mailbox, since expect wants the message delivered");
}

static void check_route(struct load *l, const struct node *node, const struct plan_route *route, bool alone)
{
    static const char *const needed[] = {"from", "to"};
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        const char *row = arena_printf(l->scratch, "targets.*.routes[].%s", needed[i]);
        if (!node_get(node, needed[i]))
            load_missing(l, node, needed[i], keys_row(row)->expected);
    }
    if (!node_get(node, "name") && !alone)
        load_missing(l, node, "name", "one for each route where there are several");
    check_expect(l, node, route);
}

static void check_pairs(struct load *l, const struct node *node)
{
    const struct node *from = node_get(node, "from");
    if (from && from->kind == NODE_LIST && !node_get(node, "pairs"))
        load_error(l, from,
                   "a list of senders needs pairs: each, which makes a route of every sender with "
                   "every recipient");
}

/* A name that nobody has said is missing, or the only one. */
static void check_name(struct load *l, const struct node *node, const struct list *list, const char *name)
{
    const struct node *said = node_get(node, "name");
    for (size_t i = 0; said && i < list->count; i++)
        if (strcmp(list->routes[i].name, name) == 0)
            load_error(l, said, "a route before it has this name already (found \"%s\")", name);
}

static void add_route(struct load *l, const struct node *node, struct list *list,
                      const struct plan_route *route)
{
    check_name(l, node, list, route->name);
    list->routes = arena_grow(l->keep, list->routes, list->count, sizeof(*list->routes));
    list->nodes = arena_grow(l->scratch, list->nodes, list->count, sizeof(const struct node *));
    list->nodes[list->count] = node;
    list->routes[list->count++] = *route;
}

/* A route for every sender with every recipient, in that order. */
static void add_pairs(struct load *l, const struct node *node, struct list *list,
                      const struct target_route *from)
{
    size_t pairs = from->from_count * from->is.to_count;
    if (pairs > MAX_ROUTES) {
        load_error(l, node_get(node, "pairs"),
                   "too many routes for one connection (expected at most %d, found %zu)", MAX_ROUTES, pairs);
        return;
    }
    for (size_t i = 0; i < pairs; i++) {
        struct plan_route route = from->is;
        route.name = arena_printf(l->keep, "%s.%zu", from->is.name, i + 1);
        route.from = from->from[i / from->is.to_count];
        route.to = &from->is.to[i % from->is.to_count];
        route.to_count = 1;
        add_route(l, node, list, &route);
    }
}

static void read_route(struct load *l, const struct node *node, struct list *list, bool alone)
{
    struct target_route route = {0};
    keys_defaults(l, "targets.*.routes[]", &route);
    if (!load_is_map(l, node, "a map with name, from, to and expect"))
        return;
    keys_read(l, "targets.*.routes[]", node, &route);
    check_route(l, node, &route.is, alone);
    check_pairs(l, node);
    if (!route.is.name)
        route.is.name = "route1";
    if (route.each) {
        add_pairs(l, node, list, &route);
        return;
    }
    route.is.from = route.from_count ? route.from[0] : NULL;
    add_route(l, node, list, &route.is);
}

/* EHLO, HELO and QUIT; for each route MAIL, a RCPT for each recipient, and RSET; for a message DATA and its
 * end. */
static void check_commands(struct load *l, const struct node *node, const struct plan_route *routes,
                           size_t count)
{
    size_t recipients = 0;
    size_t messages = 0;
    for (size_t i = 0; i < count; i++) {
        recipients += routes[i].to_count;
        messages += plan_route_sends(&routes[i]);
    }
    size_t commands = 3 + 2 * count + recipients + 2 * messages;
    if (commands > PLAN_MAX_COMMANDS)
        load_error(l, node,
                   "too much for one connection: up to %zu commands (expected at most %d; routes: %zu, "
                   "recipients: %zu, messages: %zu)",
                   commands, PLAN_MAX_COMMANDS, count, recipients, messages);
}

void target_route_read_all(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    struct target *target = slot;
    struct plan *plan = &target->is.plan;
    if (node->kind != NODE_LIST) {
        load_bad(l, node, "wrong kind of value", row->expected);
        return;
    }
    if (node->count > MAX_ROUTES) {
        load_error(l, node, "too many routes for one connection (expected at most %d, found %zu)", MAX_ROUTES,
                   node->count);
        return;
    }
    struct list list = {0};
    for (size_t i = 0; i < node->count; i++)
        read_route(l, node->items[i], &list, node->count == 1);
    check_commands(l, node, list.routes, list.count);
    plan->routes = list.routes;
    plan->route_count = list.count;
    target->route_nodes = list.nodes;
}
