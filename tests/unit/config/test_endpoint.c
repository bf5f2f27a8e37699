/* SPDX-License-Identifier: Apache-2.0 */
/* Places to dial: rows F07 and F08 as far as the port goes, and what a host name is. */
#include "config/endpoint.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    const char *host;
    uint16_t port;
} goods[] = {
    {"mx.example.org:25", "mx.example.org", 25},
    {"mx.example.org.:25", "mx.example.org.", 25},
    {"localhost:1", "localhost", 1},
    {"x:65535", "x", 65535},
    {"MX.Example.ORG:25", "MX.Example.ORG", 25},
    {"_smtp.a_b.example:25", "_smtp.a_b.example", 25},
    {"1.2.example:25", "1.2.example", 25},
    {"0xg.example:25", "0xg.example", 25},
    {"xn--bcher-kva.example:25", "xn--bcher-kva.example", 25},
    {"192.0.2.1:25", "192.0.2.1", 25},
    {"[2001:db8::1]:25", "2001:db8::1", 25},
    {"[::ffff:192.0.2.1]:25", "::ffff:192.0.2.1", 25},
    {"[::]:25", "::", 25},
    {"[fe80::1%1]:25", "fe80::1%1", 25},
};

static const struct {
    const char *text;
    const char *why;
} bads[] = {
    {"", "the port is missing"},
    {"x", "the port is missing"},
    {"[::1]", "the port is missing"},
    {"[", "the closing bracket is missing"},
    {"[::1:25", "the closing bracket is missing"},
    {"[]:25", "not an IPv6 address in the brackets"},
    {"[192.0.2.1]:25", "not an IPv6 address in the brackets"},
    {"[x]:25", "not an IPv6 address in the brackets"},
    {"[::1]25", "after the bracket comes a colon and the port"},
    {"[::1]]:25", "after the bracket comes a colon and the port"},
    {":25", "the host is missing"},
    {"::1", "an IPv6 address needs brackets, and a port after them"},
    {"2001:db8::1:25", "an IPv6 address needs brackets, and a port after them"},
    {"x:25:25", "more than one colon"},
    {"smtp://x:25", "more than one colon"},
    {"x:", "the port is not a decimal number from 1 to 65535"},
    {"x:0", "the port is not a decimal number from 1 to 65535"},
    {"x:-1", "the port is not a decimal number from 1 to 65535"},
    {"x:65536", "the port is not a decimal number from 1 to 65535"},
    {"x:smtp", "the port is not a decimal number from 1 to 65535"},
    {"x:025", "the port is not a decimal number from 1 to 65535"},
    {"x:25 ", "the port is not a decimal number from 1 to 65535"},
    {"[::1]:", "the port is not a decimal number from 1 to 65535"},
    {"127.1:25", "not a host name, and an IPv4 address is four decimal numbers"},
    {"0x7f000001:25", "not a host name, and an IPv4 address is four decimal numbers"},
    {"a.0x:25", "not a host name, and an IPv4 address is four decimal numbers"},
    {"256.0.0.1:25", "not a host name, and an IPv4 address is four decimal numbers"},
    {"x y:25", "not a host name or IP address"},
    {" x:25", "not a host name or IP address"},
    {"x\r\nQUIT:25", "not a host name or IP address"},
    {"a@x:25", "not a host name or IP address"},
    {"x..y:25", "not a host name or IP address"},
    {".:25", "not a host name or IP address"},
    {"-x:25", "not a host name or IP address"},
    {"x-:25", "not a host name or IP address"},
    {"\xc3\xa4:25", "not a host name or IP address"},
    {"*.example:25", "not a host name or IP address"},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
        struct arena a = {0};
        const char *host = NULL;
        uint16_t port = 0;
        const char *why = endpoint_host(goods[i].text, &a, &host, &port);
        if (why)
            fail_msg("\"%s\": %s", goods[i].text, why);
        assert_string_equal(host, goods[i].host);
        assert_int_equal(port, goods[i].port);
        arena_free(&a);
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        struct arena a = {0};
        struct address literal = {0};
        const char *host = "unchanged";
        uint16_t port = 42;
        const char *why = endpoint_host(bads[i].text, &a, &host, &port);
        assert_non_null(why);
        assert_string_equal(why, bads[i].why);
        assert_string_equal(host, "unchanged");
        assert_int_equal(port, 42);
        assert_string_equal(endpoint_literal(bads[i].text, &literal), bads[i].why);
        assert_int_equal(address_family(&literal), AF_UNSPEC);
        arena_free(&a);
    }
}

static void test_literal(void **state)
{
    struct address a = {0};
    (void)state;
    assert_string_equal(endpoint_literal("localhost:25", &a), "not an IP address");
    assert_int_equal(address_family(&a), AF_UNSPEC);
    assert_null(endpoint_literal("127.0.0.1:8025", &a));
    assert_int_equal(address_family(&a), AF_INET);
    assert_int_equal(address_port(&a), 8025);
    assert_null(endpoint_literal("[::1]:8025", &a));
    assert_int_equal(address_family(&a), AF_INET6);
    assert_int_equal(address_port(&a), 8025);
}

/* A name of labels of that length, so many octets in all. */
static bool name_of(size_t label, size_t len)
{
    char name[512];
    assert_true(len < sizeof(name));
    for (size_t i = 0; i < len; i++)
        name[i] = i % (label + 1) == label ? '.' : 'a';
    name[len] = '\0';
    return endpoint_is_host_name(name);
}

static void test_lengths(void **state)
{
    (void)state;
    assert_true(name_of(63, 63));
    assert_false(name_of(64, 64));
    assert_true(name_of(63, 253));
    assert_false(name_of(49, 254 + 1)); /* 254 would end in a dot, which does not count */
    assert_true(name_of(1, 254));
    assert_false(name_of(1, 256));
    assert_false(endpoint_is_host_name(""));
    assert_false(endpoint_is_host_name("."));
    assert_true(endpoint_is_host_name("a."));
    assert_false(endpoint_is_host_name("a.."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_literal),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests_name("config/endpoint", tests, NULL, NULL);
}
