/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: what they are made of, how they go over the wire, and how they are found again. */
#include "probe/proto/message.h"

#include <setjmp.h>
#include <stdarg.h>
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

static void test_tokens_are_found(void **state)
{
    static const struct {
        const char *text;
        int count;
    } rows[] = {
        {"", 0},
        {"ehlod-", 0},
        {TOKEN, 1},
        {"X-Ehlod-Token: " TOKEN "\r\n", 1},
        {"<" TOKEN "@probe.example.net>\r\nX-Ehlod-Token: " TOKEN, 2},
        {TOKEN TOKEN, 2},
        {"eehlod-ehlod-" TOKEN, 1},
        {"ehlod-000102030405060708090a0b0c0d0ef", 0},
        {"ehlod-000102030405060708090A0B0C0D0EFF", 0},
        {"ehlod-000102030405060708090a0b0c0d0ef " TOKEN, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char token[MESSAGE_TOKEN_SIZE];
        size_t at = 0;
        int count = 0;
        while (message_find_token(span_of(rows[i].text), &at, token)) {
            assert_string_equal(token, TOKEN);
            count++;
        }
        assert_int_equal(count, rows[i].count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_the_built_in_message),
        cmocka_unit_test(test_the_null_sender_has_an_author),
        cmocka_unit_test(test_m20_the_wire),
        cmocka_unit_test(test_tokens_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
