/* SPDX-License-Identifier: Apache-2.0 */
/* IP literals: only what is unmistakably one. */
#include "probe/base/address.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *literal;
    int family;
    const char *shown;
} goods[] = {
    {"0.0.0.0", AF_INET, "0.0.0.0"},
    {"127.0.0.1", AF_INET, "127.0.0.1"},
    {"255.255.255.255", AF_INET, "255.255.255.255"},
    {"::", AF_INET6, "::"},
    {"::1", AF_INET6, "::1"},
    {"2001:DB8:0:0:0:0:0:1", AF_INET6, "2001:db8::1"},
    {"::ffff:192.0.2.1", AF_INET6, "::ffff:192.0.2.1"},
    {"fe80::1%1", AF_INET6, "fe80::1%1"},
    {"fe80::1%lo", AF_INET6, "fe80::1%1"},
    {"fe80::1%4294967295", AF_INET6, "fe80::1%4294967295"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295", AF_INET6,
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295"},
};

static const char *const bads[] = {
    "",
    " ",
    "x",
    "127.1",
    "127.0.0.1 ",
    " 127.0.0.1",
    "127.0.0.01",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "2130706433",
    "127.0.0.256",
    "1.2.3.4.5",
    "127.0.0.1%1",
    "127.0.0.1:25",
    "[::1]",
    "::1::",
    ":::",
    "1:2:3:4:5:6:7",
    "2001:db8::1/64",
    "fe80::1%",
    "fe80::1%0",
    "fe80::1%none",
    "fe80::1%-1",
    "fe80::1%4294967296",
    "fe80::1% 1",
    "%1",
    "g::1",
    "::ffff:127.1",
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001",
};

/* Each number that an octet can be, in each place. */
static void test_every_octet(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        struct address a;
        char text[ADDRESS_TEXT_SIZE], wanted[ADDRESS_TEXT_SIZE];
        snprintf(wanted, sizeof wanted, "%u.%u.%u.%u", i, 255 - i, i / 3, i);
        assert_int_equal(address_parse(wanted, 25, &a), 0);
        address_text(&a, text);
        assert_string_equal(text, wanted);
    }
}

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
        struct address a;
        char text[ADDRESS_TEXT_SIZE];
        if (address_parse(goods[i].literal, 25, &a) != 0)
            fail_msg("%s was refused", goods[i].literal);
        address_text(&a, text);
        assert_string_equal(text, goods[i].shown);
        assert_int_equal(address_family(&a), goods[i].family);
        assert_int_equal(address_port(&a), 25);
        assert_int_equal(address_len(&a), goods[i].family == AF_INET ? sizeof(struct sockaddr_in)
                                                                     : sizeof(struct sockaddr_in6));
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        struct address a = {0};
        if (address_parse(bads[i], 25, &a) != -1)
            fail_msg("\"%s\" was taken", bads[i]);
        assert_int_equal(address_family(&a), AF_UNSPEC);
    }
}

static void test_ports(void **state)
{
    struct address a;
    (void)state;
    assert_int_equal(address_parse("192.0.2.1", 65535, &a), 0);
    assert_int_equal(address_port(&a), 65535);
    assert_int_equal(ntohs(a.v4.sin_port), 65535);
    address_set_port(&a, 1);
    assert_int_equal(address_port(&a), 1);
    assert_int_equal(address_parse("::1", 258, &a), 0);
    assert_int_equal(ntohs(a.v6.sin6_port), 258);
}

static struct address of(const char *literal, uint16_t port)
{
    struct address a;
    assert_int_equal(address_parse(literal, port, &a), 0);
    return a;
}

static bool same(const char *one, const char *other)
{
    struct address a = of(one, 1);
    struct address b = of(other, 2);
    return address_same_host(&a, &b);
}

static void test_same_host(void **state)
{
    (void)state;
    assert_true(same("192.0.2.1", "192.0.2.1"));
    assert_false(same("192.0.2.1", "192.0.2.2"));
    assert_true(same("2001:db8::1", "2001:db8:0::1"));
    assert_false(same("2001:db8::1", "2001:db8::2"));
    assert_true(same("fe80::1%1", "fe80::1%lo"));
    assert_false(same("fe80::1%1", "fe80::1%2"));
    assert_false(same("0.0.0.0", "::"));
    assert_true(same("192.0.2.1", "::ffff:192.0.2.1"));
    assert_true(same("::ffff:192.0.2.1", "192.0.2.1"));
    assert_false(same("192.0.2.1", "::ffff:192.0.2.2"));
    assert_false(same("192.0.2.1", "::192.0.2.1"));
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

/* An order: the same is the same both ways round, and whatever differs does so both ways round. */
static void test_order(void **state)
{
    static const struct {
        const char *one;
        uint16_t one_port;
        const char *other;
        uint16_t other_port;
        bool same;
    } pairs[] = {
        {"192.0.2.1", 25, "192.0.2.1", 25, true},           {"192.0.2.1", 25, "::ffff:192.0.2.1", 25, true},
        {"192.0.2.1", 25, "192.0.2.1", 587, false},         {"192.0.2.1", 25, "192.0.2.2", 25, false},
        {"192.0.2.1", 65535, "192.0.2.2", 1, false},        {"2001:db8::1", 25, "2001:db8::1", 25, true},
        {"2001:db8::1", 25, "2001:db8::2", 25, false},      {"fe80::1%1", 25, "fe80::1%2", 25, false},
        {"fe80::1%1", 25, "fe80::1%4294967295", 25, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct address a = of(pairs[i].one, pairs[i].one_port);
        struct address b = of(pairs[i].other, pairs[i].other_port);
        assert_int_equal(address_compare(&a, &b) == 0, pairs[i].same);
        assert_int_equal(sign(address_compare(&a, &b)), -sign(address_compare(&b, &a)));
    }
}

static void check_path(const char *path)
{
    struct address a;
    char text[ADDRESS_TEXT_SIZE];

    assert_int_equal(address_of_path(path, &a), 0);
    assert_int_equal(address_family(&a), AF_UNIX);
    address_text(&a, text);
    assert_string_equal(text, path);
    assert_int_equal(address_len(&a), offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
    address_set_port(&a, 25);
    assert_int_equal(address_port(&a), 0);
    assert_string_equal(a.path.sun_path, path);
    assert_false(address_is_wildcard(&a));
}

static void test_paths(void **state)
{
    char longest[ADDRESS_MAX_PATH + 2] = {0};
    struct address a = {0};

    (void)state;
    check_path("/run/lmtp");
    check_path("x");
    memset(longest, 'x', ADDRESS_MAX_PATH);
    check_path(longest);
    longest[ADDRESS_MAX_PATH] = 'x';
    assert_int_equal(address_of_path(longest, &a), -1);
    assert_int_equal(address_of_path("", &a), -1);
    assert_int_equal(address_family(&a), AF_UNSPEC); /* nothing is written */
}

/* Paths are told apart by every octet, and come behind all IP addresses. */
static void test_paths_in_order(void **state)
{
    struct address a, same, other, ip = of("255.255.255.255", 25);

    (void)state;
    assert_int_equal(address_of_path("/run/a", &a), 0);
    assert_int_equal(address_of_path("/run/a", &same), 0);
    assert_int_equal(address_of_path("/run/A", &other), 0);
    assert_true(address_same_host(&a, &same));
    assert_int_equal(address_compare(&a, &same), 0);
    assert_false(address_same_host(&a, &other));
    assert_int_equal(sign(address_compare(&a, &other)), -sign(address_compare(&other, &a)));
    assert_int_not_equal(address_compare(&a, &other), 0);
    address_set_port(&ip, 0);
    assert_false(address_same_host(&a, &ip));
    assert_int_equal(sign(address_compare(&a, &ip)), 1);
    assert_int_equal(sign(address_compare(&ip, &a)), -1);
}

static void test_hosts(void **state)
{
    struct address a;

    (void)state;
    assert_int_equal(address_parse_host("192.0.2.1", 25, &a), 0);
    assert_int_equal(address_family(&a), AF_INET);
    assert_int_equal(address_parse_host("unix:/run/lmtp", 25, &a), 0);
    assert_int_equal(address_family(&a), AF_UNIX);
    assert_int_equal(address_parse_host("mx.example.org", 25, &a), -1);
    assert_int_equal(address_parse_host("unix:", 25, &a), -1);
    assert_int_equal(address_parse("unix:/run/lmtp", 25, &a), -1);
    assert_true(address_is_path("unix:/run/lmtp"));
    assert_false(address_is_path("unix.example.org"));
}

static void test_local(void **state)
{
    static const char *const local[] = {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"};
    static const char *const far[] = {
        "126.0.0.1", "128.0.0.1", "0.0.0.0", "::", "::2", "::ffff:192.0.2.1", "::127.0.0.1"};
    struct address a, none = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        assert_int_equal(address_parse(local[i], 1, &a), 0);
        assert_true(address_is_local(&a));
    }
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        assert_int_equal(address_parse(far[i], 1, &a), 0);
        assert_false(address_is_local(&a));
    }
    assert_int_equal(address_of_path("/run/x", &a), 0);
    assert_true(address_is_local(&a) && address_is_local(&none));
}

static void test_same_site(void **state)
{
    static const struct {
        const char *one, *other;
        bool same;
    } rows[] = {{"192.0.2.1", "192.0.2.1", true},
                {"192.0.2.1", "192.0.2.2", false},
                {"::ffff:192.0.2.1", "192.0.2.1", true},
                {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
                {"2001:db8:0:1::1", "2001:db8:0:1:ff::2", true},
                {"2001:db8:0:1::1", "2001:db8:0:2::1", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address one, other;
        assert_int_equal(address_parse(rows[i].one, 1, &one), 0);
        assert_int_equal(address_parse(rows[i].other, 2, &other), 0);
        assert_int_equal(address_same_site(&one, &other), rows[i].same);
        assert_int_equal(address_same_site(&other, &one), rows[i].same);
    }
}

static void test_wildcard(void **state)
{
    struct address none = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
        struct address a = of(goods[i].literal, 0);
        bool wild = strcmp(goods[i].literal, "::") == 0 || strcmp(goods[i].literal, "0.0.0.0") == 0;
        assert_int_equal(address_is_wildcard(&a), wild);
    }
    assert_false(address_is_wildcard(&none));
}

/* A zeroed one is none, and answers so. */
static void test_none(void **state)
{
    struct address none = {0};
    struct address other = {0};
    char text[ADDRESS_TEXT_SIZE] = "x";
    (void)state;
    assert_int_equal(address_family(&none), AF_UNSPEC);
    address_text(&none, text);
    assert_string_equal(text, "");
    address_set_port(&none, 25);
    assert_int_equal(address_port(&none), 0);
    assert_false(address_same_host(&none, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_every_octet),
        cmocka_unit_test(test_bad),       cmocka_unit_test(test_ports),
        cmocka_unit_test(test_same_host), cmocka_unit_test(test_order),
        cmocka_unit_test(test_wildcard),  cmocka_unit_test(test_local),
        cmocka_unit_test(test_same_site), cmocka_unit_test(test_none),
        cmocka_unit_test(test_paths),     cmocka_unit_test(test_paths_in_order),
        cmocka_unit_test(test_hosts),
    };
    return cmocka_run_group_tests_name("probe/base/address", tests, NULL, NULL);
}
