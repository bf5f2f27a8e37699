/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the views stable? Results made by hand, each shown in every view and compared byte for byte with
 * tests/golden/NAME.{json,health,txt,nagios,prom}. EHLOD_GOLDEN_UPDATE=1 writes the files anew: read the diff
 * before you commit it. JSON is parsed back too. Runs from the root of the tree.
 */
#include "probe/base/clock.h"
#include "probe/plan.h"
#include "server/render/health.h"
#include "server/render/render.h"
#include "tests/unit/server/render/golden.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ENDED_US     INT64_C(500012412)
#define NOW_US       (ENDED_US + 437 * CLOCK_US_PER_MS)
#define STARTED_US   INT64_C(1795400704123456) /* 2026-11-23T02:25:04.123456Z */

/* building blocks */

static struct address address(const char *literal, uint16_t port)
{
    struct address a = {0};
    assert_int_equal(address_parse(literal, port, &a), 0);
    return a;
}

static struct result base(const char *target, const char *id)
{
    struct result r = {
        .status = STATUS_PASS,
        .target = target,
        .id = id,
        .vantage = "fra1",
        .started_wall_us = STARTED_US,
        .started_mono_us = ENDED_US - 12412,
        .ended_mono_us = ENDED_US,
        .duration_us = 12412,
        .host = "mx1.example.org",
        .port = 25,
    };
    r.failure.limit_us = r.failure.elapsed_us = CLOCK_NONE;
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        r.timing_us[p] = CLOCK_NONE;
    return r;
}

static void connected(struct result *r)
{
    r->peer = address("192.0.2.1", 25);
    r->local = address("192.0.2.7", 51514);
    r->peer_name = "mx1.example.org";
    r->timing_us[PHASE_DNS] = 210;
    r->timing_us[PHASE_CONNECT] = 350;
}

/* timing_us as a run sums it. */
static void sum_up(struct result *r, const struct result_command *commands, size_t count)
{
    r->commands = commands;
    r->command_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct result_command *c = &commands[i];
        int64_t *sum = &r->timing_us[c->phase];
        int64_t end = c->reply_us == CLOCK_NONE ? c->at_us + r->failure.elapsed_us : c->reply_us;
        *sum = (*sum == CLOCK_NONE ? 0 : *sum) + end - c->at_us;
    }
}

#define LINES(...)                                                                                           \
    .lines = (const char *const[]){__VA_ARGS__}, .line_count = COUNT(((const char *const[]){__VA_ARGS__}))
#define TIMES(at, first, reply_at) .at_us = (at), .first_byte_us = (first), .reply_us = (reply_at)

static const struct result_command banner = {.phase = PHASE_BANNER,
                                             .route = -1,
                                             TIMES(560, 1700, 1760),
                                             .replied = true,
                                             .reply = {.code = 220, LINES("mx1.example.org ESMTP Postfix")},
                                             .expected = "220",
                                             .ok = true};
static const struct result_command ehlo = {.phase = PHASE_EHLO,
                                           .route = -1,
                                           .sent = "EHLO fra1.example.org",
                                           TIMES(1790, 2180, 2190),
                                           .replied = true,
                                           .reply = {.code = 250,
                                                     LINES("mx1.example.org", "PIPELINING", "SIZE 10240000",
                                                           "AUTH PLAIN LOGIN", "ENHANCEDSTATUSCODES")},
                                           .expected = "250",
                                           .ok = true};
static const struct result_command mail = {.phase = PHASE_MAIL,
                                           .route = 0,
                                           .sent = "MAIL FROM:<probe@example.org>",
                                           TIMES(2210, 2500, 2510),
                                           .replied = true,
                                           .reply = {.code = 250, .enhanced = {2, 1, 0}, LINES("2.1.0 Ok")},
                                           .expected = "2xx",
                                           .ok = true};
static const struct result_command rcpt = {.phase = PHASE_RCPT,
                                           .route = 0,
                                           .sent = "RCPT TO:<www@example.org>",
                                           TIMES(2530, 3420, 3430),
                                           .replied = true,
                                           .reply = {.code = 250, .enhanced = {2, 1, 5}, LINES("2.1.5 Ok")},
                                           .expected = "2xx",
                                           .ok = true};
static const struct result_command rset = {.phase = PHASE_RSET,
                                           .route = 0,
                                           .sent = "RSET",
                                           TIMES(3450, 3600, 3600),
                                           .replied = true,
                                           .reply = {.code = 250, .enhanced = {2, 0, 0}, LINES("2.0.0 Ok")},
                                           .expected = "250",
                                           .ok = true};
static const struct result_command quit = {.phase = PHASE_QUIT,
                                           .route = -1,
                                           .sent = "QUIT",
                                           TIMES(12500, 12700, 12700),
                                           .replied = true,
                                           .reply = {.code = 221, .enhanced = {2, 0, 0}, LINES("2.0.0 Bye")},
                                           .expected = "221",
                                           .ok = true};

static const struct result_extension extensions[] = {
    {"PIPELINING", ""}, {"SIZE", "10240000"}, {"AUTH", "PLAIN LOGIN"}, {"ENHANCEDSTATUSCODES", ""}};

static const struct result_recipient www_ok = {
    .to = "www@example.org", .code = 250, .enhanced = {2, 1, 5}, .text = "Ok", .ok = TRI_TRUE};

static const struct result_route inbound = {.name = "inbound",
                                            .from = "probe@example.org",
                                            .expect = EXPECT_ACCEPTED,
                                            .state = ROUTE_ACCEPTED,
                                            .ok = TRI_TRUE,
                                            .recipients = &www_ok,
                                            .recipient_count = 1};

/* the cases */

static struct result *pass(void)
{
    struct result_command commands[9];
    const struct result_recipient refused = {.to = "victim@example.com",
                                             .code = 454,
                                             .enhanced = {4, 7, 1},
                                             .text = "<victim@example.com>: Relay access denied",
                                             .ok = TRI_TRUE};
    struct result_route routes[2];
    struct result r = base("mx1", "01JD9K0000PASS");

    connected(&r);
    commands[0] = banner;
    commands[1] = ehlo;
    commands[2] = mail;
    commands[3] = rcpt;
    commands[4] = rset;
    commands[5] = (struct result_command){.phase = PHASE_MAIL,
                                          .route = 1,
                                          .sent = "MAIL FROM:<>",
                                          TIMES(3620, 3900, 3900),
                                          .replied = true,
                                          .reply = {.code = 250, .enhanced = {2, 1, 0}, LINES("2.1.0 Ok")},
                                          .expected = "2xx, 4xx or 5xx",
                                          .ok = true};
    commands[6] = (struct result_command){.phase = PHASE_RCPT,
                                          .route = 1,
                                          .sent = "RCPT TO:<victim@example.com>",
                                          TIMES(3920, 12400, 12412),
                                          .replied = true,
                                          .reply = {.code = 454,
                                                    .enhanced = {4, 7, 1},
                                                    LINES("4.7.1 <victim@example.com>: Relay access denied")},
                                          .expected = "4xx or 5xx",
                                          .ok = true};
    commands[7] = quit;
    sum_up(&r, commands, 8);
    routes[0] = inbound;
    routes[1] = (struct result_route){.name = "no-relay",
                                      .from = "",
                                      .expect = EXPECT_REJECTED | EXPECT_DEFERRED,
                                      .state = ROUTE_DEFERRED,
                                      .ok = TRI_TRUE,
                                      .recipients = &refused,
                                      .recipient_count = 1};
    r.routes = routes;
    r.route_count = 2;
    r.extensions = extensions;
    r.extension_count = COUNT(extensions);
    r.summary = "2 of 2 routes as wanted";
    return result_publish(&r);
}

static struct result *rcpt_timeout(void)
{
    struct result_command commands[4];
    const struct result_recipient void_to = {.to = "void@example.org", .ok = TRI_FALSE};
    const struct result_recipient never_asked = {.to = "www@example.org", .ok = TRI_NULL};
    struct result_route routes[2];
    struct result r = base("sub2", "01JD9K0000TIME");

    connected(&r);
    r.status = STATUS_FAIL;
    r.failure = (struct result_failure){
        .phase = PHASE_RCPT,
        .reason = REASON_TIMEOUT,
        .route = "out",
        .message = "no reply to RCPT TO:<void@example.org> in 5.000 s (timeouts.reply)",
        .limit_us = 5 * CLOCK_US_PER_S,
        .elapsed_us = 5 * CLOCK_US_PER_S + 123};
    r.last_ok = (struct result_last_ok){.run = "01JD9J",
                                        .started_wall_us = STARTED_US - 60 * CLOCK_US_PER_S,
                                        .code = 250,
                                        .elapsed_us = 1100};
    commands[0] = banner;
    commands[1] = ehlo;
    commands[2] = mail;
    commands[3] = (struct result_command){.phase = PHASE_RCPT,
                                          .route = 0,
                                          .sent = "RCPT TO:<void@example.org>",
                                          TIMES(2530, CLOCK_NONE, CLOCK_NONE),
                                          .expected = "2xx"};
    sum_up(&r, commands, 4);
    routes[0] = (struct result_route){.name = "out",
                                      .from = "probe@example.org",
                                      .expect = EXPECT_ACCEPTED,
                                      .state = ROUTE_SKIPPED,
                                      .ok = TRI_FALSE,
                                      .recipients = &void_to,
                                      .recipient_count = 1};
    routes[1] = inbound;
    routes[1].state = ROUTE_SKIPPED;
    routes[1].ok = TRI_FALSE;
    routes[1].recipients = &never_asked;
    r.routes = routes;
    r.route_count = 2;
    r.extensions = extensions;
    r.extension_count = COUNT(extensions);
    r.duration_us = 5002653;
    r.summary = "no reply to RCPT";
    return result_publish(&r);
}

static struct result *relay(void)
{
    struct result_command commands[6];
    const struct result_recipient victim = {
        .to = "b@example.com", .code = 250, .enhanced = {2, 1, 5}, .text = "Ok", .ok = TRI_FALSE};
    const struct result_route route = {.name = "relay",
                                       .from = "a@example.net",
                                       .expect = EXPECT_REJECTED | EXPECT_DEFERRED,
                                       .state = ROUTE_ACCEPTED,
                                       .ok = TRI_FALSE,
                                       .recipients = &victim,
                                       .recipient_count = 1};
    struct result r = base("open-relay", "01JD9K000RELAY");

    connected(&r);
    r.status = STATUS_FAIL;
    r.failure = (struct result_failure){.phase = PHASE_RCPT,
                                        .reason = REASON_ACCEPTED,
                                        .route = "relay",
                                        .code = 250,
                                        .enhanced = {2, 1, 5},
                                        .message = "relay permitted: wanted 4xx or 5xx, got \"250 2.1.5 Ok\"",
                                        .limit_us = CLOCK_NONE,
                                        .elapsed_us = 900};
    commands[0] = banner;
    commands[1] = ehlo;
    commands[2] = mail;
    commands[2].sent = "MAIL FROM:<a@example.net>";
    commands[2].expected = "2xx, 4xx or 5xx";
    commands[3] = rcpt;
    commands[3].sent = "RCPT TO:<b@example.com>";
    commands[3].expected = "4xx or 5xx";
    commands[3].ok = false;
    commands[4] = rset;
    commands[5] = quit;
    sum_up(&r, commands, 6);
    r.routes = &route;
    r.route_count = 1;
    r.extensions = extensions;
    r.extension_count = COUNT(extensions);
    r.duration_us = 3430;
    r.summary = "relay permitted: wanted 4xx or 5xx, got \"250 2.1.5 Ok\"";
    return result_publish(&r);
}

/* A greeting that is not SMTP, and holds what no view may let through as it is. */
static struct result *escaped(void)
{
    struct result_command commands[1];
    static const char line[] = "SSH-2.0-|{\"\\x00\\xFF\\\\\\x1B[31m";
    struct result r = base("not-smtp", "01JD9K0000SSH0");

    connected(&r);
    r.peer_name = NULL;
    r.peer = address("2001:db8::1", 25);
    r.local = address("2001:db8::7", 40000);
    r.status = STATUS_FAIL;
    r.failure =
        (struct result_failure){.phase = PHASE_BANNER,
                                .reason = REASON_NOT_SMTP,
                                .message = "the greeting: the server does not speak SMTP, it looks like SSH: "
                                           "\"SSH-2.0-|{\"\\x00\\xFF\\\\\\x1B[31m\"",
                                .limit_us = CLOCK_NONE,
                                .elapsed_us = 1140};
    r.flags = UINT64_C(1) << FLAG_NON_UTF8;
    commands[0] = (struct result_command){.phase = PHASE_BANNER,
                                          .route = -1,
                                          TIMES(560, 1700, CLOCK_NONE),
                                          .replied = true,
                                          .reply = {LINES(line), .escaped = true},
                                          .expected = "220"};
    sum_up(&r, commands, 1);
    r.duration_us = 1700;
    r.summary = "the server does not speak SMTP";
    return result_publish(&r);
}

/* The connection breaks off inside a reply; the last time, the banner alone was fine. */
static struct result *broken_off(void)
{
    struct result_command commands[2];
    struct result r = base("torn", "01JD9K0000TORN");

    connected(&r);
    r.status = STATUS_FAIL;
    r.failure = (struct result_failure){
        .phase = PHASE_EHLO,
        .reason = REASON_CLOSED,
        .message = "the server closed the connection in the middle of replying to EHLO fra1.example.org",
        .limit_us = CLOCK_NONE,
        .elapsed_us = 700};
    r.flags = UINT64_C(1) << FLAG_REPLY_INCOMPLETE;
    commands[0] = banner;
    commands[1] = ehlo;
    commands[1].reply_us = CLOCK_NONE;
    commands[1].reply = (struct result_reply){.code = 250, LINES("mx1.example.org", "PIPELINING", "250-SI")};
    commands[1].ok = false;
    sum_up(&r, commands, 2);
    r.duration_us = 2490;
    r.summary = "the server closed the connection";
    return result_publish(&r);
}

static struct result *code_mismatch(void)
{
    struct result_command commands[2];
    struct result r = base("mixed", "01JD9K0000MIXD");

    connected(&r);
    r.status = STATUS_FAIL;
    r.failure = (struct result_failure){
        .phase = PHASE_EHLO,
        .reason = REASON_CODE_MISMATCH,
        .message = "reply to EHLO fra1.example.org: the lines of one reply carry different codes: \"550 no\"",
        .limit_us = CLOCK_NONE,
        .elapsed_us = 400};
    commands[0] = banner;
    commands[1] = ehlo;
    commands[1].reply_us = CLOCK_NONE;
    commands[1].reply = (struct result_reply){.code = 250, LINES("mx1.example.org", "550 no")};
    commands[1].ok = false;
    sum_up(&r, commands, 2);
    r.duration_us = 2190;
    r.summary = "the lines of one reply carry different codes";
    return result_publish(&r);
}

/* A second line that nobody asked for, in place of MAIL. */
static struct result *unsolicited(void)
{
    struct result_command commands[3];
    struct result r = base("chatty", "01JD9K0000CHAT");

    connected(&r);
    r.status = STATUS_FAIL;
    r.failure =
        (struct result_failure){.phase = PHASE_EHLO,
                                .reason = REASON_UNSOLICITED,
                                .message = "the server sent \"250 again\" though nothing had been asked",
                                .limit_us = CLOCK_NONE,
                                .elapsed_us = 0};
    commands[0] = banner;
    commands[1] = ehlo;
    commands[2] = (struct result_command){.phase = PHASE_EHLO,
                                          .route = -1,
                                          TIMES(2190, 2190, 2190),
                                          .replied = true,
                                          .reply = {LINES("250 again")},
                                          .expected = "nothing"};
    sum_up(&r, commands, 3);
    r.duration_us = 2190;
    r.summary = "the server spoke when nothing had been asked";
    return result_publish(&r);
}

/* A greeting of which the last line never comes, and a quote that must be cut between two characters. */
static struct result *teaser(void)
{
    char line[512] = "x";
    struct result_command commands[1];
    struct result r = base("teaser", "01JD9K0000TEAS");

    for (size_t i = 0; i < 200; i++)
        strcat(line, "é");
    connected(&r);
    r.status = STATUS_FAIL;
    r.failure = (struct result_failure){
        .phase = PHASE_BANNER,
        .reason = REASON_DEADLINE,
        .message = "no greeting in 0.999 s, when the time of the run was over (timeout, 1 s)",
        .limit_us = CLOCK_US_PER_S,
        .elapsed_us = 999440};
    commands[0] = banner;
    commands[0].reply_us = CLOCK_NONE;
    commands[0].reply = (struct result_reply){.code = 220, LINES("mx1.example.org please wait", line)};
    commands[0].ok = false;
    sum_up(&r, commands, 1);
    r.duration_us = 1000000;
    r.summary = "no greeting";
    return result_publish(&r);
}

static struct result *unknown(void)
{
    struct result r = base("busy", "01JD9K0000BUSY");

    r.status = STATUS_UNKNOWN;
    r.peer = address("192.0.2.1", 25);
    r.failure = (struct result_failure){.phase = PHASE_CONNECT,
                                        .reason = REASON_LOCAL_RESOURCE,
                                        .message = "connect to 192.0.2.1:25: Too many open files",
                                        .limit_us = CLOCK_NONE,
                                        .elapsed_us = 12};
    r.timing_us[PHASE_DNS] = 210;
    r.timing_us[PHASE_CONNECT] = 12;
    r.duration_us = 222;
    r.summary = "ehlod's own machine could not do it";
    return result_publish(&r);
}

static struct result *warn(void)
{
    struct result_command commands[3];
    struct result_attempt attempts[2];
    struct result r = base("dual", "01JD9K0000DUAL");

    connected(&r);
    r.status = STATUS_WARN;
    r.flags =
        UINT64_C(1) << FLAG_ADDRESS_UNREACHABLE | UINT64_C(1) << FLAG_BARE_LF | UINT64_C(1) << FLAG_SLOW;
    attempts[0] = (struct result_attempt){
        .address = address("2001:db8::1", 25),
        .failure = {.phase = PHASE_CONNECT,
                    .reason = REASON_TIMEOUT,
                    .message =
                        "connect to [2001:db8::1]:25 timed out after 2.500 s (its share of timeouts.connect)",
                    .limit_us = 2500000,
                    .elapsed_us = 2500040},
        .connect_us = 2500040};
    attempts[1] = (struct result_attempt){.address = r.peer, .connect_us = 350};
    r.attempts = attempts;
    r.attempt_count = 2;
    r.timing_us[PHASE_CONNECT] = 2500390;
    commands[0] = banner;
    commands[1] = ehlo;
    commands[2] = quit;
    for (size_t i = 0; i < COUNT(commands); i++) {
        commands[i].at_us += 2500040;
        commands[i].first_byte_us += 2500040;
        commands[i].reply_us += 2500040;
    }
    sum_up(&r, commands, 3);
    r.extensions = extensions;
    r.extension_count = COUNT(extensions);
    r.duration_us = 2502230;
    r.summary = "it works, but: address_unreachable, slow";
    return result_publish(&r);
}

static struct result *no_name(void)
{
    struct result r = base("gone", "01JD9K0000GONE");

    r.status = STATUS_FAIL;
    r.failure = (struct result_failure){.phase = PHASE_DNS,
                                        .reason = REASON_NXDOMAIN,
                                        .message = "mx1.example.org: the name does not exist",
                                        .limit_us = CLOCK_NONE,
                                        .elapsed_us = 5000};
    r.last_ok = (struct result_last_ok){.run = "01JD9H", .started_wall_us = STARTED_US, .elapsed_us = 200};
    r.timing_us[PHASE_DNS] = 5000;
    r.duration_us = 5000;
    r.summary = "the name does not exist";
    return result_publish(&r);
}

/* A vector of its own: one address, refused. */
static struct result *refused(void)
{
    struct result r = base("down", "01JD9K0000DOWN");

    r.host = "192.0.2.1";
    r.peer = address("192.0.2.1", 25);
    r.status = STATUS_FAIL;
    r.failure = (struct result_failure){.phase = PHASE_CONNECT,
                                        .reason = REASON_REFUSED,
                                        .message = "connect to 192.0.2.1:25: connection refused",
                                        .limit_us = CLOCK_NONE,
                                        .elapsed_us = 90};
    r.timing_us[PHASE_CONNECT] = 90;
    r.duration_us = 100;
    r.summary = "connect to 192.0.2.1:25: connection refused";
    return result_publish(&r);
}

static const struct {
    const char *name;
    struct result *(*make)(void);
} cases[] = {
    {"pass", pass},
    {"rcpt_timeout", rcpt_timeout},
    {"relay", relay},
    {"escaped", escaped},
    {"broken_off", broken_off},
    {"code_mismatch", code_mismatch},
    {"unknown", unknown},
    {"warn", warn},
    {"no_name", no_name},
    {"refused", refused},
    {"unsolicited", unsolicited},
    {"teaser", teaser},
};

static void test_each_result(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct result *r = cases[i].make();
        golden_check(cases[i].name, r, NOW_US);
        result_unref(r);
    }
}

static void test_set(void **state)
{
    (void)state;
    struct result *results[] = {pass(), rcpt_timeout(), warn(), unknown()};
    struct render_set set = {.results = (const struct result *const *)results, .count = COUNT(results)};
    struct buffer out;

    buffer_init(&out, RENDER_MAX_SET);
    assert_int_equal(render_set_status(&set), STATUS_FAIL);
    json_set(&out, &set, NOW_US);
    golden_check_json("set", "json", &out);
    health_set(&out, &set, STATUS_WARN);
    golden_check_json("set", "health", &out);
    text_set(&out, &set, NOW_US);
    golden_check_bytes("set", "txt", &out);
    text_set_colour(&out, &set, NOW_US);
    golden_check_bytes("set", "ansi", &out);
    nagios_set(&out, &set);
    golden_check_bytes("set", "nagios", &out);
    buffer_free(&out);
    for (size_t i = 0; i < COUNT(results); i++)
        result_unref(results[i]);
}

static void test_empty_set(void **state)
{
    (void)state;
    struct render_set set = {.results = NULL, .count = 0};
    struct buffer out;

    buffer_init(&out, RENDER_MAX_SET);
    assert_int_equal(render_set_status(&set), STATUS_UNKNOWN);
    json_set(&out, &set, NOW_US);
    assert_string_equal(out.data, "{\"status\":\"unknown\",\"summary\":\"no targets\",\"counts\":{\"pass\":0,"
                                  "\"warn\":0,\"fail\":0,\"unknown\":0},\"targets\":{}}");
    buffer_clear(&out);
    text_set(&out, &set, NOW_US);
    assert_string_equal(out.data, "UNKNOWN  no targets\n");
    buffer_clear(&out);
    nagios_set(&out, &set);
    assert_string_equal(out.data, "SMTP UNKNOWN - no targets\n");
    buffer_free(&out);
}

static void test_targets(void **state)
{
    (void)state;
    struct result *passed = pass();
    const struct result *latest[] = {passed, NULL};
    const struct render_drain drain = {
        .since_wall_us = 0, .until_wall_us = CLOCK_US_PER_S, .reason = "kernel \"update\"", .mode = "maint"};
    const struct render_drain *const drains[] = {NULL, &drain};
    const char *const tags[] = {"eu", "inbound"};
    struct snapshot_target targets[] = {
        {.name = "mx1", .tags = tags, .tag_count = 2, .plan = {.host = "mx1.example.org", .port = 25}},
        {.name = "six", .plan = {.host = "2001:db8::1", .port = 2525}},
    };
    struct snapshot snapshot = {.targets = targets, .target_count = COUNT(targets)};
    struct buffer out;

    buffer_init(&out, RENDER_MAX_SET);
    json_targets(&out, &snapshot, latest, drains, NOW_US);
    assert_string_equal(
        out.data,
        "{\"targets\":[{\"name\":\"mx1\",\"tags\":[\"eu\",\"inbound\"],\"address\":\"mx1.example.org:25\",\"status\":\"pass\","
        "\"age_ms\":437,\"id\":\"01JD9K0000PASS\",\"summary\":\"2 of 2 routes as wanted\",\"drained\":null},"
        "{\"name\":\"six\",\"tags\":[],\"address\":\"[2001:db8::1]:2525\",\"status\":null,"
        "\"age_ms\":null,\"id\":null,\"summary\":null,"
        "\"drained\":{\"since\":\"1970-01-01T00:00:00.000000Z\",\"until\":\"1970-01-01T00:00:01.000000Z\","
        "\"reason\":\"kernel \\\"update\\\"\",\"mode\":\"maint\"}}]}");
    buffer_free(&out);
    result_unref(passed);
}

static void test_problem(void **state)
{
    (void)state;
    struct problem problem = {400, "Bad Request", "not \"a\" duration", "timeout"};
    struct buffer out;

    buffer_init(&out, 4096);
    json_problem(&out, &problem);
    assert_string_equal(out.data, "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
                                  "\"detail\":\"not \\\"a\\\" duration\",\"parameter\":\"timeout\"}");
    problem.parameter = NULL;
    buffer_clear(&out);
    json_problem(&out, &problem);
    assert_null(strstr(out.data, "parameter"));
    buffer_free(&out);
    assert_true(*json_version() >= '2');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_result), cmocka_unit_test(test_set),     cmocka_unit_test(test_empty_set),
        cmocka_unit_test(test_targets),     cmocka_unit_test(test_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
