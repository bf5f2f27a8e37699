/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: how they are named, how they go over the wire, and how they are found again. */
#include "probe/proto/message.h"

#include "probe/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN "ehlod-000102030405060708090a0b0c0d0eff1011121314151617"
#define OTHER "ehlod-ff0102030405060708090a0b0c0d0eff1011121314151617"
#define LINE  "X-Ehlod-Token: " TOKEN "\r\n"

static void test_the_message_id(void **state)
{
    struct arena a = {0};

    (void)state;
    assert_string_equal(message_id(&a, TOKEN, "probe.example.net"), "<" TOKEN "@probe.example.net>");
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

/* In its own field, in the Message-ID, and in a line of the body unless the message is about another: a
 * bounce quotes it, a reply refers to it (V05, V06, V07). */
static void test_v05_v07_where_a_token_counts(void **state)
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
        {"X-Ehlod-Token: " TOKEN "\r\nX-Ehlod-Token: " OTHER "\r\n\r\n", 1},
        {"X-Ehlod-Token: \r\n " TOKEN "\r\n\t\r\nA: b\r\n", 1},
        {"Message-ID: <" TOKEN "@probe.example.net>\r\n\r\n", 1},
        {"MESSAGE-ID:\r\n\t<" TOKEN "@probe.example.net>\r\n\r\n", 1},
        {"Message-ID: <" OTHER "@probe.example.net>\r\nX-Ehlod-Token: " TOKEN "\r\n\r\n", 1},
        {"X-Ehlod-Token: none\r\nMessage-ID: <" TOKEN "@probe.example.net>\r\n\r\n", 1},
        {"Message-ID: <" TOKEN ">\r\n\r\n", 0},
        {"Message-ID: <" TOKEN "0@probe.example.net>\r\n\r\n", 0},
        {"Message-ID: " TOKEN "@probe.example.net\r\n\r\n", 0},
        {"Message-ID: <" TOKEN, 0},
        {"X-Message-ID: <" TOKEN "@probe.example.net>\r\n\r\n", 0},
        {"Subject: z\r\n\r\n" LINE, 0},
        {"\r\n" LINE, 0},
        {"Subject: z\n\nhi\n-- \nx-ehlod-token:" TOKEN, 0},
        {"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n" LINE, 0},
        {"Subject: z\r\n\r\nMessage-ID: <" TOKEN "@probe.example.net>\r\n", 0},
        {"In-Reply-To: <1@example.net>\r\n" LINE "\r\n", 1},
        {"In-Reply-To: <" TOKEN "@probe.example.net>\r\n\r\n", 0},
        {"Subject: X-Ehlod-Token: " TOKEN "\r\n", 0},
        {" X-Ehlod-Token: " TOKEN "\r\n", 0},
        {"X-Ehlod-Token: ehlod-000102030405060708090a0b0c0d0eff101112131415161\r\n", 0},
        {"X-Ehlod-Token: ehlod-000102030405060708090A0B0C0D0EFF1011121314151617\r\n", 0},
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
        cmocka_unit_test(test_the_message_id),
        cmocka_unit_test(test_m20_the_wire),
        cmocka_unit_test(test_v05_v07_where_a_token_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
