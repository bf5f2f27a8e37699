/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in receiver as an engine: what it answers, whole and byte by byte. */
#include "tests/unit/probe/proto/sink_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One exchange: what is sent, what must be answered. */
struct exchange {
    const char *sent;
    const char *heard;
};

static void play(const struct exchange *exchanges, const char *taken, size_t piece)
{
    struct sink_peer p;

    sink_peer_begin(&p, piece);
    sink_peer_heard(&p, SINK_PEER_GREETING);
    for (; exchanges->sent; exchanges++) {
        sink_peer_say(&p, exchanges->sent);
        sink_peer_heard(&p, exchanges->heard);
    }
    assert_string_equal(p.taken.data ? p.taken.data : "", taken);
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);
}

/* Whole, byte by byte, and in pieces of odd sizes: it must be the same. */
static void play_all_ways(const struct exchange *exchanges, const char *taken)
{
    static const size_t pieces[] = {0, 1, 2, 3, 7};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        play(exchanges, taken, pieces[i]);
}

static void test_takes_a_message(void **state)
{
    static const struct exchange talk[] = {
        {"EHLO client.example.net\r\n", SINK_PEER_EHLO},
        {"MAIL FROM:<a@example.net> SIZE=100 BODY=8BITMIME\r\n", "250 2.1.0 Ok\r\n"},
        {"RCPT TO:<www@probe.example.org>\r\n", "250 2.1.5 Ok\r\n"},
        {"rcpt to:<x@OTHER.Example.ORG>\r\n", "250 2.1.5 Ok\r\n"},
        {"DATA\r\n", "354 End with a dot on a line of its own\r\n"},
        {"Subject: x\r\n\r\n..dot\r\n.\r\n", "250 2.0.0 Ok\r\n"},
        {"QUIT\r\n", "221 2.0.0 Bye\r\n"},
        {NULL, NULL},
    };
    (void)state;
    play_all_ways(talk, "<a@example.net> <www@probe.example.org> <x@OTHER.Example.ORG> 20 "
                        "Subject: x\r\n\r\n.dot\r\n|");
}

static void test_takes_several_pipelined(void **state)
{
    static const struct exchange talk[] = {
        {"EHLO client.example.net\r\n", SINK_PEER_EHLO},
        {"MAIL FROM:<>\r\nRCPT TO:<a@probe.example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n",
         "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n" SINK_PEER_RELAYING "354 End with a dot on a line of its own\r\n"},
        {"1\r\n.\r\nMAIL FROM:<b@example.net>\r\nRCPT TO:<postmaster>\r\nDATA\r\n",
         "250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End with a dot on a line of its own\r\n"},
        {".\r\nQUIT\r\n", "250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n"},
        {NULL, NULL},
    };
    (void)state;
    play_all_ways(talk, "<> <a@probe.example.org> 3 1\r\n|<b@example.net> <postmaster> 0 |");
}

/* Gives nothing away, however the recipient is dressed up. */
static void test_never_relays(void **state)
{
    static const char *const strangers[] = {
        "a@example.com",
        "a@sub.probe.example.org",
        "a@probe.example.org.",
        "a@probe.example.org.example.com",
        "a@xprobe.example.org",
        "a@[127.0.0.1]",
        "\"a@probe.example.org\"@example.com",
        "@probe.example.org:a@example.com",
        "a%example.com@example.net",
        "a%example.com@probe.example.org",
        "example.com!a@probe.example.org",
        "a@example.com@probe.example.org",
        "a@probe.example.org@example.com",
    };
    struct sink_peer p;

    (void)state;
    sink_peer_greet(&p, 0);
    sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\n");
    sink_peer_heard(&p, "250 2.1.0 Ok\r\n");
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        char line[256];
        snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n", strangers[i]);
        sink_peer_say(&p, line);
        sink_peer_heard(&p, SINK_PEER_RELAYING);
    }
    sink_peer_say(&p, "DATA\r\n");
    sink_peer_heard(&p, "554 5.5.1 No valid recipients\r\n");
    sink_peer_end(&p);
}

/* K01: one command, and what is answered to it right after EHLO. */
static void test_k01_commands_that_are_none(void **state)
{
    static const struct exchange commands[] = {
        {"EHLO\r\n", "501 Syntax: EHLO domain\r\n"},
        {"HELO \r\n", "501 Syntax: HELO domain\r\n"},
        {"MAIL\r\n", "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"},
        {"MAIL FROM:a@example.net\r\n", "501 5.1.7 Syntax: MAIL FROM:<address>\r\n"},
        {"MAIL FROM: <a@example.net>\r\n", "501 5.1.7 Syntax: MAIL FROM:<address>\r\n"},
        {"MAIL FROM:<a@example.net\r\n", "501 5.1.7 Syntax: MAIL FROM:<address>\r\n"},
        {"MAIL FROM:<a b@example.net>\r\n", "501 5.1.7 Syntax: MAIL FROM:<address>\r\n"},
        {"MAIL FROM:<\"a b@example.net>\r\n", "501 5.1.7 Syntax: MAIL FROM:<address>\r\n"},
        {"MAIL FROM:<a>\r\n", "501 5.1.7 The sender needs a domain\r\n"},
        {"MAIL FROM:<@>\r\n", "501 5.1.7 Syntax: MAIL FROM:<address>\r\n"},
        {"MAIL FROM:<a@example.net>x\r\n", "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"},
        {"MAIL FROM:<a@example.net> SIZE=x\r\n", "501 5.5.4 SIZE is to be a number\r\n"},
        {"MAIL FROM:<a@example.net> SIZE=10485761\r\n", "552 5.3.4 Message too big\r\n"},
        {"MAIL FROM:<a@example.net> SIZE=99999999999999999999\r\n", "552 5.3.4 Message too big\r\n"},
        {"MAIL FROM:<a@example.net> RET=HDRS\r\n", "555 5.5.4 Unknown parameter of MAIL\r\n"},
        {"MAIL FROM:<\xc3\xa4@example.net>\r\n", "553 5.6.7 An address beyond ASCII needs SMTPUTF8\r\n"},
        {"RCPT TO:<a@probe.example.org>\r\n", "503 5.5.1 Say MAIL first\r\n"},
        {"DATA\r\n", "503 5.5.1 Say MAIL first\r\n"},
        {"DATA now\r\n", "501 5.5.4 Syntax: DATA\r\n"},
        {"RSET x\r\n", "501 5.5.4 Syntax: RSET\r\n"},
        {"QUIT x\r\n", "501 5.5.4 Syntax: QUIT\r\n"},
        {"LHLO client.example.net\r\n", "500 5.5.1 This is SMTP: say EHLO\r\n"},
        {"LHLO\r\n", "500 5.5.1 This is SMTP: say EHLO\r\n"},
        {"FOO\r\n", "500 5.5.2 Unknown command\r\n"},
        {"MAILFROM:<a@example.net>\r\n", "500 5.5.2 Unknown command\r\n"},
        {"\r\n", "500 5.5.2 Unknown command\r\n"},
        {"NOOP\n", "500 5.5.2 A line ends with CRLF, not with LF alone\r\n"},
        {"NOOP\r\r\n", "500 5.5.2 Control characters, or not UTF-8\r\n"},
        {"NO\x01OP\r\n", "500 5.5.2 Control characters, or not UTF-8\r\n"},
        {"NOOP \xff\r\n", "500 5.5.2 Control characters, or not UTF-8\r\n"},
        {"NOOP x\r\n", "250 2.0.0 Ok\r\n"},
        {"RSET\r\n", "250 2.0.0 Ok\r\n"},
    };
    static const size_t pieces[] = {0, 1};

    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        for (size_t k = 0; k < 2; k++) {
            struct sink_peer p;
            sink_peer_greet(&p, pieces[k]);
            sink_peer_say(&p, commands[i].sent);
            sink_peer_heard(&p, commands[i].heard);
            assert_false(sink_peer_is_done(&p));
            sink_peer_end(&p);
        }
    }
}

/* K10: what other servers offer to those whom they know. Nor do many chunks of BDAT, which is K08. */
static void test_k10_what_is_not_offered(void **state)
{
    static const char *const commands[] = {
        "VRFY root\r\n",
        "VRFY\r\n",
        "EXPN staff\r\n",
        "ETRN example.org\r\n",
        "ETRN\r\n",
        "TURN\r\n",
        "HELP\r\n",
        "STARTTLS\r\n",
        "BDAT 10 LAST\r\n",
        "BDAT 0\r\n",
        "AUTH PLAIN\r\n",
        "xclient ADDR=192.0.2.1 NAME=mail.example.net\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UNKNOWN\r\n",
    };
    static const char v2[] = "\r\n\r\n\0\r\nQUIT\n!\0\f\xc0\0\2\1\xc0\0\2\2\0\1\0\2";
    struct sink_peer p;

    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        sink_peer_greet(&p, 0);
        sink_peer_say(&p, commands[i]);
        sink_peer_heard(&p, "502 5.5.1 Not offered here\r\n");
        sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\n");
        sink_peer_heard(&p, "250 2.1.0 Ok\r\n");
        sink_peer_end(&p);
    }
    sink_peer_begin(&p, 0);
    buffer_clear(&p.heard);
    sink_peer_send(&p, v2, sizeof(v2) - 1); /* a header in version 2 is no command at all */
    assert_non_null(p.heard.data);
    assert_memory_equal(p.heard.data, "500 5.5.2 ", 10);
    assert_null(strstr(p.heard.data, "\r\n2"));
    sink_peer_end(&p);
}

static void test_nothing_before_ehlo(void **state)
{
    struct sink_peer p;

    (void)state;
    sink_peer_begin(&p, 0);
    sink_peer_heard(&p, SINK_PEER_GREETING);
    sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\n");
    sink_peer_heard(&p, "503 5.5.1 Say EHLO first\r\n");
    sink_peer_say(&p, "HELO client.example.net\r\n");
    sink_peer_heard(&p, "250 sink.example.org\r\n");
    sink_peer_say(&p, "MAIL FROM:<a@example.net> BODY=7BIT\r\n");
    sink_peer_heard(&p, "555 5.5.4 Parameters need EHLO\r\n");
    sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\n");
    sink_peer_heard(&p, "250 2.1.0 Ok\r\n");
    sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\n");
    sink_peer_heard(&p, "503 5.5.1 There is a sender already\r\n");
    sink_peer_end(&p);
}

static void test_ehlo_and_rset_end_the_transaction(void **state)
{
    static const char *const ways[] = {"RSET\r\n", "EHLO again.example.net\r\n",
                                       "HELO again.example.net\r\n"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sink_peer p;
        sink_peer_greet(&p, 0);
        sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\nRCPT TO:<a@probe.example.org>\r\n");
        sink_peer_say(&p, ways[i]);
        buffer_clear(&p.heard);
        sink_peer_say(&p, "DATA\r\n");
        sink_peer_heard(&p, "503 5.5.1 Say MAIL first\r\n");
        sink_peer_end(&p);
    }
}

/* K04: who talks before it is asked is not listened to any further. */
static void test_k04_who_does_not_wait_is_closed(void **state)
{
    struct sink_peer p;

    (void)state;
    sink_peer_begin(&p, 0);
    sink_free(&p.sink);
    sink_init(&p.sink, &p.policy, p.now_us); /* the greeting is not out yet */
    buffer_clear(&p.heard);
    sink_peer_say(&p, "EHLO client.example.net\r\n");
    sink_peer_heard(&p, SINK_PEER_GREETING "554 5.5.0 You talk before it is your turn\r\n");
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);

    sink_peer_begin(&p, 0);
    buffer_clear(&p.heard);
    sink_peer_say(&p, "EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\n");
    sink_peer_heard(&p, SINK_PEER_EHLO "554 5.5.0 You talk before it is your turn\r\n");
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);

    sink_peer_greet(&p, 0);
    sink_peer_say(
        &p, "MAIL FROM:<a@example.net>\r\nRCPT TO:<a@probe.example.org>\r\nDATA\r\nSubject: x\r\n.\r\n");
    sink_peer_heard(&p, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End with a dot on a line of its own\r\n"
                        "554 5.5.0 You talk before it is your turn\r\n");
    assert_true(sink_peer_is_done(&p));
    assert_int_equal(p.taken.len, 0);
    sink_peer_end(&p);
}

/* K02: nothing but CRLF.CRLF ends a message. */
static void test_k02_what_ends_a_message(void **state)
{
    static const char *const no_ends[] = {
        "x\n.\n",      "x\n.\r\n", "x\r\n.\n", "x\r.\r",        "x\r\r\n.\r\r\n", "x\r\n.\rx\r\n",
        "x\r\n..\r\n", "x\r.\r\n", "x.\r\n",   "x\r\n.\r.\r\n", "x\r\n. \r\n",
    };
    static const size_t pieces[] = {0, 1};

    (void)state;
    for (size_t i = 0; i < sizeof(no_ends) / sizeof(no_ends[0]); i++) {
        for (size_t k = 0; k < 2; k++) {
            struct sink_peer p;
            sink_peer_begin_message(&p, pieces[k]);
            sink_peer_say(&p, no_ends[i]);
            sink_peer_heard(&p, "");
            sink_peer_say(&p, "\r\n.\r\n");
            sink_peer_heard(&p, "250 2.0.0 Ok\r\n");
            sink_peer_end(&p);
        }
    }
}

/* What is kept is what was sent, but for the dots that stuffing put there. */
static void test_messages_are_kept_as_they_are(void **state)
{
    static const struct {
        const char *sent, *taken;
    } messages[] = {
        {".\r\n", "0 |"},
        {"\r\n.\r\n", "2 \r\n|"},
        {"..\r\n.\r\n", "3 .\r\n|"},
        {"...a\r\n.\r\n", "5 ..a\r\n|"},
        {"a\r.\n\xff\x01\r\n.b\r\n.\r\n", "11 a\r.\n\xff\x01\r\nb\r\n|"},
        {".\rx\r\n.\r\n", "4 \rx\r\n|"},
    };
    static const size_t pieces[] = {0, 1, 3};

    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        for (size_t k = 0; k < 3; k++) {
            struct sink_peer p;
            char taken[128];
            sink_peer_begin_message(&p, pieces[k]);
            sink_peer_say(&p, messages[i].sent);
            sink_peer_heard(&p, "250 2.0.0 Ok\r\n");
            snprintf(taken, sizeof(taken), "<a@example.net> <a@probe.example.org> %s", messages[i].taken);
            assert_string_equal(p.taken.data, taken);
            sink_peer_end(&p);
        }
    }
}

static void test_k09_a_web_client_is_dropped(void **state)
{
    struct sink_peer p;

    (void)state;
    sink_peer_begin(&p, 0);
    buffer_clear(&p.heard);
    sink_peer_say(&p, "GET / HTTP/1.1\r\nHost: sink.example.org\r\n\r\n");
    sink_peer_heard(&p, "554 5.5.1 This is SMTP, not HTTP\r\n");
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);
}

static void test_ends(void **state)
{
    struct sink_peer p;

    (void)state;
    sink_peer_greet(&p, 0);
    sink_seam.broken(&p.sink, SEAM_CLOSED, p.now_us);
    assert_true(sink_peer_is_done(&p));
    sink_peer_say(&p, "NOOP\r\n");
    sink_peer_heard(&p, "");
    sink_peer_end(&p);

    sink_peer_greet(&p, 0);
    sink_seam.stop(&p.sink, p.now_us);
    sink_peer_listen(&p);
    sink_peer_heard(&p, "421 4.3.2 Going down\r\n");
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);
}

static void greet_with_tls(struct sink_peer *p)
{
    sink_peer_begin_as(p, 0, PROTOCOL_SMTP, true);
    sink_peer_say(p, "EHLO client.example.net\r\n");
    assert_non_null(strstr(p->heard.data, "250-STARTTLS\r\n"));
    buffer_clear(&p->heard);
}

/* RFC 3207: the client begins anew, and is not offered what it has. */
static void test_starttls(void **state)
{
    struct sink_peer p;
    (void)state;

    greet_with_tls(&p);
    sink_peer_say(&p, "STARTTLS now\r\n");
    sink_peer_heard(&p, "501 5.5.4 Syntax: STARTTLS\r\n");
    sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\n");
    sink_peer_say(&p, "STARTTLS\r\n");
    sink_peer_heard(&p, "250 2.1.0 Ok\r\n220 2.0.0 Ready to start TLS\r\n");
    assert_int_equal(sink_seam.want(&p.sink), SEAM_TLS);
    sink_seam.secured(&p.sink, p.now_us);
    assert_int_equal(sink_seam.want(&p.sink), SEAM_READ);
    sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\n");
    sink_peer_heard(&p, "503 5.5.1 Say EHLO first\r\n");
    sink_peer_say(&p, "EHLO client.example.net\r\n");
    sink_peer_heard(&p, SINK_PEER_EHLO);
    sink_peer_say(&p, "STARTTLS\r\n");
    sink_peer_heard(&p, "503 5.5.1 This is in TLS already\r\n");
    sink_peer_end(&p);
}

/* K03: nothing that came in the clear is heard behind it. */
static void test_k03_starttls_fails(void **state)
{
    struct sink_peer p;
    (void)state;

    greet_with_tls(&p);
    sink_peer_say(&p, "STARTTLS\r\nNOOP\r\n"); /* in the clear behind it */
    sink_peer_heard(&p, "220 2.0.0 Ready to start TLS\r\n554 5.5.0 You talk before it is your turn\r\n");
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);

    greet_with_tls(&p);
    sink_peer_say(&p, "STARTTLS\r\n");
    buffer_clear(&p.heard);
    sink_seam.unsecured(&p.sink, REASON_ALERT, "an alert", p.now_us);
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);

    greet_with_tls(&p);
    sink_peer_say(&p, "STARTTLS\r\n");
    buffer_clear(&p.heard);
    sink_seam.expire(&p.sink, sink_seam.deadline(&p.sink));
    assert_true(sink_peer_is_done(&p));
    sink_peer_heard(&p, "");
    sink_peer_end(&p);
}

/* Of all of the message, also of what is not kept. */
static void test_fingerprint(void **state)
{
    static const char *const ends[] = {"x", "y", "x"};
    uint64_t prints[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct sink_peer p;
        sink_peer_begin_message(&p, 0);
        sink_peer_say(&p, i ? "a: b\r\n\r\n" : "\r\n");
        sink_peer_say_much(&p, 2 * (size_t)SINK_MAX_KEPT);
        sink_peer_say(&p, "\r\n..");
        sink_peer_say(&p, ends[i]);
        sink_peer_say(&p, "\r\n.\r\n");
        sink_peer_heard(&p, "250 2.0.0 Ok\r\n");
        prints[i] = p.body;
        sink_peer_end(&p);
    }
    assert_int_equal(prints[0], prints[2]);
    assert_int_not_equal(prints[0], prints[1]);

    struct sink_peer p;
    sink_peer_begin_message(&p, 1);
    sink_peer_say(&p, "a: b\r\n\r\n..x\r\n\r\n.\r\n");
    assert_int_equal(p.body, fingerprint_of_message(span_of("\n.x\n")));
    sink_peer_say(&p, "MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n");
    sink_peer_say(&p, ".\r\n");
    assert_int_equal(p.body, fingerprint_of_message(span_of("")));
    sink_peer_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_a_message),
        cmocka_unit_test(test_takes_several_pipelined),
        cmocka_unit_test(test_never_relays),
        cmocka_unit_test(test_k01_commands_that_are_none),
        cmocka_unit_test(test_k10_what_is_not_offered),
        cmocka_unit_test(test_nothing_before_ehlo),
        cmocka_unit_test(test_ehlo_and_rset_end_the_transaction),
        cmocka_unit_test(test_k04_who_does_not_wait_is_closed),
        cmocka_unit_test(test_k02_what_ends_a_message),
        cmocka_unit_test(test_messages_are_kept_as_they_are),
        cmocka_unit_test(test_k09_a_web_client_is_dropped),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_starttls),
        cmocka_unit_test(test_k03_starttls_fails),
        cmocka_unit_test(test_fingerprint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
