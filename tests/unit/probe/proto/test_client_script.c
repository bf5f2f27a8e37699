/* SPDX-License-Identifier: Apache-2.0 */
/* Dialogues written by hand, where time, TLS or who looks on matters; what is said is in tests/talk. */
#include "probe/proto/dialogue.h"
#include "tests/unit/probe/proto/client_stage.h"

#include <stdio.h>

#define START (INT64_C(5) * CLOCK_US_PER_S)
#define S     CLOCK_US_PER_S
#define MS    CLOCK_US_PER_MS

static int set_up(void **state)
{
    static struct stage s;

    s = (struct stage){.plan = {.helo = "client.example.org", .stop_after = PHASE_COUNT}};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        s.plan.limits_us[l] = 10 * S;
    s.plan.limits_us[LIMIT_RUN] = 60 * S;
    s.now_us = START;
    *state = &s;
    return 0;
}

static void begin(struct stage *s, enum tls_mode mode, const char *text)
{
    const struct dialogue_order order = {.hostname = s->plan.helo,
                                         .target = "mx1",
                                         .address = "mx1.example.org",
                                         .token = "ehlod-000102030405060708090a0b0c0d0e0f1011121314151617"};
    struct dialogue_mistakes mistakes = {0};

    s->draft = (struct result){0};
    s->plan.tls.mode = mode;
    s->plan.script =
        dialogue_write(&s->arena, dialogue_read(&s->arena, span_of(text), &mistakes), &order, &mistakes);
    assert_int_equal(mistakes.count, 0);
    client_init(&s->client, &s->plan, &s->arena, &s->draft, START);
    client_start(&s->client, START);
}

static void handshake(struct stage *s)
{
    assert_int_equal(client_want(&s->client), SEAM_TLS);
    s->now_us += 3 * MS;
    client_secured(&s->client, s->now_us);
}

static void fails(struct stage *s, enum phase phase, enum reason reason, const char *message)
{
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    assert_string_equal(phase_name(s->draft.failure.phase), phase_name(phase));
    assert_string_equal(reason_name(s->draft.failure.reason), reason_name(reason));
    assert_string_equal(s->draft.failure.message, message);
}

static void goes_well(struct stage *s)
{
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
    assert_true(client_decided(&s->client));
}

static void test_starttls(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_OFF, "EHLO one\nSTARTTLS\n< 220\nEHLO two\nNOOP\n");
    says(s, "220 mx.example.org\r\n");
    hears(s, "EHLO one");
    says(s, "250-mx.example.org\r\n250 STARTTLS\r\n");
    hears(s, "STARTTLS");
    says(s, "220 2.0.0 Ready\r\n");
    handshake(s);
    assert_int_equal(s->draft.extension_count, 0);
    hears(s, "EHLO two");
    says(s, "250-mx.example.org\r\n250 SIZE\r\n");
    assert_int_equal(s->draft.extension_count, 1);
    assert_string_equal(s->draft.extensions[0].keyword, "SIZE");
    hears(s, "NOOP");
    says(s, "250 Ok\r\n");
    goes_well(s);
    assert_int_equal(s->draft.timing_us[PHASE_TLS], 3 * MS);
}

static void test_injected(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_OFF, "STARTTLS\nNOOP\n");
    says(s, "220 mx.example.org\r\n");
    hears(s, "STARTTLS");
    says(s, "220 Ready\r\n250 Ok\r\n");
    fails(s, PHASE_STARTTLS, REASON_INJECTED,
          "line 1: 8 octets of plain text came behind the reply to STARTTLS");
}

static void test_no_handshake(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_OFF, "STARTTLS\nNOOP\n");
    says(s, "220 mx.example.org\r\n");
    hears(s, "STARTTLS");
    says(s, "220 Ready\r\n");
    client_unsecured(&s->client, REASON_CERT_EXPIRED, "the certificate has expired", s->now_us);
    fails(s, PHASE_TLS, REASON_CERT_EXPIRED, "line 1: the certificate has expired");
}

/* STARTTLS of the target's: its EHLO is ours, the one inside is the script's. */
static void test_tls_before(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_STARTTLS, "< 220\nNOOP\n");
    says(s, "220 mx.example.org\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250-mx.example.org\r\n250 STARTTLS\r\n");
    hears(s, "STARTTLS");
    says(s, "220 Ready\r\n");
    handshake(s);
    hears(s, "NOOP");
    says(s, "250 Ok\r\n");
    goes_well(s);
}

static void test_tls_not_offered(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_STARTTLS, "NOOP\n");
    says(s, "220 mx.example.org\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250 mx.example.org\r\n");
    hears(s, "QUIT");
    says(s, "221 Bye\r\n");
    fails(s, PHASE_STARTTLS, REASON_NOT_OFFERED,
          "the server does not offer STARTTLS, which tls: starttls needs");
}

static void test_opportunistic(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_OPPORTUNISTIC, "NOOP\n");
    says(s, "220 mx.example.org\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250 mx.example.org\r\n");
    hears(s, "NOOP");
    says(s, "250 Ok\r\n");
    goes_well(s);
    assert_int_equal(s->draft.flags, UINT64_C(1) << FLAG_TLS_NOT_OFFERED);
}

static void test_implicit(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_IMPLICIT, "NOOP\n");
    handshake(s);
    says(s, "220 mx.example.org\r\n");
    hears(s, "NOOP");
    says(s, "250 Ok\r\n");
    goes_well(s);
}

/* RSET and QUIT of a script's own are no courtesy. */
static void test_nothing_is_decided_before_the_end(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_OFF, "RSET\nQUIT\n< 221\n");
    says(s, "220 mx.example.org\r\n");
    hears(s, "RSET");
    assert_false(client_decided(&s->client));
    s->now_us += 7 * MS;
    says(s, "250 Ok\r\n");
    assert_int_equal(s->draft.duration_us, 7 * MS);
    hears(s, "QUIT");
    assert_false(client_decided(&s->client));
    client_broken(&s->client, SEAM_CLOSED, s->now_us);
    fails(s, PHASE_QUIT, REASON_CLOSED,
          "line 2: the server closed the connection instead of replying to QUIT");
}

/* Who leaves early is told the line, too, and the run is not changed by it. */
static void test_a_look_in_between(void **state)
{
    struct stage *s = *state;
    struct arena arena = {0};

    begin(s, TLS_MODE_OFF, "# x\nNOOP\n");
    says(s, "220 mx.example.org\r\n");
    hears(s, "NOOP");
    struct result draft = s->draft;
    client_finish(&s->client, &arena, &draft, s->now_us + S, 2 * S);
    assert_string_equal(
        draft.failure.message,
        "line 2: no reply to NOOP after 1.000 s, when the caller's 2 s were over; the run goes on");
    arena_free(&arena);
    says(s, "250 Ok\r\n");
    goes_well(s);
}

/* The lines of a reply are in the draft as they come. */
static void test_lines_as_they_come(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_OFF, "NOOP\n");
    says(s, "220-mx.exam");
    assert_false(s->draft.commands[0].replied);
    says(s, "ple.org\r\n220-wait\r\n220");
    assert_true(s->draft.commands[0].replied);
    assert_int_equal(s->draft.commands[0].reply.line_count, 2);
    assert_string_equal(s->draft.commands[0].reply.lines[1], "wait");
    assert_int_equal(s->draft.commands[0].reply_us, CLOCK_NONE);
    says(s, " now\r\n");
    assert_int_equal(s->draft.commands[0].reply.line_count, 3);
    hears(s, "NOOP");
}

/* A server that says again what it was told: neither as it was said nor decoded. The name is no secret. */
static void test_echoed_secrets(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_OFF,
          "AUTH LOGIN cHJvYmU=\nc2VjcmV0\nNOOP\nAUTH PLAIN AHByb2JlAHB3ZDEyMw==\n< 5xx\nNOOP\n");
    says(s, "220 probe.example.org\r\n");
    hears(s, "AUTH LOGIN cHJvYmU=");
    says(s, "334 UGFzc3dvcmQ6\r\n");
    hears(s, "c2VjcmV0");
    says(s, "235-c2VjcmV0 cHJvYmU=\r\n235 secret of probe\r\n");
    const struct result_command *c = &s->draft.commands[2];
    assert_string_equal(c->sent, "***");
    assert_string_equal(c->reply.lines[0], "*** ***");
    assert_string_equal(c->reply.lines[1], "*** of probe");
    hears(s, "NOOP");
    says(s, "250 secret\r\n");
    assert_string_equal(s->draft.commands[3].reply.lines[0], "***");
    hears(s, "AUTH PLAIN AHByb2JlAHB3ZDEyMw==");
    says(s, "535 pwd123 for probe in AHByb2JlAHB3ZDEyMw==\r\n");
    assert_string_equal(s->draft.commands[4].sent, "AUTH PLAIN ***");
    assert_string_equal(s->draft.commands[4].reply.lines[0], "*** for probe in ***");
    hears(s, "NOOP");
}

/* What is hidden may be what is wished for, and come where nothing was asked. */
static void test_wishes_for_a_secret(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_OFF, "AUTH LOGIN\n< 334 VXNl\ncHJvYmU=\nc2VjcmV0\nNOOP\n< 250 secret\n");
    says(s, "220 mx.example.org\r\n");
    hears(s, "AUTH LOGIN");
    says(s, "334 VXNlcm5hbWU6\r\n");
    hears(s, "cHJvYmU=");
    says(s, "334 UGFzc3dvcmQ6\r\n");
    hears(s, "c2VjcmV0");
    says(s, "235 yes\r\n");
    hears(s, "NOOP");
    says(s, "250 the secret it is\r\n250 secret\r\n");
    assert_true(s->draft.commands[4].ok);
    assert_string_equal(s->draft.commands[4].reply.lines[0], "the *** it is");
    fails(s, PHASE_AUTH, REASON_UNSOLICITED, "the server sent \"250 ***\" though nothing had been asked");
}

/* user=probe, auth=Bearer token-1234: the token alone. */
static void test_an_echoed_token(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_OFF, "AUTH XOAUTH2 dXNlcj1wcm9iZQFhdXRoPUJlYXJlciB0b2tlbi0xMjM0AQE=\n");
    says(s, "220 mx.example.org\r\n");
    hears(s, "AUTH XOAUTH2 dXNlcj1wcm9iZQFhdXRoPUJlYXJlciB0b2tlbi0xMjM0AQE=");
    says(s, "535 token-1234 of probe\r\n");
    assert_string_equal(s->draft.commands[1].reply.lines[0], "*** of probe");
}

/* What had to be escaped is found all the same, be it in the text or only beside it. */
static void test_a_text_that_is_escaped(void **state)
{
    static const char *const texts[] = {"caf\xe9", "caf\xc3\xa9", "a\\b", "plain"};
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[64], reply[64];
        snprintf(text, sizeof text, "HELP\n< 214 %s\n", texts[i]);
        snprintf(reply, sizeof reply, "214-%s\r\n214 \x01 %s\r\n", i % 2 ? "" : "x", texts[i]);
        client_free(&s->client);
        begin(s, TLS_MODE_OFF, text);
        says(s, "220 mx.example.org\r\n");
        hears(s, "HELP");
        says(s, reply);
        assert_true(s->draft.commands[1].reply.escaped);
        hears(s, "QUIT");
        goes_well(s);
    }
}

static void test_tls_in_tls(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_OFF, "STARTTLS\nSTARTTLS\nNOOP\n");
    says(s, "220 mx.example.org\r\n");
    hears(s, "STARTTLS");
    says(s, "220 Ready\r\n");
    handshake(s);
    hears(s, "STARTTLS");
    says(s, "220 Ready again\r\n");
    fails(s, PHASE_STARTTLS, REASON_UNEXPECTED_REPLY,
          "line 2: the server began TLS once more inside TLS: \"220 Ready again\"");
    assert_string_equal(s->draft.commands[2].expected, "4xx or 5xx");
}

/* As many commands as there may be, and TLS before them. */
static void test_the_most(void **state)
{
    struct stage *s = *state;
    char text[64 * 5 + 1] = "";

    for (size_t i = 0; i < 63; i++)
        snprintf(text + 5 * i, 6, "NOOP\n");
    begin(s, TLS_MODE_STARTTLS, text);
    says(s, "220 mx.example.org\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "500 what?\r\n");
    hears(s, "HELO client.example.org");
    says(s, "250 mx.example.org\r\n");
    hears(s, "QUIT");
    client_free(&s->client);
    begin(s, TLS_MODE_STARTTLS, text);
    says(s, "220 mx.example.org\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250-mx.example.org\r\n250 STARTTLS\r\n");
    hears(s, "STARTTLS");
    says(s, "220 Ready\r\n");
    handshake(s);
    for (size_t i = 0; i < 63; i++) {
        hears(s, "NOOP");
        says(s, "250 Ok\r\n");
    }
    hears(s, "QUIT");
    says(s, "221 Bye\r\n");
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
    assert_int_equal(s->draft.command_count, 67);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_starttls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_injected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_handshake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tls_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tls_not_offered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_opportunistic, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_implicit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_decided_before_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_look_in_between, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lines_as_they_come, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_echoed_secrets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wishes_for_a_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_echoed_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_text_that_is_escaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tls_in_tls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_most, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("probe/proto/client_script", tests, NULL, NULL);
}
