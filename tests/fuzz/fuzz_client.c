/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client against any server: it ends, with one verdict that can be shown; on the wire it says only what
 * it may say at that point. The first byte chooses the plan, the rest is what the server does.
 */
#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/conclude.h"
#include "probe/proto/client.h"
#include "probe/proto/proxy_header.h"
#include "probe/proto/xclient.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_login.h"

#include <stdio.h>
#include <string.h>

#define START_US INT64_C(1000000)

/* The dialogue as the server sees it. */
struct server {
    const struct plan *plan;
    struct client client;
    struct arena arena;
    struct result draft;
    char line[FUZZ_LONG_LINE + COMMAND_MAX_LINE];
    size_t len;
    size_t commands;
    size_t route; /* whose MAIL was heard last */
    bool data;    /* DATA was the last command */
    const struct fuzz_peer *peer;
    bool asked;        /* STARTTLS was said */
    bool heard_secure; /* a command came through TLS */
    char reply[4];     /* the start of what was said since the last command, empty lines aside */
    size_t reply_len;
    struct span body; /* what is still to be heard of a letter */
    char proxy[PROXY_HEADER_SIZE];
    struct span header; /* what is still to be heard of the PROXY header */
    struct fuzz_login login;
    bool looked;
};

static bool is_line(const char *line, const char *verb, const char *value, const char *end)
{
    char wanted[2 * COMMAND_MAX_LINE];
    int len = snprintf(wanted, sizeof(wanted), "%s%s%s", verb, value, end);
    /* behind an address there may be parameters */
    return strncmp(line, wanted, (size_t)len) == 0 && (line[len] == '\0' || (*end && line[len] == ' '));
}

/* Whether it is a line of the script, or the QUIT behind it. */
static bool is_written(const struct server *s)
{
    const struct plan_script *script = s->plan->script;

    for (size_t i = 0; i < script->count; i++)
        if (script->lines[i].wire.len == s->len &&
            memcmp(script->lines[i].wire.data, s->line, s->len - 2) == 0)
            return true;
    return strcmp(s->line, "QUIT") == 0;
}

static struct span letter_of(const struct server *s)
{
    const struct plan_script *script = s->plan->script;
    struct span letter = {"", 0};

    if (!script)
        return (struct span){s->plan->letters[s->route].wire.data,
                             plan_letter_octets(&s->plan->letters[s->route])};
    for (size_t i = 0; i < script->count; i++)
        if (script->lines[i].message.len)
            letter = script->lines[i].message;
    return letter;
}

/* Whether it is one of the commands that the plan has. */
static bool is_planned(struct server *s)
{
    static const char *const bare[] = {"DATA", "RSET", "QUIT", "STARTTLS"};

    if (s->plan->script)
        return is_written(s);

    for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++)
        if (strcmp(s->line, bare[i]) == 0)
            return true;
    bool challenged = s->reply_len == 3 && memcmp(s->reply, "334", 3) == 0;
    if (fuzz_login_is_line(&s->login, s->plan, s->line, challenged, s->peer->secured))
        return true;
    if (s->plan->protocol == PROTOCOL_LMTP
            ? is_line(s->line, "LHLO ", s->plan->helo, "")
            : is_line(s->line, "EHLO ", s->plan->helo, "") || is_line(s->line, "HELO ", s->plan->helo, ""))
        return true;
    if (plan_has_xclient(s->plan) && strcmp(s->line, xclient_command(&s->arena, s->plan)) == 0)
        return true;
    for (size_t i = 0; i < s->plan->route_count; i++) {
        const struct plan_route *route = &s->plan->routes[i];
        if (is_line(s->line, "MAIL FROM:<", route->from, ">")) {
            s->route = i;
            return true;
        }
        for (size_t k = 0; i == s->route && k < route->to_count; k++)
            if (is_line(s->line, "RCPT TO:<", route->to[k], ">"))
                return true;
    }
    return false;
}

/* What may be said where TLS is wanted, is up, or is not. */
static void check_tls(struct server *s)
{
    enum tls_mode mode = s->plan->tls.mode;
    bool by_starttls = mode == TLS_MODE_STARTTLS || mode == TLS_MODE_OPPORTUNISTIC;
    bool hello = strncmp(s->line, "EHLO ", 5) == 0 || strncmp(s->line, "HELO ", 5) == 0;
    bool quit = strcmp(s->line, "QUIT") == 0;

    if (strcmp(s->line, "STARTTLS") == 0) {
        fuzz_require(by_starttls && !s->asked, "STARTTLS is said once, by a plan that wants it");
        s->asked = true;
    } else if (mode == TLS_MODE_STARTTLS) {
        fuzz_require(s->peer->secured || hello || quit, "nothing is said before TLS but EHLO and QUIT");
    }
    if (mode == TLS_MODE_IMPLICIT)
        fuzz_require(s->peer->secured, "nothing is said before TLS");
    if (by_starttls && s->peer->secured && !s->heard_secure)
        fuzz_require((strncmp(s->line, "EHLO ", 5) == 0 || quit) && s->draft.extension_count == 0,
                     "in TLS all begins anew");
    s->heard_secure = s->peer->secured;
}

static void hear_command(struct server *s)
{
    fuzz_require(s->len >= 2 && s->line[s->len - 2] == '\r', "a command ends with CRLF");
    s->line[s->len - 2] = '\0';
    fuzz_require(strlen(s->line) == s->len - 2 && !strpbrk(s->line, "\r\n"), "a command is one line");
    fuzz_require(is_planned(s), "a command is one of the plan's");
    check_tls(s);
    size_t most = PLAN_MAX_COMMANDS + PLAN_SESSION_COMMANDS;
    if (s->plan->login.wanted)
        most += PLAN_AUTH_COMMANDS;
    fuzz_require(++s->commands <= most, "commands are limited");
    s->data = strcmp(s->line, "DATA") == 0;
    s->len = 0;
    s->reply_len = 0;
}

static void hear_body(struct server *s, char c)
{
    fuzz_require(*s->body.data == c, "a letter is sent as it is, and nothing instead of it");
    s->body.data++;
    s->body.len--;
}

static void hear(void *context, struct span bytes)
{
    struct server *s = context;

    for (size_t i = 0; i < bytes.len; i++) {
        if (s->header.len) {
            fuzz_require(*s->header.data == bytes.data[i], "the header comes first, and as it is");
            s->header.data++;
            s->header.len--;
            continue;
        }
        if (s->data && s->reply_len == 3 && memcmp(s->reply, "354", 3) == 0) {
            s->body = letter_of(s);
            fuzz_require(s->body.len > 0, "a letter is sent where there is one");
            s->data = false;
        }
        if (s->body.len) {
            hear_body(s, bytes.data[i]);
            continue;
        }
        fuzz_require(s->len < (s->login.heard ? FUZZ_LONG_LINE + 2 : COMMAND_MAX_LINE),
                     "a command line is not too long");
        s->line[s->len++] = bytes.data[i];
        if (bytes.data[i] == '\n')
            hear_command(s);
    }
}

/* Shows the run as it stands, as who waits no longer is shown it. */
static void look(struct server *s)
{
    struct arena a = {0};
    struct result draft = s->draft;

    client_finish(&s->client, &a, &draft, s->client.now_us, s->plan->limits_us[LIMIT_RUN]);
    conclude(&draft, s->plan, NULL, &a);
    struct result *result = result_publish(&draft);
    fuzz_result(result);
    result_unref(result);
    arena_free(&a);
}

static void say(void *context, struct span bytes)
{
    struct server *s = context;

    fuzz_login_said(&s->login, bytes);
    for (size_t i = 0; i < bytes.len && s->reply_len < 3; i++)
        if (s->reply_len || (bytes.data[i] != '\r' && bytes.data[i] != '\n'))
            s->reply[s->reply_len++] = bytes.data[i];
    if (s->commands == 4 && !s->looked) {
        s->looked = true;
        look(s);
    }
}

static void answer(void *context)
{
    struct server *s = context;

    fuzz_login_answer(&s->login, &s->client, s->peer->now_us);
}

static void begin(struct server *s, uint8_t number)
{
    fuzz_login_begin(&s->login);
    s->plan = fuzz_plan(number);
    s->draft = (struct result){.target = s->plan->target,
                               .id = "01JD9K00000000000000000000",
                               .vantage = "fra1",
                               .host = s->plan->host,
                               .port = s->plan->port,
                               .started_mono_us = START_US};
    address_parse("192.0.2.1", 25, &s->draft.peer);
    if (s->plan->proxy.wanted)
        s->header = (struct span){s->proxy, proxy_header_build(&s->plan->proxy, &s->draft.peer, s->proxy)};
    client_init(&s->client, s->plan, &s->arena, &s->draft, START_US);
    client_start(&s->client, START_US);
}

static struct result *play(uint8_t number, struct span input, size_t piece)
{
    struct server s = {0};
    struct fuzz_peer peer = {.seam = &client_seam,
                             .engine = &s.client,
                             .now_us = START_US,
                             .piece = piece,
                             .said = say,
                             .heard = hear,
                             .asked = answer,
                             .context = &s};

    s.peer = &peer;
    begin(&s, number);
    fuzz_play(&peer, input);
    client_finish(&s.client, &s.arena, &s.draft, peer.now_us, CLOCK_NONE);
    s.draft.ended_mono_us = peer.now_us;
    conclude(&s.draft, s.plan, NULL, &s.arena);
    struct result *result = result_publish(&s.draft);
    fuzz_login_check(&s.login, result);
    fuzz_login_end(&s.login);
    client_free(&s.client);
    arena_free(&s.arena);
    return result;
}

/* How many replies of the phase there are for the route; only those that take it, or all. */
static size_t count_replies(const struct result *r, size_t route, enum phase phase, bool taken)
{
    size_t count = 0;

    for (size_t i = 0; i < r->command_count; i++) {
        const struct result_command *c = &r->commands[i];
        count += c->route == (int)route && c->phase == phase && !c->unasked && c->reply_us != CLOCK_NONE &&
                 (!taken || c->reply.code / 100 == 2);
    }
    return count;
}

/* A message gets one reply, or in LMTP one for each recipient that was taken, and no more; where the route is
 * as wanted, all of them. */
static void check_finals(const struct result *r, const struct plan *plan)
{
    for (size_t i = 0; i < r->route_count; i++) {
        bool lmtp = plan->protocol == PROTOCOL_LMTP;
        size_t most = lmtp ? count_replies(r, i, PHASE_RCPT, true) : 1;
        size_t came = count_replies(r, i, PHASE_FINAL, false);
        bool good = r->routes[i].ok == TRI_TRUE && r->routes[i].sent_us != CLOCK_NONE;

        fuzz_require(came <= most, "a message has no more replies than recipients");
        fuzz_require(!good || came == most, "a route is good when all replies came");
        for (size_t k = 0; k < r->routes[i].recipient_count; k++)
            fuzz_require(!good || r->routes[i].recipients[k].ok == TRI_TRUE, "and each of them is");
    }
}

int fuzz_client(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    uint8_t number = fuzz_take(&input);
    struct result *whole = play(number, input, 0);
    struct result *cut = play(number, input, 1);

    fuzz_result(whole);
    check_finals(whole, fuzz_plan(number));
    fuzz_require(whole->status == cut->status && whole->flags == cut->flags &&
                     whole->failure.phase == cut->failure.phase &&
                     whole->failure.reason == cut->failure.reason &&
                     whole->failure.code == cut->failure.code && whole->command_count == cut->command_count,
                 "how a segment is cut changes no verdict");
    result_unref(whole);
    result_unref(cut);
    return 0;
}
