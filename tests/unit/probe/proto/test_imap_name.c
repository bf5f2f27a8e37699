/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/proto/imap_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The last two are RFC 3501's examples. */
static const struct {
    const char *text;
    const char *name;
} pairs[] = {
    {"INBOX", "INBOX"},
    {"Archive/2026", "Archive/2026"},
    {"R&D", "R&-D"},
    {"\xc3\xbc", "&APw-"},
    {"a\xc3\xbc&\xc3\xbc-", "a&APw-&-&APw--"},
    {"\xf0\x9f\x93\xac", "&2D3c7A-"},
    {"\xc3\xbf\xef\xbf\xbf", "&AP,,,w-"},
    {"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
     "~peter/mail/&U,BTFw-/&ZeVnLIqe-"},
};

static void test_both_ways(void **state)
{
    struct arena a = {0};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_string_equal(imap_name_encode(&a, pairs[i].text), pairs[i].name);
        assert_string_equal(imap_name_decode(&a, pairs[i].name), pairs[i].text);
    }
    arena_free(&a);
}

/* Controls cannot end a command, whatever a name is made of. */
static void test_controls_are_encoded(void **state)
{
    struct arena a = {0};
    (void)state;
    assert_string_equal(imap_name_encode(&a, "a\r\nE1 EXPUNGE"), "a&AA0ACg-E1 EXPUNGE");
    arena_free(&a);
}

static void test_what_is_no_name_is_escaped(void **state)
{
    static const struct {
        const char *name;
        const char *shown;
    } cases[] = {
        {"a&b", "a&b"},                /* never ends */
        {"&2D0-", "&2D0-"},            /* half a pair */
        {"&AA0-", "&AA0-"},            /* a control */
        {"&AP8/-", "&AP8/-"},          /* not the alphabet */
        {"&A-", "&A-"},                /* less than a unit */
        {"J\xfcnk\\", "J\\xFCnk\\\\"}, /* no ASCII */
        {"\x01", "\\x01"},
    };
    struct arena a = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(imap_name_decode(&a, cases[i].name), cases[i].shown);
    arena_free(&a);
}

static void test_what_may_be_sent(void **state)
{
    char name[1026] = "";
    struct buffer b;
    (void)state;
    memset(name, 'x', 1024);
    assert_true(imap_name_is_good("a \"b\" \\c"));
    assert_true(imap_name_is_good(name));
    name[1024] = 'x';
    assert_false(imap_name_is_good(name));
    assert_false(imap_name_is_good(""));
    assert_false(imap_name_is_good("a\r\nb"));
    assert_false(imap_name_is_good("\xc3\xbc"));
    buffer_init(&b, 100);
    imap_name_quote(&b, "a \"b\" \\c");
    assert_string_equal(b.data, "\"a \\\"b\\\" \\\\c\"");
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_controls_are_encoded),
        cmocka_unit_test(test_what_is_no_name_is_escaped),
        cmocka_unit_test(test_what_may_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
