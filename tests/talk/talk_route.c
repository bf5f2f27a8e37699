/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a talk says of its routes, and writes their letters. */
#include "tests/talk/talk_route.h"

#include "probe/proto/message.h"
#include "tests/talk/words.h"

#include <stdlib.h>
#include <string.h>

#define LETTER_LINE 64 /* octets of a line of a large letter */

/* Every way in which a line can end, and dots where a line begins. */
static const char small_letter[] = "Subject: a talk\r\n\n.a line with a dot\rand a bare CR before it\n.\n";

static const char *read_expect(struct arena *a, struct plan_route *route, char *value)
{
    char *save = NULL;

    route->expect = 0;
    for (char *word = strtok_r(value, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        unsigned found = 0;
        for (unsigned e = EXPECT_ACCEPTED; e <= EXPECT_LAST; e <<= 1)
            if (strcmp(word, expect_name((enum expect)e)) == 0)
                found = e;
        if (!found)
            return arena_printf(a, "unknown expectation: %s", word);
        route->expect |= found;
    }
    return NULL;
}

static void read_to(struct arena *a, struct plan_route *route, char *value)
{
    const char **to = NULL;
    char *save = NULL;

    for (char *word = strtok_r(value, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        to = arena_grow(a, to, route->to_count, sizeof(*to));
        to[route->to_count++] = word;
    }
    route->to = to;
}

static const char *read_reply(struct arena *a, struct plan_route *route, const char *value)
{
    size_t len;

    route->reply_code = atoi(value);
    if (strlen(value) > 4 && enhanced_parse(span_of(value + 4), &route->reply_enhanced, &len) != 1)
        return arena_printf(a, "no enhanced code: %s", value);
    return NULL;
}

static void read_notify(struct plan_route *route, char *value)
{
    char *save = NULL;

    for (char *word = strtok_r(value, ",", &save); word; word = strtok_r(NULL, ",", &save))
        for (unsigned n = PLAN_NOTIFY_NEVER; n <= PLAN_NOTIFY_DELAY; n <<= 1)
            if (strcmp(word, plan_notify_name((enum plan_notify)n)) == 0)
                route->dsn.notify |= n;
}

/* What the message needs of the server; whether the key is one of these. */
static bool read_need(struct plan_route *route, const char *key, char *value)
{
    if (strcmp(key, "octets") == 0)
        route->message.octets = strtoul(value, NULL, 10);
    else if (strcmp(key, "body") == 0)
        route->message.is_8bit = strcmp(value, "8bit") == 0;
    else if (strcmp(key, "utf8") == 0)
        route->is_utf8 = strcmp(value, "yes") == 0;
    else if (strcmp(key, "notify") == 0)
        read_notify(route, value);
    else if (strcmp(key, "ret") == 0)
        route->dsn.ret = strcmp(value, "full") == 0 ? PLAN_RET_FULL : PLAN_RET_HDRS;
    else if (strcmp(key, "envid") == 0)
        route->dsn.envid = value;
    else
        return false;
    return true;
}

static const char *read_key(struct arena *a, struct plan_route *route, const char **letter, const char *key,
                            char *value)
{
    if (!value)
        return arena_printf(a, "key=value is missing: %s", key);
    if (strcmp(key, "from") == 0)
        route->from = value;
    else if (strcmp(key, "to") == 0)
        read_to(a, route, value);
    else if (strcmp(key, "expect") == 0)
        return read_expect(a, route, value);
    else if (strcmp(key, "reply") == 0)
        return read_reply(a, route, value);
    else if (strcmp(key, "at") == 0 && strcmp(value, "final") == 0)
        route->at_final = true;
    else if (strcmp(key, "letter") == 0)
        *letter = value;
    else if (!read_need(route, key, value))
        return arena_printf(a, "unknown key or value: %s", key);
    return NULL;
}

/* So many octets on the wire, the lone dot not counted. */
static struct span large_letter(struct arena *a, size_t size)
{
    char *wire = arena_alloc(a, size + LETTER_LINE + 3);
    size_t len = 0;

    while (len < size) {
        memset(wire + len, 'x', LETTER_LINE - 2);
        memcpy(wire + len + LETTER_LINE - 2, "\r\n", 2);
        len += LETTER_LINE;
    }
    memcpy(wire + len, ".\r\n", 3);
    return (struct span){wire, len + 3};
}

/* In pieces, as the letters of templates are; they lie behind each other. */
static void cut(struct arena *a, struct plan_letter *letter)
{
    struct span *rest = arena_alloc(a, 3 * sizeof(*rest));
    const char *data = letter->wire.data;
    size_t len = letter->wire.len, third = len / 3;

    rest[0] = (struct span){data + third, 1};
    rest[1] = (struct span){data + third + 1, third};
    rest[2] = (struct span){data + 2 * third + 1, len - 2 * third - 1};
    *letter = (struct plan_letter){.token = letter->token,
                                   .message_id = letter->message_id,
                                   .wire = {data, third},
                                   .rest = rest,
                                   .rest_count = 3};
}

/* "64KiB", "5MiB", "none"; null is the small one. */
static const char *write_letter(struct arena *a, struct plan_letter *letter, const char *size)
{
    static const struct {
        const char *unit;
        size_t octets;
    } units[] = {{"KiB", 1024}, {"MiB", 1024 * 1024}};
    char *unit = NULL;
    size_t count = size ? strtoul(size, &unit, 10) : 0;

    if (size && strcmp(size, "none") == 0)
        return NULL;
    letter->token = "ehlod-000102030405060708090a0b0c0d0e0f1011121314151617";
    letter->message_id = "<ehlod-000102030405060708090a0b0c0d0e0f1011121314151617@client.example.org>";
    if (!size)
        letter->wire = message_wire(a, span_of(small_letter));
    for (size_t i = 0; size && i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(unit, units[i].unit) == 0)
            letter->wire = large_letter(a, count * units[i].octets);
    if (!letter->wire.len)
        return arena_printf(a, "no size of a letter: %s", size);
    cut(a, letter);
    return NULL;
}

static struct plan_route *add_route(struct arena *a, struct plan *plan, struct plan_letter **letter_r)
{
    struct plan_route *routes = arena_grow(a, (void *)plan->routes, plan->route_count, sizeof(*routes));
    struct plan_letter *letters = arena_grow(a, (void *)plan->letters, plan->route_count, sizeof(*letters));

    plan->routes = routes;
    plan->letters = letters;
    *letter_r = &letters[plan->route_count];
    **letter_r = (struct plan_letter){0};
    return &routes[plan->route_count++];
}

const char *talk_route_read(struct arena *a, struct talk *talk, char *rest)
{
    struct plan_letter *letter;
    struct plan_route *route = add_route(a, &talk->plan, &letter);
    const char *size = NULL, *wrong = NULL;

    *route = (struct plan_route){.from = "probe@example.org", .expect = EXPECT_ACCEPTED};
    route->name = words_next(a, &rest);
    for (char *word = words_next(a, &rest); word && !wrong; word = words_next(a, &rest)) {
        char *value = words_value(word);
        wrong = read_key(a, route, &size, word, value);
    }
    if (wrong)
        return wrong;
    if (!route->name || !route->to_count || !route->expect)
        return "a route needs a name, to and expect";
    return plan_route_sends(route) ? write_letter(a, letter, size) : NULL;
}

struct span talk_route_letter(const struct talk *talk, const char *name)
{
    for (size_t i = 0; i < talk->plan.route_count; i++)
        if (strcmp(talk->plan.routes[i].name, name) == 0)
            return (struct span){talk->plan.letters[i].wire.data, plan_letter_octets(&talk->plan.letters[i])};
    return (struct span){"", 0};
}
