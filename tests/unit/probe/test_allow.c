/* SPDX-License-Identifier: Apache-2.0 */
/* Row D15 of the fault catalogue, as far as an address and a name alone decide it. */
#include "probe/allow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static struct address of(const char *literal)
{
    struct address a;

    assert_int_equal(address_parse(literal, 25, &a), 0);
    return a;
}

/* Each range of the registries at both its ends, and what lies beside them. */
static void test_public(void **state)
{
    static const char *const public[] = {
        "1.0.0.0",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.0",       "169.253.255.255", "169.255.0.0",    "172.15.255.255",
        "172.32.0.0",      "191.255.255.255", "192.0.1.0",       "192.0.3.0",      "192.88.98.255",
        "192.88.100.0",    "192.167.255.255", "192.169.0.0",     "198.17.255.255", "198.20.0.0",
        "198.51.99.255",   "198.51.101.0",    "203.0.112.255",   "203.0.114.0",    "223.255.255.255",
        "2000::",          "2001:200::",      "2001:db7::",      "2001:db9::",     "2003::",
        "3ffe::1",         "64:ff9b::100:0",  "::ffff:1.0.0.0",
    };
    static const char *const special[] = {
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.255",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::",
        "1fff::",
        "2001::1",
        "2001:1ff::",
        "2001:db8::1",
        "2002:a00:1::",
        "3fff::1",
        "4000::",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "::7f00:1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(public); i++) {
        struct address a = of(public[i]);
        if (!allow_is_public(&a))
            fail_msg("%s is public", public[i]);
    }
    for (size_t i = 0; i < COUNT(special); i++) {
        struct address a = of(special[i]);
        if (allow_is_public(&a))
            fail_msg("%s is not public", special[i]);
    }
    assert_false(allow_is_public(&(struct address){0}));
}

static const struct allow_net no_nets[1];
static const char *const no_names[1];

static bool admits(const struct allow *allow, const char *host, const char *literal)
{
    struct address a = of(literal);

    return allow_has_address(allow, host, &a);
}

static void test_nothing(void **state)
{
    const struct allow allow = {.nets = no_nets, .names = no_names};

    (void)state;
    assert_false(allow_has_host(&allow, "mx.example.org"));
    assert_false(allow_has_host(&allow, "192.0.2.1"));
    assert_false(admits(&allow, "mx.example.org", "1.0.0.1"));
}

/* A network admits what is in it under any name, and its addresses as literals. */
static void test_networks(void **state)
{
    const struct allow_net nets[] = {{of("10.32.0.0"), 11},
                                     {of("2001:db8:10::"), 45},
                                     {of("192.0.2.7"), 32},
                                     {of("::ffff:198.51.100.0"), 24}};
    const struct allow allow = {.nets = nets, .net_count = COUNT(nets), .names = no_names};

    (void)state;
    assert_true(allow_has_host(&allow, "mx.example.org"));
    assert_true(allow_has_host(&allow, "10.63.255.255"));
    assert_false(allow_has_host(&allow, "10.64.0.0"));
    assert_false(allow_has_host(&allow, "10.31.255.255"));
    assert_true(admits(&allow, "mx.example.org", "10.32.0.0"));
    assert_false(admits(&allow, "mx.example.org", "10.64.0.0"));
    assert_true(admits(&allow, "mx.example.org", "::ffff:10.32.0.1"));
    assert_true(admits(&allow, "mx.example.org", "2001:db8:17:ffff::"));
    assert_false(admits(&allow, "mx.example.org", "2001:db8:18::"));
    assert_true(admits(&allow, "192.0.2.7", "192.0.2.7"));
    assert_false(admits(&allow, "192.0.2.7", "192.0.2.6"));
    assert_true(admits(&allow, "x", "198.51.100.200"));
    assert_false(admits(&allow, "mx.example.org", "1.0.0.1"));
}

static void test_everything(void **state)
{
    const struct allow_net nets[] = {{of("0.0.0.0"), 0}};
    const struct allow allow = {.nets = nets, .net_count = COUNT(nets), .names = no_names};

    (void)state;
    assert_true(admits(&allow, "x", "255.255.255.255"));
    assert_true(allow_has_host(&allow, "127.0.0.1"));
    assert_false(allow_has_host(&allow, "::1"));
}

static void test_names(void **state)
{
    static const char *const names[] = {"mx.example.org", ".example.net"};
    const struct allow allow = {.nets = no_nets, .names = names, .name_count = COUNT(names)};
    static const char *const good[] = {"mx.example.org", "MX.example.org.", "a.example.net",
                                       "a.b.EXAMPLE.net", "a.example.net."};
    static const char *const bad[] = {
        "example.org", "amx.example.org", "mx.example.orgs",     "mx.example.org..",
        "example.net", ".example.net",    "aexample.net",        "",
        ".",           "192.0.2.1",       "unix:mx.example.org", "mx.example.org.example.com"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(allow_has_host(&allow, good[i]));
        assert_true(admits(&allow, good[i], "1.0.0.1"));
        assert_true(admits(&allow, good[i], "2003::1"));
        assert_false(admits(&allow, good[i], "127.0.0.1"));
        assert_false(admits(&allow, good[i], "192.168.0.1"));
        assert_false(admits(&allow, good[i], "169.254.169.254"));
        assert_false(admits(&allow, good[i], "::1"));
        assert_false(admits(&allow, good[i], "fe80::1"));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(allow_has_host(&allow, bad[i]));
        assert_false(admits(&allow, bad[i], "1.0.0.1"));
    }
}

/* One name, and one network for those of its addresses that are not public. */
static void test_both(void **state)
{
    static const char *const names[] = {"mx.example.org"};
    const struct allow_net nets[] = {{of("10.0.0.0"), 8}};
    const struct allow allow = {.nets = nets, .net_count = 1, .names = names, .name_count = 1};

    (void)state;
    assert_true(admits(&allow, "mx.example.org", "1.0.0.1"));
    assert_true(admits(&allow, "mx.example.org", "10.0.0.1"));
    assert_false(admits(&allow, "mx.example.org", "192.168.0.1"));
    assert_false(admits(&allow, "other.example.org", "1.0.0.1"));
    assert_true(admits(&allow, "other.example.org", "10.0.0.1"));
}

/* A path is no host that a caller may name. */
static void test_paths(void **state)
{
    const struct allow_net nets[] = {{of("0.0.0.0"), 0}, {of("::"), 0}};
    const struct allow allow = {.nets = nets, .net_count = COUNT(nets), .names = no_names};
    struct address path;

    (void)state;
    assert_false(allow_has_host(&allow, "unix:/run/x"));
    assert_int_equal(address_of_path("/run/x", &path), 0);
    assert_false(allow_has_address(&allow, "unix:/run/x", &path));
}

static void test_bits_behind(void **state)
{
    static const struct {
        const char *literal;
        unsigned bits;
        bool more;
    } cases[] = {
        {"192.0.2.0", 24, false},   {"192.0.2.0", 22, true},     {"192.0.2.1", 32, false},
        {"192.0.2.1", 31, true},    {"0.0.0.0", 0, false},       {"128.0.0.0", 0, true},
        {"128.0.0.0", 1, false},    {"2001:db8::", 32, false},   {"2001:db8::", 28, true},
        {"2001:db8::1", 127, true}, {"2001:db8::1", 128, false}, {"::", 0, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct address a = of(cases[i].literal);
        assert_int_equal(allow_net_has_more(&a, cases[i].bits), cases[i].more);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public),   cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_networks), cmocka_unit_test(test_everything),
        cmocka_unit_test(test_names),    cmocka_unit_test(test_both),
        cmocka_unit_test(test_paths),    cmocka_unit_test(test_bits_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
