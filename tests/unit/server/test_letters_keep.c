/* SPDX-License-Identifier: Apache-2.0 */
/* Which copies may be removed, and what is known after a restart. */
#include "tests/unit/server/letters_stage.h"

/* ---- removing ---- */

static void test_what_may_be_removed(void **state)
{
    struct stage *s = *state;
    struct played p;
    char text[160], token[TOKEN_SIZE];
    char *ours;

    letters_set_longest(s->letters, 40 * MS);
    begin(s, &p, "R1", false);
    finish(s, &p, "R1", ROUTE_QUEUED);
    assert_false(letters_may_remove(s->letters, "local", "1"));
    ours = text_of(&p.plan.letters[ROUTE_DELIVER]);
    assert_true(see_copy(s, "local", "1", ours));
    assert_true(letters_may_remove(s->letters, "local", "1"));
    assert_false(letters_may_remove(s->letters, "other", "1"));
    letters_unremoved(s->letters, "local", "1");
    letters_unremoved(s->letters, "local", "none");
    assert_int_equal(s->settled, 2);
    /* A queued one leaves the ledger at once, and nobody knows one from before a crash: both go by age. */
    snprintf(text, sizeof text, "X-Ehlod-Token: %s\r\n\r\n", p.plan.letters[ROUTE_QUEUE].token);
    assert_false(see_copy(s, "local", "2", text));
    assert_false(letters_may_remove(s->letters, "local", "2"));
    token_make(&key, clock_wall_us() - 60 * CLOCK_US_PER_S, (const unsigned char *)"123456", token);
    snprintf(text, sizeof text, "X-Ehlod-Token: %s\r\n\r\n", token);
    assert_false(see_copy(s, "local", "3", text));
    assert_false(letters_may_remove(s->letters, "local", "3"));
    pass_time(s, 41 * MS);
    assert_true(letters_may_remove(s->letters, "local", "3"));
    letters_set_longest(s->letters, CLOCK_US_PER_S); /* a new config waits longer */
    assert_false(letters_may_remove(s->letters, "local", "3"));
    free(ours);
    clear(&p);
}

/* ---- restarts ---- */

static struct ledger_row row_of(const struct played *p, enum route_state state, int64_t ago_us)
{
    int64_t then_us = clock_wall_us() - ago_us;
    const struct plan_route *r = &routes[ROUTE_DELIVER];

    return (struct ledger_row){.token = p->plan.letters[ROUTE_DELIVER].token,
                               .target = plan.target,
                               .route = r->name,
                               .run = "R0",
                               .mailbox = "local",
                               .wish = memory_wish(&plan, r),
                               .opened_us = then_us - 2,
                               .data_us = state == ROUTE_NONE ? CLOCK_NONE : then_us - 1,
                               .sent_us = state == ROUTE_NONE ? CLOCK_NONE : then_us,
                               .within_us = r->deliver_within_us,
                               .recipients = 1,
                               .state = state,
                               .ok = state == ROUTE_DELIVERED,
                               .settled_us = state == ROUTE_PENDING ? CLOCK_NONE : then_us + 5,
                               .latency_us = state == ROUTE_DELIVERED ? 5 : CLOCK_NONE,
                               .found_us = CLOCK_NONE};
}

/* What is known after a restart with that row, of a message so long ago. */
static void restart(struct stage *s, struct played *p, enum route_state state, int64_t ago_us, bool blind)
{
    begin(s, p, "R0", true);
    struct ledger_row row = row_of(p, state, ago_us);
    letters_free(s->letters);
    s->letters = letters_new(&s->loop, &key, on_settled, s);
    s->settled = 0;
    letters_restore(s->letters, &row, blind);
}

/* The interval holds, and the last verdict stands, over a restart. */
static void test_a_restart_forgets_nothing(void **state)
{
    struct stage *s = *state;
    struct played old, p;

    restart(s, &old, ROUTE_DELIVERED, 5 * CLOCK_US_PER_S, false);
    begin(s, &p, "R1", false);
    assert_true(sends(&p, ROUTE_QUEUE));
    assert_false(sends(&p, ROUTE_DELIVER));
    finish(s, &p, "R1", ROUTE_QUEUED);
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_DELIVERED, TRI_TRUE, "R0");
    struct result *shown = letters_show(s->letters, &p.plan, p.result);
    int64_t age_us = shown->ended_mono_us - shown->routes[ROUTE_DELIVER].delivery.settled_us;
    assert_true(age_us > 4 * CLOCK_US_PER_S && age_us < 60 * CLOCK_US_PER_S);
    result_unref(shown);
    clear(&old);
    clear(&p);

    restart(s, &old, ROUTE_DELIVERED, 61 * CLOCK_US_PER_S, false);
    begin(s, &p, "R2", false);
    assert_true(sends(&p, ROUTE_DELIVER));
    finish(s, &p, "R2", ROUTE_NONE);
    clear(&old);
    clear(&p);
}

/* Its run had not ended: it counts for the interval, and nobody says what became of it. */
static void test_a_restart_in_the_middle_of_a_run(void **state)
{
    struct stage *s = *state;
    struct played old, p;

    restart(s, &old, ROUTE_NONE, CLOCK_US_PER_S, false);
    begin(s, &p, "R1", false);
    assert_false(sends(&p, ROUTE_DELIVER));
    finish(s, &p, "R1", ROUTE_QUEUED);
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_ACCEPTED, TRI_TRUE, NULL);
    clear(&old);
    clear(&p);
}

static void test_a_restart_while_it_is_pending(void **state)
{
    struct stage *s = *state;
    struct played old, p;

    routes[ROUTE_DELIVER].deliver_within_us = 30 * CLOCK_US_PER_S;
    restart(s, &old, ROUTE_PENDING, CLOCK_US_PER_S, false);
    begin(s, &p, "R1", false);
    finish(s, &p, "R1", ROUTE_QUEUED);
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_PENDING, TRI_NULL, "R0");
    arrive(s, &old.plan.letters[ROUTE_DELIVER]);
    assert_int_equal(s->settled, 1);
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_DELIVERED, TRI_TRUE, "R0");
    clear(&old);
    clear(&p);
}

static void test_a_restart_after_it_was_lost(void **state)
{
    struct stage *s = *state;
    struct played old, p;

    restart(s, &old, ROUTE_LOST, CLOCK_US_PER_S, false);
    begin(s, &p, "R1", false);
    finish(s, &p, "R1", ROUTE_QUEUED);
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_LOST, TRI_FALSE, "R0");
    arrive(s, &old.plan.letters[ROUTE_DELIVER]);
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_LATE, TRI_FALSE, "R0");
    clear(&p);
    begin(s, &p, "R2", true);
    finish(s, &p, "R2", ROUTE_QUEUED);
    char *text = text_of(&old.plan.letters[ROUTE_DELIVER]);
    assert_false(see(s, "local", text)); /* there is a newer one: nobody asks for that any more */
    free(text);
    clear(&old);
    clear(&p);
}

static void test_a_restart_while_nobody_knew(void **state)
{
    struct stage *s = *state;
    struct played old, p;

    routes[ROUTE_DELIVER].deliver_within_us = 30 * CLOCK_US_PER_S;
    begin(s, &old, "R0", true);
    struct ledger_row row = row_of(&old, ROUTE_PENDING, CLOCK_US_PER_S);
    row.phase = PHASE_FINAL;
    row.reason = REASON_TIMEOUT;
    letters_free(s->letters);
    s->letters = letters_new(&s->loop, &key, on_settled, s);
    letters_restore(s->letters, &row, false);
    begin(s, &p, "R1", false);
    finish(s, &p, "R1", ROUTE_QUEUED);
    struct result *shown = letters_show(s->letters, &p.plan, p.result);
    assert_int_equal(shown->status, STATUS_FAIL);
    assert_int_equal(shown->failure.phase, PHASE_FINAL);
    assert_int_equal(shown->failure.reason, REASON_TIMEOUT);
    result_unref(shown);
    clear(&old);
    clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LETTERS_TEST(test_what_may_be_removed),
        LETTERS_TEST(test_a_restart_forgets_nothing),
        LETTERS_TEST(test_a_restart_in_the_middle_of_a_run),
        LETTERS_TEST(test_a_restart_while_it_is_pending),
        LETTERS_TEST(test_a_restart_after_it_was_lost),
        LETTERS_TEST(test_a_restart_while_nobody_knew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
