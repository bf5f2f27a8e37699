/* SPDX-License-Identifier: Apache-2.0 */
/* Envelope addresses after RFC 5321 section 4.1.2, and row F12: what would end a command has no way in. */
#include "config/envelope.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const goods[] = {
    "a@b",
    "a@b.example",
    "A.B-c_d+e=f@Example.ORG",
    "!#$%&'*+-/=?^_`{|}~@b.example",
    "\"\"@b.example",
    "\"a b\"@b.example",
    "\"a@b\"@c.example",
    "\"a\\\"b\\\\\"@c.example",
    "\"<>()[],;:\"@c.example",
    "a@[192.0.2.1]",
    "a@[IPv6:2001:db8::1]",
    "a@[ipv6:::1]",
    "a@1.2.3",
    "a@xn--bcher-kva.example",
    "postmaster@b.example",
    "\"\xc3\xa4\"@b.example",
    "a@\xc3\xa4.example",
    "\xc3\xa4@b.example",
};

static const char *const bads[] = {
    "@",
    "a",
    "a@",
    "@b",
    "a@@b",
    "a@b@c",
    "<a@b>",
    "a@b>",
    "a @b",
    " a@b",
    "a@b ",
    "a@ b",
    "a@b.",
    "a@.b",
    "a@b..c",
    ".a@b",
    "a.@b",
    "a..b@c",
    "a@-b",
    "a@b-",
    "a@b_c",
    "a@[192.0.2.1",
    "a@192.0.2.1]",
    "a@[]",
    "a@[1.2.3]",
    "a@[192.0.2.256]",
    "a@[::1]",
    "a@[IPv6:192.0.2.1]",
    "a@[IPv6:fe80::1%1]",
    "a@[tag:x]",
    "\"a@b",
    "\"a\"b@c",
    "\"a\n\"@b",
    "\"a\\\n\"@b",
    "\"a\\",
    "\"",
    "\"\\\"@b",
    "a\\b@c",
    "a,b@c",
    "a;b@c",
    "a:b@c",
    "@x:a@b",
    "a@b\r\nRCPT TO:<c@d>",
    "a\r\n@b",
    "a@b\n",
    "a@b\r",
    "a\t@b",
    "\x7f@b",
    "a@b\x01",
    "a@b\xff",
    "a\xad@b",
    "\xc3@b.example",
    "\xc3\xa4..b@c.example",
    "\"\xc3\xa4@b.example",
    "\"\\\xc3\xa4\"@b.example",
    "a@-\xc3\xa4.example",
    "a@\xc3\xa4 b.example",
    "a@\xc3\xa4..example",
    "a@\xc3\xa4_b.example",
    "a@\xf0\x9f\x92\xa9.example", /* no letter */
    "a@[\xc3\xa4]",
    "a@\xe2\x80\xae"
    "b.example", /* a mark of direction */
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
        if (envelope_check_from(goods[i]) || envelope_check_to(goods[i]))
            fail_msg("%s: %s", goods[i], envelope_check_to(goods[i]));
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
        if (!envelope_check_from(bads[i]) || !envelope_check_to(bads[i]))
            fail_msg("\"%s\" was taken", bads[i]);
}

/* Whatever byte stands where: nothing but printable ASCII gets through. */
static void test_every_byte(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char texts[3][32];
        snprintf(texts[0], sizeof(texts[0]), "a%cb@c.example", c);
        snprintf(texts[1], sizeof(texts[1]), "\"a%cb\"@c.example", c);
        snprintf(texts[2], sizeof(texts[2]), "a@b%cc.example", c);
        for (size_t i = 0; i < 3; i++) {
            bool good = envelope_check_to(texts[i]) == NULL;
            if (good && (c < 0x20 || c >= 0x7f))
                fail_msg("byte 0x%02X got through", (unsigned)c);
            if (good && (c == ' ' || c == '<' || c == '>') && i != 1)
                fail_msg("'%c' got through without quotes", c);
        }
    }
}

static void test_special(void **state)
{
    (void)state;
    assert_null(envelope_check_from(""));
    assert_non_null(envelope_check_to(""));
    assert_null(envelope_check_to("postmaster"));
    assert_null(envelope_check_to("Postmaster"));
    assert_non_null(envelope_check_from("postmaster"));
    assert_non_null(envelope_check_from("<>"));
}

static void fill(char *out, char c, size_t len, const char *rest)
{
    memset(out, c, len);
    strcpy(out + len, rest);
}

/* RFC 5321 section 4.5.3.1 */
static void test_lengths(void **state)
{
    char text[512];
    (void)state;
    fill(text, 'a', 64, "@b.example");
    assert_null(envelope_check_to(text));
    fill(text, 'a', 65, "@b.example");
    assert_string_equal(envelope_check_to(text), "the part before the @ is longer than 64 octets");
    strcpy(text, "a@");
    fill(text + 2, 'l', 63, ".example");
    assert_null(envelope_check_to(text));
    fill(text + 2, 'l', 64, ".example");
    assert_string_equal(envelope_check_to(text), "a label of the domain is longer than 63 octets");

    strcpy(text, "a@");
    for (size_t i = 2; i < 254; i++)
        text[i] = i % 50 == 49 ? '.' : 'l';
    text[254] = '\0';
    assert_null(envelope_check_to(text));
    strcpy(text + 254, "l");
    assert_string_equal(envelope_check_to(text), "longer than 254 octets");
}

/* As it goes over the wire: what only has a domain in other letters needs no SMTPUTF8. */
static void test_wire(void **state)
{
    static const struct {
        const char *address, *wire;
    } rows[] = {
        {"", ""},
        {"postmaster", "postmaster"},
        {"a@b.example", "a@b.example"},
        {"A@B.Example", "A@B.Example"},
        {"\"a@b\"@c.example", "\"a@b\"@c.example"},
        {"a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"},
        {"a@b\xc3\xbc"
         "cher.example",
         "a@xn--bcher-kva.example"},
        {"a@B\xc3\x9c"
         "CHER.example",
         "a@xn--bcher-kva.example"},
        {"a@bu\xcc\x88"
         "cher.example",
         "a@xn--bcher-kva.example"}, /* not composed */
        {"a@stra\xc3\x9f"
         "e.example",
         "a@xn--strae-oqa.example"},
        {"\"a@\\\"\"@\xc3\xbc.example", "\"a@\\\"\"@xn--tda.example"},
        {"\xc3\xbc@b.example", "\xc3\xbc@b.example"},
        {"\xc3\xbc@B\xc3\x9c"
         "CHER.example",
         "\xc3\xbc@b\xc3\xbc"
         "cher.example"},
        {"\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b\xe5\xad\x90.example",
         "\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b\xe5\xad\x90.example"},
    };
    struct arena a = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (*rows[i].address && envelope_check_to(rows[i].address))
            fail_msg("%s: %s", rows[i].address, envelope_check_to(rows[i].address));
        assert_string_equal(envelope_wire(&a, rows[i].address), rows[i].wire);
    }
    arena_free(&a);
}

/* The limits are those of the form that is sent: \xc3\xbc is one letter, two octets, and more as xn--. */
static void test_international_lengths(void **state)
{
    char text[512] = "a@";
    (void)state;
    for (size_t i = 0; i < 60; i++)
        strcat(text, "\xc3\xbc");
    strcat(text, ".example");
    assert_string_equal(envelope_check_to(text), "the domain is not an internationalized domain name");
    strcpy(text, "a23456789012345678901234567890123456789012345@");
    for (size_t i = 0; i < 9; i++)
        strcat(text, "\xc3\xbc\xc3\xb6.bbbbbbbbbbbbb.");
    strcat(text, "example");
    assert_true(strlen(text) < 254);
    assert_string_equal(envelope_check_to(text), "longer than 254 octets as it is sent");
}

static void test_read_domain(void **state)
{
    static const struct {
        const char *text, *ascii, *utf8;
    } rows[] = {
        {"B.Example", "b.example", NULL},
        {"[192.0.2.1]", "[192.0.2.1]", NULL},
        {"[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]", NULL},
        {"B\xc3\x9c"
         "CHER.Example",
         "xn--bcher-kva.example",
         "b\xc3\xbc"
         "cher.example"},
        {"XN--bcher-kva.example", "xn--bcher-kva.example",
         "b\xc3\xbc"
         "cher.example"},
        {"xn--a.example", "xn--a.example", NULL}, /* of nothing */
    };
    struct arena a = {0};
    const char *ascii = NULL, *utf8;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        utf8 = NULL;
        assert_null(envelope_read_domain(&a, rows[i].text, &ascii, &utf8));
        assert_string_equal(ascii, rows[i].ascii);
        assert_string_equal(utf8 ? utf8 : "", rows[i].utf8 ? rows[i].utf8 : "");
    }
    assert_string_equal(envelope_read_domain(&a, "\xfc.example", &ascii, &utf8), "not UTF-8");
    assert_non_null(envelope_read_domain(&a, "b\xc3\xbc_.example", &ascii, &utf8));
    assert_string_equal(ascii, rows[5].ascii);
    arena_free(&a);
}

static void test_domain(void **state)
{
    (void)state;
    assert_null(envelope_check_domain("b.example"));
    assert_null(envelope_check_domain("[192.0.2.1]"));
    assert_string_equal(envelope_check_domain(""), "the domain is missing");
    assert_non_null(envelope_check_domain("b.example."));
    assert_non_null(envelope_check_domain("b c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_special),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_domain),
        cmocka_unit_test(test_read_domain),
        cmocka_unit_test(test_wire),
        cmocka_unit_test(test_international_lengths),
    };
    return cmocka_run_group_tests_name("config/envelope", tests, NULL, NULL);
}
