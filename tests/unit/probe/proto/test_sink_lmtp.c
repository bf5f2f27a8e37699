/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in receiver as an LMTP server (RFC 2033): what is other than in SMTP. */
#include "tests/unit/probe/proto/sink_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LMTP_GREETING "220 sink.example.org LMTP\r\n"

static void begin_lmtp(struct sink_peer *p, size_t piece, bool tls)
{
    sink_peer_begin_as(p, piece, PROTOCOL_LMTP, tls);
    sink_peer_heard(p, LMTP_GREETING);
}

static void greet_lmtp(struct sink_peer *p, size_t piece)
{
    begin_lmtp(p, piece, false);
    sink_peer_say(p, "LHLO client.example.net\r\n");
    sink_peer_heard(p, SINK_PEER_EHLO);
}

/* In the order of RCPT, those that were refused left out, one named twice answered twice; then one for
 * SMTP's. */
static void test_lmtp_answers_for_each_recipient(void **state)
{
    static const size_t pieces[] = {0, 1, 2, 3, 7};

    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct sink_peer p;
        greet_lmtp(&p, pieces[i]);
        sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\n");
        sink_peer_say(&p, "RCPT TO:<b@probe.example.org>\r\n");
        sink_peer_say(&p, "RCPT TO:<stranger@example.com>\r\n");
        sink_peer_say(&p, "RCPT TO:<@x:\"a \\\" >\"@other.example.org>\r\n");
        sink_peer_say(&p, "RCPT TO:<b@probe.example.org>\r\n");
        sink_peer_say(&p, "RCPT TO:<Postmaster>\r\n");
        sink_peer_heard(&p, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n" SINK_PEER_RELAYING
                            "250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n");
        sink_peer_say(&p, "DATA\r\n");
        sink_peer_heard(&p, "354 End with a dot on a line of its own\r\n");
        sink_peer_say(&p, "x\r\n.\r\n");
        sink_peer_heard(&p, "250 2.0.0 <b@probe.example.org> Ok\r\n"
                            "250 2.0.0 <\"a \\\" >\"@other.example.org> Ok\r\n"
                            "250 2.0.0 <b@probe.example.org> Ok\r\n250 2.0.0 <Postmaster> Ok\r\n");
        assert_string_equal(p.taken.data,
                            "<a@example.net> <b@probe.example.org> <\"a \\\" >\"@other.example.org> "
                            "<b@probe.example.org> <Postmaster> 3 x\r\n|");
        sink_peer_end(&p);
    }
}

/* The replies of one message go before those to what follows it in the same segment. */
static void test_lmtp_pipelined(void **state)
{
    struct sink_peer p;

    (void)state;
    greet_lmtp(&p, 0);
    sink_peer_say(
        &p, "MAIL FROM:<>\r\nRCPT TO:<a@probe.example.org>\r\nRCPT TO:<b@probe.example.org>\r\nDATA\r\n");
    buffer_clear(&p.heard);
    sink_peer_say(&p, "1\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c@probe.example.org>\r\nDATA\r\n");
    sink_peer_heard(&p, "250 2.0.0 <a@probe.example.org> Ok\r\n250 2.0.0 <b@probe.example.org> Ok\r\n"
                        "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End with a dot on a line of its own\r\n");
    sink_peer_say(&p, "2\r\n.\r\nQUIT\r\n");
    sink_peer_heard(&p, "250 2.0.0 <c@probe.example.org> Ok\r\n221 2.0.0 Bye\r\n");
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);
}

static void test_lmtp_greets_by_lhlo_alone(void **state)
{
    struct sink_peer p;

    (void)state;
    begin_lmtp(&p, 0, false);
    sink_peer_say(&p, "EHLO client.example.net\r\nHELO client.example.net\r\n");
    sink_peer_heard(&p, "500 5.5.1 This is LMTP: say LHLO\r\n500 5.5.1 This is LMTP: say LHLO\r\n");
    sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\n");
    sink_peer_heard(&p, "503 5.5.1 Say LHLO first\r\n");
    sink_peer_say(&p, "LHLO\r\n");
    sink_peer_heard(&p, "501 Syntax: LHLO domain\r\n");
    sink_peer_say(&p, "lhlo client.example.net\r\n");
    sink_peer_heard(&p, SINK_PEER_EHLO);
    sink_peer_say(&p, "MAIL FROM:<a@example.net> BODY=8BITMIME\r\nRCPT TO:<a@probe.example.org>\r\n");
    buffer_clear(&p.heard);
    sink_peer_say(&p, "LHLO again.example.net\r\n");
    sink_peer_heard(&p, SINK_PEER_EHLO);
    sink_peer_say(&p, "DATA\r\n");
    sink_peer_heard(&p, "503 5.5.1 Say MAIL first\r\n");
    sink_peer_end(&p);
}

/* RFC 2033 section 4.2: a 503, and no reply to a message that there is not. */
static void test_lmtp_without_recipients(void **state)
{
    struct sink_peer p;

    (void)state;
    greet_lmtp(&p, 0);
    sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\nRCPT TO:<stranger@example.com>\r\n");
    sink_peer_heard(&p, "250 2.1.0 Ok\r\n" SINK_PEER_RELAYING);
    sink_peer_say(&p, "DATA\r\n");
    sink_peer_heard(&p, "503 5.5.1 No valid recipients\r\n");
    sink_peer_say(&p, "RSET\r\n");
    sink_peer_heard(&p, "250 2.0.0 Ok\r\n");
    assert_int_equal(p.taken.len, 0);
    sink_peer_end(&p);
}

static void rcpt_long(struct sink_peer *p, int i)
{
    char name[200], line[256];

    snprintf(name, sizeof(name), "%0190d", i);
    snprintf(line, sizeof(line), "RCPT TO:<%s@probe.example.org>\r\n", name);
    sink_peer_say(p, line);
}

/* As many long recipients as there may be: all the replies go out. A message too big is so for each. */
static void test_lmtp_limits(void **state)
{
    struct sink_peer p;

    (void)state;
    for (int big = 0; big < 2; big++) {
        greet_lmtp(&p, 0);
        sink_peer_say(&p, "MAIL FROM:<>\r\n");
        for (int i = 0; i < SINK_MAX_RECIPIENTS; i++)
            rcpt_long(&p, i);
        sink_peer_say(&p, "DATA\r\n");
        buffer_clear(&p.heard);
        if (big)
            sink_peer_say_much(&p, SINK_MAX_MESSAGE + 1);
        sink_peer_say(&p, "\r\n.\r\n");
        const char *heard = p.heard.data;
        for (int i = 0; i < SINK_MAX_RECIPIENTS; i++) {
            char wanted[300];
            snprintf(wanted, sizeof(wanted), "%s <%0190d@probe.example.org> %s\r\n",
                     big ? "552 5.3.4" : "250 2.0.0", i, big ? "Message too big" : "Ok");
            assert_memory_equal(heard, wanted, strlen(wanted));
            heard += strlen(wanted);
        }
        assert_string_equal(heard, "");
        assert_int_equal(p.taken.len > 0, !big);
        assert_false(sink_peer_is_done(&p));
        sink_peer_end(&p);
    }
}

static void test_lmtp_starttls(void **state)
{
    struct sink_peer p;

    (void)state;
    begin_lmtp(&p, 0, true);
    sink_peer_say(&p, "LHLO client.example.net\r\n");
    assert_non_null(strstr(p.heard.data, "250-STARTTLS\r\n"));
    buffer_clear(&p.heard);
    sink_peer_say(&p, "STARTTLS\r\n");
    sink_peer_heard(&p, "220 2.0.0 Ready to start TLS\r\n");
    sink_seam.secured(&p.sink, p.now_us);
    sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\n");
    sink_peer_heard(&p, "503 5.5.1 Say LHLO first\r\n");
    sink_peer_say(&p, "EHLO client.example.net\r\n");
    sink_peer_heard(&p, "500 5.5.1 This is LMTP: say LHLO\r\n");
    sink_peer_say(&p, "LHLO client.example.net\r\n");
    sink_peer_heard(&p, SINK_PEER_EHLO);
    sink_peer_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lmtp_answers_for_each_recipient),
        cmocka_unit_test(test_lmtp_pipelined),
        cmocka_unit_test(test_lmtp_greets_by_lhlo_alone),
        cmocka_unit_test(test_lmtp_without_recipients),
        cmocka_unit_test(test_lmtp_limits),
        cmocka_unit_test(test_lmtp_starttls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
