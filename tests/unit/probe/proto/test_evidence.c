/* SPDX-License-Identifier: Apache-2.0 */
/* What a message says itself: its hops, its header, whose copy it is. */
#include "probe/proto/evidence.h"

#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SEEN INT64_C(1795400708500000) /* 2026-11-23T02:25:08.5Z */

static const char message[] = "Return-Path: <a@example.org>\r\n"
                              "Received: from b by c with LMTP; Mon, 23 Nov 2026 02:25:03 +0000\r\n"
                              "Authentication-Results: c; spf=pass\r\n\tsmtp.mailfrom=example.org\r\n"
                              "Received: from a by b with ESMTPS;\r\n Mon, 23 Nov 2026 03:25:04 +0100\r\n"
                              "Received: by a; Mon, 23 Nov 2026 02:25:01 +0000\r\n"
                              "authentication-results: b; dkim=none\r\n"
                              "Subject: a\r\n b\r\n"
                              "\r\n"
                              "Received: by the body\r\n";

static void test_a_message(void **state)
{
    struct arena a = {0};
    struct evidence e;

    (void)state;
    evidence_read(&a, span_of(message), 4711, SEEN, &e);
    assert_int_equal(e.size, 4711);
    assert_int_equal(e.hop_count, 3);
    assert_int_equal(e.hop_total, 3);
    assert_string_equal(e.hops[0].by, "a");
    assert_null(e.hops[0].from);
    assert_true(e.hops[0].delay_us == 3 * CLOCK_US_PER_S);
    assert_string_equal(e.hops[1].by, "b");
    assert_string_equal(e.hops[1].with, "ESMTPS");
    assert_true(e.hops[1].delay_us == -CLOCK_US_PER_S); /* the clock of c is behind */
    assert_string_equal(e.hops[2].by, "c");
    assert_true(e.hops[2].delay_us == 5 * CLOCK_US_PER_S);
    assert_int_equal(e.auth_count, 2);
    assert_string_equal(e.auth[0], "c; spf=pass smtp.mailfrom=example.org");
    assert_string_equal(e.auth[1], "b; dkim=none");
    assert_int_equal(e.field_count, 7);
    assert_int_equal(e.field_total, 7);
    assert_string_equal(e.fields[0].name, "Return-Path");
    assert_string_equal(e.fields[0].value, "<a@example.org>");
    assert_string_equal(e.fields[6].value, "a b");
    assert_int_equal(e.change_count, 0);
    arena_free(&a);
}

static void test_dates_that_are_missing(void **state)
{
    static const char text[] = "Received: by c; Mon, 23 Nov 2026 02:25:03 +0000\r\n"
                               "Received: by b; yesterday\r\n"
                               "Received: by a; Mon, 23 Nov 2026 02:25:01 +0000\r\n";
    struct arena a = {0};
    struct evidence e;

    (void)state;
    evidence_read(&a, span_of(text), 1, SEEN, &e);
    assert_int_equal(e.hop_count, 3);
    assert_true(e.hops[0].delay_us == CLOCK_NONE);
    assert_true(e.hops[1].at_wall_us == CLOCK_NONE && e.hops[1].delay_us == CLOCK_NONE);
    assert_true(e.hops[2].delay_us == 5 * CLOCK_US_PER_S);
    arena_free(&a);
}

/* By whole seconds, as the dates are; never the time that stands for none. */
static void test_seen_in_the_second_of_the_date(void **state)
{
    static const char text[] = "Received: by a; Thu, 1 Jan 1970 00:00:02 +0000\r\n";
    static const struct {
        int64_t seen_us, delay_us;
    } cases[] = {
        {2000000, 0}, {2999999, 0}, {3000000, 1000000}, {1999999, -1000000}, {CLOCK_NONE, CLOCK_NONE}};
    struct arena a = {0};
    struct evidence e;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        evidence_read(&a, span_of(text), 1, cases[i].seen_us, &e);
        assert_true(e.hops[0].delay_us == cases[i].delay_us);
    }
    arena_free(&a);
}

static void test_nothing(void **state)
{
    static const char *const texts[] = {"", "\r\n", "\r\nReceived: by a\r\n", "no header"};
    struct arena a = {0};
    struct evidence e;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        evidence_read(&a, span_of(texts[i]), 0, SEEN, &e);
        assert_int_equal(e.hop_count + e.auth_count + e.field_count + e.field_total, 0);
    }
    arena_free(&a);
}

/* Of a hundred hops the newest are shown, of a thousand fields the first; what is told is how many there are.
 */
static void test_the_limits(void **state)
{
    struct arena a = {0};
    struct buffer text;
    struct evidence e;

    (void)state;
    buffer_init(&text, 1 << 20);
    for (int i = 100; i > 0; i--)
        buffer_printf(&text, "Received: by %d; Mon, 23 Nov 2026 02:25:%02d +0000\r\n", i, i % 60);
    for (int i = 0; i < 20; i++)
        buffer_printf(&text, "Authentication-Results: %d\r\n", i);
    evidence_read(&a, buffer_span(&text), text.len, SEEN, &e);
    assert_int_equal(e.hop_count, EVIDENCE_MAX_HOPS);
    assert_int_equal(e.hop_total, 100);
    assert_string_equal(e.hops[0].by, "85");
    assert_string_equal(e.hops[15].by, "100");
    assert_int_equal(e.auth_count, EVIDENCE_MAX_AUTH);
    assert_int_equal(e.field_count, EVIDENCE_MAX_FIELDS);
    assert_int_equal(e.field_total, 120);
    buffer_free(&text);
    arena_free(&a);
}

/* Texts of any length and any octets: bounded each, and all of them together. */
static void test_long_texts(void **state)
{
    struct arena a = {0};
    struct buffer text;
    struct evidence e;
    size_t all = 0;

    (void)state;
    buffer_init(&text, 1 << 20);
    for (int i = 0; i < 60; i++) {
        buffer_printf(&text, "X-%d: %s", i, i % 2 ? "" : "\377");
        for (int j = 0; j < 2000; j++)
            buffer_puts(&text, "x");
        buffer_puts(&text, "\r\n");
    }
    evidence_read(&a, buffer_span(&text), text.len, SEEN, &e);
    assert_true(e.field_count > 20 && e.field_count < 60);
    assert_int_equal(e.field_total, 60);
    for (size_t i = 0; i < e.field_count; i++) {
        size_t len = strlen(e.fields[i].value);
        all += len;
        assert_true(len <= EVIDENCE_MAX_TEXT + 3 && text_is_clean(span_of(e.fields[i].value)));
        assert_string_equal(e.fields[i].value + len - 3, "...");
    }
    assert_true(all <= EVIDENCE_MAX_ALL + EVIDENCE_MAX_TEXT);
    buffer_free(&text);
    arena_free(&a);
}

static void test_recipients(void **state)
{
    static const struct {
        const char *text, *recipient;
    } rows[] = {
        {"Delivered-To: c@example.org\r\nX-Original-To: a@example.org\r\nEnvelope-To: b@example.org\r\n",
         "a@example.org"},
        {"Envelope-To: b@example.org\r\nDelivered-To: c@example.org\r\n", "c@example.org"},
        {"Delivered-To: new@example.org\r\nDelivered-To: old@example.org\r\n", "new@example.org"},
        {"envelope-to: <b@example.org>\r\n", "b@example.org"},
        {"X-Original-To:\r\nDelivered-To: c@example.org\r\n", "c@example.org"},
        {"To: a@example.org\r\n\r\nDelivered-To: b@example.org\r\n", NULL},
        {"Delivered-To: <>\r\n", NULL},
        {"", NULL},
    };
    struct arena a = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *is = evidence_recipient(&a, span_of(rows[i].text));
        if ((is != NULL) != (rows[i].recipient != NULL) || (is && strcmp(is, rows[i].recipient) != 0))
            fail_msg("%s: %s", rows[i].text, is);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message),
        cmocka_unit_test(test_dates_that_are_missing),
        cmocka_unit_test(test_seen_in_the_second_of_the_date),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_the_limits),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
