/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that come where they should not, come back, or come changed; and sendings that have a verdict. */
#include "tests/unit/probe/verify/ledger_stage.h"

#include "probe/proto/original.h"
#include "probe/verify/ledger_state.h"

/* ---- where it does not belong ---- */

static void test_a_wrong_folder_is_elsewhere_at_once(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    send_one(s, "a", "imap", now_us);
    assert_true(find_astray(s, "a", "imap", "Junk", now_us + 3));
    assert_int_equal(state_of(s, "a"), ROUTE_ELSEWHERE);
    assert_false(s->told.ok);
    assert_string_equal(s->told.found, "imap Junk");
    assert_string_equal(s->told.mailbox, "imap");
    assert_non_null(s->told.evidence);
    assert_int_equal(s->told.settled_us, now_us + 3);
    assert_int_equal(s->told.latency_us, CLOCK_NONE);
    assert_true(find_stored(s, "a", "imap", "1", now_us + 4)); /* that is settled */
    assert_int_equal(state_of(s, "a"), ROUTE_ELSEWHERE);

    open_for(s, "b", "imap", NULL); /* before it is known to be sent */
    assert_true(find_astray(s, "b", "imap", "Junk", now_us + 3));
    assert_int_equal(state_of(s, "b"), ROUTE_NONE);
    send_to(s, "b", now_us, 1);
    assert_int_equal(state_of(s, "b"), ROUTE_ELSEWHERE);
}

static void test_another_mailbox_counts_when_its_time_is_over(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    send_one(s, "a", "imap", now_us);
    send_one(s, "b", "imap", now_us);
    assert_true(find_stored(s, "a", "disk", "1", now_us + 1));
    assert_true(find_stored(s, "b", "disk", "2", now_us + 1));
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    assert_true(find_stored(s, "b", "imap", "3", now_us + 2)); /* it comes to both: good, and no duplicate */
    assert_int_equal(state_of(s, "b"), ROUTE_DELIVERED);
    assert_int_equal(s->told.flags, 0);
    assert_null(s->told.found);
    await_changes(s, 2);
    assert_int_equal(state_of(s, "a"), ROUTE_ELSEWHERE);
    assert_string_equal(s->told.found, "disk");

    send_one(s, "c", "imap", clock_mono_us());
    await_changes(s, 3);
    assert_int_equal(state_of(s, "c"), ROUTE_LOST);
    assert_true(find_astray(s, "c", "imap", "Junk", clock_mono_us()));
    assert_int_equal(state_of(s, "c"), ROUTE_ELSEWHERE);
}

/* ---- reports ---- */

/* V06 */
static void test_v06_a_report_settles_it(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    send_one(s, "a", "local", now_us);
    assert_true(report(s, "a", "bounces", "delayed", now_us + 1));
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    struct sighting second = stored("bounces", "another", "Subject: returned\r\n\r\n", now_us + 2);
    assert_true(
        ledger_seen(s->ledger, "a", &second,
                    &(struct bounce){.action = "failed", .status = "5.1.1", .diagnostic = "smtp; 550"}));
    assert_int_equal(state_of(s, "a"), ROUTE_BOUNCED);
    assert_false(s->told.ok);
    assert_string_equal(s->told.found, "bounces");
    assert_string_equal(s->told.bounce->status, "5.1.1");
    assert_int_equal(s->told.settled_us, now_us + 2);

    send_one(s, "seen", "local", now_us);
    assert_true(arrive(s, "seen", "local", now_us + 1));
    assert_true(report(s, "seen", "bounces", "failed", now_us + 2));
    assert_int_equal(state_of(s, "seen"), ROUTE_DELIVERED);

    open_for(s, "b", "local", NULL); /* before it is known to be sent */
    assert_true(report(s, "b", "local", "failed", now_us + 2));
    assert_int_equal(state_of(s, "b"), ROUTE_NONE);
    send_to(s, "b", now_us, 1);
    assert_int_equal(state_of(s, "b"), ROUTE_BOUNCED);
}

static void test_v06_a_report_comes_later(void **state)
{
    struct stage *s = *state;

    ledger_set_mailboxes(s->ledger, &wishes, s);
    send_one(s, "lost", "local", clock_mono_us());
    send_one(s, "unread", "imap", clock_mono_us());
    send_one(s, "full", "sink", clock_mono_us());
    ledger_blind(s->ledger, "sink", true);
    await_looks(s, 3);
    ledger_looked(s->ledger, "local", clock_mono_us(), NULL);
    ledger_looked(s->ledger, "imap", clock_mono_us(), "imap: refused");
    ledger_looked(s->ledger, "sink", clock_mono_us(), NULL);
    assert_int_equal(state_of(s, "lost"), ROUTE_LOST);
    assert_true(report(s, "lost", "bounces", "failed", clock_mono_us()));
    assert_int_equal(state_of(s, "lost"), ROUTE_BOUNCED);
    assert_int_equal(state_of(s, "unread"), ROUTE_UNVERIFIED);
    assert_true(report(s, "unread", "bounces", "failed", clock_mono_us()));
    assert_int_equal(state_of(s, "unread"), ROUTE_BOUNCED);
    assert_null(s->told.why);
    /* What our own sink did not take may have come back for just that. */
    assert_int_equal(state_of(s, "full"), ROUTE_UNVERIFIED);
    assert_true(report(s, "full", "bounces", "failed", clock_mono_us()));
    assert_int_equal(state_of(s, "full"), ROUTE_UNVERIFIED);
}

static void test_the_mailbox_of_the_reports_is_asked_too(void **state)
{
    struct stage *s = *state;
    const struct ledger_letter letter = {.token = "a",
                                         .target = "mx1",
                                         .route = "in",
                                         .run = "RUN",
                                         .mailbox = "local",
                                         .bounce_mailbox = "bounces"};

    s->ledger->report_us = 20 * CLOCK_US_PER_MS;
    ledger_set_mailboxes(s->ledger, &wishes, s);
    ledger_open(s->ledger, &letter);
    send_to(s, "a", clock_mono_us(), 1);
    assert_int_equal(s->expects, 2);
    assert_string_equal(s->expected[1], "bounces");
    await_looks(s, 2);
    assert_string_equal(s->looked_into[1], "bounces");
    ledger_looked(s->ledger, "local", clock_mono_us(), NULL);
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    ledger_looked(s->ledger, "bounces", clock_mono_us(), "bounces: refused");
    assert_int_equal(state_of(s, "a"), ROUTE_LOST); /* that one decides nothing */
    ledger_close(s->ledger, "a");

    ledger_open(s->ledger, &letter);
    send_to(s, "a", clock_mono_us(), 1);
    await_looks(s, 4);
    ledger_looked(s->ledger, "local", clock_mono_us(), NULL);
    await_changes(s, 2); /* nor is it waited for long */
    assert_int_equal(state_of(s, "a"), ROUTE_LOST);
}

/* ---- what was found ---- */

static void test_v05_altered(void **state)
{
    static const char sent[] = "Subject: x\r\nTo: a\r\n\r\nhi\r\n.\r\n";
    struct stage *s = *state;
    struct arena arena = {0};
    int64_t now_us = clock_mono_us();
    const struct plan_letter letter = {.wire = span_of(sent)};
    struct ledger_letter from = {
        .token = "a", .target = "mx1", .route = "in", .run = "RUN", .mailbox = "disk"};
    struct sighting same = stored("disk", "1", "Received: x\r\nSubject: x\r\nTo: a\r\n\r\nhi\r\n", now_us),
                    other = stored("disk", "2", "Subject: [spam] x\r\nTo: a\r\n\r\nhi\r\n", now_us + 1);

    from.original = original_pack(&arena, &letter);
    ledger_open(s->ledger, &from);
    arena_free(&arena);
    send_to(s, "a", now_us, 1);
    assert_true(ledger_seen(s->ledger, "a", &same, NULL));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    assert_int_equal(s->told.evidence->change_count, 0);
    assert_int_equal(s->told.evidence->size, same.size);

    from.token = "b";
    from.original = original_pack(&arena, &letter);
    ledger_open(s->ledger, &from);
    arena_free(&arena);
    send_to(s, "b", now_us, 1);
    assert_true(ledger_seen(s->ledger, "b", &other, NULL));
    assert_int_equal(state_of(s, "b"), ROUTE_ALTERED);
    assert_true(s->told.ok);
    assert_int_equal(s->told.flags, UINT64_C(1) << FLAG_ALTERED);
    assert_int_equal(s->told.evidence->change_count, 1);
    assert_string_equal(s->told.evidence->changes[0], "header Subject");
}

/* V13: what a header says of the time decides nothing. */
static void test_v13_header_dates_are_nobodys_clock(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();
    struct sighting copy = stored(
        "disk", "1", "Received: from a by b; Fri, 1 Jan 2066 00:00:00 +0000\r\n\r\nhi\r\n", now_us + 7);

    send_one(s, "a", "disk", now_us);
    assert_true(ledger_seen(s->ledger, "a", &copy, NULL));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    assert_int_equal(s->told.latency_us, 7);
    assert_int_equal(s->told.evidence->hop_count, 1);
    assert_true(s->told.evidence->hops[0].delay_us < 0);
}

/* ---- the sending has a verdict of its own ---- */

static void send_with_verdict(struct stage *s, const char *token, enum route_state state, enum reason reason)
{
    open_for(s, token, "local", NULL);
    ledger_sent(
        s->ledger, token,
        &(struct ledger_sending){.sent_us = clock_mono_us(),
                                 .within_us = WITHIN_US,
                                 .recipients = 1,
                                 .verdict = {.state = state, .phase = PHASE_FINAL, .reason = reason}});
}

static void test_uncertain_is_not_lost(void **state)
{
    struct stage *s = *state;

    send_with_verdict(s, "a", ROUTE_UNCERTAIN, REASON_TIMEOUT);
    send_with_verdict(s, "b", ROUTE_UNCERTAIN, REASON_TIMEOUT);
    assert_true(arrive(s, "b", "local", clock_mono_us()));
    assert_int_equal(state_of(s, "b"), ROUTE_DELIVERED);
    assert_false(s->beside);
    await_changes(s, 2);
    assert_int_equal(state_of(s, "a"), ROUTE_UNCERTAIN);
    assert_int_equal(s->told.phase, PHASE_FINAL);
    assert_int_equal(s->told.reason, REASON_TIMEOUT);
    assert_true(arrive(s, "a", "local", clock_mono_us()));
    assert_int_equal(state_of(s, "a"), ROUTE_LATE);
    assert_int_equal(s->told.reason, REASON_NONE);
}

static void test_a_refusal_stands_beside_what_becomes_of_the_rest(void **state)
{
    struct stage *s = *state;

    send_with_verdict(s, "a", ROUTE_REJECTED, REASON_REJECTED);
    assert_true(arrive(s, "a", "local", clock_mono_us()));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    assert_true(s->beside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(test_a_wrong_folder_is_elsewhere_at_once),
        LEDGER_TEST(test_another_mailbox_counts_when_its_time_is_over),
        LEDGER_TEST(test_v06_a_report_settles_it),
        LEDGER_TEST(test_v06_a_report_comes_later),
        LEDGER_TEST(test_the_mailbox_of_the_reports_is_asked_too),
        LEDGER_TEST(test_v05_altered),
        LEDGER_TEST(test_v13_header_dates_are_nobodys_clock),
        LEDGER_TEST(test_uncertain_is_not_lost),
        LEDGER_TEST(test_a_refusal_stands_beside_what_becomes_of_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
