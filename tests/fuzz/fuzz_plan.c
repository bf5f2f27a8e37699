/* SPDX-License-Identifier: Apache-2.0 */
/* The plans that the client is fuzzed with: each kind of route, limits that meet, letters of several shapes.
 */
#include "probe/base/clock.h"
#include "probe/proto/dialogue.h"
#include "probe/proto/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_login.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MOST_ROUTES  14
#define MOST_LETTER  (40 * 1024)

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TO(...)                                                                                              \
    .to = (const char *const[]){__VA_ARGS__}, .to_count = COUNT(((const char *const[]){__VA_ARGS__}))
#define ROUTES(...)                                                                                          \
    .routes = (const struct plan_route[]){__VA_ARGS__},                                                      \
    .route_count = COUNT(((const struct plan_route[]){__VA_ARGS__}))

/* No two routes of a plan have the same sender: it is how they are told apart on the wire. */
#define ACCEPTED                                                                                             \
    {                                                                                                        \
        .name = "in", .from = "probe@example.org", TO("www@example.org"), .expect = EXPECT_ACCEPTED          \
    }
#define REFUSED                                                                                              \
    {                                                                                                        \
        .name = "out", .from = "", TO("a@example.com", "b@example.com"),                                     \
        .expect = EXPECT_REJECTED | EXPECT_DEFERRED                                                          \
    }
#define CODED                                                                                                \
    {                                                                                                        \
        .name = "coded", .from = "c@example.org", TO("x@example.com"), .expect = EXPECT_REJECTED,            \
        .reply_code = 550, .reply_enhanced = {                                                               \
            5,                                                                                               \
            7,                                                                                               \
            1                                                                                                \
        }                                                                                                    \
    }
#define QUEUED                                                                                               \
    {                                                                                                        \
        .name = "queued", .from = "q@example.org", TO("www@example.org"), .expect = EXPECT_QUEUED            \
    }
#define QUEUED_TWO                                                                                           \
    {                                                                                                        \
        .name = "two", .from = "t@example.org", TO("www@example.org", A64 "@example.org"),                   \
        .expect = EXPECT_QUEUED                                                                              \
    }
#define DELIVERED                                                                                            \
    {                                                                                                        \
        .name = "delivered", .from = "", TO("www@example.org"), .expect = EXPECT_DELIVERED,                  \
        .mailbox = "local", .deliver_within_us = 60 * CLOCK_US_PER_S,                                        \
        .min_send_interval_us = 60 * CLOCK_US_PER_S                                                          \
    }
#define AT_FINAL                                                                                             \
    {                                                                                                        \
        .name = "at-final", .from = "f@example.org", TO("virus@example.org"),                                \
        .expect = EXPECT_REJECTED | EXPECT_DEFERRED, .at_final = true                                        \
    }

/* Its password and its token are one secret. */
#define LOGIN(named, ...)                                                                                    \
    {                                                                                                        \
        .wanted = true, .username = "probe", .mechanism = (named), __VA_ARGS__                               \
    }
#define ANY AUTH_MECHANISM_COUNT
#define LMTP_THREE                                                                                           \
    {                                                                                                        \
        .name = "three", .from = "l@example.org", TO("a@example.org", "b@example.org", "d@example.org"),     \
        .expect = EXPECT_QUEUED | EXPECT_REJECTED                                                            \
    }
#define LMTP_AT_FINAL                                                                                        \
    {                                                                                                        \
        .name = "any", .from = "m@example.org", TO("a@example.org", "b@example.org"),                        \
        .expect = EXPECT_DELIVERED | EXPECT_REJECTED | EXPECT_DEFERRED, .at_final = true, .mailbox = "local" \
    }
#define NEEDY                                                                                                \
    {                                                                                                        \
        .name = "needy", .from = "\xc3\xbc@example.org", TO("www@example.org"), .expect = EXPECT_QUEUED,     \
        .is_utf8 = true, .message = {.octets = 1000, .is_8bit = true}, .dsn = {                              \
            .notify = PLAN_NOTIFY_FAILURE | PLAN_NOTIFY_DELAY,                                               \
            .ret = PLAN_RET_HDRS,                                                                            \
            .envid = "a b"                                                                                   \
        }                                                                                                    \
    }
#define LARGE                                                                                                \
    {                                                                                                        \
        .name = "large", .from = "l@example.org", TO("www@example.org"),                                     \
        .expect = EXPECT_QUEUED | EXPECT_REJECTED, .message = {                                              \
            .octets = 100000                                                                                 \
        }                                                                                                    \
    }

/* The first have just so many routes; talks are played with those. Where a route sends, there is a letter. */
static const struct plan plans[] = {
    {.stop_after = PHASE_COUNT},
    {.stop_after = PHASE_COUNT, ROUTES(ACCEPTED)},
    {.stop_after = PHASE_COUNT, ROUTES(ACCEPTED, REFUSED)},
    {.stop_after = PHASE_COUNT, ROUTES(QUEUED)},
    {.stop_after = PHASE_COUNT, ROUTES(DELIVERED, ACCEPTED, AT_FINAL)},
    {.stop_after = PHASE_COUNT, ROUTES(CODED, QUEUED_TWO, DELIVERED)},
    {.stop_after = PHASE_RCPT, ROUTES(QUEUED_TWO, REFUSED)},
    {.stop_after = PHASE_MAIL, ROUTES(ACCEPTED, CODED)},
    {.stop_after = PHASE_BANNER, ROUTES(ACCEPTED)},
    {.stop_after = PHASE_DATA, ROUTES(QUEUED)},
    {.stop_after = PHASE_COUNT, ROUTES(QUEUED), .warn_duration_us = 1, .warn_us = {[PHASE_RCPT] = 1}},
    {.stop_after = PHASE_COUNT, ROUTES(ACCEPTED), .proxy = {.wanted = true, .version = 1}},
    {.stop_after = PHASE_COUNT, ROUTES(REFUSED), .xclient = {[XCLIENT_ADDR] = "198.51.100.4"}},
    {.stop_after = PHASE_COUNT,
     ROUTES(DELIVERED),
     .proxy = {.wanted = true, .version = 2},
     .xclient = {[XCLIENT_NAME] = "[UNAVAILABLE]", [XCLIENT_LOGIN] = "a=b"}},
    {.stop_after = PHASE_COUNT, .tls.mode = TLS_MODE_STARTTLS, ROUTES(ACCEPTED, REFUSED)},
    {.stop_after = PHASE_COUNT, .tls.mode = TLS_MODE_OPPORTUNISTIC, ROUTES(QUEUED)},
    {.stop_after = PHASE_COUNT, .tls.mode = TLS_MODE_IMPLICIT, ROUTES(DELIVERED, ACCEPTED)},
    {.stop_after = PHASE_TLS, .tls.mode = TLS_MODE_STARTTLS, ROUTES(ACCEPTED)},
    {.stop_after = PHASE_TLS, .tls.mode = TLS_MODE_IMPLICIT},
    {.stop_after = PHASE_COUNT,
     .tls.mode = TLS_MODE_STARTTLS,
     ROUTES(ACCEPTED),
     .proxy = {.wanted = true, .version = 2},
     .xclient = {[XCLIENT_ADDR] = "198.51.100.4"}},
    {.stop_after = PHASE_COUNT, .login = LOGIN(ANY, .allow_plaintext = true), ROUTES(ACCEPTED, REFUSED)},
    {.stop_after = PHASE_COUNT, .login = LOGIN(AUTH_XOAUTH2, .allow_plaintext = true)},
    {.stop_after = PHASE_COUNT,
     .login = LOGIN(ANY, .rejected = true, .allow_plaintext = true),
     ROUTES(QUEUED)},
    {.stop_after = PHASE_AUTH, .login = LOGIN(ANY, .has_certificate = true, .allow_plaintext = true)},
    {.stop_after = PHASE_COUNT,
     .tls.mode = TLS_MODE_STARTTLS,
     .login = LOGIN(ANY, .rejected = false),
     ROUTES(ACCEPTED)},
    {.stop_after = PHASE_COUNT, .tls.mode = TLS_MODE_OPPORTUNISTIC, .login = LOGIN(ANY, .rejected = true)},
    {.stop_after = PHASE_COUNT,
     .tls.mode = TLS_MODE_IMPLICIT,
     .login = LOGIN(AUTH_LOGIN, .rejected = false),
     ROUTES(ACCEPTED)},
    {.protocol = PROTOCOL_LMTP, .stop_after = PHASE_COUNT, ROUTES(LMTP_THREE)},
    {.protocol = PROTOCOL_LMTP, .stop_after = PHASE_COUNT, ROUTES(LMTP_AT_FINAL, REFUSED, LMTP_THREE)},
    {.protocol = PROTOCOL_LMTP, .stop_after = PHASE_COUNT, ROUTES(QUEUED_TWO, ACCEPTED)},
    {.stop_after = PHASE_COUNT, ROUTES(NEEDY, LARGE, ACCEPTED)},
    {.stop_after = PHASE_COUNT}, /* scripts */
    {.stop_after = PHASE_COUNT},
};

/* One as most are, one full of expectations. No two messages in one: it is told by its DATA. */
static const char *const scripts[FUZZ_SCRIPTS] = {
    "EHLO {{hostname}}\nMAIL FROM:<a@example.org>\nRCPT TO:<b@example.org>\nDATA\nSubject: x\n\n.dot\n.\n"
    "NOOP\nRSET\n",
    "< 220 mx\nEHLO x\n< 250\nAUTH LOGIN\n< 334\ncHJvYmU=\nc2VjcmV0\nMAIL FROM:<a@example.org>\n< 2xx\n"
    "RCPT TO:<b@example.com>\n< 5xx\nDATA\n< 354\n.\n< 550 5.7.1 no\nQUIT\n< 221\n",
};

_Static_assert(FUZZ_PLANS == COUNT(plans) + 1, "the last is the longest");

struct made {
    struct plan plan;
    struct plan_letter letters[MOST_ROUTES];
};

/* One is small and full of dots; one does not fit in one segment, and is in pieces that lie behind each
 * other. */
static struct plan_letter letter(size_t route)
{
    static struct arena forever;
    static struct span wires[2];
    static struct span rest[2];
    static char text[MOST_LETTER];

    if (!wires[0].data) {
        wires[0] = message_wire(&forever, span_of("Subject: dots\n\n.\n..\r\nQUIT\n.end"));
        for (size_t i = 0; i < sizeof(text); i++)
            text[i] = i % 78 == 77 ? '\n' : '.';
        wires[1] = message_wire(&forever, (struct span){text, sizeof(text)});
    }
    struct plan_letter made = {
        .token = "ehlod-0123456789abcdef0123456789abcdef0123456789abcdef",
        .message_id = "<ehlod-0123456789abcdef0123456789abcdef0123456789abcdef@client.example.org>",
        .wire = wires[route % COUNT(wires)]};
    if (route % COUNT(wires) == 1) {
        rest[0] = (struct span){made.wire.data + 1000, 1};
        rest[1] = (struct span){made.wire.data + 1001, made.wire.len - 1001};
        made.wire.len = 1000;
        made.rest = rest;
        made.rest_count = COUNT(rest);
    }
    return made;
}

/* Just as many commands as a plan may have: EHLO, HELO, QUIT; MAIL, one RCPT or two, and RSET for each route;
 * DATA and the message for five of them. */
static void make_many(struct made *m)
{
    static struct plan_route routes[MOST_ROUTES];
    static char from[MOST_ROUTES][16];

    for (size_t i = 0; i < MOST_ROUTES; i++) {
        routes[i] = i % 3 == 1 ? plans[5].routes[1] : plans[2].routes[i % 3 == 0 ? 0 : 1];
        snprintf(from[i], sizeof(from[i]), "%c@example.org", (char)('a' + i));
        routes[i].name = routes[i].from = from[i];
    }
    m->plan.routes = routes;
    m->plan.route_count = MOST_ROUTES;
    m->plan.stop_after = PHASE_COUNT;
}

static const struct secret *secret(void)
{
    static struct secret *forever;

    if (!forever)
        forever = secret_new(span_of(FUZZ_SECRET));
    return forever;
}

static const struct plan_script *script(size_t which)
{
    static struct arena forever;
    static const struct plan_script *made[FUZZ_SCRIPTS];
    const struct dialogue_order order = {.hostname = "client.example.org",
                                         .target = "mx1",
                                         .address = "mx1.example.org",
                                         .token = "ehlod-0123456789abcdef0123456789abcdef0123456789abcdef"};
    struct dialogue_mistakes mistakes = {0};

    if (!made[which])
        made[which] = dialogue_write(&forever, dialogue_read(&forever, span_of(scripts[which]), &mistakes),
                                     &order, &mistakes);
    fuzz_require(made[which] != NULL, "a script is good");
    return made[which];
}

const struct plan *fuzz_plan(uint8_t number)
{
    static struct made m;
    size_t which = number % FUZZ_PLANS;

    m.plan = which < COUNT(plans) ? plans[which] : (struct plan){.target = ""};
    if (m.plan.login.wanted)
        m.plan.login.password = m.plan.login.token = secret();
    m.plan.target = "mx1";
    m.plan.host = "mx1.example.org";
    m.plan.port = 25;
    m.plan.helo = "client.example.org";
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        m.plan.limits_us[l] = limit_default_us(l);
    address_parse("192.0.2.9", 4711, &m.plan.proxy.source);
    if (which == COUNT(plans))
        make_many(&m);
    else if (which >= COUNT(plans) - FUZZ_SCRIPTS)
        m.plan.script = script(which - (COUNT(plans) - FUZZ_SCRIPTS));
    for (size_t i = 0; i < m.plan.route_count; i++)
        m.letters[i] = plan_route_sends(&m.plan.routes[i]) ? letter(i) : (struct plan_letter){.token = NULL};
    m.plan.letters = m.letters;
    return &m.plan;
}
