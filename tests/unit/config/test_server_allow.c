/* SPDX-License-Identifier: Apache-2.0 */
/* What server.probe_allow comes to. */
#include "config/server_allow.h"
#include "tests/config/given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CONFIG(value) "server: {probe_allow: " value "}\ntargets: {a: {address: 'x:25'}}\n"

static void is_net(const struct allow_net *net, const char *literal, unsigned bits)
{
    char text[ADDRESS_TEXT_SIZE];

    address_text(&net->network, text);
    assert_string_equal(text, literal);
    assert_int_equal(net->bits, bits);
}

static void test_entries(void **state)
{
    struct given g;
    const struct allow *a;

    (void)state;
    a = &given_good(&g, CONFIG("[192.0.2.0/24, MX.example.org., '2001:db8::/32', 192.0.2.1, '*.Example.net',"
                               " '2001:db8::1', '0.0.0.0/0']"))
             ->probe_allow;
    assert_int_equal(a->net_count, 5);
    is_net(&a->nets[0], "192.0.2.0", 24);
    is_net(&a->nets[1], "2001:db8::", 32);
    is_net(&a->nets[2], "192.0.2.1", 32);
    is_net(&a->nets[3], "2001:db8::1", 128);
    is_net(&a->nets[4], "0.0.0.0", 0);
    assert_int_equal(a->name_count, 2);
    assert_string_equal(a->names[0], "mx.example.org");
    assert_string_equal(a->names[1], ".example.net");
    given_clear(&g);
}

static void test_one_and_none(void **state)
{
    static const char *const empty[] = {CONFIG("[]"), "targets: {a: {address: 'x:25'}}\n"};
    struct given g;

    (void)state;
    assert_int_equal(given_good(&g, CONFIG("192.0.2.0/24"))->probe_allow.net_count, 1);
    given_clear(&g);
    for (size_t i = 0; i < 2; i++) {
        const struct allow *a = &given_good(&g, empty[i])->probe_allow;
        assert_int_equal(a->net_count + a->name_count, 0);
        assert_false(allow_has_host(a, "mx.example.org"));
        given_clear(&g);
    }
}

/* So many, and no more. */
static void test_count(void **state)
{
    for (int most = 256; most <= 257; most++) {
        char text[6000] = "server: {probe_allow: [";
        struct given g;
        for (int i = 0; i < most; i++)
            snprintf(text + strlen(text), 24, "192.0.%d.%d, ", i / 256, i % 256);
        strcat(text, "]}\ntargets: {a: {address: 'x:25'}}\n");
        given_text(&g, text, NULL);
        assert_int_equal(g.code, most == 256 ? 0 : -1);
        given_clear(&g);
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_one_and_none),
        cmocka_unit_test(test_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
