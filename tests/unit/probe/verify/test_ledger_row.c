/* SPDX-License-Identifier: Apache-2.0 */
/* What a ledger keeps, what it is safe to remove, and what becomes of it after a restart. */
#include "tests/unit/probe/verify/ledger_stage.h"

#include "probe/base/arena.h"
#include "probe/verify/ledger_state.h"

/* ---- a keeper ---- */

static struct arena kept; /* of the newest row */

static struct span keep_span(struct span s)
{
    return (struct span){arena_dup_span(&kept, s), s.len};
}

static void on_save(void *context, const struct ledger_row *row)
{
    struct stage *s = context;

    arena_free(&kept);
    s->saves++;
    s->row = *row;
    s->row.token = arena_dup(&kept, row->token);
    s->row.target = arena_dup(&kept, row->target);
    s->row.route = arena_dup(&kept, row->route);
    s->row.run = arena_dup(&kept, row->run);
    s->row.mailbox = arena_dup(&kept, row->mailbox);
    s->row.bounce_mailbox = arena_dup(&kept, row->bounce_mailbox);
    s->row.seen = keep_span(row->seen);
    s->row.original = keep_span(row->original);
    s->row.why = arena_dup(&kept, row->why);
    s->row.found = arena_dup(&kept, row->found);
    s->row.found_header = keep_span(row->found_header);
    s->row.changes = arena_dup(&kept, row->changes);
    s->row.bounce.action = arena_dup(&kept, row->bounce.action);
    s->row.bounce.status = arena_dup(&kept, row->bounce.status);
    s->row.bounce.diagnostic = arena_dup(&kept, row->bounce.diagnostic);
    s->row.bounce.recipient = arena_dup(&kept, row->bounce.recipient);
}

static void on_drop(void *context, const char *token)
{
    struct stage *s = context;

    (void)token;
    s->drops++;
}

static const struct ledger_keeper keeper = {.save = on_save, .drop = on_drop};

static int set_up_kept(void **state)
{
    set_up(state);
    struct stage *s = *state;
    ledger_set_keeper(s->ledger, &keeper, s);
    return 0;
}

static int tear_down_kept(void **state)
{
    arena_free(&kept);
    return tear_down(state);
}

/* The program ends, and another one begins with what was kept. */
static const struct delivery *restart(struct stage *s, bool blind, void *owner)
{
    ledger_free(s->ledger);
    s->ledger = ledger_new(&s->loop, on_changed, s);
    ledger_set_keeper(s->ledger, &keeper, s);
    s->changes = 0;
    s->looks = 0;
    return ledger_restore(s->ledger, &s->row, blind, owner);
}

/* ---- saving ---- */

static void test_each_change_is_saved(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "a", "disk", NULL);
    assert_int_equal(s->saves, 1);
    assert_int_equal(s->row.state, ROUTE_NONE);
    assert_string_equal(s->row.token, "a");
    assert_string_equal(s->row.target, "mx1");
    assert_string_equal(s->row.route, "in");
    assert_string_equal(s->row.run, "RUN");
    assert_string_equal(s->row.mailbox, "disk");
    assert_int_equal(s->row.wish, 7);
    assert_int_equal(s->row.data_us, CLOCK_NONE);
    assert_true(llabs(s->row.opened_us - clock_wall_us()) < CLOCK_US_PER_S);
    send_to(s, "a", now_us, 1);
    assert_int_equal(s->saves, 2);
    assert_int_equal(s->row.state, ROUTE_PENDING);
    assert_true(llabs(s->row.sent_us - clock_wall_us()) < CLOCK_US_PER_S);
    assert_int_equal(s->row.within_us, WITHIN_US);
    assert_int_equal(s->row.recipients, 1);
    uint64_t serial = s->row.serial;
    assert_true(find_stored(s, "a", "disk", "1", now_us + 1));
    assert_int_equal(s->saves, 3); /* once, though two things were learned */
    assert_true(s->row.serial > serial);
    assert_int_equal(s->row.state, ROUTE_DELIVERED);
    assert_true(s->row.ok);
    assert_int_equal(s->row.latency_us, 1);
    assert_memory_equal(s->row.found_header.data, stage_text, s->row.found_header.len);
    assert_true(find_stored(s, "a", "disk", "1", now_us + 1));
    assert_int_equal(s->saves, 3); /* nothing new */
}

static void test_what_was_never_sent_is_dropped(void **state)
{
    struct stage *s = *state;

    open_for(s, "a", "disk", NULL);
    ledger_drop(s->ledger, "a");
    ledger_drop(s->ledger, "a");
    assert_int_equal(s->drops, 1);
    assert_null(ledger_find(s->ledger, "a"));
}

static void test_a_sending_that_ended_is_saved_and_goes(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "a", NULL, NULL);
    ledger_end(
        s->ledger, "a", now_us,
        &(struct delivery){.state = ROUTE_QUEUED, .ok = true, .sent_us = now_us, .settled_us = now_us});
    assert_null(ledger_find(s->ledger, "a"));
    assert_int_equal(s->row.state, ROUTE_QUEUED);
    assert_true(s->row.ok);
    assert_true(s->row.settled_us > 0);
    assert_int_equal(s->changes, 0);
    const struct delivery *d = restart(s, false, NULL);
    assert_int_equal(d->state, ROUTE_QUEUED);
    assert_true(d->ok);
}

/* ---- removing ---- */

static void test_a_copy_may_go_once_it_is_safe(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    send_one(s, "a", "disk", now_us);
    assert_false(ledger_may_remove(s->ledger, "a", "disk", "1"));
    assert_true(find_stored(s, "a", "disk", "1", now_us + 1));
    uint64_t first = s->row.serial;
    assert_true(find_stored(s, "a", "disk", "2", now_us + 2));
    assert_false(ledger_may_remove(s->ledger, "a", "disk", "1"));
    ledger_saved(s->ledger, "a", first - 1);
    assert_false(ledger_may_remove(s->ledger, "a", "disk", "1"));
    ledger_saved(s->ledger, "a", first);
    ledger_saved(s->ledger, "a", first - 1); /* an old one takes nothing back */
    assert_true(ledger_may_remove(s->ledger, "a", "disk", "1"));
    assert_false(ledger_may_remove(s->ledger, "a", "disk", "2"));
    assert_false(ledger_may_remove(s->ledger, "a", "other", "1"));
    assert_false(ledger_may_remove(s->ledger, "b", "disk", "1"));
    ledger_saved(s->ledger, "a", UINT64_MAX); /* never asked for */
    assert_false(ledger_may_remove(s->ledger, "a", "disk", "2"));
    ledger_saved(s->ledger, "a", s->row.serial);
    assert_true(ledger_may_remove(s->ledger, "a", "disk", "2"));
}

/* The Maildir of a server, and its IMAP, are two mailboxes with one message: whichever shows it first. */
static void test_a_copy_elsewhere_stays_while_it_may_be_the_one(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "a", "imap", NULL);
    assert_true(find_stored(s, "a", "disk", "1", now_us + 1));
    ledger_saved(s->ledger, "a", s->row.serial);
    assert_false(ledger_may_remove(s->ledger, "a", "disk", "1"));
    send_to(s, "a", now_us, 1);
    ledger_saved(s->ledger, "a", s->row.serial);
    assert_false(ledger_may_remove(s->ledger, "a", "disk", "1"));
    assert_true(find_stored(s, "a", "imap", "7", now_us + 2));
    ledger_saved(s->ledger, "a", s->row.serial);
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    assert_true(ledger_may_remove(s->ledger, "a", "disk", "1"));
    assert_true(ledger_may_remove(s->ledger, "a", "imap", "7"));
}

static void test_without_a_keeper_it_is_safe_at_once(void **state)
{
    struct stage *s = *state;

    ledger_set_keeper(s->ledger, NULL, NULL);
    send_one(s, "a", "disk", clock_mono_us());
    assert_true(find_stored(s, "a", "disk", "1", clock_mono_us()));
    assert_true(ledger_may_remove(s->ledger, "a", "disk", "1"));
    assert_true(report(s, "a", "disk", "delivered", clock_mono_us())); /* a report that decides nothing too */
    assert_true(ledger_may_remove(s->ledger, "a", "disk", "report"));
}

/* V12 */
static void test_v12_one_that_cannot_be_removed_is_flagged(void **state)
{
    struct stage *s = *state;

    send_one(s, "a", "disk", clock_mono_us());
    assert_true(find_stored(s, "a", "disk", "1", clock_mono_us()));
    ledger_saved(s->ledger, "a", s->row.serial);
    assert_true(ledger_may_remove(s->ledger, "a", "disk", "1"));
    assert_false(has_flag(s, "a", FLAG_NOT_REMOVED));
    ledger_unremoved(s->ledger, "a");
    assert_true(has_flag(s, "a", FLAG_NOT_REMOVED));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    assert_int_equal(s->changes, 2);
    assert_int_equal(s->row.flags, UINT64_C(1) << FLAG_NOT_REMOVED);
    ledger_unremoved(s->ledger, "a");
    ledger_unremoved(s->ledger, "b");
    assert_int_equal(s->changes, 2); /* told once */
}

/* ---- restarts ---- */

static void test_a_pending_one_goes_on(void **state)
{
    struct stage *s = *state;
    int owner;

    send_one(s, "a", "disk", clock_mono_us());
    const struct delivery *d = restart(s, false, &owner);
    assert_int_equal(d->state, ROUTE_PENDING);
    assert_string_equal(d->run, "RUN");
    assert_string_equal(d->mailbox, "disk");
    ledger_close(s->ledger, "a");
    assert_true(find_stored(s, "a", "disk", "1", clock_mono_us()));
    assert_int_equal(s->changes, 1);
    assert_ptr_equal(s->owner, &owner);
    assert_int_equal(s->told.state, ROUTE_DELIVERED);
    assert_true(s->told.latency_us < 10 * CLOCK_US_PER_S);
    assert_null(ledger_find(s->ledger, "a"));
}

/* Its time was over while nobody ran: a store is looked into, and says. A sink cannot. */
static void test_the_time_was_over_meanwhile(void **state)
{
    struct stage *s = *state;

    send_one(s, "a", "disk", clock_mono_us() - 10 * WITHIN_US);
    assert_non_null(restart(s, false, NULL));
    ledger_set_mailboxes(s->ledger, &wishes, s);
    await_looks(s, 1);
    assert_true(find_stored(s, "a", "disk", "1", clock_mono_us()));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    ledger_close(s->ledger, "a");

    send_one(s, "b", "disk", clock_mono_us() - 10 * WITHIN_US);
    assert_non_null(restart(s, false, NULL));
    ledger_set_mailboxes(s->ledger, &wishes, s);
    await_looks(s, 1);
    ledger_looked(s->ledger, "disk", clock_mono_us(), NULL);
    assert_int_equal(state_of(s, "b"), ROUTE_LOST);
    ledger_close(s->ledger, "b");

    send_one(s, "c", "sink", clock_mono_us() - 10 * WITHIN_US);
    assert_non_null(restart(s, true, NULL));
    await_changes(s, 1);
    assert_int_equal(state_of(s, "c"), ROUTE_UNVERIFIED);
    ledger_close(s->ledger, "c");

    send_one(s, "d", "sink", clock_mono_us());
    await_changes(s, 2);
    assert_int_equal(s->row.state, ROUTE_LOST); /* that was known before */
    assert_non_null(restart(s, true, NULL));
    assert_true(arrive(s, "d", "sink", clock_mono_us()));
    assert_int_equal(state_of(s, "d"), ROUTE_LATE);
}

static void test_what_was_seen_is_not_seen_anew(void **state)
{
    static const char *const one[] = {"a@example.org"}, *const other[] = {"b@example.org"};
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "a", "disk", NULL);
    send_to(s, "a", now_us, 3);
    assert_true(find_stored(s, "a", "disk", "1", now_us));
    assert_true(arrive_for(s, "a", "disk", one, 1, now_us));
    assert_true(find_stored(s, "a", "elsewhere", "9", now_us));
    assert_non_null(restart(s, false, NULL));
    assert_true(ledger_may_remove(s->ledger, "a", "disk", "1")); /* that was saved */
    assert_true(find_stored(s, "a", "disk", "1", now_us));
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    assert_true(arrive_for(s, "a", "disk", other, 1, now_us));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
    assert_int_equal(s->told.flags, 0);

    open_for(s, "b", "disk", NULL);
    send_to(s, "b", clock_mono_us(), 1);
    assert_true(find_stored(s, "b", "elsewhere", "9", clock_mono_us()));
    assert_non_null(restart(s, false, NULL));
    await_changes(s, 1);
    assert_int_equal(state_of(s, "b"), ROUTE_ELSEWHERE);
    assert_string_equal(s->told.found, "elsewhere");
}

static void test_settled_ones_come_back_as_they_were(void **state)
{
    struct stage *s = *state;
    struct sighting copy = stored("disk", "1", stage_text, clock_mono_us());

    copy.folder = "INBOX";
    send_one(s, "a", "disk", clock_mono_us());
    assert_true(ledger_seen(s->ledger, "a", &copy, NULL));
    assert_string_equal(s->told.found, "INBOX");
    s->row.changes = "body\nheader Subject";
    s->row.state = ROUTE_ALTERED;
    const struct delivery *d = restart(s, false, NULL);
    assert_int_equal(d->state, ROUTE_ALTERED);
    assert_true(d->ok);
    assert_string_equal(d->found, "INBOX");
    assert_int_equal(d->evidence->hop_count, 1);
    assert_int_equal(d->evidence->change_count, 2);
    assert_string_equal(d->evidence->changes[0], "body");
    assert_string_equal(d->evidence->changes[1], "header Subject");
    assert_true(llabs(d->settled_us - clock_mono_us()) < 10 * CLOCK_US_PER_S);

    send_one(s, "b", "disk", clock_mono_us());
    assert_true(report(s, "b", "bounces", "failed", clock_mono_us()));
    d = restart(s, false, NULL);
    assert_int_equal(d->state, ROUTE_BOUNCED);
    assert_string_equal(d->bounce->status, "5.1.1");
    assert_string_equal(d->found, "bounces");

    send_one(s, "c", "disk", clock_mono_us());
    await_changes(s, 1);
    d = restart(s, false, NULL);
    assert_int_equal(d->state, ROUTE_LOST);
    assert_true(find_stored(s, "c", "disk", "3", clock_mono_us())); /* after all */
    assert_int_equal(state_of(s, "c"), ROUTE_LATE);
}

static void test_uncertain_stays_so(void **state)
{
    struct stage *s = *state;

    open_for(s, "a", "disk", NULL);
    ledger_sent(s->ledger, "a",
                &(struct ledger_sending){
                    .sent_us = clock_mono_us(),
                    .within_us = WITHIN_US,
                    .recipients = 1,
                    .verdict = {.state = ROUTE_UNCERTAIN, .phase = PHASE_FINAL, .reason = REASON_TIMEOUT}});
    assert_int_equal(s->row.state, ROUTE_PENDING);
    assert_int_equal(s->row.reason, REASON_TIMEOUT);
    const struct delivery *d = restart(s, false, NULL);
    assert_int_equal(d->state, ROUTE_PENDING);
    assert_int_equal(d->reason, REASON_NONE);
    await_changes(s, 1);
    assert_int_equal(state_of(s, "a"), ROUTE_UNCERTAIN);
    assert_int_equal(s->told.reason, REASON_TIMEOUT);
}

/* The refusal is what is kept, not what became of the message beside it. */
static void test_a_refusal_is_kept(void **state)
{
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    open_for(s, "a", "disk", NULL);
    ledger_sent(s->ledger, "a",
                &(struct ledger_sending){.sent_us = now_us,
                                         .within_us = WITHIN_US,
                                         .recipients = 1,
                                         .verdict = {.state = ROUTE_REJECTED,
                                                     .phase = PHASE_FINAL,
                                                     .reason = REASON_REJECTED,
                                                     .sent_us = now_us,
                                                     .settled_us = now_us}});
    assert_true(find_stored(s, "a", "disk", "1", now_us + 1));
    const struct delivery *d = restart(s, false, NULL);
    assert_int_equal(d->state, ROUTE_REJECTED);
    assert_int_equal(d->reason, REASON_REJECTED);
    assert_false(d->ok);
}

static void test_what_cannot_be_restored(void **state)
{
    struct stage *s = *state;

    open_for(s, "a", "disk", NULL);
    assert_null(restart(s, false, NULL)); /* nobody knows whether it was sent */
    assert_null(ledger_find(s->ledger, "a"));
    send_one(s, "b", "disk", clock_mono_us());
    assert_null(ledger_restore(s->ledger, &s->row, false, NULL)); /* it is there */
}

/* One that waits for nothing that could come. */
static void test_what_cannot_wait_is_not_restored(void **state)
{
    struct stage *s = *state;

    send_one(s, "a", "disk", clock_mono_us());
    struct ledger_row row = s->row;
    s->row.mailbox = NULL;
    assert_null(restart(s, false, NULL));
    s->row = row;
    s->row.within_us = CLOCK_NONE;
    assert_null(restart(s, false, NULL));
    s->row.within_us = INT64_MAX;
    assert_null(restart(s, false, NULL));
    s->row = row;
    assert_non_null(restart(s, false, NULL));
}

static void test_recipients_are_known_again(void **state)
{
    static const char *const to[] = {"a@example.org", "b@example.org"};
    static const char *const box[] = {"box@example.net"};
    struct stage *s = *state;
    int64_t now_us = clock_mono_us();

    ledger_open(s->ledger, &(struct ledger_letter){.token = "a",
                                                   .target = "mx1",
                                                   .route = "in",
                                                   .run = "RUN",
                                                   .mailbox = "disk",
                                                   .to = to,
                                                   .to_count = 2});
    send_to(s, "a", now_us, 2);
    assert_true(arrive_for(s, "a", "disk", box, 1, now_us + 1));
    assert_non_null(restart(s, false, NULL));
    assert_int_equal(state_of(s, "a"), ROUTE_PENDING);
    assert_true(arrive_for(s, "a", "disk", box, 1, now_us + 2));
    assert_int_equal(state_of(s, "a"), ROUTE_DELIVERED);
}

/* Whoever kept it may have cut it, or worse. */
static void test_rows_of_rubbish(void **state)
{
    static const struct span rubbish[] = {{"", 0},
                                          {"\0", 1},
                                          {"c", 1},
                                          {"i1\0", 3},
                                          {"cdisk\0i", 7},
                                          {"x\0\0u\0zz\0n", 9},
                                          {"cdisk\0i1\0n\0u\0a\0A", 16}};
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++) {
        send_one(s, "a", "disk", clock_mono_us());
        s->row.seen = rubbish[i];
        s->row.changes = "\n\nbody\n";
        assert_non_null(restart(s, false, NULL));
        ledger_drop(s->ledger, "a");
    }
}

/* Somebody set the clock back, or it ran long before the machine did. */
static void test_clocks(void **state)
{
    struct stage *s = *state;
    int64_t hour_us = 3600 * CLOCK_US_PER_S;

    send_one(s, "a", "disk", clock_mono_us());
    s->row.sent_us += hour_us;
    const struct delivery *d = restart(s, false, NULL);
    assert_true(d->sent_us <= clock_mono_us());
    ledger_drop(s->ledger, "a");
    send_one(s, "a", "disk", clock_mono_us());
    s->row.sent_us -= 24 * 365 * hour_us;
    d = restart(s, false, NULL);
    assert_int_equal(d->state, ROUTE_PENDING);
    await_changes(s, 1);
    assert_int_equal(state_of(s, "a"), ROUTE_LOST);
}

#define ROW_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_kept, tear_down_kept)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW_TEST(test_each_change_is_saved),
        ROW_TEST(test_what_was_never_sent_is_dropped),
        ROW_TEST(test_a_sending_that_ended_is_saved_and_goes),
        ROW_TEST(test_a_copy_may_go_once_it_is_safe),
        ROW_TEST(test_a_copy_elsewhere_stays_while_it_may_be_the_one),
        ROW_TEST(test_without_a_keeper_it_is_safe_at_once),
        ROW_TEST(test_v12_one_that_cannot_be_removed_is_flagged),
        ROW_TEST(test_a_pending_one_goes_on),
        ROW_TEST(test_the_time_was_over_meanwhile),
        ROW_TEST(test_what_was_seen_is_not_seen_anew),
        ROW_TEST(test_settled_ones_come_back_as_they_were),
        ROW_TEST(test_uncertain_stays_so),
        ROW_TEST(test_a_refusal_is_kept),
        ROW_TEST(test_what_cannot_be_restored),
        ROW_TEST(test_what_cannot_wait_is_not_restored),
        ROW_TEST(test_recipients_are_known_again),
        ROW_TEST(test_rows_of_rubbish),
        ROW_TEST(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
