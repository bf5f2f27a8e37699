/* SPDX-License-Identifier: Apache-2.0 */
/* Logging in as a part of the dialogue: what is said when, what is shown of it, what a reply means. */
#include "probe/base/clock.h"
#include "probe/base/mask.h"
#include "probe/base/secret.h"
#include "tests/unit/probe/proto/client_stage.h"

#include <stdlib.h>

#define START (INT64_C(5) * CLOCK_US_PER_S)
#define S     CLOCK_US_PER_S
#define MS    CLOCK_US_PER_MS

static const char *const to[] = {"a@example.org"};
static const struct plan_route route = {
    .name = "in", .from = "probe@example.org", .to = to, .to_count = 1, .expect = EXPECT_ACCEPTED};

static int set_up(void **state)
{
    static struct stage s;

    s = (struct stage){.plan = {
                           .helo = "client.example.org",
                           .tls.mode = TLS_MODE_IMPLICIT,
                           .stop_after = PHASE_COUNT,
                           .routes = &route,
                           .route_count = 1,
                           .login = {.wanted = true,
                                     .mechanism = AUTH_MECHANISM_COUNT,
                                     .username = "probe",
                                     .password = secret_new(span_of("pencil"))},
                       }};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        s.plan.limits_us[l] = 10 * S;
    s.plan.limits_us[LIMIT_RUN] = 60 * S;
    s.now_us = START;
    *state = &s;
    return 0;
}

static int leave(void **state)
{
    struct stage *s = *state;
    tear_down(state);
    secret_free((struct secret *)s->plan.login.password);
    return 0;
}

static void as_far_as_ehlo(struct stage *s, const char *offer)
{
    s->draft = (struct result){0};
    s->now_us = START;
    client_init(&s->client, &s->plan, &s->arena, &s->draft, START);
    client_start(&s->client, START);
    client_secured(&s->client, START);
    says(s, "220 mx.example.org ESMTP\r\n");
    hears(s, "EHLO client.example.org");
    says(s, arena_printf(&s->arena, "250-mx.example.org\r\n250 %s\r\n", offer));
}

static void is_asked(struct stage *s, enum auth_mechanism mechanism, bool first, const char *challenge)
{
    assert_int_equal(client_want(&s->client), SEAM_ANSWER);
    assert_int_equal(client_output(&s->client).len, 0);
    struct auth_question q = client_question(&s->client);
    assert_int_equal(q.mechanism, mechanism);
    assert_int_equal(q.first, first);
    assert_string_equal(q.challenge, challenge);
}

static void answers(struct stage *s, enum auth_progress progress, const char *line)
{
    struct auth_answer answer = {.progress = progress, .line = span_of(line), .message = "says the test"};
    client_answered(&s->client, &answer, s->now_us);
}

static struct result_command *last(struct stage *s)
{
    return &s->client.commands[s->draft.command_count - 1];
}

static void shows(struct stage *s, const char *sent, const char *expected)
{
    assert_string_equal(last(s)->sent, sent);
    assert_string_equal(last(s)->expected, expected);
    assert_int_equal(last(s)->phase, PHASE_AUTH);
}

static void fails(struct stage *s, enum phase phase, enum reason reason, int code, const char *message)
{
    assert_int_equal(s->draft.failure.reason, reason);
    assert_int_equal(s->draft.failure.phase, phase);
    assert_int_equal(s->draft.failure.code, code);
    assert_string_equal(s->draft.failure.message, message);
}

/* PLAIN in one go, up to the server's reply. */
static void plain(struct stage *s)
{
    as_far_as_ehlo(s, "AUTH LOGIN PLAIN");
    is_asked(s, AUTH_PLAIN, true, "");
    answers(s, AUTH_SAID, "AHByb2JlAHBlbmNpbA==");
    hears(s, "AUTH PLAIN AHByb2JlAHBlbmNpbA==");
}

static void test_plain(void **state)
{
    struct stage *s = *state;

    plain(s);
    shows(s, "AUTH PLAIN ***", "235");
    s->now_us += 3 * MS;
    says(s, "235 2.7.0 Welcome\r\n");
    assert_true(s->client.commands[2].ok);
    assert_string_equal(s->draft.login, "probe (PLAIN)");
    assert_int_equal(s->draft.timing_us[PHASE_AUTH], 3 * MS);
    hears(s, "MAIL FROM:<probe@example.org>");
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
    assert_int_equal(s->draft.flags, 0);
}

/* What is sent is nowhere when it is sent. */
static void test_a_line_is_wiped(void **state)
{
    struct stage *s = *state;

    as_far_as_ehlo(s, "AUTH PLAIN");
    answers(s, AUTH_SAID, "AHByb2JlAHBlbmNpbA==");
    assert_non_null(s->client.auth.line);
    assert_null(memmem(s->client.wire, sizeof(s->client.wire), "AHByb2", 6));
    size_t len = client_output(&s->client).len;
    client_sent(&s->client, len - 1, s->now_us);
    assert_non_null(s->client.auth.line);
    client_sent(&s->client, 1, s->now_us);
    assert_null(s->client.auth.line);
    assert_int_equal(client_output(&s->client).len, 0);
}

static void test_login(void **state)
{
    struct stage *s = *state;

    s->plan.login.mechanism = AUTH_LOGIN;
    as_far_as_ehlo(s, "AUTH SCRAM-SHA-256 PLAIN login");
    hears(s, "AUTH LOGIN");
    shows(s, "AUTH LOGIN", "334");
    s->now_us += MS;
    says(s, "334 VXNlcm5hbWU6\r\n");
    assert_string_equal(last(s)->reply.lines[0], "***");
    assert_true(last(s)->ok);
    is_asked(s, AUTH_LOGIN, false, "VXNlcm5hbWU6");
    s->now_us += 50 * MS; /* ehlod's own time is not the server's */
    answers(s, AUTH_MORE, "cHJvYmU=");
    hears(s, "cHJvYmU=");
    shows(s, "***", "334");
    s->now_us += MS;
    says(s, "334 \r\n");
    is_asked(s, AUTH_LOGIN, false, "");
    answers(s, AUTH_SAID, "cGVuY2ls");
    hears(s, "cGVuY2ls");
    shows(s, "***", "235");
    s->now_us += MS;
    says(s, "235 2.7.0 Welcome\r\n");
    assert_int_equal(s->draft.timing_us[PHASE_AUTH], 3 * MS);
    assert_string_equal(s->draft.login, "probe (LOGIN)");
}

static void test_scram(void **state)
{
    struct stage *s = *state;

    as_far_as_ehlo(s, "AUTH PLAIN SCRAM-SHA-256");
    is_asked(s, AUTH_SCRAM_SHA_256, true, "");
    answers(s, AUTH_MORE, "biwsbj1wcm9iZSxyPXg=");
    hears(s, "AUTH SCRAM-SHA-256 biwsbj1wcm9iZSxyPXg=");
    shows(s, "AUTH SCRAM-SHA-256 ***", "334");
    says(s, "334 cj14eQ==\r\n");
    is_asked(s, AUTH_SCRAM_SHA_256, false, "cj14eQ==");
    answers(s, AUTH_MORE, "Yz1iaXdz");
    hears(s, "Yz1iaXdz");
    says(s, "334 dj1y\r\n");
    is_asked(s, AUTH_SCRAM_SHA_256, false, "dj1y");
    answers(s, AUTH_SAID, "");
    hears(s, "");
    shows(s, "", "235");
    says(s, "235 2.7.0 Welcome\r\n");
    assert_string_equal(s->draft.login, "probe (SCRAM-SHA-256)");
    for (size_t i = 0; i < s->draft.command_count; i++)
        for (size_t k = 0; k < s->draft.commands[i].reply.line_count; k++)
            assert_null(strstr(s->draft.commands[i].reply.lines[k], "="));
}

static void test_empty_initial_response(void **state)
{
    struct stage *s = *state;

    s->plan.login.username = "";
    s->plan.login.has_certificate = true;
    as_far_as_ehlo(s, "AUTH EXTERNAL PLAIN");
    is_asked(s, AUTH_EXTERNAL, true, "");
    answers(s, AUTH_SAID, "");
    hears(s, "AUTH EXTERNAL =");
    shows(s, "AUTH EXTERNAL =", "235");
    says(s, "235 Welcome\r\n");
    assert_string_equal(s->draft.login, "(EXTERNAL)");
}

/* A response of that length. */
static const char *response(struct stage *s, size_t len)
{
    char *line = arena_alloc(&s->arena, len + 1);
    memset(line, 'A', len);
    return line;
}

/* RFC 4954 section 4: 512 octets with CRLF; one more, and it waits for an empty challenge. */
static void test_long_initial_response(void **state)
{
    struct stage *s = *state;
    const char *line = response(s, 500); /* "AUTH PLAIN " and CRLF are 13 octets, base64 comes in fours */

    as_far_as_ehlo(s, "AUTH PLAIN");
    answers(s, AUTH_SAID, response(s, 496));
    assert_int_equal(client_output(&s->client).len, 509);
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH PLAIN");
    answers(s, AUTH_SAID, line);
    hears(s, "AUTH PLAIN");
    shows(s, "AUTH PLAIN", "334");
    says(s, "334\r\n");
    hears(s, line);
    shows(s, "***", "235");
    says(s, "235 Welcome\r\n");
    assert_string_equal(s->draft.login, "probe (PLAIN)");
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH PLAIN");
    answers(s, AUTH_SAID, line);
    hears(s, "AUTH PLAIN");
    says(s, "334 VXNlcm5hbWU6\r\n"); /* it is not for that */
    hears(s, "*");
    says(s, "501 Cancelled\r\n");
    hears(s, "QUIT");
    fails(s, PHASE_AUTH, REASON_BAD_CHALLENGE, 334,
          "AUTH PLAIN: a challenge where an empty one was due, as the client speaks first");
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH PLAIN");
    answers(s, AUTH_SAID, line);
    hears(s, "AUTH PLAIN");
    says(s, "235 Welcome\r\n"); /* A10 */
    hears(s, "QUIT");
    fails(s, PHASE_AUTH, REASON_UNEXPECTED_SUCCESS, 235,
          "the login as probe with PLAIN succeeded before it was made: \"235 Welcome\"");
    assert_null(s->client.auth.line);
}

/* The strongest for which there is a proof; a named one, or none. */
static void test_choice(void **state)
{
    struct stage *s = *state;
    struct secret *token = secret_new(span_of("t"));
    static const struct {
        enum auth_mechanism named;
        unsigned proofs; /* 1 password, 2 token, 4 token file, 8 certificate */
        const char *offer;
        enum auth_mechanism taken;
    } cases[] = {
        {AUTH_MECHANISM_COUNT, 1, "AUTH LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", AUTH_SCRAM_SHA_256},
        {AUTH_MECHANISM_COUNT, 1, "AUTH=LOGIN PLAIN CRAM-MD5 scram-sha-1", AUTH_SCRAM_SHA_1},
        {AUTH_MECHANISM_COUNT, 1, "AUTH LOGIN PLAIN CRAM-MD5", AUTH_CRAM_MD5},
        {AUTH_MECHANISM_COUNT, 1, "AUTH XOAUTH2 EXTERNAL LOGIN PLAIN", AUTH_PLAIN},
        {AUTH_MECHANISM_COUNT, 1, "AUTH LOGIN", AUTH_LOGIN},
        {AUTH_MECHANISM_COUNT, 2, "AUTH PLAIN XOAUTH2 OAUTHBEARER", AUTH_OAUTHBEARER},
        {AUTH_MECHANISM_COUNT, 4, "AUTH PLAIN XOAUTH2", AUTH_XOAUTH2},
        {AUTH_MECHANISM_COUNT, 3, "AUTH PLAIN XOAUTH2", AUTH_XOAUTH2},
        {AUTH_MECHANISM_COUNT, 9, "AUTH PLAIN EXTERNAL", AUTH_EXTERNAL},
        {AUTH_MECHANISM_COUNT, 1, "AUTH PLAINX XPLAIN NTLM", AUTH_MECHANISM_COUNT},
        {AUTH_MECHANISM_COUNT, 1, "AUTH", AUTH_MECHANISM_COUNT},
        {AUTH_MECHANISM_COUNT, 2, "AUTH PLAIN LOGIN EXTERNAL", AUTH_MECHANISM_COUNT},
        {AUTH_PLAIN, 1, "AUTH SCRAM-SHA-256 PLAIN", AUTH_PLAIN},
        {AUTH_SCRAM_SHA_256, 1, "AUTH PLAIN LOGIN", AUTH_MECHANISM_COUNT}, /* A11 */
    };

    const struct secret *password = s->plan.login.password;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        s->plan.login.mechanism = cases[i].named;
        s->plan.login.password = cases[i].proofs & 1 ? password : NULL;
        s->plan.login.token = cases[i].proofs & 2 ? token : NULL;
        s->plan.login.token_file = cases[i].proofs & 4 ? "/token" : NULL;
        s->plan.login.has_certificate = cases[i].proofs & 8;
        as_far_as_ehlo(s, cases[i].offer);
        if (cases[i].taken == AUTH_MECHANISM_COUNT) {
            assert_int_equal(s->draft.failure.reason, REASON_NO_MECHANISM);
            assert_int_equal(s->draft.failure.phase, PHASE_AUTH);
            hears(s, "QUIT");
        } else if (auth_client_speaks_first(cases[i].taken)) {
            is_asked(s, cases[i].taken, true, "");
        } else {
            hears(s, arena_printf(&s->arena, "AUTH %s", auth_name(cases[i].taken)));
        }
        client_free(&s->client);
    }
    s->plan.login.password = password;
    as_far_as_ehlo(s, "AUTH PLAIN");
    secret_free(token);
}

/* A03 */
static void test_many_unknown_mechanisms(void **state)
{
    struct stage *s = *state;
    const char *offer = "AUTH";

    for (int i = 0; i < 60; i++)
        offer = arena_printf(&s->arena, "%s X-%d", offer, i);
    as_far_as_ehlo(s, offer);
    fails(
        s, PHASE_AUTH, REASON_NO_MECHANISM, 0,
        "the server offers no AUTH mechanism for a password (it offers: X-0 X-1 X-2 X-3 X-4 X-5 X-6 X-7 X-8 "
        "X-9 and 50 more)");
    hears(s, "QUIT");
    client_free(&s->client);

    s->plan.login.mechanism = AUTH_SCRAM_SHA_256;
    as_far_as_ehlo(s, "AUTH PLAIN");
    fails(s, PHASE_AUTH, REASON_NO_MECHANISM, 0,
          "the server does not offer AUTH SCRAM-SHA-256, which auth.mechanism names (it offers: PLAIN)");
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH");
    fails(s, PHASE_AUTH, REASON_NO_MECHANISM, 0,
          "the server does not offer AUTH SCRAM-SHA-256, which auth.mechanism names (it offers: none)");
}

/* A01, A11: without TLS nothing, whatever is offered. */
static void test_in_the_clear(void **state)
{
    struct stage *s = *state;
    static const struct {
        const char *offer;
        bool allowed;
        enum reason reason;
    } cases[] = {
        {"AUTH PLAIN", false, REASON_NEEDS_TLS}, {"AUTH SCRAM-SHA-256 PLAIN", false, REASON_NEEDS_TLS},
        {"STARTTLS", false, REASON_NEEDS_TLS},   {"STARTTLS", true, REASON_NEEDS_TLS},
        {"SIZE", false, REASON_NOT_OFFERED},     {"SIZE", true, REASON_NOT_OFFERED},
        {"AUTH NTLM", false, REASON_NEEDS_TLS},  {"AUTH NTLM", true, REASON_NO_MECHANISM},
        {"AUTH PLAIN", true, REASON_NONE},
    };

    s->plan.tls.mode = TLS_MODE_OFF;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        s->plan.login.allow_plaintext = cases[i].allowed;
        as_far_as_ehlo(s, cases[i].offer);
        assert_int_equal(s->draft.failure.reason, cases[i].reason);
        if (cases[i].reason == REASON_NONE) {
            is_asked(s, AUTH_PLAIN, true, "");
        } else {
            assert_int_equal(s->draft.failure.phase, PHASE_AUTH);
            assert_int_equal(s->draft.timing_us[PHASE_AUTH], CLOCK_NONE);
            hears(s, "QUIT");
        }
        client_free(&s->client);
    }
    s->plan.login.allow_plaintext = false;
    as_far_as_ehlo(s, "AUTH PLAIN");
    fails(
        s, PHASE_AUTH, REASON_NEEDS_TLS, 0,
        "the connection is not encrypted, and nothing of a login is sent without TLS (auth.allow_plaintext)");
}

/* A06, A12: cancelled, whatever is said to that. */
static void test_cancelled(void **state)
{
    struct stage *s = *state;
    static const char *const replies[] = {"501 5.7.0 Cancelled\r\n", "250 Ok\r\n", "535 5.7.8 Bad\r\n",
                                          "235 2.7.0 Welcome\r\n"};

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        as_far_as_ehlo(s, "AUTH CRAM-MD5");
        hears(s, "AUTH CRAM-MD5");
        s->now_us += MS;
        says(s, "334 what is this?\r\n");
        is_asked(s, AUTH_CRAM_MD5, false, "what is this?");
        answers(s, i % 2 ? AUTH_SERVER_INVALID : AUTH_BAD_CHALLENGE, "");
        assert_false(last(s)->ok && last(s)->reply.code == 334);
        hears(s, "*");
        shows(s, "*", "501");
        assert_string_equal(s->draft.commands[2].reply.lines[0], "what is this?");
        assert_false(s->draft.commands[2].ok);
        s->now_us += MS;
        says(s, replies[i]);
        assert_int_equal(s->draft.commands[3].ok, i == 0);
        fails(s, PHASE_AUTH, i % 2 ? REASON_SERVER_INVALID : REASON_BAD_CHALLENGE, 334,
              "AUTH CRAM-MD5: says the test");
        assert_int_equal(s->draft.duration_us, MS);
        hears(s, "QUIT");
        assert_null(s->draft.login);
        client_free(&s->client);
    }
    as_far_as_ehlo(s, "AUTH CRAM-MD5");
    hears(s, "AUTH CRAM-MD5");
    says(s, "334 x\r\n");
    answers(s, AUTH_BAD_CHALLENGE, "");
    hears(s, "*");
    says(s, "334 x\r\n"); /* takes whatever comes for a response */
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH CRAM-MD5");
    hears(s, "AUTH CRAM-MD5");
    says(s, "334-eHg=\r\n334 eHg=\r\n");
    hears(s, "*");
    assert_int_equal(s->draft.failure.reason, REASON_BAD_CHALLENGE);
    assert_string_equal(s->draft.commands[2].reply.lines[1], "***");
}

/* A09 */
static void test_endless(void **state)
{
    struct stage *s = *state;

    as_far_as_ehlo(s, "AUTH LOGIN");
    hears(s, "AUTH LOGIN");
    for (int i = 0; i < PLAN_MAX_ROUNDS; i++) {
        says(s, "334 eHg=\r\n");
        answers(s, AUTH_MORE, "eHg=");
        hears(s, "eHg=");
    }
    says(s, "334 eHg=\r\n");
    hears(s, "*");
    fails(s, PHASE_AUTH, REASON_TOO_MANY_ROUNDS, 334,
          "AUTH LOGIN: the server goes on asking after 10 responses");
    says(s, "501 Cancelled\r\n");
    hears(s, "QUIT");
    client_free(&s->client);

    plain(s);
    says(s, "334 eHg=\r\n"); /* what for? */
    answers(s, AUTH_BAD_CHALLENGE, "");
    hears(s, "*");
    fails(s, PHASE_AUTH, REASON_TOO_MANY_ROUNDS, 334,
          "AUTH PLAIN: the server goes on asking though all is said");
    client_free(&s->client);

    plain(s);
    says(s, "334 what for?\r\n");
    answers(s, AUTH_BAD_CHALLENGE, "");
    fails(s, PHASE_AUTH, REASON_BAD_CHALLENGE, 334, "AUTH PLAIN: says the test");
}

/* A10 */
static void test_success_before_its_time(void **state)
{
    struct stage *s = *state;

    as_far_as_ehlo(s, "AUTH LOGIN");
    hears(s, "AUTH LOGIN");
    says(s, "235 2.7.0 Welcome\r\n");
    hears(s, "QUIT");
    fails(s, PHASE_AUTH, REASON_UNEXPECTED_SUCCESS, 235,
          "the login as probe with LOGIN succeeded before it was made: \"235 2.7.0 Welcome\"");
    assert_null(s->draft.login);
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH SCRAM-SHA-1");
    answers(s, AUTH_MORE, "eHg=");
    hears(s, "AUTH SCRAM-SHA-1 eHg=");
    says(s, "235 2.7.0 Welcome\r\n");
    hears(s, "QUIT");
    fails(s, PHASE_AUTH, REASON_UNEXPECTED_SUCCESS, 235,
          "the login as probe with SCRAM-SHA-1 succeeded before it was complete: \"235 2.7.0 Welcome\"");
}

/* A04, A05, A19: whatever refuses, phase auth, with its code. */
static void test_refused(void **state)
{
    struct stage *s = *state;
    static const struct {
        const char *reply;
        enum reason reason;
        int code;
        const char *message;
    } cases[] = {
        {"535 5.7.8 Bad", REASON_FAILED, 535, "the login as probe with PLAIN was refused: \"535 5.7.8 Bad\""},
        {"534 5.7.9 Weak", REASON_FAILED, 534,
         "the login as probe with PLAIN was refused: \"534 5.7.9 Weak\""},
        {"538 5.7.11 TLS", REASON_FAILED, 538,
         "the login as probe with PLAIN was refused: \"538 5.7.11 TLS\""},
        {"530 No", REASON_FAILED, 530, "the login as probe with PLAIN was refused: \"530 No\""},
        {"454 4.7.0 Later", REASON_FAILED, 454,
         "the login as probe with PLAIN was refused for now: \"454 4.7.0 Later\""},
        {"432 4.7.12 Change it", REASON_FAILED, 432,
         "the login as probe with PLAIN was refused for now: \"432 4.7.12 Change it\""},
        {"421 4.3.0 Bye", REASON_FAILED, 421,
         "the login as probe with PLAIN was refused for now: \"421 4.3.0 Bye\""},
        {"503 5.5.1 Already", REASON_UNEXPECTED_REPLY, 503,
         "to the server the login as probe with PLAIN is out of turn: \"503 5.5.1 Already\""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        plain(s);
        says(s, arena_printf(&s->arena, "%s\r\n", cases[i].reply));
        fails(s, PHASE_AUTH, cases[i].reason, cases[i].code, cases[i].message);
        assert_false(s->draft.commands[2].ok);
        assert_null(s->draft.login);
        hears(s, "QUIT");
        client_free(&s->client);
    }
    plain(s);
    says(s, "354 Go ahead\r\n");
    assert_int_equal(s->draft.failure.reason, REASON_UNEXPECTED_REPLY);
    assert_int_equal(client_want(&s->client), SEAM_DONE);
}

/* A15 */
static void test_detail(void **state)
{
    struct stage *s = *state;
    struct auth_answer answer = {.progress = AUTH_SAID, .line = span_of(""), .detail = "invalid_token"};

    plain(s);
    says(s, "334 eyJ9\r\n");
    client_answered(&s->client, &answer, s->now_us);
    hears(s, "");
    says(s, "535 5.7.8 Bad\r\n");
    fails(s, PHASE_AUTH, REASON_FAILED, 535,
          "the login as probe with PLAIN was refused: \"535 5.7.8 Bad\" (invalid_token)");
}

/* A17 */
static void test_other_success(void **state)
{
    struct stage *s = *state;

    plain(s);
    says(s, "250 2.0.0 Fine\r\n");
    assert_int_equal(s->draft.flags, UINT64_C(1) << FLAG_AUTH_CODE);
    hears(s, "MAIL FROM:<probe@example.org>");
}

/* A20 */
static void test_long_line_refused(void **state)
{
    struct stage *s = *state;

    as_far_as_ehlo(s, "AUTH PLAIN");
    answers(s, AUTH_SAID, response(s, 2000));
    hears(s, "AUTH PLAIN");
    says(s, "334 \r\n");
    hears(s, response(s, 2000));
    says(s, "500 5.5.6 Line too long\r\n");
    fails(
        s, PHASE_AUTH, REASON_FAILED, 500,
        "the login as probe with PLAIN was refused: \"500 5.5.6 Line too long\" (a line had 2002 octets: the "
        "server may take none so long)");
}

static void test_expect_rejected(void **state)
{
    struct stage *s = *state;
    static const struct {
        const char *reply;
        enum reason reason;
    } cases[] = {
        {"535 5.7.8 Bad", REASON_NONE},
        {"550 5.7.1 No", REASON_NONE},
        {"554 No", REASON_NONE},
        {"500 What?", REASON_FAILED},
        {"501 Syntax", REASON_FAILED},
        {"502 No AUTH", REASON_FAILED},
        {"504 No such mechanism", REASON_FAILED},
        {"530 TLS first", REASON_FAILED},
        {"534 Weak", REASON_FAILED},
        {"538 TLS first", REASON_FAILED},
        {"454 Later", REASON_FAILED},
        {"503 Already", REASON_UNEXPECTED_REPLY},
        {"235 Welcome", REASON_ACCEPTED},
        {"250 Welcome", REASON_ACCEPTED},
    };

    s->plan.login.rejected = true;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        plain(s);
        shows(s, "AUTH PLAIN ***", "5xx");
        says(s, arena_printf(&s->arena, "%s\r\n", cases[i].reply));
        assert_int_equal(s->draft.failure.reason, cases[i].reason);
        assert_int_equal(s->draft.commands[2].ok, cases[i].reason == REASON_NONE);
        assert_null(s->draft.login);
        hears(s, cases[i].reason == REASON_NONE ? "MAIL FROM:<probe@example.org>" : "QUIT");
        client_free(&s->client);
    }
    s->plan.login.mechanism = AUTH_SCRAM_SHA_1; /* refused though more might have come */
    as_far_as_ehlo(s, "AUTH SCRAM-SHA-1");
    answers(s, AUTH_MORE, "eHg=");
    hears(s, "AUTH SCRAM-SHA-1 eHg=");
    shows(s, "AUTH SCRAM-SHA-1 ***", "334");
    says(s, "535 5.7.8 Bad\r\n");
    assert_string_equal(s->client.commands[2].expected, "5xx");
    assert_true(s->client.commands[2].ok);
    client_free(&s->client);

    s->plan.login.mechanism = AUTH_LOGIN; /* refused before anything was said */
    as_far_as_ehlo(s, "AUTH LOGIN");
    hears(s, "AUTH LOGIN");
    says(s, "535 5.7.8 Bad\r\n");
    fails(
        s, PHASE_AUTH, REASON_FAILED, 535,
        "the login as probe with LOGIN was refused: \"535 5.7.8 Bad\"; this does not show whether the login "
        "itself would be");
}

/* What ehlod cannot do is not the server's fault. */
static void test_unable(void **state)
{
    struct stage *s = *state;

    as_far_as_ehlo(s, "AUTH PLAIN");
    answers(s, AUTH_UNABLE, "");
    hears(s, "QUIT");
    fails(s, PHASE_AUTH, REASON_LOCAL_RESOURCE, 0, "AUTH PLAIN: says the test");
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH LOGIN");
    hears(s, "AUTH LOGIN");
    says(s, "334 VXNlcm5hbWU6\r\n");
    answers(s, AUTH_UNABLE, "");
    hears(s, "*");
    assert_true(s->draft.commands[2].ok);
    says(s, "501 Cancelled\r\n");
    hears(s, "QUIT");
    fails(s, PHASE_AUTH, REASON_LOCAL_RESOURCE, 0, "AUTH LOGIN: says the test");
}

/* While the answer is made only the run's end counts, and it is ehlod's own. */
static void test_answer_takes_too_long(void **state)
{
    struct stage *s = *state;

    as_far_as_ehlo(s, "AUTH PLAIN");
    assert_int_equal(client_deadline(&s->client), START + 60 * S);
    client_expire(&s->client, START + 30 * S);
    assert_int_equal(client_want(&s->client), SEAM_ANSWER);
    client_expire(&s->client, START + 60 * S);
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    fails(
        s, PHASE_AUTH, REASON_LOCAL_RESOURCE, 0,
        "ehlod itself had not made the login after 60.000 s, when the time of the run was over (timeout, 60 s)");
    assert_int_equal(s->draft.failure.limit_us, CLOCK_NONE);
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH PLAIN");
    s->now_us = START + 60 * S + 1;
    answers(s, AUTH_SAID, "eHg=");
    assert_int_equal(s->draft.failure.reason, REASON_LOCAL_RESOURCE);
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH PLAIN"); /* somebody looks at it */
    struct result draft = s->draft;
    client_finish(&s->client, &s->arena, &draft, START + 2 * S, 2 * S);
    assert_int_equal(draft.failure.reason, REASON_DEADLINE);
    assert_string_equal(
        draft.failure.message,
        "ehlod is still making the login after 2.000 s, when the caller's 2 s were over; the run "
        "goes on");
    assert_int_equal(draft.command_count, 2);
}

static void test_broken_meanwhile(void **state)
{
    struct stage *s = *state;

    as_far_as_ehlo(s, "AUTH PLAIN");
    client_broken(&s->client, SEAM_CLOSED, s->now_us);
    fails(s, PHASE_AUTH, REASON_CLOSED, 0,
          "the server closed the connection while ehlod was making the login");
    assert_int_equal(s->draft.command_count, 2);
    assert_int_equal(s->draft.commands[1].reply.line_count, 2);
    answers(s, AUTH_SAID, "eHg="); /* too late for anybody */
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH PLAIN");
    says(s, "\r\n");
    assert_int_equal(client_want(&s->client), SEAM_ANSWER);
    says(s, "235 Welcome\r\n");
    assert_int_equal(s->draft.failure.reason, REASON_UNSOLICITED);
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH LOGIN");
    hears(s, "AUTH LOGIN");
    says(s, "334 eHg=\r\n235 Welcome\r\n");
    fails(s, PHASE_AUTH, REASON_UNSOLICITED, 0,
          "the server sent \"235 Welcome\" though nothing had been asked");
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH PLAIN");
    client_stop(&s->client, s->now_us);
    assert_int_equal(s->draft.failure.reason, REASON_LOCAL_RESOURCE);
}

static void is_ehlods_fault(struct stage *s, const char *message)
{
    fails(s, PHASE_AUTH, REASON_LOCAL_RESOURCE, 0, message);
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    client_free(&s->client);
}

/* A server that will not wait any longer is not to blame for it, unless it never waited. */
static void test_kept_waiting(void **state)
{
    struct stage *s = *state;

    as_far_as_ehlo(s, "AUTH PLAIN");
    s->now_us += S;
    says(s, "421 4.4.2 timeout\r\n");
    assert_string_equal(last(s)->reply.lines[0], "421 4.4.2 timeout");
    is_ehlods_fault(s,
                    "ehlod itself had not made the login after 1.000 s, when the server ended the session: "
                    "\"421 4.4.2 timeout\"");

    as_far_as_ehlo(s, "AUTH LOGIN");
    hears(s, "AUTH LOGIN");
    says(s, "334 eHg=\r\n");
    s->now_us += S;
    client_broken(&s->client, SEAM_CLOSED, s->now_us);
    is_ehlods_fault(
        s, "ehlod itself had not made the login after 1.000 s, when the server closed the connection");

    as_far_as_ehlo(s, "AUTH PLAIN");
    client_unsecured(&s->client, REASON_TRUNCATED, "cut", s->now_us + S);
    is_ehlods_fault(s, "ehlod itself had not made the login after 1.000 s, when the server broke off TLS");

    as_far_as_ehlo(s, "AUTH PLAIN"); /* it says this whoever waits */
    s->now_us += S;
    says(s, "235 Welcome\r\n");
    assert_int_equal(s->draft.failure.reason, REASON_UNSOLICITED);
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH PLAIN");
    s->now_us += S / 10;
    says(s, "421 4.7.0 go away\r\n");
    assert_int_equal(s->draft.failure.reason, REASON_UNSOLICITED);
}

static void test_broken_in_the_reply(void **state)
{
    struct stage *s = *state;

    as_far_as_ehlo(s, "AUTH LOGIN");
    hears(s, "AUTH LOGIN");
    says(s, "334 eHg=\r\n");
    answers(s, AUTH_MORE, "eHg=");
    hears(s, "eHg=");
    says(s, "334 cj14eX");
    struct result draft = s->draft;
    client_finish(&s->client, &s->arena, &draft, s->now_us, 2 * S);
    assert_string_equal(draft.commands[3].reply.lines[0], "334 ***");
    client_expire(&s->client, START + 10 * S);
    fails(s, PHASE_AUTH, REASON_TIMEOUT, 0,
          "no reply to a response of the login in 10.000 s (timeouts.reply)");
    assert_string_equal(s->draft.commands[3].reply.lines[0], "334 ***");
    assert_string_equal(s->draft.commands[2].reply.lines[0], "***");
}

/* A server that echoes a secret is masked in everything that is kept of it. */
static void test_echo(void **state)
{
    struct stage *s = *state;
    struct mask *mask = mask_new();
    struct auth_answer answer = {
        .progress = AUTH_SAID, .line = span_of("AHByb2JlAHBlbmNpbA=="), .mask = mask};

    mask_add(mask, span_of("pencil"));
    mask_add_exact(mask, span_of("AHByb2JlAHBlbmNpbA=="));
    as_far_as_ehlo(s, "AUTH PLAIN");
    client_answered(&s->client, &answer, s->now_us);
    hears(s, "AUTH PLAIN AHByb2JlAHBlbmNpbA==");
    says(s, "535-5.7.8 no pencil here\r\n535 5.7.8 AHByb2JlAHBlbmNpbA==\r\n");
    fails(s, PHASE_AUTH, REASON_FAILED, 535,
          "the login as probe with PLAIN was refused: \"535 5.7.8 no *** here ***\"");
    assert_string_equal(s->draft.commands[2].reply.lines[0], "5.7.8 no *** here");
    assert_string_equal(s->draft.commands[2].reply.lines[1], "5.7.8 ***");
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH PLAIN");
    client_answered(&s->client, &answer, s->now_us);
    hears(s, "AUTH PLAIN AHByb2JlAHBlbmNpbA==");
    says(s, "535 no\r\n334 pencil\r\n"); /* nobody asked */
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    assert_string_equal(last(s)->reply.lines[0], "334 ***");
    client_free(&s->client);

    as_far_as_ehlo(s, "AUTH PLAIN");
    client_answered(&s->client, &answer, s->now_us);
    hears(s, "AUTH PLAIN AHByb2JlAHBlbmNpbA==");
    says(s, "235 yes\r\n250 pencil\r\n");
    fails(s, PHASE_AUTH, REASON_UNSOLICITED, 0, "the server sent \"250 ***\" though nothing had been asked");
    mask_free(mask);
}

static void begin_hiding(struct stage *s, const struct mask *mask)
{
    s->draft = (struct result){0};
    s->now_us = START;
    client_init(&s->client, &s->plan, &s->arena, &s->draft, START);
    client_hide(&s->client, mask);
    client_start(&s->client, START);
    client_secured(&s->client, START);
}

/* It may know a secret from another login: what it offers is shown without that, and understood with it. */
static void test_echo_before_the_login(void **state)
{
    struct stage *s = *state;
    struct mask *mask = mask_new();

    mask_add(mask, span_of("LOGIN"));
    mask_add(mask, span_of("a"));
    s->plan.login.mechanism = AUTH_SCRAM_SHA_256;
    begin_hiding(s, mask);
    says(s, "220 LOGIN.example.org ananas\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250-mx.LOGIN\r\n250-size a\r\n250 AUTH LOGIN PLAIN\r\n");
    assert_string_equal(s->draft.commands[0].reply.lines[0], "***.ex***mple.org ***n***n***s");
    assert_int_equal(s->draft.flags & (UINT64_C(1) << FLAG_SMTP_FIXUP), 0);
    assert_string_equal(s->draft.peer_name, "***.ex***mple.org");
    assert_string_equal(s->draft.commands[1].reply.lines[2], "AUTH *** PLAIN");
    assert_string_equal(s->draft.extensions[1].params, "*** PLAIN");
    fails(s, PHASE_AUTH, REASON_NO_MECHANISM, 0,
          "the server does not offer AUTH SCRAM-SHA-256, which auth.mechanism names (it offers: *** PLAIN)");
    client_free(&s->client);

    s->plan.login.mechanism = AUTH_LOGIN;
    begin_hiding(s, mask);
    says(s, "220 mx\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250-mx\r\n250 AUTH LOGIN\r\n");
    hears(s, "AUTH LOGIN");
    client_free(&s->client);
    mask_free(mask);
}

static void test_stop_after(void **state)
{
    struct stage *s = *state;

    s->plan.stop_after = PHASE_STARTTLS;
    as_far_as_ehlo(s, "AUTH PLAIN");
    hears(s, "QUIT");
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
    client_free(&s->client);

    s->plan.stop_after = PHASE_AUTH;
    plain(s);
    says(s, "235 Welcome\r\n");
    hears(s, "QUIT");
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
}

/* A18 */
static void test_success_then_the_end(void **state)
{
    struct stage *s = *state;

    plain(s);
    says(s, "235 Welcome\r\n");
    client_broken(&s->client, SEAM_CLOSED, s->now_us);
    assert_int_equal(s->draft.failure.phase, PHASE_MAIL);
    assert_int_equal(s->draft.failure.reason, REASON_CLOSED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain),
        TEST(test_a_line_is_wiped),
        TEST(test_login),
        TEST(test_scram),
        TEST(test_empty_initial_response),
        TEST(test_long_initial_response),
        TEST(test_choice),
        TEST(test_many_unknown_mechanisms),
        TEST(test_in_the_clear),
        TEST(test_cancelled),
        TEST(test_endless),
        TEST(test_success_before_its_time),
        TEST(test_refused),
        TEST(test_detail),
        TEST(test_other_success),
        TEST(test_long_line_refused),
        TEST(test_expect_rejected),
        TEST(test_unable),
        TEST(test_answer_takes_too_long),
        TEST(test_broken_meanwhile),
        TEST(test_kept_waiting),
        TEST(test_broken_in_the_reply),
        TEST(test_echo),
        TEST(test_echo_before_the_login),
        TEST(test_stop_after),
        TEST(test_success_then_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
