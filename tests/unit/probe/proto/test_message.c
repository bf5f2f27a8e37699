/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: what they are made of, how they go over the wire, and how they are found again. */
#include "probe/proto/message.h"

#include "probe/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN "ehlod-000102030405060708090a0b0c0d0eff"

static const char *const to[] = {"www@example.org", "second@example.org"};

static struct message_order order(const char *from, size_t to_count)
{
    return (struct message_order){.from = from,
                                  .to = to,
                                  .to_count = to_count,
                                  .host = "probe.example.net",
                                  .token = TOKEN,
                                  .target = "mx1",
                                  .route = "inbound",
                                  .wall_us = INT64_C(1763951104123456)};
}

static void test_token(void **state)
{
    static const unsigned char random[MESSAGE_TOKEN_DIGITS / 2] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                                   8, 9, 10, 11, 12, 13, 14, 255};
    char token[MESSAGE_TOKEN_SIZE];

    (void)state;
    message_token(random, token);
    assert_string_equal(token, TOKEN);
    assert_int_equal(strlen(token) + 1, MESSAGE_TOKEN_SIZE);
}

static void test_the_built_in_message(void **state)
{
    struct message_order one = order("probe@example.net", 2);
    struct arena a = {0};

    (void)state;
    assert_string_equal(message_build(&a, &one).data,
                        "Date: Mon, 24 Nov 2025 02:25:04 +0000\r\n"
                        "From: ehlod <probe@example.net>\r\n"
                        "To: <www@example.org>,\r\n"
                        " <second@example.org>\r\n"
                        "Subject: ehlod test message (mx1, inbound)\r\n"
                        "Message-ID: <" TOKEN "@probe.example.net>\r\n"
                        "X-Ehlod-Token: " TOKEN "\r\n"
                        "Auto-Submitted: auto-generated\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=us-ascii\r\n"
                        "\r\n"
                        "This message tests whether mail is accepted and delivered.\r\n"
                        "It may be deleted at any time.\r\n");
    assert_string_equal(message_id(&a, &one), "<" TOKEN "@probe.example.net>");
    arena_free(&a);
}

static void test_the_null_sender_has_an_author(void **state)
{
    struct message_order one = order("", 1);
    struct arena a = {0};

    (void)state;
    assert_non_null(
        strstr(message_build(&a, &one).data, "\r\nFrom: ehlod <ehlod@probe.example.net>\r\nTo: <www"));
    arena_free(&a);
}

static void test_m20_the_wire(void **state)
{
    static const struct {
        const char *text, *wire;
    } rows[] = {
        {"", ".\r\n"},
        {"a", "a\r\n.\r\n"},
        {"a\r\n", "a\r\n.\r\n"},
        {"a\nb\n", "a\r\nb\r\n.\r\n"},
        {"a\rb\r", "a\r\nb\r\n.\r\n"},
        {"a\n\rb", "a\r\n\r\nb\r\n.\r\n"},
        {"\n\n", "\r\n\r\n.\r\n"},
        {".", "..\r\n.\r\n"},
        {".\r\n", "..\r\n.\r\n"},
        {"..a\n.b", "...a\r\n..b\r\n.\r\n"},
        {"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
        {"a.b\n", "a.b\r\n.\r\n"},
    };
    struct arena a = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span wire = message_wire(&a, span_of(rows[i].text));
        assert_int_equal(wire.len, strlen(rows[i].wire));
        assert_memory_equal(wire.data, rows[i].wire, wire.len);
    }
    arena_free(&a);
}

/* Only in its own field of the message's own header: a bounce quotes it, a reply refers to it (V07). */
static void test_v07_where_a_token_counts(void **state)
{
    static const struct {
        const char *text;
        int found;
    } rows[] = {
        {"", 0},
        {TOKEN, 0},
        {"X-Ehlod-Token: " TOKEN, 1},
        {"X-Ehlod-Token: " TOKEN "\r\n", 1},
        {"X-Ehlod-Token: " TOKEN "\n\nhi", 1},
        {"x-ehlod-token:\t" TOKEN " \r\n", 1},
        {"Received: x\r\n by y\r\nX-Ehlod-Token: " TOKEN "\r\nSubject: z\r\n\r\n", 1},
        {"Subject: z\r\n\r\nX-Ehlod-Token: " TOKEN "\r\n", 0},
        {"In-Reply-To: <" TOKEN "@probe.example.net>\r\n\r\n", 0},
        {"Subject: X-Ehlod-Token: " TOKEN "\r\n", 0},
        {" X-Ehlod-Token: " TOKEN "\r\n", 0},
        {"\r\nX-Ehlod-Token: " TOKEN "\r\n", 0},
        {"X-Ehlod-Token: ehlod-000102030405060708090a0b0c0d0ef\r\n", 0},
        {"X-Ehlod-Token: ehlod-000102030405060708090A0B0C0D0EFF\r\n", 0},
        {"X-Ehlod-Token: " TOKEN "0\r\n", 0},
        {"X-Ehlod-Token: x" TOKEN "\r\n", 0},
        {"X-Ehlod-Token:", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(rows[i].text);
        char *exact = memcpy(mem_alloc(len + !len), rows[i].text, len); /* so that reading past it is seen */
        char token[MESSAGE_TOKEN_SIZE];
        int found = message_token_of((struct span){exact, len}, token);
        free(exact);
        if (found != rows[i].found)
            fail_msg("%s: %d", rows[i].text, found);
        if (found)
            assert_string_equal(token, TOKEN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_the_built_in_message),
        cmocka_unit_test(test_the_null_sender_has_an_author),
        cmocka_unit_test(test_m20_the_wire),
        cmocka_unit_test(test_v07_where_a_token_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
