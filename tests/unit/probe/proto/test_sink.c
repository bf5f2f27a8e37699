/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in receiver as an engine: what it answers, whole and byte by byte, and when it has had enough. */
#include "probe/proto/sink.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GREETING "220 sink.example.org ESMTP\r\n"
#define EHLO_REPLY                                                                                           \
    "250-sink.example.org\r\n250-PIPELINING\r\n250-SIZE 10485760\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"        \
    "250 ENHANCEDSTATUSCODES\r\n"
#define RELAYING "550 5.7.1 Relaying denied: mail is taken for domains of our own alone\r\n"

static const char *const domains[] = {"probe.example.org", "other.example.org"};

/* The other side: sends, and hears what is answered. */
struct peer {
    struct sink sink;
    struct sink_policy policy;
    struct buffer heard;
    struct buffer taken; /* every message: envelope, size and text */
    size_t piece;        /* so many bytes are sent at once; 0 = all */
    int64_t now_us;
};

static void take(void *context, const struct sink_message *m)
{
    struct peer *p = context;

    buffer_printf(&p->taken, "<%s>", m->from);
    for (size_t i = 0; i < m->to_count; i++)
        buffer_printf(&p->taken, " <%s>", m->to[i]);
    buffer_printf(&p->taken, " %zu ", m->size);
    buffer_put(&p->taken, m->kept.data, m->kept.len < 200 ? m->kept.len : 200);
    buffer_puts(&p->taken, "|");
}

static void listen_to(struct peer *p)
{
    while (sink_seam.want(&p->sink) == SEAM_WRITE) {
        struct span out = sink_seam.output(&p->sink);
        size_t len = p->piece && p->piece < out.len ? p->piece : out.len;
        buffer_put(&p->heard, out.data, len);
        sink_seam.sent(&p->sink, len, p->now_us);
    }
}

static void begin(struct peer *p, size_t piece)
{
    *p = (struct peer){.piece = piece, .now_us = CLOCK_US_PER_S};
    p->policy = (struct sink_policy){
        .name = "sink.example.org", .domains = domains, .domain_count = 2, .take = take, .context = p};
    buffer_init(&p->heard, 64 * 1024 * 1024);
    buffer_init(&p->taken, 1024 * 1024);
    sink_init(&p->sink, &p->policy, p->now_us);
    listen_to(p);
}

static void send_bytes(struct peer *p, const char *data, size_t len)
{
    size_t step = p->piece ? p->piece : len;

    for (size_t at = 0; at < len; at += step) {
        size_t part = len - at < step ? len - at : step;
        char *exact = memcpy(mem_alloc(part), data + at, part); /* so that reading past it is seen */
        sink_seam.receive(&p->sink, (struct span){exact, part}, p->now_us, p->now_us);
        free(exact);
        listen_to(p);
    }
}

static void send_text(struct peer *p, const char *text)
{
    send_bytes(p, text, strlen(text));
}

static void end(struct peer *p)
{
    sink_free(&p->sink);
    buffer_free(&p->heard);
    buffer_free(&p->taken);
}

/* What was heard since the last time. */
static void assert_heard(struct peer *p, const char *wanted)
{
    assert_string_equal(p->heard.data ? p->heard.data : "", wanted);
    buffer_clear(&p->heard);
}

static bool is_done(const struct peer *p)
{
    return sink_seam.want(&p->sink) == SEAM_DONE;
}

static void greet(struct peer *p, size_t piece)
{
    begin(p, piece);
    send_text(p, "EHLO client.example.net\r\n");
    assert_heard(p, GREETING EHLO_REPLY);
}

/* One exchange: what is sent, what must be answered. */
struct exchange {
    const char *sent;
    const char *heard;
};

static void play(const struct exchange *exchanges, const char *taken, size_t piece)
{
    struct peer p;

    begin(&p, piece);
    assert_heard(&p, GREETING);
    for (; exchanges->sent; exchanges++) {
        send_text(&p, exchanges->sent);
        assert_heard(&p, exchanges->heard);
    }
    assert_string_equal(p.taken.data ? p.taken.data : "", taken);
    assert_true(is_done(&p));
    end(&p);
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
        {"EHLO client.example.net\r\n", EHLO_REPLY},
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
        {"EHLO client.example.net\r\n", EHLO_REPLY},
        {"MAIL FROM:<>\r\nRCPT TO:<a@probe.example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n",
         "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n" RELAYING "354 End with a dot on a line of its own\r\n"},
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
    struct peer p;

    (void)state;
    greet(&p, 0);
    send_text(&p, "MAIL FROM:<a@example.net>\r\n");
    assert_heard(&p, "250 2.1.0 Ok\r\n");
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        char line[256];
        snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n", strangers[i]);
        send_text(&p, line);
        assert_heard(&p, RELAYING);
    }
    send_text(&p, "DATA\r\n");
    assert_heard(&p, "554 5.5.1 No valid recipients\r\n");
    end(&p);
}

/* K01, K10: one command, and what is answered to it right after EHLO. */
static void test_commands_that_are_none(void **state)
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
        {"VRFY root\r\n", "502 5.5.1 Not offered here\r\n"},
        {"ETRN example.org\r\n", "502 5.5.1 Not offered here\r\n"},
        {"XCLIENT ADDR=192.0.2.1\r\n", "502 5.5.1 Not offered here\r\n"},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "502 5.5.1 Not offered here\r\n"},
        {"BDAT 10 LAST\r\n", "502 5.5.1 Not offered here\r\n"},
        {"STARTTLS\r\n", "502 5.5.1 Not offered here\r\n"},
        {"AUTH PLAIN\r\n", "502 5.5.1 Not offered here\r\n"},
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
            struct peer p;
            greet(&p, pieces[k]);
            send_text(&p, commands[i].sent);
            assert_heard(&p, commands[i].heard);
            assert_false(is_done(&p));
            end(&p);
        }
    }
}

static void test_nothing_before_ehlo(void **state)
{
    struct peer p;

    (void)state;
    begin(&p, 0);
    assert_heard(&p, GREETING);
    send_text(&p, "MAIL FROM:<a@example.net>\r\n");
    assert_heard(&p, "503 5.5.1 Say EHLO first\r\n");
    send_text(&p, "HELO client.example.net\r\n");
    assert_heard(&p, "250 sink.example.org\r\n");
    send_text(&p, "MAIL FROM:<a@example.net> BODY=7BIT\r\n");
    assert_heard(&p, "555 5.5.4 Parameters need EHLO\r\n");
    send_text(&p, "MAIL FROM:<a@example.net>\r\n");
    assert_heard(&p, "250 2.1.0 Ok\r\n");
    send_text(&p, "MAIL FROM:<a@example.net>\r\n");
    assert_heard(&p, "503 5.5.1 There is a sender already\r\n");
    end(&p);
}

static void test_ehlo_and_rset_end_the_transaction(void **state)
{
    static const char *const ways[] = {"RSET\r\n", "EHLO again.example.net\r\n",
                                       "HELO again.example.net\r\n"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct peer p;
        greet(&p, 0);
        send_text(&p, "MAIL FROM:<a@example.net>\r\nRCPT TO:<a@probe.example.org>\r\n");
        send_text(&p, ways[i]);
        buffer_clear(&p.heard);
        send_text(&p, "DATA\r\n");
        assert_heard(&p, "503 5.5.1 Say MAIL first\r\n");
        end(&p);
    }
}

/* K04: who talks before it is asked is not listened to any further. */
static void test_k04_who_does_not_wait_is_closed(void **state)
{
    struct peer p;

    (void)state;
    begin(&p, 0);
    sink_free(&p.sink);
    sink_init(&p.sink, &p.policy, p.now_us); /* the greeting is not out yet */
    buffer_clear(&p.heard);
    send_text(&p, "EHLO client.example.net\r\n");
    assert_heard(&p, GREETING "554 5.5.0 You talk before it is your turn\r\n");
    assert_true(is_done(&p));
    end(&p);

    begin(&p, 0);
    buffer_clear(&p.heard);
    send_text(&p, "EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\n");
    assert_heard(&p, EHLO_REPLY "554 5.5.0 You talk before it is your turn\r\n");
    assert_true(is_done(&p));
    end(&p);

    greet(&p, 0);
    send_text(&p,
              "MAIL FROM:<a@example.net>\r\nRCPT TO:<a@probe.example.org>\r\nDATA\r\nSubject: x\r\n.\r\n");
    assert_heard(&p, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End with a dot on a line of its own\r\n"
                     "554 5.5.0 You talk before it is your turn\r\n");
    assert_true(is_done(&p));
    assert_int_equal(p.taken.len, 0);
    end(&p);
}

static void begin_message(struct peer *p, size_t piece)
{
    greet(p, piece);
    send_text(p, "MAIL FROM:<a@example.net>\r\n");
    send_text(p, "RCPT TO:<a@probe.example.org>\r\n");
    send_text(p, "DATA\r\n");
    buffer_clear(&p->heard);
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
            struct peer p;
            begin_message(&p, pieces[k]);
            send_text(&p, no_ends[i]);
            assert_heard(&p, "");
            send_text(&p, "\r\n.\r\n");
            assert_heard(&p, "250 2.0.0 Ok\r\n");
            end(&p);
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
            struct peer p;
            char taken[128];
            begin_message(&p, pieces[k]);
            send_text(&p, messages[i].sent);
            assert_heard(&p, "250 2.0.0 Ok\r\n");
            snprintf(taken, sizeof(taken), "<a@example.net> <a@probe.example.org> %s", messages[i].taken);
            assert_string_equal(p.taken.data, taken);
            end(&p);
        }
    }
}

static void send_much(struct peer *p, size_t len)
{
    char *much = mem_alloc(len);
    memset(much, 'x', len);
    send_bytes(p, much, len);
    free(much);
}

/* K01: a message at its limit is taken, one octet more is not, and one without end is cut off. */
static void test_k01_big_messages(void **state)
{
    struct peer p;

    (void)state;
    begin_message(&p, 0);
    send_much(&p, SINK_MAX_MESSAGE - 2);
    send_text(&p, "\r\n.\r\n");
    assert_heard(&p, "250 2.0.0 Ok\r\n");
    end(&p);

    begin_message(&p, 0);
    send_much(&p, SINK_MAX_MESSAGE - 1);
    send_text(&p, "\r\n.\r\n");
    assert_heard(&p, "552 5.3.4 Message too big\r\n");
    assert_false(is_done(&p));
    assert_int_equal(p.taken.len, 0);
    end(&p);

    begin_message(&p, 0);
    for (int i = 0; i < 3; i++)
        send_much(&p, SINK_MAX_MESSAGE);
    assert_heard(&p, "552 5.3.4 Message too big\r\n");
    assert_true(is_done(&p));
    end(&p);
}

static void test_k01_long_lines(void **state)
{
    static const size_t lengths[] = {SINK_MAX_LINE - 1, SINK_MAX_LINE, SINK_MAX_LINE + 1, SINK_MAX_FLOOD};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct peer p;
        greet(&p, 0);
        send_text(&p, "NOOP ");
        send_much(&p, lengths[i] - 7);
        send_text(&p, "\r\n");
        assert_heard(&p, lengths[i] <= SINK_MAX_LINE ? "250 2.0.0 Ok\r\n" : "500 5.5.2 Line too long\r\n");
        assert_false(is_done(&p));
        end(&p);
    }
    struct peer p;
    greet(&p, 0);
    send_much(&p, SINK_MAX_FLOOD + 1);
    assert_heard(&p, "500 5.5.2 Line too long\r\n");
    assert_true(is_done(&p));
    end(&p);
}

static void test_k01_too_many_recipients(void **state)
{
    struct peer p;

    (void)state;
    greet(&p, 0);
    send_text(&p, "MAIL FROM:<a@example.net>\r\n");
    for (int i = 0; i < SINK_MAX_RECIPIENTS; i++) {
        buffer_clear(&p.heard);
        send_text(&p, "RCPT TO:<a@probe.example.org>\r\n");
        assert_heard(&p, "250 2.1.5 Ok\r\n");
    }
    send_text(&p, "RCPT TO:<a@probe.example.org>\r\n");
    assert_heard(&p, "452 4.5.3 Too many recipients\r\n");
    send_text(&p, "DATA\r\n");
    assert_heard(&p, "354 End with a dot on a line of its own\r\n");
    end(&p);
}

/* K08 */
static void test_k08_a_session_that_goes_nowhere_ends(void **state)
{
    struct peer p;

    (void)state;
    greet(&p, 0);
    for (int i = 1; i < SINK_MAX_IDLE; i++)
        send_text(&p, "NOOP\r\n");
    assert_false(is_done(&p));
    buffer_clear(&p.heard);
    send_text(&p, "NOOP\r\nNOOP\r\n");
    assert_heard(&p, "421 4.7.0 Too many commands without a message\r\n");
    assert_true(is_done(&p));
    end(&p);

    greet(&p, 0);
    for (int i = 1; i < SINK_MAX_ERRORS; i++)
        send_text(&p, "WHAT\r\n");
    assert_false(is_done(&p));
    buffer_clear(&p.heard);
    send_text(&p, "WHAT\r\n");
    assert_heard(&p, "421 4.7.0 Too many errors\r\n");
    assert_true(is_done(&p));
    end(&p);
}

static void test_k09_a_web_client_is_dropped(void **state)
{
    struct peer p;

    (void)state;
    begin(&p, 0);
    buffer_clear(&p.heard);
    send_text(&p, "GET / HTTP/1.1\r\nHost: sink.example.org\r\n\r\n");
    assert_heard(&p, "554 5.5.1 This is SMTP, not HTTP\r\n");
    assert_true(is_done(&p));
    end(&p);
}

/* Limits on time are for whole commands and messages: dripping does not stretch them. */
static void test_who_takes_too_long_is_closed(void **state)
{
    struct peer p;

    (void)state;
    greet(&p, 0);
    int64_t deadline = sink_seam.deadline(&p.sink);
    assert_int_equal(deadline, p.now_us + SINK_COMMAND_US);
    p.now_us = deadline - 1;
    send_text(&p, "NOO");
    assert_int_equal(sink_seam.deadline(&p.sink), deadline);
    sink_seam.expire(&p.sink, deadline - 1);
    assert_heard(&p, "");
    sink_seam.expire(&p.sink, deadline);
    listen_to(&p);
    assert_heard(&p, "421 4.4.2 You took too long\r\n");
    assert_true(is_done(&p));
    assert_int_equal(sink_seam.deadline(&p.sink), CLOCK_NEVER);
    end(&p);

    begin_message(&p, 0);
    assert_int_equal(sink_seam.deadline(&p.sink), p.now_us + SINK_MESSAGE_US);
    end(&p);
}

static void test_who_does_not_listen_is_closed(void **state)
{
    struct peer p;

    (void)state;
    greet(&p, 0);
    send_text(&p, "MAIL FROM:<a@example.net>\r\n");
    static const char rcpt[] = "RCPT TO:<a@probe.example.org>\r\nRSET\r\nMAIL FROM:<>\r\n";
    sink_seam.receive(&p.sink, span_of(rcpt), p.now_us, p.now_us);
    sink_seam.receive(&p.sink, span_of("QUIT\r\n"), p.now_us, p.now_us); /* nothing was taken yet */
    assert_int_equal(sink_seam.want(&p.sink), SEAM_WRITE);
    sink_seam.expire(&p.sink, sink_seam.deadline(&p.sink));
    assert_true(is_done(&p));
    end(&p);
}

static void test_ends(void **state)
{
    struct peer p;

    (void)state;
    greet(&p, 0);
    sink_seam.broken(&p.sink, SEAM_CLOSED, p.now_us);
    assert_true(is_done(&p));
    send_text(&p, "NOOP\r\n");
    assert_heard(&p, "");
    end(&p);

    greet(&p, 0);
    sink_seam.stop(&p.sink, p.now_us);
    listen_to(&p);
    assert_heard(&p, "421 4.3.2 Going down\r\n");
    assert_true(is_done(&p));
    end(&p);
}

static void greet_with_tls(struct peer *p)
{
    begin(p, 0);
    sink_free(&p->sink);
    buffer_clear(&p->heard);
    p->policy.offers_tls = true;
    sink_init(&p->sink, &p->policy, p->now_us);
    listen_to(p);
    send_text(p, "EHLO client.example.net\r\n");
    assert_non_null(strstr(p->heard.data, "250-STARTTLS\r\n"));
    buffer_clear(&p->heard);
}

/* RFC 3207: the client begins anew, and is not offered what it has. */
static void test_starttls(void **state)
{
    struct peer p;
    (void)state;

    greet_with_tls(&p);
    send_text(&p, "STARTTLS now\r\n");
    assert_heard(&p, "501 5.5.4 Syntax: STARTTLS\r\n");
    send_text(&p, "MAIL FROM:<a@example.net>\r\n");
    send_text(&p, "STARTTLS\r\n");
    assert_heard(&p, "250 2.1.0 Ok\r\n220 2.0.0 Ready to start TLS\r\n");
    assert_int_equal(sink_seam.want(&p.sink), SEAM_TLS);
    sink_seam.secured(&p.sink, p.now_us);
    assert_int_equal(sink_seam.want(&p.sink), SEAM_READ);
    send_text(&p, "MAIL FROM:<a@example.net>\r\n");
    assert_heard(&p, "503 5.5.1 Say EHLO first\r\n");
    send_text(&p, "EHLO client.example.net\r\n");
    assert_heard(&p, EHLO_REPLY);
    send_text(&p, "STARTTLS\r\n");
    assert_heard(&p, "503 5.5.1 This is in TLS already\r\n");
    end(&p);
}

static void test_starttls_fails(void **state)
{
    struct peer p;
    (void)state;

    greet_with_tls(&p);
    send_text(&p, "STARTTLS\r\nNOOP\r\n"); /* in the clear behind it */
    assert_heard(&p, "220 2.0.0 Ready to start TLS\r\n554 5.5.0 You talk before it is your turn\r\n");
    assert_true(is_done(&p));
    end(&p);

    greet_with_tls(&p);
    send_text(&p, "STARTTLS\r\n");
    buffer_clear(&p.heard);
    sink_seam.unsecured(&p.sink, REASON_ALERT, "an alert", p.now_us);
    assert_true(is_done(&p));
    end(&p);

    greet_with_tls(&p);
    send_text(&p, "STARTTLS\r\n");
    buffer_clear(&p.heard);
    sink_seam.expire(&p.sink, sink_seam.deadline(&p.sink));
    assert_true(is_done(&p));
    assert_heard(&p, "");
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_a_message),
        cmocka_unit_test(test_takes_several_pipelined),
        cmocka_unit_test(test_never_relays),
        cmocka_unit_test(test_commands_that_are_none),
        cmocka_unit_test(test_nothing_before_ehlo),
        cmocka_unit_test(test_ehlo_and_rset_end_the_transaction),
        cmocka_unit_test(test_k04_who_does_not_wait_is_closed),
        cmocka_unit_test(test_k02_what_ends_a_message),
        cmocka_unit_test(test_messages_are_kept_as_they_are),
        cmocka_unit_test(test_k01_big_messages),
        cmocka_unit_test(test_k01_long_lines),
        cmocka_unit_test(test_k01_too_many_recipients),
        cmocka_unit_test(test_k08_a_session_that_goes_nowhere_ends),
        cmocka_unit_test(test_k09_a_web_client_is_dropped),
        cmocka_unit_test(test_who_takes_too_long_is_closed),
        cmocka_unit_test(test_who_does_not_listen_is_closed),
        cmocka_unit_test(test_starttls),
        cmocka_unit_test(test_starttls_fails),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
