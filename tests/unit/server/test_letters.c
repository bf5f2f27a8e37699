/* SPDX-License-Identifier: Apache-2.0 */
/* Which messages a run sends, and what stands about a route between them. */
#include "tests/unit/server/letters_stage.h"

static void test_what_is_sent(void **state)
{
    struct stage *s = *state;
    struct played p;

    begin(s, &p, "R1", false);
    assert_false(sends(&p, ROUTE_PLAIN));
    assert_true(sends(&p, ROUTE_QUEUE));
    assert_true(sends(&p, ROUTE_DELIVER));
    assert_string_not_equal(p.plan.letters[ROUTE_QUEUE].token, p.plan.letters[ROUTE_DELIVER].token);
    const struct plan_letter *letter = &p.plan.letters[ROUTE_DELIVER];
    assert_non_null(strstr(letter->wire.data, letter->token));
    assert_non_null(strstr(letter->wire.data, letter->message_id));
    const struct span *last = &letter->rest[letter->rest_count - 1];
    assert_memory_equal(last->data + last->len - 3, ".\r\n", 3);
    finish(s, &p, "R1", ROUTE_QUEUED);
    clear(&p);

    plan.stop_after = PHASE_RCPT;
    begin(s, &p, "R2", true);
    assert_null(p.plan.letters);
    clear(&p);
}

static void test_the_interval(void **state)
{
    struct stage *s = *state;
    struct played first, meanwhile, next, posted;

    routes[ROUTE_DELIVER].min_send_interval_us = 30 * MS;
    begin(s, &first, "R1", false);
    begin(s, &meanwhile, "R2", false); /* the first is about to send */
    assert_null(meanwhile.plan.letters);
    begin(s, &posted, "R3", true); /* POST sends all the same */
    assert_true(sends(&posted, ROUTE_QUEUE) && sends(&posted, ROUTE_DELIVER));
    finish(s, &first, "R1", ROUTE_QUEUED);
    finish(s, &posted, "R3", ROUTE_QUEUED);
    clear(&meanwhile);
    begin(s, &meanwhile, "R4", false);
    assert_null(meanwhile.plan.letters);
    pass_time(s, 35 * MS);
    begin(s, &next, "R5", false);
    assert_true(sends(&next, ROUTE_DELIVER));
    assert_false(sends(&next, ROUTE_QUEUE));
    finish(s, &next, "R5", ROUTE_NONE); /* it never came to DATA: nothing was sent */
    clear(&meanwhile);
    begin(s, &meanwhile, "R6", false);
    assert_true(sends(&meanwhile, ROUTE_DELIVER));
    finish(s, &meanwhile, "R6", ROUTE_QUEUED);
    clear(&first);
    clear(&meanwhile);
    clear(&next);
    clear(&posted);
}

static void test_pending_then_delivered(void **state)
{
    struct stage *s = *state;
    struct played p, between;

    begin(s, &p, "R1", false);
    finish(s, &p, "R1", ROUTE_QUEUED);
    assert_true(letters_is_pending(s->letters, p.result));
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_PENDING, TRI_NULL, "R1");
    assert_shown(s, &p, ROUTE_QUEUE, ROUTE_QUEUED, TRI_TRUE, NULL);
    begin(s, &between, "R2", false);
    finish(s, &between, "R2", ROUTE_QUEUED);
    assert_false(letters_is_pending(s->letters, between.result)); /* it has sent none itself */
    assert_shown(s, &between, ROUTE_DELIVER, ROUTE_PENDING, TRI_NULL, "R1");
    assert_shown(s, &between, ROUTE_QUEUE, ROUTE_QUEUED, TRI_TRUE, "R1");
    arrive(s, &p.plan.letters[ROUTE_DELIVER]);
    assert_int_equal(s->settled, 1);
    assert_false(letters_is_pending(s->letters, p.result));
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_DELIVERED, TRI_TRUE, "R1");
    assert_shown(s, &between, ROUTE_DELIVER, ROUTE_DELIVERED, TRI_TRUE, "R1");
    clear(&p);
    clear(&between);
}

/* Who asks again gets the same result, until something becomes known. */
static void test_what_is_shown_is_made_once(void **state)
{
    struct stage *s = *state;
    struct played p;

    begin(s, &p, "R1", false);
    finish(s, &p, "R1", ROUTE_QUEUED);
    struct result *pending = letters_show(s->letters, &p.plan, p.result);
    struct result *again = letters_show(s->letters, &p.plan, p.result);
    assert_ptr_equal(again, pending);
    result_unref(again);
    arrive(s, &p.plan.letters[ROUTE_DELIVER]);
    struct result *delivered = letters_show(s->letters, &p.plan, p.result);
    assert_ptr_not_equal(delivered, pending);
    again = letters_show(s->letters, &p.plan, p.result);
    assert_ptr_equal(again, delivered);
    result_unref(again);
    result_unref(delivered);
    result_unref(pending);
    clear(&p);
}

static void test_lost_stands_until_the_next_is_settled(void **state)
{
    struct stage *s = *state;
    struct played lost, next;

    begin(s, &lost, "R1", false);
    finish(s, &lost, "R1", ROUTE_QUEUED);
    wait_until_over(s);
    assert_shown(s, &lost, ROUTE_DELIVER, ROUTE_LOST, TRI_FALSE, "R1");
    begin(s, &next, "R2", true);
    finish(s, &next, "R2", ROUTE_QUEUED);
    struct result *shown = letters_show(s->letters, &next.plan, next.result);
    assert_int_equal(shown->routes[ROUTE_DELIVER].state, ROUTE_PENDING);
    assert_int_equal(shown->status, STATUS_FAIL);
    assert_int_equal(shown->failure.reason, REASON_LOST);
    result_unref(shown);
    arrive(s, &next.plan.letters[ROUTE_DELIVER]);
    assert_shown(s, &next, ROUTE_DELIVER, ROUTE_DELIVERED, TRI_TRUE, "R2");
    /* The first comes after all: late for its own run, and no news for the route. */
    arrive(s, &lost.plan.letters[ROUTE_DELIVER]);
    assert_shown(s, &lost, ROUTE_DELIVER, ROUTE_LATE, TRI_FALSE, "R1");
    assert_shown(s, &next, ROUTE_DELIVER, ROUTE_DELIVERED, TRI_TRUE, "R2");
    clear(&lost);
    clear(&next);
}

/* When the last message came as wanted; 0 = none has. */
static int64_t last_good_us(struct stage *s, const struct played *p)
{
    struct result *shown = letters_show(s->letters, &p->plan, p->result);
    int64_t us = shown->routes[ROUTE_DELIVER].delivery.last_good_us;

    result_unref(shown);
    return us;
}

/* It is told though newer messages are lost, or under way. */
static void test_the_last_good_one_is_remembered(void **state)
{
    struct stage *s = *state;
    struct played good, lost, pending;
    int64_t before_us = clock_mono_us();

    begin(s, &good, "R1", false);
    finish(s, &good, "R1", ROUTE_QUEUED);
    assert_int_equal(last_good_us(s, &good), 0);
    arrive(s, &good.plan.letters[ROUTE_DELIVER]);
    int64_t good_us = last_good_us(s, &good);
    assert_in_range(good_us, before_us, clock_mono_us());
    begin(s, &lost, "R2", true);
    finish(s, &lost, "R2", ROUTE_QUEUED);
    s->settled = 0;
    wait_until_over(s);
    assert_shown(s, &lost, ROUTE_DELIVER, ROUTE_LOST, TRI_FALSE, "R2");
    assert_int_equal(last_good_us(s, &lost), good_us);
    arrive(s, &lost.plan.letters[ROUTE_DELIVER]); /* late is not as wanted */
    assert_int_equal(last_good_us(s, &lost), good_us);
    begin(s, &pending, "R3", true);
    finish(s, &pending, "R3", ROUTE_QUEUED);
    assert_int_equal(last_good_us(s, &pending), good_us);
    arrive(s, &pending.plan.letters[ROUTE_DELIVER]);
    assert_true(last_good_us(s, &pending) > good_us);
    clear(&good);
    clear(&lost);
    clear(&pending);
}

/* M15: no reply after the dot. The run fails, and what comes of it is watched all the same. */
static void test_m15_uncertain_is_watched(void **state)
{
    struct stage *s = *state;
    struct played p, between;

    begin(s, &p, "R1", false);
    finish(s, &p, "R1", ROUTE_UNCERTAIN);
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_UNCERTAIN, TRI_FALSE, "R1");
    begin(s, &between, "R2", false);
    assert_null(between.plan.letters);
    finish(s, &between, "R2", ROUTE_QUEUED);
    struct result *shown = letters_show(s->letters, &between.plan, between.result);
    assert_int_equal(shown->status, STATUS_FAIL); /* until it is seen */
    result_unref(shown);
    arrive(s, &p.plan.letters[ROUTE_DELIVER]);
    assert_shown(s, &between, ROUTE_DELIVER, ROUTE_DELIVERED, TRI_TRUE, "R1");
    clear(&p);
    clear(&between);
}

/* LMTP: who is waited for is whose reply to the message took it, and who got none. */
static void test_each_recipient_has_its_reply(void **state)
{
    static const struct result_recipient all[] = {
        {.to = "www@example.org", .code = 250, .ok = TRI_TRUE},
        {.to = "full@example.org", .code = 552, .ok = TRI_TRUE},
        {.to = "none@example.org", .ok = TRI_FALSE},
    };
    struct stage *s = *state;
    struct played p;

    recipients = all;
    recipient_count = 2;
    begin(s, &p, "R1", true);
    finish(s, &p, "R1", ROUTE_QUEUED);
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_PENDING, TRI_NULL, "R1");
    arrive(s, &p.plan.letters[ROUTE_DELIVER]);
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_DELIVERED, TRI_TRUE, "R1");
    clear(&p);
    recipient_count = 3;
    begin(s, &p, "R2", true);
    finish(s, &p, "R2", ROUTE_UNCERTAIN);
    arrive(s, &p.plan.letters[ROUTE_DELIVER]);
    struct result *shown = letters_show(s->letters, &p.plan, p.result);
    assert_int_equal(shown->routes[ROUTE_DELIVER].state, ROUTE_UNCERTAIN);
    assert_int_equal(shown->routes[ROUTE_DELIVER].delivery.state, ROUTE_PENDING);
    result_unref(shown);
    clear(&p);
}

static void test_a_refused_message_stands_too(void **state)
{
    struct stage *s = *state;
    struct played p, between;

    begin(s, &p, "R1", false);
    finish(s, &p, "R1", ROUTE_REJECTED);
    begin(s, &between, "R2", false);
    assert_null(between.plan.letters);
    finish(s, &between, "R2", ROUTE_QUEUED);
    assert_shown(s, &between, ROUTE_DELIVER, ROUTE_REJECTED, TRI_FALSE, "R1");
    assert_shown(s, &between, ROUTE_QUEUE, ROUTE_REJECTED, TRI_FALSE, "R1");
    clear(&p);
    clear(&between);
}

/* V07: nobody's stray mail is taken for ours, though it has our subject, or a token of our form. */
static void test_v07_strangers(void **state)
{
    static const struct token_key theirs = {"another key"};
    struct stage *s = *state;
    struct played p;
    char text[160], bounce[240], stranger[TOKEN_SIZE], forged[160];

    begin(s, &p, "R1", false);
    const char *token = p.plan.letters[ROUTE_DELIVER].token;
    token_make(&theirs, clock_wall_us(), (const unsigned char *)"123456", stranger);
    snprintf(text, sizeof text, "X-Ehlod-Token: %s\r\n\r\n", token);
    snprintf(bounce, sizeof bounce, "Subject: Re: x\r\nIn-Reply-To: <x@y>\r\n\r\n%s", text);
    snprintf(forged, sizeof forged, "X-Ehlod-Token: %s\r\n\r\n", stranger);
    assert_false(see(s, "local", "Subject: ehlod test message\r\n\r\n"));
    assert_false(see(s, "local", forged));
    assert_false(see(s, "local", bounce));
    assert_false(letters_may_remove(s->letters, "local", "1"));
    finish(s, &p, "R1", ROUTE_QUEUED);
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_PENDING, TRI_NULL, "R1");
    letters_forget(s->letters, p.result);
    assert_true(see(s, "local", text)); /* it was pending */
    assert_false(see(s, "local", text));
    clear(&p);
}

/* What was learnt about another wish is no news: not the other server's loss, not another expectation's. */
static void test_another_config_is_not_judged_by_the_old_one(void **state)
{
    struct stage *s = *state;
    struct played lost, moved, back;

    begin(s, &lost, "R1", false);
    finish(s, &lost, "R1", ROUTE_QUEUED);
    wait_until_over(s);
    plan.host = "other.example.org";
    begin(s, &moved, "R2", false); /* the interval still holds */
    assert_null(moved.plan.letters);
    finish(s, &moved, "R2", ROUTE_QUEUED);
    assert_shown(s, &moved, ROUTE_DELIVER, ROUTE_ACCEPTED, TRI_TRUE, NULL);
    plan.host = NULL;
    begin(s, &back, "R3", false);
    finish(s, &back, "R3", ROUTE_QUEUED);
    assert_shown(s, &back, ROUTE_DELIVER, ROUTE_LOST, TRI_FALSE, "R1");
    clear(&lost);
    clear(&moved);
    clear(&back);
}

/* Nor is another message: one that is larger, reads otherwise or asks for other news. */
static void test_another_message_is_not_judged_by_the_old_one(void **state)
{
    struct stage *s = *state;
    struct plan_route first = routes[ROUTE_DELIVER];
    struct played lost, other;

    begin(s, &lost, "R1", false);
    finish(s, &lost, "R1", ROUTE_QUEUED);
    wait_until_over(s);
    for (int i = 0; i < 5; i++) {
        routes[ROUTE_DELIVER].message.hash += i == 0;
        routes[ROUTE_DELIVER].message.octets += i == 1;
        routes[ROUTE_DELIVER].dsn.notify = i == 2 ? PLAN_NOTIFY_NEVER : 0;
        routes[ROUTE_DELIVER].dsn.ret = i == 3 ? PLAN_RET_HDRS : PLAN_RET_UNSAID;
        routes[ROUTE_DELIVER].dsn.envid = i == 4 ? "x" : NULL;
        begin(s, &other, "R2", false);
        finish(s, &other, "R2", ROUTE_QUEUED);
        assert_shown(s, &other, ROUTE_DELIVER, ROUTE_ACCEPTED, TRI_TRUE, NULL);
        clear(&other);
        routes[ROUTE_DELIVER] = first;
    }
    assert_shown(s, &lost, ROUTE_DELIVER, ROUTE_LOST, TRI_FALSE, "R1");
    clear(&lost);
}

/* A run that is not over: its message was taken, and nobody knows more. */
static void test_a_peek_at_a_sent_message_is_pending(void **state)
{
    struct stage *s = *state;
    struct played p;

    begin(s, &p, "R1", false);
    finish_without_telling(&p, "R1", ROUTE_QUEUED);
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_PENDING, TRI_NULL, "R1");
    letters_sent(s->letters, &p.plan, p.result);
    clear(&p);
}

static void test_a_blind_mailbox(void **state)
{
    struct stage *s = *state;
    struct played p;

    letters_blind(s->letters, "local", true);
    begin(s, &p, "R1", false);
    finish(s, &p, "R1", ROUTE_QUEUED);
    wait_until_over(s);
    struct result *shown = letters_show(s->letters, &p.plan, p.result);
    assert_int_equal(shown->routes[ROUTE_DELIVER].state, ROUTE_UNVERIFIED);
    assert_int_equal(shown->routes[ROUTE_DELIVER].ok, TRI_NULL);
    assert_int_equal(shown->status, STATUS_UNKNOWN);
    assert_int_equal(shown->failure.reason, REASON_MAILBOX_UNREACHABLE);
    result_unref(shown);
    clear(&p);
}

/* LMTP: for whom the message was taken it is watched, to clean up; the refusal of the others stands. */
static void test_partly_taken(void **state)
{
    static const struct result_recipient all[] = {
        {.to = "www@example.org", .code = 250, .ok = TRI_TRUE},
        {.to = "full@example.org", .code = 552, .ok = TRI_FALSE},
    };
    struct stage *s = *state;
    struct played p, between;

    recipients = all;
    recipient_count = 2;
    plan.protocol = PROTOCOL_LMTP;
    begin(s, &p, "R1", false);
    finish(s, &p, "R1", ROUTE_REJECTED);
    assert_shown(s, &p, ROUTE_DELIVER, ROUTE_REJECTED, TRI_FALSE, "R1");
    assert_false(letters_is_pending(s->letters, p.result));
    arrive(s, &p.plan.letters[ROUTE_DELIVER]);
    struct result *shown = letters_show(s->letters, &p.plan, p.result);
    assert_int_equal(shown->routes[ROUTE_DELIVER].state, ROUTE_REJECTED);
    assert_int_equal(shown->routes[ROUTE_DELIVER].delivery.state, ROUTE_DELIVERED);
    assert_int_equal(shown->status, STATUS_FAIL);
    result_unref(shown);
    begin(s, &between, "R2", false);
    finish(s, &between, "R2", ROUTE_QUEUED);
    assert_shown(s, &between, ROUTE_DELIVER, ROUTE_REJECTED, TRI_FALSE, "R1");
    clear(&p);
    clear(&between);
}

/* V06: a report that quotes our token says so; one that quotes another's says nothing to us. */
static void test_v06_a_report_on_it(void **state)
{
    static const char form[] =
        "From: MAILER-DAEMON@mx.example.org\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example.org\r\n\r\n"
        "Final-Recipient: rfc822; www@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\nX-Ehlod-Token: %s\r\n\r\n--b--\r\n";
    struct stage *s = *state;
    struct played p;
    char text[1024];

    begin(s, &p, "R1", false);
    finish(s, &p, "R1", ROUTE_QUEUED);
    snprintf(text, sizeof text, form, "ehlod-000102030405060708090a0b0c0d0e0f1011121314151617");
    assert_false(see(s, "bounces", text));
    snprintf(text, sizeof text, form, p.plan.letters[ROUTE_DELIVER].token);
    assert_true(see(s, "bounces", text));
    struct result *shown = letters_show(s->letters, &p.plan, p.result);
    assert_int_equal(shown->routes[ROUTE_DELIVER].state, ROUTE_BOUNCED);
    assert_int_equal(shown->failure.reason, REASON_BOUNCED);
    assert_int_equal(shown->failure.enhanced.detail, 1);
    assert_string_equal(
        shown->failure.message,
        "the server ACCEPTED the message (0) and sent it back: 5.1.1 (550 5.1.1 no such user), "
        "seen in bounces");
    result_unref(shown);
    clear(&p);
}

/* Nor is one a delivery that says nothing of what became of the message, and repeats our header in its own.
 */
static void test_v06_a_report_with_our_header(void **state)
{
    struct stage *s = *state;
    struct played p;
    char text[512];

    begin(s, &p, "R1", false);
    finish(s, &p, "R1", ROUTE_QUEUED);
    const char *token = p.plan.letters[ROUTE_DELIVER].token;
    snprintf(text, sizeof text,
             "X-Ehlod-Token: %s\r\nMessage-ID: <%s@mx.example.org>\r\n"
             "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b--\r\n",
             token, token);
    assert_false(see(s, p.plan.routes[ROUTE_DELIVER].mailbox, text));
    struct result *shown = letters_show(s->letters, &p.plan, p.result);
    assert_int_equal(shown->routes[ROUTE_DELIVER].state, ROUTE_PENDING);
    result_unref(shown);
    clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LETTERS_TEST(test_what_is_sent),
        LETTERS_TEST(test_the_interval),
        LETTERS_TEST(test_pending_then_delivered),
        LETTERS_TEST(test_what_is_shown_is_made_once),
        LETTERS_TEST(test_lost_stands_until_the_next_is_settled),
        LETTERS_TEST(test_the_last_good_one_is_remembered),
        LETTERS_TEST(test_m15_uncertain_is_watched),
        LETTERS_TEST(test_each_recipient_has_its_reply),
        LETTERS_TEST(test_a_refused_message_stands_too),
        LETTERS_TEST(test_v07_strangers),
        LETTERS_TEST(test_another_config_is_not_judged_by_the_old_one),
        LETTERS_TEST(test_another_message_is_not_judged_by_the_old_one),
        LETTERS_TEST(test_a_peek_at_a_sent_message_is_pending),
        LETTERS_TEST(test_a_blind_mailbox),
        LETTERS_TEST(test_partly_taken),
        LETTERS_TEST(test_v06_a_report_on_it),
        LETTERS_TEST(test_v06_a_report_with_our_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
