/* SPDX-License-Identifier: Apache-2.0 */
/* The header against octets written out from HAProxy's proxy-protocol.txt, sections 2.1 and 2.2. */
#include "probe/proto/proxy_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A"

static struct address at(const char *literal, uint16_t port)
{
    struct address a;

    assert_int_equal(address_parse(literal, port, &a), 0);
    return a;
}

static struct plan_proxy claim(unsigned version, const char *source, uint16_t port)
{
    return (struct plan_proxy){.wanted = true, .version = version, .source = at(source, port)};
}

static void is_built(const struct plan_proxy *proxy, const struct address *to, const char *bytes, size_t len)
{
    char header[PROXY_HEADER_SIZE];

    memset(header, 'x', sizeof(header));
    assert_int_equal(proxy_header_build(proxy, to, header), len);
    assert_memory_equal(header, bytes, len);
}

static void is_called(const struct plan_proxy *proxy, const struct address *to, const char *words)
{
    char got[PROXY_HEADER_SIZE];

    proxy_header_words(proxy, to, got);
    assert_string_equal(got, words);
}

static void test_v1(void **state)
{
    static const char v4[] = "PROXY TCP4 192.0.2.9 192.0.2.1 4711 25\r\n";
    static const char v6[] = "PROXY TCP6 2001:db8::9 2001:db8::1 65535 1\r\n";
    struct plan_proxy four = claim(1, "192.0.2.9", 4711), six = claim(1, "2001:db8::9", 65535);
    struct address to4 = at("192.0.2.1", 25), to6 = at("2001:DB8:0:0::1", 1);
    (void)state;

    is_built(&four, &to4, v4, sizeof(v4) - 1);
    is_built(&six, &to6, v6, sizeof(v6) - 1);
    is_called(&four, &to4, "PROXY TCP4 192.0.2.9 192.0.2.1 4711 25");
    is_called(&six, &to6, "PROXY TCP6 2001:db8::9 2001:db8::1 65535 1");
}

/* "PROXY TCP6 ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n" => 5 + 1 + 4 + 1 + 39 + 1 + 39 + 1 + 5 + 1 + 5
 * + 2 = 104 */
static void test_v1_longest(void **state)
{
    static const char longest[] = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                                  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535\r\n";
    struct plan_proxy proxy = claim(1, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
    struct address to = at("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 65535);
    (void)state;

    assert_int_equal(sizeof(longest) - 1, 104);
    is_built(&proxy, &to, longest, sizeof(longest) - 1);
    proxy.version = 2;
    is_called(&proxy, &to,
              "v2 PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
              "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535");
}

/* A scope is of this machine alone. */
static void test_scope(void **state)
{
    static const char line[] = "PROXY TCP6 2001:db8::9 fe80::1 1 2\r\n";
    struct plan_proxy proxy = claim(1, "2001:db8::9", 1);
    struct address to = at("fe80::1%1", 2);
    (void)state;

    is_built(&proxy, &to, line, sizeof(line) - 1);
}

static void test_v2_ipv4(void **state)
{
    static const char bytes[] = SIGNATURE "\x21"             /* version 2, PROXY */
                                          "\x11"             /* AF_INET, STREAM */
                                          "\x00\x0C"         /* 12 octets follow */
                                          "\xC0\x00\x02\x09" /* 192.0.2.9 */
                                          "\xC0\x00\x02\x01" /* 192.0.2.1 */
                                          "\x12\x67"         /* 4711 */
                                          "\x00\x19";        /* 25 */
    struct plan_proxy proxy = claim(2, "192.0.2.9", 4711);
    struct address to = at("192.0.2.1", 25);
    (void)state;

    is_built(&proxy, &to, bytes, 28);
    is_called(&proxy, &to, "v2 PROXY TCP4 192.0.2.9 192.0.2.1 4711 25");
}

static void test_v2_ipv6(void **state)
{
    static const char bytes[] = SIGNATURE "\x21\x21" /* AF_INET6, STREAM */
                                          "\x00\x24" /* 36 octets follow */
                                          "\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09"
                                          "\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
                                          "\xFF\xFE\x02\x4B"; /* 65534, 587 */
    struct plan_proxy proxy = claim(2, "2001:db8::9", 65534);
    struct address to = at("2001:db8::1", 587);
    (void)state;

    is_built(&proxy, &to, bytes, 52);
}

/* Nobody is named, whatever is dialled. */
static void test_local(void **state)
{
    static const char v1[] = "PROXY UNKNOWN\r\n";
    static const char v2[] =
        SIGNATURE "\x20\x00\x00\x00"; /* version 2, LOCAL; unspecified; nothing follows */
    struct plan_proxy one = {.wanted = true, .version = 1, .local = true};
    struct plan_proxy two = {.wanted = true, .version = 2, .local = true};
    struct address to4 = at("192.0.2.1", 25), to6 = at("::1", 25);
    (void)state;

    is_built(&one, &to4, v1, sizeof(v1) - 1);
    is_built(&two, &to4, v2, 16);
    is_built(&two, &to6, v2, 16);
    is_called(&one, &to6, "PROXY UNKNOWN");
    is_called(&two, &to6, "v2 LOCAL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v1),      cmocka_unit_test(test_v1_longest), cmocka_unit_test(test_scope),
        cmocka_unit_test(test_v2_ipv4), cmocka_unit_test(test_v2_ipv6),    cmocka_unit_test(test_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
