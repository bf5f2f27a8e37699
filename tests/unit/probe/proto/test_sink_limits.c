/* SPDX-License-Identifier: Apache-2.0 */
/* When the built-in receiver has had enough: of octets, of commands, of time. */
#include "tests/unit/probe/proto/sink_peer.h"

#include "probe/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* K01: a message at its limit is taken, one octet more is not, and one without end is cut off. */
static void test_k01_big_messages(void **state)
{
    struct sink_peer p;

    (void)state;
    sink_peer_begin_message(&p, 0);
    sink_peer_say_much(&p, SINK_MAX_MESSAGE - 2);
    sink_peer_say(&p, "\r\n.\r\n");
    sink_peer_heard(&p, "250 2.0.0 Ok\r\n");
    sink_peer_end(&p);

    sink_peer_begin_message(&p, 0);
    sink_peer_say_much(&p, SINK_MAX_MESSAGE - 1);
    sink_peer_say(&p, "\r\n.\r\n");
    sink_peer_heard(&p, "552 5.3.4 Message too big\r\n");
    assert_false(sink_peer_is_done(&p));
    assert_int_equal(p.taken.len, 0);
    sink_peer_end(&p);

    sink_peer_begin_message(&p, 0);
    for (int i = 0; i < 3; i++)
        sink_peer_say_much(&p, SINK_MAX_MESSAGE);
    sink_peer_heard(&p, "552 5.3.4 Message too big\r\n");
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);
}

static void test_k01_long_lines(void **state)
{
    static const size_t lengths[] = {SINK_MAX_LINE - 1, SINK_MAX_LINE, SINK_MAX_LINE + 1, SINK_MAX_FLOOD};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct sink_peer p;
        sink_peer_greet(&p, 0);
        sink_peer_say(&p, "NOOP ");
        sink_peer_say_much(&p, lengths[i] - 7);
        sink_peer_say(&p, "\r\n");
        sink_peer_heard(&p, lengths[i] <= SINK_MAX_LINE ? "250 2.0.0 Ok\r\n" : "500 5.5.2 Line too long\r\n");
        assert_false(sink_peer_is_done(&p));
        sink_peer_end(&p);
    }
    struct sink_peer p;
    sink_peer_greet(&p, 0);
    sink_peer_say_much(&p, SINK_MAX_FLOOD + 1);
    sink_peer_heard(&p, "500 5.5.2 Line too long\r\n");
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);
}

static void test_k01_too_many_recipients(void **state)
{
    struct sink_peer p;

    (void)state;
    sink_peer_greet(&p, 0);
    sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\n");
    for (int i = 0; i < SINK_MAX_RECIPIENTS; i++) {
        buffer_clear(&p.heard);
        sink_peer_say(&p, "RCPT TO:<a@probe.example.org>\r\n");
        sink_peer_heard(&p, "250 2.1.5 Ok\r\n");
    }
    sink_peer_say(&p, "RCPT TO:<a@probe.example.org>\r\n");
    sink_peer_heard(&p, "452 4.5.3 Too many recipients\r\n");
    sink_peer_say(&p, "DATA\r\n");
    sink_peer_heard(&p, "354 End with a dot on a line of its own\r\n");
    sink_peer_end(&p);
}

/* K08 */
static void test_k08_a_session_that_goes_nowhere_ends(void **state)
{
    struct sink_peer p;

    (void)state;
    sink_peer_greet(&p, 0);
    for (int i = 1; i < SINK_MAX_IDLE; i++)
        sink_peer_say(&p, "NOOP\r\n");
    assert_false(sink_peer_is_done(&p));
    buffer_clear(&p.heard);
    sink_peer_say(&p, "NOOP\r\nNOOP\r\n");
    sink_peer_heard(&p, "421 4.7.0 Too many commands without a message\r\n");
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);

    sink_peer_greet(&p, 0);
    for (int i = 1; i < SINK_MAX_ERRORS; i++)
        sink_peer_say(&p, "WHAT\r\n");
    assert_false(sink_peer_is_done(&p));
    buffer_clear(&p.heard);
    sink_peer_say(&p, "WHAT\r\n");
    sink_peer_heard(&p, "421 4.7.0 Too many errors\r\n");
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);
}

/* K11: NUL, bytes that are no text and a header that never ends: kept as they came, as far as they are. */
static void test_k11_what_no_mail_has(void **state)
{
    static const char odd[] = "Subject: \0\xff\xc3(\x80\r\n\0: x\r\n";
    static const char sent[] = "<a@example.net> <a@probe.example.org> ";
    static const size_t pieces[] = {0, 1, 5};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sink_peer p;
        char taken[100];
        sink_peer_begin_message(&p, pieces[i]);
        sink_peer_send(&p, odd, sizeof(odd) - 1);
        sink_peer_say(&p, "X: ");
        sink_peer_say_much(&p, 3 * (size_t)SINK_MAX_KEPT);
        sink_peer_say(&p, "\r\n.\r\n");
        sink_peer_heard(&p, "250 2.0.0 Ok\r\n");
        snprintf(taken, sizeof(taken), "%s%zu ", sent, sizeof(odd) - 1 + 3 + 3 * (size_t)SINK_MAX_KEPT + 2);
        assert_memory_equal(p.taken.data, taken, strlen(taken));
        assert_memory_equal(p.taken.data + strlen(taken), odd, sizeof(odd) - 1);
        assert_int_equal(p.kept, SINK_MAX_KEPT);
        sink_peer_end(&p);
    }
}

/* Limits on time are for whole commands and messages: dripping does not stretch them. */
static void test_who_takes_too_long_is_closed(void **state)
{
    struct sink_peer p;

    (void)state;
    sink_peer_greet(&p, 0);
    int64_t deadline = sink_seam.deadline(&p.sink);
    assert_int_equal(deadline, p.now_us + SINK_COMMAND_US);
    p.now_us = deadline - 1;
    sink_peer_say(&p, "NOO");
    assert_int_equal(sink_seam.deadline(&p.sink), deadline);
    sink_seam.expire(&p.sink, deadline - 1);
    sink_peer_heard(&p, "");
    sink_seam.expire(&p.sink, deadline);
    sink_peer_listen(&p);
    sink_peer_heard(&p, "421 4.4.2 You took too long\r\n");
    assert_true(sink_peer_is_done(&p));
    assert_int_equal(sink_seam.deadline(&p.sink), CLOCK_NEVER);
    sink_peer_end(&p);

    sink_peer_begin_message(&p, 0);
    assert_int_equal(sink_seam.deadline(&p.sink), p.now_us + SINK_MESSAGE_US);
    sink_peer_end(&p);
}

static void test_who_does_not_listen_is_closed(void **state)
{
    struct sink_peer p;

    (void)state;
    sink_peer_greet(&p, 0);
    sink_peer_say(&p, "MAIL FROM:<a@example.net>\r\n");
    static const char rcpt[] = "RCPT TO:<a@probe.example.org>\r\nRSET\r\nMAIL FROM:<>\r\n";
    sink_seam.receive(&p.sink, span_of(rcpt), p.now_us, p.now_us);
    sink_seam.receive(&p.sink, span_of("QUIT\r\n"), p.now_us, p.now_us); /* nothing was taken yet */
    assert_int_equal(sink_seam.want(&p.sink), SEAM_WRITE);
    sink_seam.expire(&p.sink, sink_seam.deadline(&p.sink));
    assert_true(sink_peer_is_done(&p));
    sink_peer_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_k01_big_messages),
        cmocka_unit_test(test_k01_long_lines),
        cmocka_unit_test(test_k01_too_many_recipients),
        cmocka_unit_test(test_k08_a_session_that_goes_nowhere_ends),
        cmocka_unit_test(test_k11_what_no_mail_has),
        cmocka_unit_test(test_who_takes_too_long_is_closed),
        cmocka_unit_test(test_who_does_not_listen_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
