/* SPDX-License-Identifier: Apache-2.0 */
/* What talks cannot show of the PROXY header and XCLIENT: a header that is held up, a server that is faster
 * than it, both with TLS. */
#include "probe/base/clock.h"
#include "tests/unit/probe/proto/client_stage.h"

#define START (INT64_C(5) * CLOCK_US_PER_S)
#define S     CLOCK_US_PER_S
#define MS    CLOCK_US_PER_MS

#define HEADER "PROXY TCP4 192.0.2.9 192.0.2.1 4711 25"
#define HINT   "(it may not speak the PROXY protocol, or not take this header)"

static int set_up(void **state)
{
    static struct stage s;

    s = (struct stage){.now_us = START};
    s.plan = (struct plan){
        .helo = "client.example.org", .proxy = {.wanted = true, .version = 1}, .stop_after = PHASE_COUNT};
    address_parse("192.0.2.9", 4711, &s.plan.proxy.source);
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        s.plan.limits_us[l] = 10 * S;
    s.plan.limits_us[LIMIT_CONNECT] = 3 * S;
    s.plan.limits_us[LIMIT_RUN] = 60 * S;
    *state = &s;
    return 0;
}

static void begin(struct stage *s)
{
    s->draft = (struct result){0};
    address_parse("192.0.2.1", 25, &s->draft.peer);
    client_init(&s->client, &s->plan, &s->arena, &s->draft, s->now_us);
    client_start(&s->client, s->now_us);
}

/* The header goes out. */
static void says_header(struct stage *s)
{
    struct span out = client_output(&s->client);

    assert_int_equal(client_want(&s->client), SEAM_WRITE);
    assert_int_equal(out.len, strlen(HEADER) + 2);
    assert_memory_equal(out.data, HEADER "\r\n", out.len);
    assert_null(s->draft.claimed.proxy);
    client_sent(&s->client, out.len, s->now_us);
    assert_string_equal(s->draft.claimed.proxy, HEADER);
    assert_string_equal(s->draft.claimed.as, "192.0.2.9");
    assert_int_equal(s->draft.claimed.honoured, RESULT_HONOUR_UNKNOWN);
}

static void fails(struct stage *s, enum phase phase, enum reason reason, const char *message)
{
    assert_int_equal(client_want(&s->client), SEAM_DONE);
    assert_string_equal(phase_name(s->draft.failure.phase), phase_name(phase));
    assert_string_equal(reason_name(s->draft.failure.reason), reason_name(reason));
    assert_string_equal(s->draft.failure.message, message);
    client_finish(&s->client, &s->arena, &s->draft, s->now_us, CLOCK_NONE);
}

static void test_header_is_no_command(void **state)
{
    struct stage *s = *state;

    begin(s);
    s->now_us += 2 * MS;
    says_header(s);
    assert_int_equal(s->draft.command_count, 1);
    assert_null(s->draft.commands[0].sent);
    assert_int_equal(s->draft.commands[0].at_us, 2 * MS);
    assert_int_equal(client_deadline(&s->client), s->now_us + 10 * S);
    says(s, "220 mx.example.org ESMTP\r\n");
    assert_int_equal(s->draft.claimed.honoured, RESULT_HONOUR_UNKNOWN);
    hears(s, "EHLO client.example.org");
    says(s, "250 mx.example.org\r\n");
    assert_int_equal(s->draft.claimed.honoured, RESULT_HONOURED);
    assert_int_equal(s->draft.timing_us[PHASE_CONNECT], CLOCK_NONE); /* the caller's */
}

/* Whatever can be written at once: the header arrives whole. */
static void test_in_pieces(void **state)
{
    struct stage *s = *state;

    begin(s);
    client_sent(&s->client, 5, s->now_us);
    assert_null(s->draft.claimed.proxy);
    assert_memory_equal(client_output(&s->client).data, " TCP4", 5);
    client_sent(&s->client, strlen(HEADER) + 2 - 5, s->now_us);
    assert_string_equal(s->draft.claimed.proxy, HEADER);
    assert_int_equal(client_want(&s->client), SEAM_READ);
}

static void test_before_tls(void **state)
{
    struct stage *s = *state;

    s->plan.tls.mode = TLS_MODE_IMPLICIT;
    begin(s);
    client_secured(&s->client, s->now_us); /* which is not what it wants yet */
    says_header(s);
    assert_int_equal(client_want(&s->client), SEAM_TLS);
    assert_int_equal(s->draft.command_count, 0);
    assert_int_equal(s->draft.claimed.honoured, RESULT_HONOUR_UNKNOWN);
    client_secured(&s->client, s->now_us);
    assert_int_equal(s->draft.claimed.honoured, RESULT_HONOURED);
}

/* Who speaks TLS behind the header has taken it: in TLS nothing is a reply to it. */
static void test_no_doubt_in_tls(void **state)
{
    struct stage *s = *state;

    s->plan.tls.mode = TLS_MODE_IMPLICIT;
    begin(s);
    says_header(s);
    client_secured(&s->client, s->now_us);
    says(s, "220 mx.example.org\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "502 5.5.2 Unknown\r\n");
    hears(s, "HELO client.example.org");
    client_free(&s->client);

    begin(s);
    says_header(s);
    client_secured(&s->client, s->now_us);
    client_broken(&s->client, SEAM_CLOSED, s->now_us);
    fails(s, PHASE_BANNER, REASON_CLOSED, "the server closed the connection instead of greeting");
}

static void test_tls_fails_behind_it(void **state)
{
    struct stage *s = *state;

    s->plan.tls.mode = TLS_MODE_IMPLICIT;
    begin(s);
    says_header(s);
    client_unsecured(&s->client, REASON_ALERT, "the server ended TLS with the alert x", s->now_us);
    fails(s, PHASE_TLS, REASON_ALERT, "the server ended TLS with the alert x " HINT);
    assert_int_equal(s->draft.claimed.honoured, RESULT_HONOUR_UNKNOWN);
}

/* Who has come as far as its certificate has taken the header. */
static void test_certificate_behind_it(void **state)
{
    struct stage *s = *state;

    s->plan.tls.mode = TLS_MODE_IMPLICIT;
    begin(s);
    says_header(s);
    client_unsecured(&s->client, REASON_CERT_EXPIRED, "the certificate has expired", s->now_us);
    fails(s, PHASE_TLS, REASON_CERT_EXPIRED, "the certificate has expired");
    assert_int_equal(s->draft.claimed.honoured, RESULT_HONOURED);
}

/* The same verdict as when the header is the faster one. */
static void test_server_is_faster(void **state)
{
    struct stage *s = *state;

    for (size_t sent = 0; sent < 10; sent += 5) {
        begin(s);
        if (sent)
            client_sent(&s->client, sent, s->now_us);
        says(s, "220 mx.example.org ESMTP\r\n");
        assert_int_equal(s->draft.claimed.honoured, RESULT_NOT_HONOURED);
        assert_null(s->draft.claimed.proxy);
        assert_int_equal(s->draft.command_count, 1);
        fails(s, PHASE_BANNER, REASON_UNSOLICITED,
              "the server spoke before it had the PROXY header, so it does not wait for one: \"220 "
              "mx.example.org ESMTP\"");
        client_free(&s->client);
    }
    begin(s);
}

static void test_server_is_faster_than_tls(void **state)
{
    struct stage *s = *state;

    s->plan.tls.mode = TLS_MODE_IMPLICIT;
    begin(s);
    says(s, "220 mx.example.org ESMTP\r\n");
    fails(s, PHASE_TLS, REASON_NOT_TLS,
          "the server spoke in plain text before it had the PROXY header: \"220 mx.example.org ESMTP\"");
}

static void test_stray_empty_lines(void **state)
{
    struct stage *s = *state;

    begin(s);
    says(s, "\r\n");
    assert_int_equal(client_want(&s->client), SEAM_WRITE);
    says_header(s);
    assert_int_equal(s->draft.flags, UINT64_C(1) << FLAG_STRAY_EMPTY_LINE);
}

static void test_header_cannot_be_sent(void **state)
{
    struct stage *s = *state;

    begin(s);
    assert_int_equal(client_deadline(&s->client), START + 3 * S);
    s->now_us += 3 * S;
    client_expire(&s->client, s->now_us);
    fails(s, PHASE_CONNECT, REASON_SEND_TIMEOUT,
          "the server stopped reading: the PROXY header could not be sent in 3.000 s (timeouts.connect)");
    assert_int_equal(s->draft.command_count, 0);
    client_free(&s->client);

    begin(s);
    client_broken(&s->client, SEAM_RESET, s->now_us);
    fails(s, PHASE_CONNECT, REASON_RESET,
          "the server reset the connection before the PROXY header could be sent");
    client_free(&s->client);

    begin(s);
    client_stop(&s->client, s->now_us);
    fails(s, PHASE_CONNECT, REASON_LOCAL_RESOURCE, "ehlod was stopped before the run was over");
}

/* As a caller sees it who waits no longer. */
static void test_header_is_under_way(void **state)
{
    struct stage *s = *state;
    struct result draft;

    begin(s);
    s->now_us += S;
    draft = s->draft;
    client_finish(&s->client, &s->arena, &draft, s->now_us, S);
    assert_string_equal(draft.failure.message,
                        "the PROXY header could not be sent after 1.000 s, when the caller's 1 s "
                        "were over; the run goes on");
    assert_int_equal(draft.failure.phase, PHASE_CONNECT);
}

/* A good EHLO has shown that the header was taken: what comes later is what it seems. */
static void test_no_doubt_later(void **state)
{
    struct stage *s = *state;

    s->plan.xclient[XCLIENT_NAME] = "client.example.net";
    begin(s);
    says_header(s);
    says(s, "220 mx.example.org ESMTP\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250-mx.example.org\r\n250 XCLIENT NAME\r\n");
    hears(s, "XCLIENT NAME=client.example.net");
    assert_string_equal(s->draft.claimed.xclient, "NAME=client.example.net");
    assert_string_equal(s->draft.claimed.as, "client.example.net");
    assert_int_equal(s->draft.claimed.honoured, RESULT_HONOUR_UNKNOWN);
    says(s, "220 mx.example.org ESMTP\r\n");
    assert_int_equal(s->draft.extension_count, 0);
    hears(s, "EHLO client.example.org");
    says(s, "502 5.5.2 Unknown\r\n");
    hears(s, "HELO client.example.org");
    client_broken(&s->client, SEAM_CLOSED, s->now_us);
    fails(s, PHASE_EHLO, REASON_CLOSED,
          "the server closed the connection instead of replying to HELO client.example.org");
    assert_int_equal(s->draft.claimed.honoured, RESULT_HONOURED);
}

/* Offered again behind XCLIENT, STARTTLS is not asked for again. */
static void test_xclient_after_a_refused_starttls(void **state)
{
    struct stage *s = *state;

    s->plan.proxy.wanted = false;
    s->plan.tls.mode = TLS_MODE_OPPORTUNISTIC;
    s->plan.xclient[XCLIENT_ADDR] = "198.51.100.4";
    begin(s);
    says(s, "220 mx.example.org ESMTP\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250-mx.example.org\r\n250-STARTTLS\r\n250 XCLIENT ADDR\r\n");
    hears(s, "STARTTLS");
    says(s, "454 4.7.0 Not now\r\n");
    hears(s, "XCLIENT ADDR=198.51.100.4");
    says(s, "220 mx.example.org ESMTP\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250-mx.example.org\r\n250-STARTTLS\r\n250 XCLIENT ADDR\r\n");
    hears(s, "QUIT");
    assert_int_equal(s->draft.flags, UINT64_C(1) << FLAG_TLS_REFUSED);
}

static void test_xclient_in_tls(void **state)
{
    struct stage *s = *state;

    s->plan.tls.mode = TLS_MODE_STARTTLS;
    s->plan.xclient[XCLIENT_ADDR] = "198.51.100.4";
    begin(s);
    says_header(s);
    says(s, "220 mx.example.org ESMTP\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250-mx.example.org\r\n250 STARTTLS\r\n"); /* XCLIENT is offered in TLS alone */
    hears(s, "STARTTLS");
    says(s, "220 2.0.0 Ready\r\n");
    client_secured(&s->client, s->now_us);
    hears(s, "EHLO client.example.org");
    says(s, "250-mx.example.org\r\n250 XCLIENT ADDR\r\n");
    hears(s, "XCLIENT ADDR=198.51.100.4");
    says(s, "220 mx.example.org ESMTP\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250 mx.example.org\r\n");
    hears(s, "QUIT");
}

/* Not in the clear, where the run is to end before TLS or with it. */
static void test_xclient_not_before_tls(void **state)
{
    struct stage *s = *state;

    s->plan.proxy.wanted = false;
    s->plan.tls.mode = TLS_MODE_STARTTLS;
    s->plan.stop_after = PHASE_EHLO;
    s->plan.xclient[XCLIENT_ADDR] = "198.51.100.4";
    begin(s);
    says(s, "220 mx.example.org ESMTP\r\n");
    hears(s, "EHLO client.example.org");
    says(s, "250-mx.example.org\r\n250-STARTTLS\r\n250 XCLIENT ADDR\r\n");
    hears(s, "QUIT");
    assert_null(s->draft.claimed.xclient);
    assert_int_equal(s->draft.failure.reason, REASON_NONE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_header_is_no_command),
        TEST(test_in_pieces),
        TEST(test_before_tls),
        TEST(test_no_doubt_in_tls),
        TEST(test_tls_fails_behind_it),
        TEST(test_certificate_behind_it),
        TEST(test_server_is_faster),
        TEST(test_server_is_faster_than_tls),
        TEST(test_stray_empty_lines),
        TEST(test_header_cannot_be_sent),
        TEST(test_header_is_under_way),
        TEST(test_no_doubt_later),
        TEST(test_xclient_after_a_refused_starttls),
        TEST(test_xclient_in_tls),
        TEST(test_xclient_not_before_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
