/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static struct order_candidate candidate(const char *to, const char *from, size_t position)
{
    struct order_candidate c = {.position = position, .reachable = from != NULL};

    assert_int_equal(address_parse(to, 25, &c.address), 0);
    if (from)
        assert_int_equal(address_parse(from, 0, &c.source), 0);
    return c;
}

/* The first is to go before the second; from null: no route. Mostly RFC 6724 section 10.2. */
static const struct {
    const char *first, *first_from;
    const char *second, *second_from;
} rows[] = {
    /* rule 1, a route at all */
    {"198.51.100.121", "198.51.100.117", "2001:db8:1::1", NULL},
    {"2001:db8:1::1", "2001:db8:1::2", "198.51.100.121", NULL},
    /* rule 2, matching scope */
    {"2001:db8:1::1", "2001:db8:1::2", "198.51.100.121", "169.254.13.78"},
    {"198.51.100.121", "198.51.100.117", "2001:db8:1::1", "fe80::1"},
    /* rule 5, matching label */
    {"2001:db8:1::1", "2001:db8:1::2", "2002:c633:6401::1", "2001:db8:1::2"},
    {"10.1.2.3", "10.1.2.4", "2001:db8:1::1", "2002:c633:6401::2"},
    /* rule 6, precedence */
    {"2001:db8:1::1", "2001:db8:1::2", "10.1.2.3", "10.1.2.4"},
    {"2001:db8:1::1", "2001:db8:1::2", "198.51.100.121", "198.51.100.117"},
    {"2001:db8:1::1", "2001:db8:1::2", "2002:c633:6401::1", "2002:c633:6401::2"},
    {"198.51.100.121", "198.51.100.117", "fc00::1", "fc00::2"},
    {"::1", "::1", "127.0.0.1", "127.0.0.1"},
    /* rule 8, the smaller scope */
    {"fe80::1", "fe80::2", "2001:db8:1::1", "2001:db8:1::2"},
    /* rule 9, the longer prefix, IPv6 alone */
    {"2001:db8:1::1", "2001:db8:1::2", "2001:db8:3ffe::1", "2001:db8:3f44::2"},
    /* rule 10, as they came */
    {"192.0.2.1", "192.0.2.9", "192.0.2.8", "192.0.2.9"},
    {"192.0.2.8", "192.0.2.9", "192.0.2.1", "192.0.2.9"},
};

static void rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        /* The better one stands second, except where only the position decides. */
        bool by_position = i >= sizeof rows / sizeof rows[0] - 2;
        struct order_candidate a = candidate(rows[i].first, rows[i].first_from, by_position ? 0 : 1);
        struct order_candidate b = candidate(rows[i].second, rows[i].second_from, by_position ? 1 : 0);

        if (order_compare(&a, &b) >= 0 || order_compare(&b, &a) <= 0)
            fail_msg("%s must go before %s", rows[i].first, rows[i].second);
    }
}

static void sorts_what_the_system_can_reach(void **state)
{
    struct address list[3], none = {0}, v4;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_int_equal(address_parse("127.0.0.1", 25, &list[0]), 0);
    assert_int_equal(address_parse("127.0.0.2", 25, &list[1]), 0);
    assert_int_equal(address_parse("::1", 25, &list[2]), 0);
    order_sort(list, 3, &none);
    address_text(&list[0], text);
    assert_string_equal(text, "::1");

    /* From an IPv4 source only IPv4 can be dialled. */
    assert_int_equal(address_parse("127.0.0.1", 0, &v4), 0);
    order_sort(list, 3, &v4);
    address_text(&list[0], text);
    assert_string_equal(text, "127.0.0.1");
    address_text(&list[2], text);
    assert_string_equal(text, "::1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),
        cmocka_unit_test(sorts_what_the_system_can_reach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
