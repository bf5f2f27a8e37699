/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the views of what became of a message stable, and of what it says itself? Results made by hand, each
 * shown in every view (golden.h). Runs from the root of the tree.
 */
#include "probe/base/clock.h"
#include "probe/plan.h"
#include "server/render/render.h"
#include "tests/unit/server/render/golden.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MS           CLOCK_US_PER_MS
#define S            CLOCK_US_PER_S
#define SENT_US      (INT64_C(500) * S)
#define NOW_US       (SENT_US + 10 * S)
#define STARTED_US   INT64_C(1795400704123456) /* 2026-11-23T02:25:04.123456Z */
#define FIRST_US     INT64_C(1795400704000000)
#define RUN          "01JD9K0000MAIL"

static const struct evidence_hop hops[] = {
    {"mx1.example.org", "fra1.example.org (probe.example.net [192.0.2.7])", "ESMTPS", FIRST_US, 3 * S},
    {"filter.example.org", "mx1.example.org (localhost [127.0.0.1])", "ESMTP", FIRST_US + 3 * S, -1 * S},
    {"store.example.org", NULL, NULL, FIRST_US + 2 * S, 5 * S},
    {NULL, "somebody", NULL, CLOCK_NONE, CLOCK_NONE},
};
static const char *const auth[] = {"mx1.example.org; spf=pass smtp.mailfrom=example.org; dkim=none"};
static const struct evidence_field fields[] = {
    {"Return-Path", "<probe@example.org>"},
    {"Subject", "a \"subject\" with a backslash \\ and <b>"},
};
static const char *const changes[] = {"header Subject", "body"};
static const struct evidence seen = {.size = 1234,
                                     .hops = hops,
                                     .hop_count = COUNT(hops),
                                     .hop_total = COUNT(hops),
                                     .auth = auth,
                                     .auth_count = COUNT(auth),
                                     .fields = fields,
                                     .field_count = COUNT(fields),
                                     .field_total = 70};
static const struct bounce no_user = {.action = "failed",
                                      .status = "5.1.1",
                                      .diagnostic = "smtp; 550 5.1.1 <www@example.org>: no such user",
                                      .recipient = "www@example.org",
                                      .reporter = "mx1.example.org"};

struct stage {
    struct result_recipient recipient;
    struct result_route route;
    struct result result;
};

/* A message that was sent and taken, and has become that. */
static struct delivery *became(struct stage *s, enum status status, enum route_state state, enum tri ok)
{
    *s = (struct stage){.recipient = {.to = "www@example.org", .code = 250, .ok = TRI_TRUE},
                        .result = {.status = status,
                                   .target = "mx1",
                                   .id = RUN,
                                   .vantage = "fra1",
                                   .summary = "1 of 1 route as wanted, delivered in 812 ms",
                                   .started_wall_us = STARTED_US,
                                   .started_mono_us = SENT_US - 12412,
                                   .ended_mono_us = SENT_US,
                                   .duration_us = 12412,
                                   .host = "mx1.example.org",
                                   .port = 25}};
    assert_int_equal(address_parse("192.0.2.1", 25, &s->result.peer), 0);
    assert_int_equal(address_parse("192.0.2.7", 51514, &s->result.local), 0);
    s->result.failure.limit_us = s->result.failure.elapsed_us = CLOCK_NONE;
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        s->result.timing_us[p] = CLOCK_NONE;
    s->route = (struct result_route){
        .name = "inbound",
        .from = "probe@example.org",
        .expect = EXPECT_DELIVERED,
        .state = state,
        .ok = ok,
        .recipients = &s->recipient,
        .recipient_count = 1,
        .token = "x",
        .message_id = "<x@fra1.example.org>",
        .octets = 512,
        .octets_sent = 512,
        .sent_us = 12000,
        .final = {250, {2, 0, 0}, "Ok"},
        .delivery = {.state = state,
                     .ok = ok == TRI_TRUE,
                     .run = RUN,
                     .mailbox = "imap",
                     .sent_us = SENT_US,
                     .settled_us = SENT_US + 812 * MS,
                     .within_us = 60 * S,
                     .latency_us = 812 * MS},
    };
    s->result.routes = &s->route;
    s->result.route_count = 1;
    return &s->route.delivery;
}

static void fails(struct stage *s, enum reason reason, const char *message)
{
    s->result.failure.phase = PHASE_DELIVERY;
    s->result.failure.reason = reason;
    s->result.failure.route = "inbound";
    s->result.failure.message = message;
    s->result.summary = message;
}

static void test_delivered_by_hops(void **state)
{
    struct stage s;
    struct delivery *d = became(&s, STATUS_PASS, ROUTE_DELIVERED, TRI_TRUE);

    (void)state;
    d->evidence = &seen;
    golden_check("delivered_by_hops", &s.result, NOW_US);
}

static void test_altered(void **state)
{
    struct stage s;
    struct delivery *d = became(&s, STATUS_WARN, ROUTE_ALTERED, TRI_TRUE);
    struct evidence e = seen;

    (void)state;
    e.changes = changes;
    e.change_count = COUNT(changes);
    d->evidence = &e;
    d->flags = s.result.flags = UINT64_C(1) << FLAG_ALTERED;
    golden_check("altered", &s.result, NOW_US);
}

/* Of a hundred hops the newest are there. */
static void test_many_hops(void **state)
{
    static struct evidence_hop many[EVIDENCE_MAX_HOPS];
    struct stage s;
    struct delivery *d = became(&s, STATUS_PASS, ROUTE_DELIVERED, TRI_TRUE);
    struct evidence e = {
        .hops = many, .hop_count = EVIDENCE_MAX_HOPS, .hop_total = 100, .size = 4711, .field_total = 100};

    (void)state;
    for (size_t i = 0; i < EVIDENCE_MAX_HOPS; i++)
        many[i] = (struct evidence_hop){.by = "a", .at_wall_us = FIRST_US, .delay_us = 0};
    d->evidence = &e;
    golden_check("many_hops", &s.result, NOW_US);
}

static void test_elsewhere(void **state)
{
    struct stage s;
    struct delivery *d = became(&s, STATUS_FAIL, ROUTE_ELSEWHERE, TRI_FALSE);

    (void)state;
    d->found = "imap Junk";
    fails(&s, REASON_ELSEWHERE, "the server ACCEPTED the message (250 2.0.0), but it was seen in imap Junk");
    golden_check("elsewhere", &s.result, NOW_US);
}

static void test_bounced(void **state)
{
    struct stage s;
    struct delivery *d = became(&s, STATUS_FAIL, ROUTE_BOUNCED, TRI_FALSE);

    (void)state;
    d->bounce = &no_user;
    d->latency_us = CLOCK_NONE;
    fails(&s, REASON_BOUNCED, "the server ACCEPTED the message (250 2.0.0), but a report came back: 5.1.1");
    golden_check("bounced", &s.result, NOW_US);
}

static void test_unverified(void **state)
{
    struct stage s;
    struct delivery *d = became(&s, STATUS_UNKNOWN, ROUTE_UNVERIFIED, TRI_NULL);

    (void)state;
    d->why = "imaps://outlook.example.com: AUTHENTICATE failed since 02:10:11Z: the token expired";
    d->latency_us = CLOCK_NONE;
    fails(&s, REASON_MAILBOX_UNREACHABLE,
          "the server ACCEPTED the message (250 2.6.0); ehlod could not look for it: "
          "imaps://outlook.example.com: AUTHENTICATE failed since 02:10:11Z: the token expired");
    golden_check("unverified", &s.result, NOW_US);
}

static json_t *shown_in_a_set(const struct result *r, struct buffer *out)
{
    struct render_set set = {.results = &r, .count = 1};
    json_error_t error;

    buffer_clear(out);
    json_set(out, &set, NOW_US);
    json_t *root = json_loadb(out->data, out->len, 0, &error);
    assert_non_null(root);
    return root;
}

/* What a message says is cut short in a set: a line's first KiB, so many lines, so much in all. */
static void test_a_set_has_its_share(void **state)
{
    static char text[EVIDENCE_MAX_TEXT + 500];
    static struct evidence_field many[EVIDENCE_MAX_FIELDS];
    struct stage s;
    struct delivery *d = became(&s, STATUS_PASS, ROUTE_DELIVERED, TRI_TRUE);
    struct evidence e = seen;
    const struct result *r = &s.result;
    struct buffer out;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = (struct evidence_field){"X", text};
    e.fields = many;
    e.field_count = COUNT(many);
    d->evidence = &e;
    buffer_init(&out, RENDER_MAX_SET);
    json_t *root = shown_in_a_set(r, &out);
    json_t *route = json_array_get(
        json_object_get(json_object_get(json_object_get(root, "targets"), "mx1"), "routes"), 0);
    json_t *headers = json_object_get(json_object_get(route, "delivery"), "headers");
    assert_int_equal(json_array_size(headers), render_share_set.lines + 1);
    assert_int_equal(json_string_length(json_object_get(json_array_get(headers, 0), "value")),
                     render_share_set.octets + 3);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(headers, render_share_set.lines), "name")), "...");
    json_decref(root);
    text_set(&out, &(struct render_set){.results = &r, .count = 1}, NOW_US);
    assert_false(out.full);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivered_by_hops),
        cmocka_unit_test(test_altered),
        cmocka_unit_test(test_many_hops),
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_bounced),
        cmocka_unit_test(test_unverified),
        cmocka_unit_test(test_a_set_has_its_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
