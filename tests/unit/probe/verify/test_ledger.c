/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of messages, token by token. */
#include "tests/unit/probe/verify/ledger_stage.h"

#include "probe/verify/ledger_state.h"

static void test_delivered(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();
    int owner;

    assert_null(ledger_find(s->ledger, "a"));
    open_for(s, "a", "local", &owner);
    assert_int_equal(state_of(s, "a"), ROUTE_NONE);
    send_to(s, "a", now_us, 1);
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    assert_int_equal(s->changes, 0);
    assert_true(arrive(s, "a", "local", now_us + 812));
    assert_int_equal(s->changes, 1);
    assert_ptr_equal(s->owner, &owner);
    const struct delivery *d = ledger_find(s->ledger, "a");
    assert_int_equal(d->state, ROUTE_DELIVERED);
    assert_true(d->ok);
    assert_string_equal(d->run, "RUN");
    assert_string_equal(d->mailbox, "local");
    assert_int_equal(d->latency_us, 812);
    assert_int_equal(d->settled_us, now_us + 812);
    pass_time(s, 2 * WITHIN_US);
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
}

/* The next hop may be quicker than the reply to the dot. */
static void test_seen_before_it_is_known_to_be_sent(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "a", "local", NULL);
    assert_true(arrive(s, "a", "local", now_us));
    assert_int_equal(state_of(s, "a"), ROUTE_NONE);
    send_to(s, "a", now_us + 5, 1);
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    assert_int_equal(ledger_find(s->ledger, "a")->latency_us, 0); /* never backwards */
}

/* V01, V02 */
static void test_lost_then_late(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "a", "local", NULL);
    send_to(s, "a", now_us, 1);
    await_changes(s, 1);
    assert_int_equal(s->changes, 1);
    assert_int_equal(state_of(s, "a"), ROUTE_LOST);
    assert_false(s->told.ok);
    assert_int_equal(s->told.settled_us, now_us + WITHIN_US);
    assert_int_equal(s->told.latency_us, CLOCK_NONE);
    assert_true(arrive(s, "a", "local", now_us + 2 * WITHIN_US));
    assert_int_equal(s->changes, 2);
    assert_int_equal(state_of(s, "a"), ROUTE_LATE);
    assert_false(s->told.ok);
    assert_int_equal(s->told.latency_us, 2 * WITHIN_US);
}

/* Its time counts, not when somebody looked. */
static void test_in_time_though_the_loop_was_late(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "a", "local", NULL);
    send_to(s, "a", now_us - 2 * WITHIN_US, 1);
    assert_true(arrive(s, "a", "local", now_us - WITHIN_US));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
}

/* V03 */
static void test_seen_twice(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "a", "local", NULL);
    send_to(s, "a", now_us, 1);
    assert_true(arrive(s, "a", "local", now_us + 1));
    assert_int_equal(s->told.flags, 0);
    assert_true(arrive(s, "a", "local", now_us + 9));
    assert_int_equal(s->changes, 2);
    assert_int_equal(s->told.flags, UINT64_C(1) << FLAG_DUPLICATE);
    assert_int_equal(s->told.latency_us, 1);
}

static void test_nobodys(void **state)
{
    struct stage *s = *state;

    open_for(s, "a", "local", NULL);
    assert_false(arrive(s, "b", "local", clock_mono_us()));
    ledger_close(s->ledger, "a");
    assert_false(arrive(s, "a", "local", clock_mono_us()));
    ledger_close(s->ledger, "a");
    send_to(s, "a", clock_mono_us(), 1);
    assert_null(ledger_find(s->ledger, "a"));
}

/* One that nobody asks for any more is still told, once, to whom it belongs. */
static void test_closed_while_pending(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "a", "local", NULL);
    open_for(s, "b", "local", NULL);
    send_to(s, "a", now_us, 1);
    send_to(s, "b", now_us, 1);
    ledger_close(s->ledger, "a");
    ledger_close(s->ledger, "b");
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    assert_true(arrive(s, "a", "local", now_us + 1));
    assert_int_equal(s->told.state, ROUTE_DELIVERED);
    assert_null(ledger_find(s->ledger, "a"));
    await_changes(s, 2);
    assert_int_equal(s->told.state, ROUTE_LOST);
    assert_int_equal(s->changes, 2);
    assert_null(ledger_find(s->ledger, "b"));
}

/* Each is credited to its own. */
static void test_five_hundred_under_way(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();
    static char runs[500][16];
    char token[16];

    for (int i = 0; i < 500; i++) {
        snprintf(token, sizeof token, "t%d", i);
        snprintf(runs[i], sizeof runs[i], "run%d", i);
        ledger_open(s->ledger, &(struct ledger_letter){.token = token,
                                                       .target = "mx1",
                                                       .route = "in",
                                                       .run = runs[i],
                                                       .mailbox = "local",
                                                       .owner = runs[i]});
        ledger_sent(
            s->ledger, token,
            &(struct ledger_sending){.sent_us = now_us, .within_us = 30 * CLOCK_US_PER_S, .recipients = 1});
    }
    for (int i = 499; i >= 0; i--) {
        snprintf(token, sizeof token, "t%d", i);
        assert_true(arrive(s, token, "local", now_us + i));
        assert_ptr_equal(s->owner, runs[i]);
        assert_string_equal(s->told.run, runs[i]);
        assert_int_equal(s->told.latency_us, i);
    }
    assert_int_equal(s->changes, 500);
}

/* It has arrived when everybody has it, not when the first one has. */
static void test_several_recipients(void **state)
{
    static const char *const one[] = {"a@example.org"}, *const other[] = {"b@example.org"},
                             *const same[] = {"A@example.ORG"},
                             *const both[] = {"a@example.org", "b@example.org"};
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "a", "local", NULL);
    send_to(s, "a", now_us, 2);
    assert_true(arrive_for(s, "a", "local", one, 1, now_us + 1));
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    assert_true(arrive_for(s, "a", "local", same, 1, now_us + 2));
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    assert_true(arrive_for(s, "a", "local", other, 1, now_us + 3));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    assert_int_equal(s->told.latency_us, 3);
    assert_int_equal(s->told.flags, UINT64_C(1) << FLAG_DUPLICATE);

    open_for(s, "b", "local", NULL);
    send_to(s, "b", now_us, 2);
    assert_true(arrive_for(s, "b", "local", both, 2, now_us + 1));
    assert_int_equal(state_of(s, "b"), ROUTE_DELIVERED);
    assert_int_equal(s->told.flags, 0);

    open_for(s, "c", "local", NULL);
    send_to(s, "c", now_us, 2);
    assert_true(arrive_for(s, "c", "local", one, 1, now_us + 1));
    await_changes(s, 3);
    assert_int_equal(state_of(s, "c"), ROUTE_LOST);
}

/* Our own mailbox was shut: nobody can say that the mail server lost anything. */
static void test_what_a_blind_mailbox_misses_is_unverified(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "before", "local", NULL);
    send_to(s, "before", now_us, 1);
    open_for(s, "elsewhere", "other", NULL);
    send_to(s, "elsewhere", now_us, 1);
    ledger_blind(s->ledger, "local", true);
    open_for(s, "during", "local", NULL);
    send_to(s, "during", now_us, 1);
    open_for(s, "seen", "local", NULL);
    send_to(s, "seen", now_us, 1);
    ledger_blind(s->ledger, "local", true); /* twice is once */
    ledger_blind(s->ledger, "local", false);
    ledger_blind(s->ledger, "local", false);
    open_for(s, "after", "local", NULL);
    send_to(s, "after", now_us, 1);
    assert_true(arrive(s, "seen", "local", now_us + 1));
    await_changes(s, 5);
    assert_int_equal(state_of(s, "before"), ROUTE_UNVERIFIED);
    assert_int_equal(state_of(s, "during"), ROUTE_UNVERIFIED);
    assert_int_equal(state_of(s, "elsewhere"), ROUTE_LOST);
    assert_int_equal(state_of(s, "after"), ROUTE_LOST);
    assert_int_equal(state_of(s, "seen"), ROUTE_DELIVERED);
    assert_true(arrive(s, "before", "local", now_us + 2 * WITHIN_US));
    assert_int_equal(state_of(s, "before"), ROUTE_UNVERIFIED); /* late through no fault of the server */
}

/* ---- whose copy it is ---- */

static void test_copies_of_a_store_are_told_by_their_names(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    send_one(s, "a", "disk", now_us);
    assert_true(find_stored(s, "a", "disk", "1", now_us + 1));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    assert_true(find_stored(s, "a", "disk", "1", now_us + 2));
    assert_int_equal(s->changes, 1);
    assert_false(has_flag(s, "a", FLAG_DUPLICATE));
    assert_true(find_stored(s, "a", "disk", "2", now_us + 3)); /* V03 */
    assert_int_equal(s->changes, 2);
    assert_true(has_flag(s, "a", FLAG_DUPLICATE));
    assert_int_equal(s->told.latency_us, 1);
}

/* Copies that do not say whose they are count for one more each, until all have it. */
static void test_unnamed_copies(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "a", "disk", NULL);
    send_to(s, "a", now_us, 2);
    assert_true(find_stored(s, "a", "disk", "1", now_us + 1));
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    assert_true(find_stored(s, "a", "disk", "2", now_us + 2));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    assert_int_equal(s->told.flags, 0);
    assert_true(find_stored(s, "a", "disk", "3", now_us + 3));
    assert_int_equal(s->told.flags, UINT64_C(1) << FLAG_DUPLICATE);

    open_for(s, "b", "disk", NULL); /* seen before it is known how many there are */
    assert_true(find_stored(s, "b", "disk", "4", now_us + 1));
    assert_true(find_stored(s, "b", "disk", "5", now_us + 2));
    send_to(s, "b", now_us, 1);
    assert_int_equal(state_of(s, "b"), ROUTE_DELIVERED);
    assert_true(has_flag(s, "b", FLAG_DUPLICATE));
}

static void test_the_header_names_the_recipient(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();
    struct sighting one = stored("disk", "1", "X-Original-To: a@example.org\r\n\r\n", now_us + 1),
                    again = stored("disk", "2", "X-Original-To: A@example.org\r\n\r\n", now_us + 2),
                    other = stored("disk", "3", "Delivered-To: b@example.org\r\n\r\n", now_us + 3);

    open_for(s, "a", "disk", NULL);
    send_to(s, "a", now_us, 2);
    assert_true(ledger_seen(s->ledger, "a", &one, NULL));
    assert_true(ledger_seen(s->ledger, "a", &again, NULL));
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    assert_true(ledger_seen(s->ledger, "a", &other, NULL));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    assert_int_equal(s->told.flags, UINT64_C(1) << FLAG_DUPLICATE);
    assert_int_equal(s->told.latency_us, 3);
}

/* An alias led to another address: the copies are told apart, though their names are one, and none of ours.
 */
static void test_a_name_that_is_no_recipients_counts_for_one_more(void **state)
{
    static const char *const to[] = {"a@example.org", "b@example.org"};
    static const char *const box[] = {"box@example.net"};
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();
    struct ledger_letter letter = {.token = "a",
                                   .target = "mx1",
                                   .route = "in",
                                   .run = "RUN",
                                   .mailbox = "disk",
                                   .to = to,
                                   .to_count = 2};
    struct sighting one = stored("disk", "1", "Delivered-To: box@example.net\r\n\r\n", now_us + 1),
                    other = stored("disk", "2", "Delivered-To: box@example.net\r\n\r\n", now_us + 2);

    ledger_open(s->ledger, &letter);
    send_to(s, "a", now_us, 2);
    assert_true(ledger_seen(s->ledger, "a", &one, NULL));
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    assert_true(ledger_seen(s->ledger, "a", &other, NULL));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    assert_int_equal(s->told.flags, 0);

    letter.token = "b";
    letter.to_count = 1;
    ledger_open(s->ledger, &letter);
    send_to(s, "b", now_us, 1);
    assert_true(arrive_for(s, "b", "disk", to, 1, now_us + 1));
    assert_int_equal(s->told.flags, 0);
    assert_true(arrive_for(s, "b", "disk", box, 1, now_us + 2)); /* V03 */
    assert_int_equal(s->told.flags, UINT64_C(1) << FLAG_DUPLICATE);
}

/* ---- at the end of its time ---- */

/* Mailboxes of another config, or all of them after a restart, do not know what is under way. */
static void test_mailboxes_are_told_what_is_under_way_already(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    send_one(s, "a", "local", now_us);
    send_one(s, "b", "local", now_us);
    assert_true(arrive(s, "b", "local", now_us + 1));
    open_for(s, "c", "local", NULL);
    ledger_set_mailboxes(s->ledger, &wishes, s);
    assert_int_equal(s->expects, 1);
    assert_string_equal(s->expected[0], "local");
    assert_int_equal(s->expected_until_us, now_us + WITHIN_US);
}

static void test_its_mailbox_is_asked_at_the_deadline(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    ledger_set_mailboxes(s->ledger, &wishes, s);
    send_one(s, "a", "disk", now_us);
    assert_int_equal(s->expects, 1);
    assert_string_equal(s->expected[0], "disk");
    assert_int_equal(s->expected_until_us, now_us + WITHIN_US);
    assert_int_equal(s->looks, 0);
    await_looks(s, 1);
    assert_true(clock_mono_us() >= now_us + WITHIN_US);
    assert_string_equal(s->looked_into[0], "disk");
    ledger_looked(s->ledger, "other", clock_mono_us(), NULL);
    ledger_looked(s->ledger, "disk", now_us + WITHIN_US - 1, NULL); /* it began too early */
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    ledger_looked(s->ledger, "disk", now_us + WITHIN_US, NULL);
    assert_int_equal(state_of(s, "a"), ROUTE_LOST);
    assert_int_equal(s->told.settled_us, now_us + WITHIN_US);
    assert_int_equal(s->changes, 1);
}

/* Who only looks now and then cannot say when it came; who can, does. */
static void test_what_is_there_in_that_look_is_in_time(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    ledger_set_mailboxes(s->ledger, &wishes, s);
    send_one(s, "stored", "disk", now_us);
    send_one(s, "exact", "disk", now_us);
    await_looks(s, 2);
    assert_true(find_stored(s, "stored", "disk", "1", now_us + WITHIN_US + 5));
    assert_int_equal(state_of(s, "stored"), ROUTE_DELIVERED);
    assert_int_equal(s->told.latency_us, WITHIN_US + 5);
    assert_true(arrive(s, "exact", "disk", now_us + WITHIN_US + 5));
    assert_int_equal(state_of(s, "exact"), ROUTE_LATE);
}

static void test_a_mailbox_that_cannot_be_read_makes_it_unverified(void **state)
{
    static const char why[] = "imaps://mail.example.org: connection refused";
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    ledger_set_mailboxes(s->ledger, &wishes, s);
    send_one(s, "a", "imap", now_us);
    send_one(s, "seen", "imap", now_us);
    ledger_looked(s->ledger, "imap", clock_mono_us(), why); /* in the middle it means nothing */
    assert_true(find_stored(s, "seen", "imap", "1", now_us + 1));
    assert_int_equal(state_of(s, "seen"), ROUTE_DELIVERED);
    assert_null(s->told.why);
    await_looks(s, 1);
    ledger_looked(s->ledger, "imap", clock_mono_us(), why);
    assert_int_equal(state_of(s, "a"), ROUTE_UNVERIFIED);
    assert_false(s->told.ok);
    assert_string_equal(s->told.why, why);
    assert_true(find_stored(s, "a", "imap", "2", clock_mono_us())); /* late through no fault of the server */
    assert_int_equal(state_of(s, "a"), ROUTE_UNVERIFIED);
    assert_true(s->told.latency_us > WITHIN_US);
}

static void test_a_mailbox_that_does_not_answer(void **state)
{
    struct stage *s = *state;

    s->ledger->look_us = 20 * CLOCK_US_PER_MS;
    ledger_set_mailboxes(s->ledger, &wishes, s);
    send_one(s, "a", "imap", clock_mono_us());
    await_changes(s, 1);
    assert_int_equal(state_of(s, "a"), ROUTE_UNVERIFIED);
    assert_string_equal(s->told.why, "imap: it has not been looked into within 0 s");
}

/* ---- limits ---- */

static void test_too_many_letters(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();
    char token[16];

    for (int i = 0; i <= LEDGER_MAX_LETTERS; i++) {
        snprintf(token, sizeof token, "t%d", i);
        open_for(s, token, "local", NULL);
        ledger_sent(
            s->ledger, token,
            &(struct ledger_sending){.sent_us = now_us, .within_us = 3600 * CLOCK_US_PER_S, .recipients = 1});
        if (i != 1)
            ledger_close(s->ledger, token);
    }
    assert_int_equal(state_of(s, "t0"), ROUTE_STATE_COUNT);
    assert_int_equal(state_of(s, "t1"), ROUTE_PENDING);
    open_for(s, "more", "local", NULL);
    assert_int_equal(state_of(s, "t1"), ROUTE_PENDING); /* somebody asks for it */
    assert_int_equal(state_of(s, "t2"), ROUTE_STATE_COUNT);
    assert_int_equal(state_of(s, "t3"), ROUTE_PENDING);
    assert_int_equal(s->ledger->count, LEDGER_MAX_LETTERS);
}

static void test_too_many_headers(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();
    char token[16], *text = mem_alloc(LEDGER_MAX_HEADER + 1);

    memset(text, 'x', LEDGER_MAX_HEADER);
    memcpy(text, "Subject: ", strlen("Subject: "));
    for (int i = 0; i < 2000; i++) {
        struct sighting copy = stored("disk", "1", text, now_us);
        snprintf(token, sizeof token, "t%d", i);
        send_one(s, token, "disk", now_us);
        assert_true(ledger_seen(s->ledger, token, &copy, NULL));
        assert_non_null(ledger_find(s->ledger, token)->evidence);
        assert_true(s->ledger->found_octets <= LEDGER_MAX_HEADERS);
    }
    assert_null(ledger_find(s->ledger, "t0")->evidence);
    assert_int_equal(state_of(s, "t0"), ROUTE_DELIVERED);
    free(text);
}

/* A mailbox that makes copies without end. */
static void test_too_many_copies(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();
    char id[16], *endless = mem_alloc(LEDGER_MAX_NAME + 2);

    memset(endless, 'x', LEDGER_MAX_NAME + 1);
    send_one(s, "a", "disk", now_us);
    for (int i = 0; i < 2 * LEDGER_MAX_COPIES; i++) {
        snprintf(id, sizeof id, "%d", i);
        assert_true(find_stored(s, "a", "disk", id, now_us));
    }
    assert_true(find_stored(s, "a", "disk", endless, now_us));
    assert_true(ledger_may_remove(s->ledger, "a", "disk", "0"));
    assert_true(ledger_may_remove(s->ledger, "a", "disk", "999"));
    assert_false(ledger_may_remove(s->ledger, "a", "disk", "1000"));
    assert_false(ledger_may_remove(s->ledger, "a", "disk", endless));
    free(endless);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(test_delivered),
        LEDGER_TEST(test_seen_before_it_is_known_to_be_sent),
        LEDGER_TEST(test_lost_then_late),
        LEDGER_TEST(test_in_time_though_the_loop_was_late),
        LEDGER_TEST(test_seen_twice),
        LEDGER_TEST(test_nobodys),
        LEDGER_TEST(test_closed_while_pending),
        LEDGER_TEST(test_five_hundred_under_way),
        LEDGER_TEST(test_several_recipients),
        LEDGER_TEST(test_what_a_blind_mailbox_misses_is_unverified),
        LEDGER_TEST(test_copies_of_a_store_are_told_by_their_names),
        LEDGER_TEST(test_unnamed_copies),
        LEDGER_TEST(test_the_header_names_the_recipient),
        LEDGER_TEST(test_a_name_that_is_no_recipients_counts_for_one_more),
        LEDGER_TEST(test_mailboxes_are_told_what_is_under_way_already),
        LEDGER_TEST(test_its_mailbox_is_asked_at_the_deadline),
        LEDGER_TEST(test_what_is_there_in_that_look_is_in_time),
        LEDGER_TEST(test_a_mailbox_that_cannot_be_read_makes_it_unverified),
        LEDGER_TEST(test_a_mailbox_that_does_not_answer),
        LEDGER_TEST(test_too_many_letters),
        LEDGER_TEST(test_too_many_headers),
        LEDGER_TEST(test_too_many_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
