/* SPDX-License-Identifier: Apache-2.0 */
/* Which messages a run sends, and what stands about a route between them. */
#include "server/letters.h"

#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/proto/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MS CLOCK_US_PER_MS

static const char *const to[] = {"www@example.org"};

enum { ROUTE_PLAIN, ROUTE_QUEUE, ROUTE_DELIVER, ROUTES };

static struct plan_route routes[ROUTES];
static struct plan plan;
static const struct result_recipient taken = {.to = "www@example.org", .code = 250, .ok = TRI_TRUE};
static const struct result_recipient *recipients; /* of each route, when its message was answered */
static size_t recipient_count;

/* What the built-in message says. */
static const char *const values[TEMPLATE_NAME_COUNT] = {[TEMPLATE_HOSTNAME] = "probe.example.net",
                                                        [TEMPLATE_FROM] = "a@example.net",
                                                        [TEMPLATE_TO] = "www@example.org",
                                                        [TEMPLATE_TARGET] = "mx1",
                                                        [TEMPLATE_ROUTE] = "route",
                                                        [TEMPLATE_ADDRESS] = "mx1.example.org"};

struct stage {
    struct arena arena;
    uv_loop_t loop;
    struct letters *letters;
    int settled;
};

static void on_settled(void *context, const char *key, const struct delivery *delivery)
{
    assert_memory_equal(key, "mx1/", 4);
    assert_int_not_equal(delivery->settled_us, CLOCK_NONE);
    ((struct stage *)context)->settled++;
}

static struct plan_route route(struct stage *s, const char *name, unsigned expect)
{
    return (struct plan_route){.name = name,
                               .message = {.template = template_built_in(&s->arena), .values = values},
                               .from = "a@example.net",
                               .to = to,
                               .to_count = 1,
                               .expect = expect,
                               .mailbox = "local",
                               .deliver_within_us = 40 * MS,
                               .min_send_interval_us = 60 * CLOCK_US_PER_S};
}

static int set_up(void **state)
{
    static const struct token_key key = {"a key"};
    static struct stage stage;

    stage = (struct stage){0};
    recipients = &taken;
    recipient_count = 1;
    routes[ROUTE_PLAIN] = route(&stage, "plain", EXPECT_ACCEPTED);
    routes[ROUTE_QUEUE] = route(&stage, "queue", EXPECT_QUEUED);
    routes[ROUTE_DELIVER] = route(&stage, "deliver", EXPECT_DELIVERED);
    plan = (struct plan){.target = "mx1",
                         .helo = "probe.example.net",
                         .stop_after = PHASE_COUNT,
                         .routes = routes,
                         .route_count = ROUTES};
    uv_loop_init(&stage.loop);
    stage.letters = letters_new(&stage.loop, &key, on_settled, &stage);
    *state = &stage;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;

    letters_free(s->letters);
    arena_free(&s->arena);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    return uv_loop_close(&s->loop);
}

static void pass_time(struct stage *s, int64_t us)
{
    int64_t until_us = clock_mono_us() + us;

    do {
        uv_run(&s->loop, UV_RUN_NOWAIT);
        usleep(1000);
    } while (clock_mono_us() < until_us);
}

/* The time of the message is over, and the loop has had a turn since then. */
static void wait_until_over(struct stage *s)
{
    for (int turns = 0; s->settled == 0 && turns < 5000; turns++)
        pass_time(s, MS);
    assert_int_equal(s->settled, 1);
}

/* A run of the plan: what its letters came to. */
struct played {
    struct arena arena;
    struct plan plan;
    struct result *result;
};

static void begin(struct stage *s, struct played *p, const char *run, bool all)
{
    *p = (struct played){.plan = plan};
    p->plan.letters = letters_write(s->letters, &p->arena, &p->plan, run, all);
}

static bool sends(const struct played *p, size_t i)
{
    return p->plan.letters != NULL && p->plan.letters[i].token != NULL;
}

/* Every message that was to be sent ends in that state (ROUTE_NONE: DATA was never said). */
static void finish_without_telling(struct played *p, const char *run, enum route_state state)
{
    static const enum phase data = PHASE_DATA;
    struct result_command commands[ROUTES] = {{.phase = data}};
    struct result_route shown[ROUTES] = {{.name = NULL}};
    struct result draft = {
        .id = run, .target = "mx1", .vantage = "here", .routes = shown, .route_count = ROUTES};

    draft.started_mono_us = draft.ended_mono_us = clock_mono_us();
    draft.failure.limit_us = draft.failure.elapsed_us = CLOCK_NONE;
    draft.commands = commands;
    for (size_t i = 0; i < ROUTES; i++) {
        bool sent = sends(p, i) && state != ROUTE_NONE;
        bool good = !sent || state == ROUTE_QUEUED;
        shown[i] = (struct result_route){.name = routes[i].name,
                                         .from = routes[i].from,
                                         .expect = routes[i].expect,
                                         .recipients = recipients,
                                         .recipient_count = recipient_count,
                                         .state = sent ? state : ROUTE_ACCEPTED,
                                         .ok = good ? TRI_TRUE : TRI_FALSE,
                                         .sent_us = sent ? 5 : CLOCK_NONE,
                                         .token = sent ? p->plan.letters[i].token : NULL};
        if (sent)
            commands[draft.command_count++] = (struct result_command){
                .phase = data, .route = (int)i, .sent = "DATA", .at_us = 1, .reply_us = 2};
        if (!good && draft.failure.reason == REASON_NONE)
            draft.failure = (struct result_failure){.phase = PHASE_FINAL,
                                                    .reason = REASON_TIMEOUT,
                                                    .route = routes[i].name,
                                                    .message = "no reply",
                                                    .limit_us = CLOCK_NONE,
                                                    .elapsed_us = CLOCK_NONE};
    }
    draft.status = verdict_status(draft.failure.phase, draft.failure.reason, 0);
    draft.summary = "done";
    p->result = result_publish(&draft);
}

static void finish(struct stage *s, struct played *p, const char *run, enum route_state state)
{
    finish_without_telling(p, run, state);
    letters_sent(s->letters, &p->plan, p->result);
}

static void clear(struct played *p)
{
    result_unref(p->result);
    arena_free(&p->arena);
}

static void assert_shown(struct stage *s, const struct played *p, size_t i, enum route_state state,
                         enum tri ok, const char *run)
{
    struct result *shown = letters_show(s->letters, &p->plan, p->result);

    assert_int_equal(shown->routes[i].state, state);
    assert_int_equal(shown->routes[i].ok, ok);
    if (run)
        assert_string_equal(shown->routes[i].delivery.run, run);
    else
        assert_int_equal(shown->routes[i].delivery.state, ROUTE_NONE);
    result_unref(shown);
}

static bool see(struct stage *s, const char *mailbox, const char *text)
{
    static int copies;
    char id[16];

    snprintf(id, sizeof id, "%d", ++copies);
    return letters_seen(s->letters, &(struct sighting){.mailbox = mailbox,
                                                       .folder = "",
                                                       .id = id,
                                                       .to = to,
                                                       .to_count = 1,
                                                       .kept = span_of(text),
                                                       .size = strlen(text),
                                                       .at_us = clock_mono_us(),
                                                       .exact = true});
}

/* As it was sent, behind what a server puts before it; the text is the caller's. */
static char *text_of(const struct plan_letter *letter)
{
    struct buffer b;

    buffer_init(&b, 1024 * 1024);
    buffer_puts(&b, "Received: from a by b; Mon, 23 Nov 2026 02:25:04 +0000\r\n");
    buffer_put(&b, letter->wire.data, letter->wire.len);
    for (size_t i = 0; i < letter->rest_count; i++)
        buffer_put(&b, letter->rest[i].data, letter->rest[i].len);
    b.data[b.len - 3] = '\0'; /* the dot */
    return b.data;
}

static void arrive(struct stage *s, const struct plan_letter *letter)
{
    char *text = text_of(letter);

    assert_true(see(s, "local", text));
    free(text);
}

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

#define LETTERS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LETTERS_TEST(test_what_is_sent),
        LETTERS_TEST(test_the_interval),
        LETTERS_TEST(test_pending_then_delivered),
        LETTERS_TEST(test_lost_stands_until_the_next_is_settled),
        LETTERS_TEST(test_m15_uncertain_is_watched),
        LETTERS_TEST(test_each_recipient_has_its_reply),
        LETTERS_TEST(test_a_refused_message_stands_too),
        LETTERS_TEST(test_v07_strangers),
        LETTERS_TEST(test_another_config_is_not_judged_by_the_old_one),
        LETTERS_TEST(test_another_message_is_not_judged_by_the_old_one),
        LETTERS_TEST(test_a_peek_at_a_sent_message_is_pending),
        LETTERS_TEST(test_a_blind_mailbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
