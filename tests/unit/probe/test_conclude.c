/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/conclude.h"

#include "probe/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS CLOCK_US_PER_MS
#define S  CLOCK_US_PER_S

static struct result draft_of(const struct result_route *routes, size_t count)
{
    struct result r = {.routes = routes, .route_count = count, .duration_us = 12 * MS};
    r.failure.limit_us = CLOCK_NONE;
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        r.timing_us[p] = CLOCK_NONE;
    r.timing_us[PHASE_BANNER] = 2 * MS;
    r.timing_us[PHASE_RCPT] = 5 * MS;
    return r;
}

static struct plan a_plan(void)
{
    return (struct plan){.stop_after = PHASE_COUNT};
}

static void check(struct result *draft, const struct plan *plan, enum status status, const char *summary)
{
    struct arena arena = {0};

    conclude(draft, plan, NULL, &arena);
    assert_int_equal(draft->status, status);
    assert_string_equal(draft->summary, summary);
    assert_null(draft->last_ok.run);
    assert_int_equal(draft->last_ok.elapsed_us, CLOCK_NONE);
    arena_free(&arena);
}

static void test_pass(void **state)
{
    const struct result_route good[] = {{.ok = TRI_TRUE}, {.ok = TRI_TRUE}};
    const struct result_route skipped[] = {{.ok = TRI_NULL}};
    const struct result_route some[] = {{.ok = TRI_TRUE}, {.state = ROUTE_SKIPPED, .ok = TRI_NULL}};
    struct plan plan = a_plan();
    (void)state;

    struct result two = draft_of(good, 2), one = draft_of(good, 1), none = draft_of(NULL, 0);
    check(&two, &plan, STATUS_PASS, "2 of 2 routes as wanted");
    check(&one, &plan, STATUS_PASS, "1 of 1 route as wanted");
    check(&none, &plan, STATUS_PASS, "the server greets and answers EHLO; there are no routes to try");

    plan.protocol = PROTOCOL_LMTP;
    struct result lmtp = draft_of(NULL, 0);
    check(&lmtp, &plan, STATUS_PASS, "the server greets and answers LHLO; there are no routes to try");

    plan.login.wanted = true;
    struct result login = draft_of(NULL, 0), refused = draft_of(NULL, 0);
    login.login = "probe (PLAIN)";
    check(&login, &plan, STATUS_PASS, "logged in as probe (PLAIN); there are no routes to try");
    check(&refused, &plan, STATUS_PASS, "the login was refused, as wanted; there are no routes to try");

    plan.stop_after = PHASE_BANNER;
    struct result stopped = draft_of(skipped, 1);
    check(&stopped, &plan, STATUS_PASS, "works as far as banner, where it was told to stop");

    /* what it was not to reach decides nothing, and is not counted */
    plan.stop_after = PHASE_MAIL;
    struct result half = draft_of(some, 2);
    check(&half, &plan, STATUS_PASS, "1 of 1 route as wanted");
}

static void test_slow(void **state)
{
    const struct result_route good[] = {{.ok = TRI_TRUE}};
    struct plan plan = a_plan();
    (void)state;

    plan.warn_us[PHASE_RCPT] = 4 * MS;
    struct result phase = draft_of(good, 1);
    check(&phase, &plan, STATUS_WARN,
          "1 of 1 route as wanted, but slow (rcpt took 0.005 s, warn.rcpt is 4 ms)");
    assert_int_equal(phase.flags, UINT64_C(1) << FLAG_SLOW);

    plan.warn_duration_us = 11 * MS;
    struct result both = draft_of(good, 1);
    check(&both, &plan, STATUS_WARN,
          "1 of 1 route as wanted, but slow (duration took 0.012 s, warn.duration is 11 ms; "
          "rcpt took 0.005 s, warn.rcpt is 4 ms)");
}

/* The first to end counts; one whose end cannot be read does not. */
static void test_certificate(void **state)
{
    const struct result_route good[] = {{.ok = TRI_TRUE}};
    const struct result_certificate chain[] = {
        {.not_after_wall_us = 400 * S}, {.not_after_wall_us = 200 * S}, {.not_after_wall_us = CLOCK_NONE}};
    const struct result_tls tls = {.chain = chain, .chain_count = 3};
    struct plan plan = a_plan();
    (void)state;

    struct result never = draft_of(good, 1);
    never.tls = &tls;
    check(&never, &plan, STATUS_PASS, "1 of 1 route as wanted");
    plan.warn_certificate_us = 86400 * S;
    struct result soon = draft_of(good, 1);
    soon.tls = &tls;
    check(
        &soon, &plan, STATUS_WARN,
        "1 of 1 route as wanted, but certificate_expiring (at 1970-01-01T00:03:20Z, warn.certificate is 1 d)");
    assert_int_equal(soon.flags, UINT64_C(1) << FLAG_CERTIFICATE_EXPIRING);
    struct result later = draft_of(good, 1);
    later.tls = &tls;
    plan.warn_certificate_us = 200 * S; /* exactly so much is left */
    check(&later, &plan, STATUS_PASS, "1 of 1 route as wanted");
    struct result plain = draft_of(good, 1);
    check(&plain, &plan, STATUS_PASS, "1 of 1 route as wanted");
}

/* As slow as the threshold is not slower; a phase that never began is not slow; 0 is no threshold. */
static void test_not_slow(void **state)
{
    const struct result_route good[] = {{.ok = TRI_TRUE}};
    struct plan plan = a_plan();
    (void)state;

    plan.warn_us[PHASE_RCPT] = 5 * MS;
    plan.warn_us[PHASE_MAIL] = 1;
    plan.warn_duration_us = 12 * MS;
    struct result r = draft_of(good, 1);
    check(&r, &plan, STATUS_PASS, "1 of 1 route as wanted");
    assert_int_equal(r.flags, 0);
}

static void test_warning_flags_are_named(void **state)
{
    const struct result_attempt attempts[] = {{.failure = {.message = "192.0.2.1:25: refused"}},
                                              {.connect_us = 1}};
    struct plan plan = a_plan();
    struct result r = draft_of(NULL, 0);
    (void)state;

    r.flags = UINT64_C(1) << FLAG_ADDRESS_UNREACHABLE | UINT64_C(1) << FLAG_BARE_LF |
              UINT64_C(1) << FLAG_RSET_FAILED;
    r.attempts = attempts;
    r.attempt_count = 2;
    check(&r, &plan, STATUS_WARN,
          "the server greets and answers EHLO; there are no routes to try, but address_unreachable "
          "(192.0.2.1:25: refused), rset_failed");
}

static void test_failure_is_the_summary(void **state)
{
    const struct result_route bad[] = {{.ok = TRI_FALSE}};
    struct plan plan = a_plan();
    struct result r = draft_of(bad, 1);
    (void)state;

    plan.warn_us[PHASE_RCPT] = 1;
    r.failure = (struct result_failure){.phase = PHASE_RCPT,
                                        .reason = REASON_REJECTED,
                                        .message = "RCPT was refused",
                                        .limit_us = CLOCK_NONE};
    check(&r, &plan, STATUS_FAIL, "rcpt/rejected: RCPT was refused");
    assert_int_equal(r.flags, UINT64_C(1) << FLAG_SLOW); /* noted, though it fails anyway */
    r.failure.reason = REASON_LOCAL_RESOURCE;
    check(&r, &plan, STATUS_UNKNOWN, "rcpt/local_resource: RCPT was refused");
}

/* What the last good run got where this one failed. */
static void test_last_ok(void **state)
{
    const struct result_command commands[] = {
        {.phase = PHASE_RCPT, .replied = true, .reply = {.code = 250}},
    };
    struct result good = draft_of(NULL, 0), bad = draft_of(NULL, 0), fine = draft_of(NULL, 0);
    struct plan plan = a_plan();
    struct arena arena = {0};
    (void)state;

    good.id = "01JD9J";
    good.started_wall_us = 77;
    good.commands = commands;
    good.command_count = 1;
    bad.failure = (struct result_failure){.phase = PHASE_RCPT, .reason = REASON_TIMEOUT, .message = "late"};
    conclude(&bad, &plan, &good, &arena);
    assert_string_equal(bad.last_ok.run, "01JD9J");
    assert_int_equal(bad.last_ok.started_wall_us, 77);
    assert_int_equal(bad.last_ok.code, 250);
    assert_int_equal(bad.last_ok.elapsed_us, 5 * MS);

    bad.failure.phase = PHASE_MAIL; /* where the good one has nothing */
    conclude(&bad, &plan, &good, &arena);
    assert_int_equal(bad.last_ok.code, 0);
    assert_int_equal(bad.last_ok.elapsed_us, CLOCK_NONE);

    conclude(&fine, &plan, &good, &arena);
    assert_null(fine.last_ok.run);
    arena_free(&arena);
}

/* what became of the messages */

#define S     CLOCK_US_PER_S
#define ENDED (INT64_C(100) * S)
#define F(x)  (UINT64_C(1) << FLAG_##x)
#define NOBODY                                                                                               \
    {                                                                                                        \
        .state = ROUTE_NONE                                                                                  \
    }

static const struct plan_route delivered_routes[] = {
    {.name = "in", .expect = EXPECT_DELIVERED, .mailbox = "local", .deliver_within_us = 60 * S},
    {.name = "out", .expect = EXPECT_ACCEPTED},
};

/* As the run left it: the first route's message was taken, or none was sent. */
static struct result *dialogue(enum route_state state, enum tri ok)
{
    struct result_route routes[] = {
        {.name = "in", .state = state, .ok = ok, .sent_us = 5, .final = {250, {2, 0, 0}, "Ok"}},
        {.name = "out", .state = ROUTE_ACCEPTED, .ok = TRI_TRUE},
    };
    struct result r = draft_of(routes, 2);

    r.id = "01JD9K";
    r.ended_mono_us = ENDED;
    r.summary = "as the run left it";
    if (ok == TRI_FALSE)
        r.failure = (struct result_failure){
            .phase = PHASE_FINAL, .reason = REASON_CLOSED, .message = "closed", .limit_us = CLOCK_NONE};
    return result_publish(&r);
}

static struct delivery of(const char *run, enum route_state state, int64_t settled_us, int64_t latency_us)
{
    return (struct delivery){.state = state,
                             .ok = state == ROUTE_DELIVERED || state == ROUTE_QUEUED,
                             .run = run,
                             .mailbox = "local",
                             .settled_us = settled_us,
                             .within_us = 60 * S,
                             .latency_us = latency_us};
}

#define OWN(state, latency)  of("01JD9K", state, ENDED + S, latency)
#define LAST(state, latency) of("01JD9J", state, ENDED - 12 * S, latency)

struct wanted {
    enum status status;
    enum route_state state;
    enum tri ok;
    enum route_state shown; /* state of the delivery that is shown */
    const char *run;        /* whose it is; null = none is shown */
    const char *summary;
    uint64_t flags;
};

static struct result *deliver(struct result *r, const struct plan_route *routes,
                              const struct conclude_delivery *first)
{
    struct plan plan = a_plan();
    const struct conclude_delivery deliveries[] = {*first, {NOBODY, NOBODY}};

    plan.routes = routes;
    plan.route_count = 2;
    struct result *concluded = conclude_delivered(r, &plan, deliveries);
    assert_string_equal(r->summary, "as the run left it");
    result_unref(r);
    return concluded;
}

static void check_delivered(struct result *r, const struct conclude_delivery *first,
                            const struct wanted *wanted)
{
    r = deliver(r, delivered_routes, first);
    assert_string_equal(r->summary, wanted->summary);
    assert_string_equal(status_name(r->status), status_name(wanted->status));
    assert_int_equal(r->routes[0].state, wanted->state);
    assert_int_equal(r->routes[0].ok, wanted->ok);
    assert_int_equal(r->routes[0].delivery.state, wanted->shown);
    if (wanted->run)
        assert_string_equal(r->routes[0].delivery.run, wanted->run);
    assert_int_equal(r->routes[1].state, ROUTE_ACCEPTED);
    assert_int_equal(r->flags, wanted->flags);
    result_unref(r);
}

static void test_own_deliveries(void **state)
{
    struct {
        struct conclude_delivery news;
        struct wanted wanted;
    } rows[] = {
        {{OWN(ROUTE_DELIVERED, 812 * MS), NOBODY},
         {STATUS_PASS, ROUTE_DELIVERED, TRI_TRUE, ROUTE_DELIVERED, "01JD9K",
          "2 of 2 routes as wanted, delivered in 812 ms", 0}},
        {{OWN(ROUTE_DELIVERED, 1500 * MS), LAST(ROUTE_LOST, CLOCK_NONE)},
         {STATUS_PASS, ROUTE_DELIVERED, TRI_TRUE, ROUTE_DELIVERED, "01JD9K",
          "2 of 2 routes as wanted, delivered in 1.5 s", 0}},
        {{OWN(ROUTE_LOST, CLOCK_NONE), LAST(ROUTE_DELIVERED, MS)},
         {STATUS_FAIL, ROUTE_LOST, TRI_FALSE, ROUTE_LOST, "01JD9K",
          "delivery/lost: the server ACCEPTED the message (250 2.0.0), but it was not seen in local within 60 s "
          "(deliver_within)",
          0}},
        {{OWN(ROUTE_UNVERIFIED, CLOCK_NONE), LAST(ROUTE_DELIVERED, MS)},
         {STATUS_UNKNOWN, ROUTE_UNVERIFIED, TRI_NULL, ROUTE_UNVERIFIED, "01JD9K",
          "delivery/mailbox_unreachable: the server ACCEPTED the message (250 2.0.0); ehlod could not look for it: "
          "local took no mail for a time",
          0}},
        {{OWN(ROUTE_LATE, 75 * S), LAST(ROUTE_DELIVERED, MS)},
         {STATUS_FAIL, ROUTE_LATE, TRI_FALSE, ROUTE_LATE, "01JD9K",
          "delivery/late: the server ACCEPTED the message (250 2.0.0), but it was seen in local only after 75 s "
          "(deliver_within is 60 s)",
          0}},
        {{OWN(ROUTE_PENDING, CLOCK_NONE), NOBODY},
         {STATUS_PASS, ROUTE_PENDING, TRI_NULL, ROUTE_PENDING, "01JD9K",
          "2 of 2 routes as wanted, delivery pending", F(DELIVERY_PENDING)}},
        {{OWN(ROUTE_PENDING, CLOCK_NONE), LAST(ROUTE_DELIVERED, 812 * MS)},
         {STATUS_PASS, ROUTE_PENDING, TRI_NULL, ROUTE_DELIVERED, "01JD9J",
          "2 of 2 routes as wanted, delivered in 812 ms (12 s ago), delivery pending", 0}},
        {{OWN(ROUTE_PENDING, CLOCK_NONE), LAST(ROUTE_LOST, CLOCK_NONE)},
         {STATUS_FAIL, ROUTE_PENDING, TRI_NULL, ROUTE_LOST, "01JD9J",
          "delivery/lost: the server ACCEPTED the message of run 01JD9J, but it was not seen in local within 60 s "
          "(deliver_within)",
          0}},
        {{OWN(ROUTE_PENDING, CLOCK_NONE), LAST(ROUTE_REJECTED, CLOCK_NONE)},
         {STATUS_FAIL, ROUTE_PENDING, TRI_NULL, ROUTE_REJECTED, "01JD9J",
          "final/rejected: the message of run 01JD9J was refused", 0}},
        {{OWN(ROUTE_PENDING, CLOCK_NONE), LAST(ROUTE_DEFERRED, CLOCK_NONE)},
         {STATUS_FAIL, ROUTE_PENDING, TRI_NULL, ROUTE_DEFERRED, "01JD9J",
          "final/deferred: the message of run 01JD9J was refused for now", 0}},
        {{OWN(ROUTE_PENDING, CLOCK_NONE), LAST(ROUTE_UNCERTAIN, CLOCK_NONE)},
         {STATUS_FAIL, ROUTE_PENDING, TRI_NULL, ROUTE_UNCERTAIN, "01JD9J",
          "final/timeout: the message of run 01JD9J was sent and not answered: nobody knows what became of it",
          0}},
        {{NOBODY, LAST(ROUTE_LOST, CLOCK_NONE)}, /* nobody watches this run's any more */
         {STATUS_PASS, ROUTE_QUEUED, TRI_TRUE, ROUTE_NONE, NULL, "2 of 2 routes as wanted", 0}},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_delivered(dialogue(ROUTE_QUEUED, TRI_TRUE), &rows[i].news, &rows[i].wanted);
}

/* Nothing was sent this time: the last delivery stands. */
static void test_last_deliveries(void **state)
{
    struct {
        struct conclude_delivery news;
        struct wanted wanted;
    } rows[] = {
        {{NOBODY, LAST(ROUTE_DELIVERED, 812 * MS)},
         {STATUS_PASS, ROUTE_DELIVERED, TRI_TRUE, ROUTE_DELIVERED, "01JD9J",
          "2 of 2 routes as wanted, delivered in 812 ms (12 s ago)", 0}},
        {{NOBODY, LAST(ROUTE_QUEUED, CLOCK_NONE)},
         {STATUS_PASS, ROUTE_QUEUED, TRI_TRUE, ROUTE_QUEUED, "01JD9J", "2 of 2 routes as wanted", 0}},
        {{NOBODY, LAST(ROUTE_LATE, 75 * S)},
         {STATUS_FAIL, ROUTE_LATE, TRI_FALSE, ROUTE_LATE, "01JD9J",
          "delivery/late: the server ACCEPTED the message of run 01JD9J, but it was seen in local only after 75 s "
          "(deliver_within is 60 s)",
          0}},
        {{NOBODY, NOBODY},
         {STATUS_PASS, ROUTE_ACCEPTED, TRI_TRUE, ROUTE_NONE, NULL, "2 of 2 routes as wanted", 0}},
        {{of("01JD9J", ROUTE_PENDING, CLOCK_NONE, CLOCK_NONE), NOBODY}, /* an earlier run's, under way */
         {STATUS_PASS, ROUTE_PENDING, TRI_NULL, ROUTE_PENDING, "01JD9J",
          "2 of 2 routes as wanted, delivery pending", F(DELIVERY_PENDING)}},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_delivered(dialogue(ROUTE_ACCEPTED, TRI_TRUE), &rows[i].news, &rows[i].wanted);
}

/* What failed in the dialogue came first; its delivery is shown all the same. */
static void test_a_failed_dialogue_stays_failed(void **state)
{
    struct conclude_delivery news = {OWN(ROUTE_DELIVERED, 812 * MS), NOBODY};
    struct wanted uncertain = {STATUS_FAIL, ROUTE_UNCERTAIN,        TRI_FALSE, ROUTE_DELIVERED,
                               "01JD9K",    "final/closed: closed", 0};
    struct conclude_delivery none = {NOBODY, LAST(ROUTE_LOST, CLOCK_NONE)};
    struct wanted skipped = {
        STATUS_PASS, ROUTE_SKIPPED, TRI_NULL, ROUTE_NONE, NULL, "1 of 1 route as wanted", 0};
    (void)state;

    check_delivered(dialogue(ROUTE_UNCERTAIN, TRI_FALSE), &news, &uncertain);
    check_delivered(dialogue(ROUTE_SKIPPED, TRI_NULL), &none, &skipped);
}

static void test_the_failure_of_a_delivery(void **state)
{
    struct conclude_delivery lost = {OWN(ROUTE_LOST, CLOCK_NONE), NOBODY};
    struct conclude_delivery late = {OWN(ROUTE_LATE, 75 * S), NOBODY};
    (void)state;

    struct result *r = deliver(dialogue(ROUTE_QUEUED, TRI_TRUE), delivered_routes, &lost);
    assert_int_equal(r->failure.phase, PHASE_DELIVERY);
    assert_int_equal(r->failure.reason, REASON_LOST);
    assert_string_equal(r->failure.route, "in");
    assert_int_equal(r->failure.limit_us, 60 * S);
    assert_int_equal(r->failure.elapsed_us, 60 * S);
    result_unref(r);
    r = deliver(dialogue(ROUTE_QUEUED, TRI_TRUE), delivered_routes, &late);
    assert_int_equal(r->failure.reason, REASON_LATE);
    assert_int_equal(r->failure.elapsed_us, 75 * S);
    result_unref(r);
}

static const char *const changes[] = {"body", "header Subject"};
static const struct evidence altered_evidence = {.changes = changes, .change_count = 2};

/* What each says of its own, and what an earlier run's says. */
static void test_elsewhere_bounced_altered(void **state)
{
    static const struct bounce bounce = {
        .action = "failed", .status = "5.1.1", .diagnostic = "smtp; 550 5.1.1 no such user"};
    struct conclude_delivery elsewhere = {OWN(ROUTE_ELSEWHERE, CLOCK_NONE), NOBODY},
                             bounced = {OWN(ROUTE_BOUNCED, CLOCK_NONE), NOBODY},
                             altered = {OWN(ROUTE_ALTERED, 812 * MS), NOBODY};
    (void)state;

    elsewhere.own.found = "local Junk";
    check_delivered(
        dialogue(ROUTE_QUEUED, TRI_TRUE), &elsewhere,
        &(struct wanted){STATUS_FAIL, ROUTE_ELSEWHERE, TRI_FALSE, ROUTE_ELSEWHERE, "01JD9K",
                         "delivery/elsewhere: the server ACCEPTED the message (250 2.0.0), but it was "
                         "seen in local Junk instead of local",
                         0});
    bounced.own.found = "bounces";
    bounced.own.bounce = &bounce;
    check_delivered(
        dialogue(ROUTE_QUEUED, TRI_TRUE), &bounced,
        &(struct wanted){STATUS_FAIL, ROUTE_BOUNCED, TRI_FALSE, ROUTE_BOUNCED, "01JD9K",
                         "delivery/bounced: the server ACCEPTED the message (250 2.0.0) and sent it "
                         "back: 5.1.1 (550 5.1.1 no such user), seen in bounces",
                         0});
    struct conclude_delivery before = {NOBODY, bounced.own};
    before.last.run = "01JD9J";
    check_delivered(
        dialogue(ROUTE_ACCEPTED, TRI_TRUE), &before,
        &(struct wanted){STATUS_FAIL, ROUTE_BOUNCED, TRI_FALSE, ROUTE_BOUNCED, "01JD9J",
                         "delivery/bounced: the server ACCEPTED the message of run 01JD9J and sent it "
                         "back: 5.1.1 (550 5.1.1 no such user), seen in bounces",
                         0});
    altered.own.flags = F(ALTERED);
    altered.own.evidence = &altered_evidence;
    check_delivered(
        dialogue(ROUTE_QUEUED, TRI_TRUE), &altered,
        &(struct wanted){STATUS_WARN, ROUTE_ALTERED, TRI_TRUE, ROUTE_ALTERED, "01JD9K",
                         "2 of 2 routes as wanted, delivered in 812 ms, but altered (body, header "
                         "Subject)",
                         F(ALTERED)});
}

/* Not every server says all that it should. */
static void test_reports_that_say_little(void **state)
{
    static const struct {
        struct bounce bounce;
        const char *said;
        int class;
    } rows[] = {
        {{.action = "failed"}, "the report does not say why", 0},
        {{.action = "failed", .status = "5.0.0"}, "5.0.0", 5},
        {{.action = "failed", .status = "none"}, "none", 0},
        {{.action = "failed", .diagnostic = "x-unix; full"}, "x-unix; full", 0},
        {{.action = "failed", .status = "5.2.2", .diagnostic = "SMTP;552 full"}, "5.2.2 (552 full)", 5},
        {{.action = "failed", .status = "4.4.7", .diagnostic = "smtp; "}, "4.4.7", 4},
    };
    char sentence[256];
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct conclude_delivery news = {OWN(ROUTE_BOUNCED, CLOCK_NONE), NOBODY};
        news.own.bounce = &rows[i].bounce;
        struct result *r = deliver(dialogue(ROUTE_QUEUED, TRI_TRUE), delivered_routes, &news);
        snprintf(sentence, sizeof sentence,
                 "the server ACCEPTED the message (250 2.0.0) and sent it back: %s, seen in a mailbox",
                 rows[i].said);
        assert_string_equal(r->failure.message, sentence);
        assert_int_equal(r->failure.enhanced.class, rows[i].class);
        assert_int_equal(r->failure.reason, REASON_BOUNCED);
        result_unref(r);
    }
}

/* In the words of the mailbox. */
static void test_a_mailbox_that_could_not_be_read(void **state)
{
    struct conclude_delivery news = {OWN(ROUTE_UNVERIFIED, CLOCK_NONE), NOBODY};
    (void)state;

    news.own.why = "imaps://mail.example.org: AUTHENTICATE failed since 02:10:11Z: the token expired";
    check_delivered(
        dialogue(ROUTE_QUEUED, TRI_TRUE), &news,
        &(struct wanted){
            STATUS_UNKNOWN, ROUTE_UNVERIFIED, TRI_NULL, ROUTE_UNVERIFIED, "01JD9K",
            "delivery/mailbox_unreachable: the server ACCEPTED the message (250 2.0.0); ehlod could "
            "not look for it: imaps://mail.example.org: AUTHENTICATE failed since 02:10:11Z: the "
            "token expired",
            0});
}

static void test_flags_of_a_delivery_count(void **state)
{
    struct conclude_delivery news = {OWN(ROUTE_DELIVERED, 812 * MS), NOBODY};
    struct wanted twice = {STATUS_WARN, ROUTE_DELIVERED,
                           TRI_TRUE,    ROUTE_DELIVERED,
                           "01JD9K",    "2 of 2 routes as wanted, delivered in 812 ms, but duplicate",
                           F(DUPLICATE)};
    (void)state;

    news.own.flags = F(DUPLICATE);
    check_delivered(dialogue(ROUTE_QUEUED, TRI_TRUE), &news, &twice);
}

/* at=final: a message that was refused as wanted passes until the next one is sent; otherwise refused, or
 * accepted, it fails. */
static void test_last_refusal_that_was_wanted(void **state)
{
    static const struct plan_route routes[] = {
        {.name = "in", .expect = EXPECT_REJECTED, .at_final = true},
        {.name = "out", .expect = EXPECT_ACCEPTED},
    };
    static const struct {
        enum route_state state;
        bool ok;
        const char *summary;
    } rows[] = {
        {ROUTE_REJECTED, true, "2 of 2 routes as wanted"},
        {ROUTE_REJECTED, false, "final/wrong_reply: the message of run 01JD9J was not refused as wanted"},
        {ROUTE_DEFERRED, false, "final/deferred: the message of run 01JD9J was refused for now"},
        {ROUTE_QUEUED, false, "final/accepted: the message of run 01JD9J was accepted, but not as wanted"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct conclude_delivery news = {NOBODY, LAST(rows[i].state, CLOCK_NONE)};
        news.last.ok = rows[i].ok;
        struct result *r = deliver(dialogue(ROUTE_ACCEPTED, TRI_TRUE), routes, &news);
        assert_string_equal(r->summary, rows[i].summary);
        assert_int_equal(r->routes[0].state, rows[i].state);
        assert_int_equal(r->routes[0].ok, rows[i].ok ? TRI_TRUE : TRI_FALSE);
        result_unref(r);
    }
}

/* Where the run that sent it failed is known: that is said. */
static void test_why_the_last_one_failed(void **state)
{
    struct conclude_delivery news = {NOBODY, LAST(ROUTE_ACCEPTED, CLOCK_NONE)};
    (void)state;

    struct result *r = deliver(dialogue(ROUTE_ACCEPTED, TRI_TRUE), delivered_routes, &news);
    assert_string_equal(r->summary, "message/closed: the message of run 01JD9J could not be sent");
    result_unref(r);
    news.last.phase = PHASE_DATA;
    news.last.reason = REASON_UNEXPECTED_REPLY;
    r = deliver(dialogue(ROUTE_ACCEPTED, TRI_TRUE), delivered_routes, &news);
    assert_string_equal(r->summary, "data/unexpected_reply: the message of run 01JD9J could not be sent");
    assert_string_equal(r->failure.route, "in");
    assert_int_equal(r->routes[0].ok, TRI_FALSE);
    result_unref(r);
}

static void test_stale(void **state)
{
    struct result *r = dialogue(ROUTE_QUEUED, TRI_TRUE);
    struct result *stale = conclude_stale(r);
    (void)state;

    assert_int_equal(r->flags, 0);
    assert_int_equal(stale->flags, F(STALE));
    assert_int_equal(stale->status, r->status);
    assert_string_equal(stale->summary, r->summary);
    result_unref(r);
    result_unref(stale);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pass),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_not_slow),
        cmocka_unit_test(test_warning_flags_are_named),
        cmocka_unit_test(test_failure_is_the_summary),
        cmocka_unit_test(test_last_ok),
        cmocka_unit_test(test_own_deliveries),
        cmocka_unit_test(test_last_deliveries),
        cmocka_unit_test(test_a_failed_dialogue_stays_failed),
        cmocka_unit_test(test_the_failure_of_a_delivery),
        cmocka_unit_test(test_elsewhere_bounced_altered),
        cmocka_unit_test(test_reports_that_say_little),
        cmocka_unit_test(test_a_mailbox_that_could_not_be_read),
        cmocka_unit_test(test_flags_of_a_delivery_count),
        cmocka_unit_test(test_last_refusal_that_was_wanted),
        cmocka_unit_test(test_why_the_last_one_failed),
        cmocka_unit_test(test_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
