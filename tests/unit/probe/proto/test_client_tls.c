/* SPDX-License-Identifier: Apache-2.0 */
/* TLS as a part of the dialogue: when it is begun, given up, and what a failure is called. */
#include "probe/base/clock.h"
#include "probe/proto/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define START (INT64_C(5) * CLOCK_US_PER_S)
#define S     CLOCK_US_PER_S
#define MS    CLOCK_US_PER_MS

#define OFFER "250-mx.example.org\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"

static const char *const to[] = {"a@example.org"};

struct stage {
    struct arena arena;
    struct plan_route route;
    struct plan plan;
    struct result draft;
    struct client client;
    int64_t now_us;
};

static int set_up(void **state)
{
    static struct stage s;

    s = (struct stage){
        .route = {
            .name = "in", .from = "probe@example.org", .to = to, .to_count = 1, .expect = EXPECT_ACCEPTED}};
    s.plan = (struct plan){.helo = "client.example.org",
                           .tls.mode = TLS_MODE_STARTTLS,
                           .stop_after = PHASE_COUNT,
                           .routes = &s.route,
                           .route_count = 1};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        s.plan.limits_us[l] = 10 * S;
    s.plan.limits_us[LIMIT_RUN] = 60 * S;
    s.now_us = START;
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;
    client_free(&s->client);
    arena_free(&s->arena);
    return 0;
}

static void says(struct stage *s, const char *bytes)
{
    s->now_us += MS;
    client_receive(&s->client, span_of(bytes), s->now_us, s->now_us);
}

static void hears(struct stage *s, const char *line)
{
    struct span out = client_output(&s->client);
    assert_int_equal(out.len, strlen(line) + 2);
    assert_memory_equal(out.data, line, strlen(line));
    client_sent(&s->client, out.len, s->now_us);
}

static void begin(struct stage *s, enum tls_mode mode)
{
    s->plan.tls.mode = mode;
    s->draft = (struct result){0};
    s->now_us = START;
    client_init(&s->client, &s->plan, &s->arena, &s->draft, START);
    client_start(&s->client, START);
}

static void as_far_as_starttls(struct stage *s, enum tls_mode mode, const char *offer)
{
    begin(s, mode);
    says(s, "220 mx.example.org ESMTP\r\n");
    hears(s, "EHLO client.example.org");
    says(s, offer);
}

static void as_far_as_handshake(struct stage *s)
{
    as_far_as_starttls(s, TLS_MODE_STARTTLS, OFFER);
    hears(s, "STARTTLS");
    says(s, "220 2.0.0 Ready\r\n");
    assert_int_equal(client_want(&s->client), SEAM_TLS);
}

static void is_secured(struct stage *s)
{
    s->now_us += 3 * MS;
    client_secured(&s->client, s->now_us);
}

static void fails(struct stage *s, enum phase phase, enum reason reason)
{
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    assert_string_equal(phase_name(s->draft.failure.phase), phase_name(phase));
    assert_string_equal(reason_name(s->draft.failure.reason), reason_name(reason));
}

static bool has_flag(const struct stage *s, enum flag f)
{
    return s->draft.flags >> f & 1;
}

static void test_starttls(void **state)
{
    struct stage *s = *state;

    as_far_as_handshake(s);
    assert_int_equal(s->draft.extension_count, 2);
    assert_int_equal(client_deadline(&s->client), s->now_us + 10 * S);
    is_secured(s);
    assert_int_equal(s->draft.extension_count, 0);
    assert_int_equal(s->draft.timing_us[PHASE_TLS], 3 * MS);
    assert_int_equal(s->draft.timing_us[PHASE_STARTTLS], MS);
    hears(s, "EHLO client.example.org");
    says(s, "250-mx.example.org\r\n250 STARTTLS\r\n"); /* offered again: it is not asked for again */
    hears(s, "MAIL FROM:<probe@example.org>");
    assert_int_equal(s->draft.extension_count, 1);
}

static void test_implicit(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_IMPLICIT);
    assert_int_equal(client_want(&s->client), SEAM_TLS);
    assert_int_equal(s->draft.command_count, 0);
    is_secured(s);
    assert_int_equal(client_want(&s->client), SEAM_READ);
    says(s, "220 mx.example.org ESMTP\r\n");
    assert_int_equal(s->draft.commands[0].at_us, 3 * MS);
    assert_int_equal(s->draft.timing_us[PHASE_BANNER], MS);
    hears(s, "EHLO client.example.org");
    says(s, OFFER);
    hears(s, "MAIL FROM:<probe@example.org>");
}

static void speaks_tls(struct stage *s, int64_t after_us)
{
    s->now_us += after_us;
    client_shaking(&s->client, s->now_us);
}

/* What ehlod is late with is no time of the server's; and what is said more than once moves nothing. */
static void test_the_handshake_counts_from_the_hello(void **state)
{
    struct stage *s = *state;

    as_far_as_handshake(s);
    speaks_tls(s, 50 * MS);
    assert_int_equal(client_deadline(&s->client), s->now_us + 10 * S);
    speaks_tls(s, MS); /* a second hello, because the first one was not good enough */
    assert_int_equal(client_deadline(&s->client), s->now_us - MS + 10 * S);
    is_secured(s);
    assert_int_equal(s->draft.timing_us[PHASE_TLS], 4 * MS);
    speaks_tls(s, 50 * MS);
    hears(s, "EHLO client.example.org");
    assert_int_equal(s->draft.commands[3].at_us, s->now_us - START);
    speaks_tls(s, 50 * MS);
    assert_int_equal(s->draft.commands[3].at_us, s->now_us - 50 * MS - START);
}

/* No server greets before the handshake is over for it, too. */
static void test_the_greeting_counts_from_the_end_of_the_handshake(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_IMPLICIT);
    speaks_tls(s, 0);
    is_secured(s);
    speaks_tls(s, 50 * MS);
    assert_int_equal(client_deadline(&s->client), s->now_us + 10 * S);
    assert_int_equal(s->draft.commands[0].at_us, 53 * MS);
    speaks_tls(s, 50 * MS);
    assert_int_equal(s->draft.commands[0].at_us, 53 * MS);
    says(s, "220 mx.example.org ESMTP\r\n");
    assert_int_equal(s->draft.timing_us[PHASE_BANNER], 51 * MS);
    assert_int_equal(s->draft.timing_us[PHASE_TLS], 3 * MS);
}

static void test_a_greeting_that_has_begun_waited_for_nothing(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_IMPLICIT);
    is_secured(s);
    says(s, "220-mx.exa");
    speaks_tls(s, 50 * MS);
    says(s, "mple.org\r\n220 ESMTP\r\n");
    assert_int_equal(s->draft.commands[0].at_us, 3 * MS);
    assert_int_equal(s->draft.commands[0].first_byte_us, 4 * MS);
}

static void test_not_offered(void **state)
{
    struct stage *s = *state;

    as_far_as_starttls(s, TLS_MODE_STARTTLS, "250 mx.example.org\r\n");
    hears(s, "QUIT");
    says(s, "221 Bye\r\n");
    fails(s, PHASE_STARTTLS, REASON_NOT_OFFERED);
}

/* A server that knows no EHLO offers nothing. */
static void test_not_offered_to_helo(void **state)
{
    struct stage *s = *state;

    as_far_as_starttls(s, TLS_MODE_STARTTLS, "502 What?\r\n");
    hears(s, "HELO client.example.org");
    says(s, "250 mx.example.org\r\n");
    hears(s, "QUIT");
}

static void test_refused(void **state)
{
    static const char *const replies[] = {"454 4.7.0 TLS not available\r\n", "554 5.7.0 Never\r\n",
                                          "421 4.3.0 Later\r\n"};
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        as_far_as_starttls(s, TLS_MODE_STARTTLS, OFFER);
        hears(s, "STARTTLS");
        says(s, replies[i]);
        hears(s, "QUIT");
        says(s, "221 Bye\r\n");
        fails(s, PHASE_STARTTLS, REASON_REFUSED);
        client_free(&s->client);
    }
    as_far_as_starttls(s, TLS_MODE_STARTTLS, OFFER);
    hears(s, "STARTTLS");
    says(s, "250 Ok\r\n");
    hears(s, "QUIT");
    assert_int_equal(s->draft.failure.reason, REASON_UNEXPECTED_REPLY);
    assert_int_equal(s->draft.failure.phase, PHASE_STARTTLS);
}

static void test_opportunistic(void **state)
{
    struct stage *s = *state;

    as_far_as_starttls(s, TLS_MODE_OPPORTUNISTIC, "250 mx.example.org\r\n");
    hears(s, "MAIL FROM:<probe@example.org>");
    assert_true(has_flag(s, FLAG_TLS_NOT_OFFERED));
    client_free(&s->client);

    as_far_as_starttls(s, TLS_MODE_OPPORTUNISTIC, OFFER);
    hears(s, "STARTTLS");
    says(s, "454 4.7.0 Not now\r\n");
    hears(s, "MAIL FROM:<probe@example.org>");
    assert_true(has_flag(s, FLAG_TLS_REFUSED));
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
    client_free(&s->client);

    as_far_as_starttls(s, TLS_MODE_OPPORTUNISTIC, OFFER);
    hears(s, "STARTTLS");
    says(s, "421 4.3.0 Later\r\n"); /* goes no way on */
    hears(s, "QUIT");
    assert_int_equal(s->draft.failure.reason, REASON_REFUSED);
}

static void test_injected(void **state)
{
    static const char *const more[] = {"250 mx\r\n", "\r\n", "\x16"};
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        as_far_as_starttls(s, TLS_MODE_STARTTLS, OFFER);
        hears(s, "STARTTLS");
        says(s, arena_printf(&s->arena, "220 Ready\r\n%s", more[i]));
        fails(s, PHASE_STARTTLS, REASON_INJECTED);
        assert_int_equal(s->draft.timing_us[PHASE_TLS], CLOCK_NONE);
        client_free(&s->client);
    }
    as_far_as_handshake(s);
    says(s, "x"); /* before the handshake was begun */
    fails(s, PHASE_STARTTLS, REASON_INJECTED);
    assert_string_equal(s->draft.failure.message, "1 octet of plain text came behind the reply to STARTTLS");
    assert_int_equal(s->draft.command_count, 3);
}

static void test_handshake_fails(void **state)
{
    struct stage *s = *state;
    char message[] = "a certificate has expired";

    as_far_as_handshake(s);
    client_unsecured(&s->client, REASON_CERT_EXPIRED, message, s->now_us + 2 * MS);
    message[0] = 'A'; /* it is copied */
    fails(s, PHASE_TLS, REASON_CERT_EXPIRED);
    assert_string_equal(s->draft.failure.message, "a certificate has expired");
    assert_int_equal(s->draft.timing_us[PHASE_TLS], 2 * MS);
    assert_int_equal(s->draft.command_count, 3);
    client_free(&s->client);

    begin(s, TLS_MODE_IMPLICIT); /* without any command yet */
    client_unsecured(&s->client, REASON_RESET, "reset", s->now_us + 2 * MS);
    fails(s, PHASE_TLS, REASON_RESET);
    client_finish(&s->client, &s->arena, &s->draft, s->now_us, CLOCK_NONE);
    assert_int_equal(s->draft.routes[0].ok, TRI_FALSE);
}

static void test_handshake_takes_too_long(void **state)
{
    struct stage *s = *state;

    begin(s, TLS_MODE_IMPLICIT);
    client_secured(&s->client, START + 10 * S + 1);
    fails(s, PHASE_TLS, REASON_TIMEOUT);
    assert_int_equal(s->draft.failure.limit_us, 10 * S);
    assert_string_equal(s->draft.failure.message,
                        "the TLS handshake was not over in 10.000 s (timeouts.tls)");
    client_free(&s->client);

    begin(s, TLS_MODE_IMPLICIT);
    client_finish(&s->client, &s->arena, &s->draft, START + 2 * S, 2 * S);
    assert_int_equal(s->draft.failure.phase, PHASE_TLS);
    assert_int_equal(s->draft.failure.reason, REASON_DEADLINE);
    assert_int_equal(s->draft.timing_us[PHASE_TLS], 2 * S);
    client_free(&s->client);

    begin(s, TLS_MODE_IMPLICIT);
    client_stop(&s->client, START);
    fails(s, PHASE_TLS, REASON_LOCAL_RESOURCE);
}

/* T26, T28: what fails in TLS is of phase tls however late it shows; a reset is not TLS'. */
static void test_fails_later(void **state)
{
    struct stage *s = *state;

    as_far_as_handshake(s);
    is_secured(s);
    hears(s, "EHLO client.example.org");
    client_unsecured(&s->client, REASON_ALERT, "an alert came", s->now_us + MS);
    fails(s, PHASE_TLS, REASON_ALERT);
    assert_string_equal(s->draft.failure.message,
                        "an alert came, instead of replying to EHLO client.example.org");
    client_free(&s->client);

    as_far_as_handshake(s);
    is_secured(s);
    hears(s, "EHLO client.example.org");
    client_unsecured(&s->client, REASON_RESET, "reset", s->now_us + MS);
    fails(s, PHASE_EHLO, REASON_RESET);
}

/* T39 */
static void test_speaks_first_inside(void **state)
{
    struct stage *s = *state;

    as_far_as_handshake(s);
    is_secured(s);
    says(s, "250 I am eager\r\n");
    fails(s, PHASE_STARTTLS, REASON_UNSOLICITED);
}

/* T39: a greeting in the place of the reply to EHLO can be told, as it can be no reply. On implicit TLS a
 * greeting has its place, and the row E05 holds. */
static void test_t39_greets_again_inside(void **state)
{
    static const enum tls_mode modes[] = {TLS_MODE_STARTTLS, TLS_MODE_OPPORTUNISTIC};
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        as_far_as_starttls(s, modes[i], OFFER);
        hears(s, "STARTTLS");
        says(s, "220 2.0.0 Ready\r\n");
        is_secured(s);
        hears(s, "EHLO client.example.org");
        says(s, "220 mx.example.org ESMTP\r\n");
        fails(s, PHASE_STARTTLS, REASON_UNSOLICITED);
        assert_string_equal(
            s->draft.failure.message,
            "the server sent a second greeting (\"220 mx.example.org ESMTP\") instead of a reply "
            "to EHLO");
        client_free(&s->client);
    }
    as_far_as_starttls(s, TLS_MODE_STARTTLS, OFFER);
    s->plan.protocol = PROTOCOL_LMTP;
    hears(s, "STARTTLS");
    says(s, "220 2.0.0 Ready\r\n");
    is_secured(s);
    hears(s, "LHLO client.example.org");
    says(s, "220 mx.example.org LMTP\r\n");
    fails(s, PHASE_STARTTLS, REASON_UNSOLICITED);
    assert_non_null(strstr(s->draft.failure.message, " instead of a reply to LHLO"));
    s->plan.protocol = PROTOCOL_SMTP;
    client_free(&s->client);
    begin(s, TLS_MODE_IMPLICIT);
    is_secured(s);
    says(s, "220 mx.example.org ESMTP\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "220 mx.example.org ESMTP\r\n");
    hears(s, "MAIL FROM:<probe@example.org>");
    assert_true(has_flag(s, FLAG_EHLO_CODE));
}

/* T39: a reply that crossed our EHLO passes for the reply to it, and each that follows for one to the next
 * command. The last one shows it. */
static void test_t39_replies_are_one_too_late(void **state)
{
    struct stage *s = *state;

    as_far_as_handshake(s);
    is_secured(s);
    hears(s, "EHLO client.example.org");
    says(s, "250 I am eager\r\n");
    hears(s, "MAIL FROM:<probe@example.org>");
    says(s, "250-mx.example.org\r\n250 SIZE 1000\r\n"); /* to EHLO */
    hears(s, "RCPT TO:<a@example.org>");
    says(s, "250 2.1.0 Ok\r\n"); /* to MAIL */
    hears(s, "RSET");
    says(s, "550 5.1.1 Nobody\r\n"); /* to RCPT */
    hears(s, "QUIT");
    says(s, "250 2.0.0 Ok\r\n"); /* to RSET */
    assert_int_equal(client_want(&s->client), SEAM_READ);
    says(s, "221 2.0.0 Bye\r\n");
    fails(s, PHASE_QUIT, REASON_UNSOLICITED);
    assert_non_null(strstr(s->draft.failure.message, "\"221 2.0.0 Bye\""));
    assert_non_null(strstr(s->draft.failure.message, "one reply too many"));
}

static void as_far_as_bye(struct stage *s)
{
    s->plan.stop_after = PHASE_EHLO;
    begin(s, TLS_MODE_IMPLICIT);
    is_secured(s);
    says(s, "220 mx.example.org ESMTP\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250 mx.example.org\r\n");
    hears(s, "QUIT");
    says(s, "221 Bye\r\n");
    assert_int_equal(client_want(&s->client), SEAM_LINGER); /* how does the server end? */
}

/* T27, T40 */
static void test_the_end_of_tls(void **state)
{
    struct stage *s = *state;

    as_far_as_bye(s);
    says(s, "more");
    client_unsecured(&s->client, REASON_TRUNCATED, "no end", s->now_us);
    assert_true(has_flag(s, FLAG_TLS_NO_CLOSE_NOTIFY));
    fails(s, PHASE_CONFIG, REASON_NONE);
    client_free(&s->client);

    as_far_as_bye(s); /* what we said at the end may have come to a socket that was closed already */
    client_unsecured(&s->client, REASON_RESET, "reset", s->now_us);
    assert_int_equal(s->draft.flags, UINT64_C(1) << FLAG_TLS_NO_CLOSE_NOTIFY);
    fails(s, PHASE_CONFIG, REASON_NONE);
    client_free(&s->client);

    as_far_as_bye(s);
    client_broken(&s->client, SEAM_CLOSED, s->now_us);
    assert_int_equal(s->draft.flags, 0);
    fails(s, PHASE_CONFIG, REASON_NONE);
    client_free(&s->client);

    as_far_as_bye(s);
    client_expire(&s->client, client_deadline(&s->client));
    assert_int_equal(s->draft.flags, 0);
    fails(s, PHASE_CONFIG, REASON_NONE);
    assert_int_equal(s->draft.timing_us[PHASE_QUIT], MS);
}

/* Phase tls lies where TLS does. */
static void test_stop_after(void **state)
{
    struct stage *s = *state;

    s->plan.stop_after = PHASE_TLS;
    as_far_as_handshake(s);
    is_secured(s);
    hears(s, "QUIT");
    client_free(&s->client);

    s->plan.stop_after = PHASE_EHLO;
    as_far_as_starttls(s, TLS_MODE_STARTTLS, OFFER);
    hears(s, "QUIT");
    client_free(&s->client);

    s->plan.stop_after = PHASE_AUTH;
    as_far_as_handshake(s);
    is_secured(s);
    hears(s, "EHLO client.example.org");
    says(s, "250 mx.example.org\r\n");
    hears(s, "QUIT");
    client_free(&s->client);

    s->plan.stop_after = PHASE_TLS;
    begin(s, TLS_MODE_IMPLICIT);
    is_secured(s);
    fails(s, PHASE_CONFIG, REASON_NONE);
    assert_int_equal(s->draft.duration_us, s->now_us - START);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_starttls),
        TEST(test_implicit),
        TEST(test_the_handshake_counts_from_the_hello),
        TEST(test_the_greeting_counts_from_the_end_of_the_handshake),
        TEST(test_a_greeting_that_has_begun_waited_for_nothing),
        TEST(test_not_offered),
        TEST(test_not_offered_to_helo),
        TEST(test_refused),
        TEST(test_opportunistic),
        TEST(test_injected),
        TEST(test_handshake_fails),
        TEST(test_handshake_takes_too_long),
        TEST(test_fails_later),
        TEST(test_speaks_first_inside),
        TEST(test_t39_greets_again_inside),
        TEST(test_t39_replies_are_one_too_late),
        TEST(test_the_end_of_tls),
        TEST(test_stop_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
