/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of messages, token by token. */
#include "tests/unit/probe/verify/ledger_stage.h"

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
    pass_time(s, WITHIN_US + 10 * CLOCK_US_PER_MS);
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
    pass_time(s, WITHIN_US + 10 * CLOCK_US_PER_MS);
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
    pass_time(s, WITHIN_US + 10 * CLOCK_US_PER_MS);
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
    pass_time(s, WITHIN_US + 10 * CLOCK_US_PER_MS);
    assert_int_equal(state_of(s, "before"), ROUTE_UNVERIFIED);
    assert_int_equal(state_of(s, "during"), ROUTE_UNVERIFIED);
    assert_int_equal(state_of(s, "elsewhere"), ROUTE_LOST);
    assert_int_equal(state_of(s, "after"), ROUTE_LOST);
    assert_int_equal(state_of(s, "seen"), ROUTE_DELIVERED);
    assert_true(arrive(s, "before", "local", now_us + 2 * WITHIN_US));
    assert_int_equal(state_of(s, "before"), ROUTE_UNVERIFIED); /* late through no fault of the server */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(test_delivered),
        LEDGER_TEST(test_seen_before_it_is_known_to_be_sent),
        LEDGER_TEST(test_lost_then_late),
        LEDGER_TEST(test_in_time_though_the_loop_was_late),
        LEDGER_TEST(test_seen_twice),
        LEDGER_TEST(test_several_recipients),
        LEDGER_TEST(test_what_a_blind_mailbox_misses_is_unverified),
        LEDGER_TEST(test_nobodys),
        LEDGER_TEST(test_closed_while_pending),
        LEDGER_TEST(test_five_hundred_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
