/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net/dns_answer.h"

#include "probe/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <ares.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a resolver's answer means, from its bytes. The rows named D are those of the catalogue of faults. */

static unsigned char packet[65535];
static size_t len;

static void put16(unsigned value)
{
    packet[len++] = (unsigned char)(value >> 8);
    packet[len++] = (unsigned char)value;
}

static void put_name(const char *name)
{
    while (*name) {
        size_t label = strcspn(name, ".");
        packet[len++] = (unsigned char)label;
        memcpy(packet + len, name, label);
        len += label;
        name += label + (name[label] == '.');
    }
    packet[len++] = 0;
}

/* The question for that name and type, answered well and with nothing. */
static void begin(unsigned type)
{
    memset(packet, 0, 12);
    packet[2] = 0x81;
    packet[3] = 0x80;
    packet[5] = 1;
    len = 12;
    put_name("example.org");
    put16(type);
    put16(1);
}

static void record_head_of(unsigned owner, unsigned type)
{
    unsigned count = (unsigned)(packet[6] << 8 | packet[7]) + 1;

    packet[6] = (unsigned char)(count >> 8);
    packet[7] = (unsigned char)count;
    put16(0xc000 | owner);
    put16(type);
    put16(1);
    put16(0);
    put16(60);
}

static void record_head(unsigned type)
{
    record_head_of(12, type);
}

static void put_address(unsigned owner)
{
    record_head_of(owner, 1);
    put16(4);
    memcpy(packet + len, "\xc0\x00\x02\x01", 4);
    len += 4;
}

static void put_mx(unsigned preference, const char *host)
{
    size_t at;

    record_head(15);
    at = len;
    put16(0);
    put16(preference);
    put_name(host);
    packet[at] = (unsigned char)((len - at - 2) >> 8);
    packet[at + 1] = (unsigned char)(len - at - 2);
}

/* Where the name stands that it leads to. */
static unsigned put_alias(const char *host)
{
    size_t at;

    record_head(5);
    at = len;
    put16(0);
    put_name(host);
    packet[at + 1] = (unsigned char)(len - at - 2);
    return (unsigned)at + 2;
}

static struct dns_mx_answer read_mx(int status)
{
    unsigned char *exact = malloc(len);
    struct dns_reply reply = {
        .name = "example.org", .servers = "192.0.2.53", .status = status, .packet = exact, .len = (int)len};
    struct dns_mx_answer answer;

    memcpy(exact, packet, len);
    dns_answer_read_mx(&reply, &answer);
    free(exact);
    assert_int_equal(answer.reason == REASON_NONE, answer.count > 0);
    assert_int_equal(answer.reason == REASON_NONE, !answer.message[0]);
    assert_true(answer.count <= PLAN_MAX_ADDRESSES);
    for (size_t i = 0; i < answer.count; i++) {
        assert_true(text_is_clean(span_of(answer.hosts[i].host)));
        assert_true(i == 0 || answer.hosts[i - 1].preference <= answer.hosts[i].preference);
    }
    return answer;
}

static void by_preference(void **state)
{
    struct dns_mx_answer answer;

    (void)state;
    begin(15);
    put_mx(20, "b.example.org");
    put_mx(10, "a.example.org");
    put_mx(20, "c.example.org");
    put_mx(65535, "last.example.org");
    put_mx(0, "first.example.org");
    answer = read_mx(ARES_SUCCESS);
    assert_int_equal(answer.count, 5);
    assert_string_equal(answer.hosts[0].host, "first.example.org");
    assert_string_equal(answer.hosts[1].host, "a.example.org");
    assert_string_equal(answer.hosts[2].host, "b.example.org"); /* as they came */
    assert_string_equal(answer.hosts[3].host, "c.example.org");
    assert_int_equal(answer.hosts[4].preference, 65535);
    assert_false(answer.many);
}

static void each_host_once(void **state)
{
    struct dns_mx_answer answer;

    (void)state;
    begin(15);
    put_mx(20, "a.example.org");
    put_mx(15, "b.example.org");
    put_mx(10, "A.EXAMPLE.org");
    put_mx(30, "b.example.org");
    answer = read_mx(ARES_SUCCESS);
    assert_int_equal(answer.count, 2);
    assert_string_equal(answer.hosts[0].host, "A.EXAMPLE.org");
    assert_string_equal(answer.hosts[1].host, "b.example.org");
    assert_int_equal(answer.hosts[1].preference, 15);
}

static void d12_many_exchangers(void **state)
{
    struct dns_mx_answer answer;
    char host[32];

    (void)state;
    begin(15);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(host, sizeof host, "mx%u.example.org", i);
        put_mx(1000 - i, host);
    }
    answer = read_mx(ARES_SUCCESS);
    assert_int_equal(answer.count, PLAN_MAX_ADDRESSES);
    assert_true(answer.many);
    assert_string_equal(answer.hosts[0].host, "mx499.example.org");
    assert_string_equal(answer.hosts[7].host, "mx492.example.org");
}

static void exactly_as_many_as_there_is_room_for(void **state)
{
    struct dns_mx_answer answer;
    char host[32];

    (void)state;
    begin(15);
    for (unsigned i = 0; i < PLAN_MAX_ADDRESSES; i++) {
        snprintf(host, sizeof host, "mx%u.example.org", i);
        put_mx(7, host);
    }
    put_mx(7, "mx3.example.org");
    answer = read_mx(ARES_SUCCESS);
    assert_int_equal(answer.count, PLAN_MAX_ADDRESSES);
    assert_false(answer.many);
}

static void the_root_is_empty(void **state)
{
    struct dns_mx_answer answer;

    (void)state;
    begin(15);
    put_mx(0, "");
    answer = read_mx(ARES_SUCCESS);
    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.hosts[0].host, "");
}

static void behind_an_alias(void **state)
{
    struct dns_mx_answer answer;

    (void)state;
    begin(15);
    put_alias("other.example.org");
    put_mx(10, "mx.example.org");
    answer = read_mx(ARES_SUCCESS);
    assert_int_equal(answer.count, 1);
}

/* Whatever stands in it, it is shown as clean text, and is no host name then. */
static void names_of_any_bytes(void **state)
{
    struct dns_mx_answer answer;
    char label[64];

    (void)state;
    begin(15);
    put_mx(1, "a\rb\n\x1b[31m.example.org");
    put_mx(2, "\xff\xfe.example.org");
    put_mx(3, "a b\\c\".example.org");
    answer = read_mx(ARES_SUCCESS);
    assert_int_equal(answer.count, 3);

    /* Escaped it has four times its length. */
    memset(label, 1, sizeof label - 1);
    label[sizeof label - 1] = '\0';
    begin(15);
    record_head(15);
    put16(2 + 3 * 64 + 1);
    put16(10);
    for (int i = 0; i < 3; i++) {
        packet[len++] = 63;
        memcpy(packet + len, label, 63);
        len += 63;
    }
    packet[len++] = 0;
    answer = read_mx(ARES_SUCCESS);
    assert_int_equal(answer.count, 1);
    assert_true(strlen(answer.hosts[0].host) < DNS_NAME_SIZE);
    assert_string_equal(answer.hosts[0].host + strlen(answer.hosts[0].host) - 3, "...");
}

static void nothing_of_the_kind(void **state)
{
    struct dns_mx_answer answer;

    (void)state;
    begin(15);
    answer = read_mx(ARES_ENODATA);
    assert_int_equal(answer.reason, REASON_NO_ADDRESS);
    assert_string_equal(answer.message, "example.org has no MX record");
    begin(15);
    put_alias("other.example.org");
    assert_int_equal(read_mx(ARES_SUCCESS).reason, REASON_NO_ADDRESS);
}

static void d01_d03_d04_what_the_resolver_said(void **state)
{
    static const struct {
        int status;
        enum reason reason;
    } rows[] = {
        {ARES_ENOTFOUND, REASON_NXDOMAIN},
        {ARES_ESERVFAIL, REASON_SERVFAIL},
        {ARES_EREFUSED, REASON_REFUSED},
        {ARES_ENOTIMP, REASON_REFUSED},
        {ARES_EFORMERR, REASON_REFUSED},
        {ARES_EBADRESP, REASON_MALFORMED},
        {ARES_EBADNAME, REASON_MALFORMED},
        {ARES_ETIMEOUT, REASON_TIMEOUT},
        {ARES_ECONNREFUSED, REASON_TIMEOUT},
        {ARES_ENOMEM, REASON_LOCAL_RESOURCE},
        {ARES_EDESTRUCTION, REASON_LOCAL_RESOURCE},
    };

    (void)state;
    begin(15);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_mx_answer answer = read_mx(rows[i].status);
        assert_int_equal(answer.reason, rows[i].reason);
        assert_non_null(strstr(answer.message, "example.org"));
    }
}

static void d09_aliases_in_a_circle(void **state)
{
    struct dns_mx_answer answer;

    (void)state;
    begin(15);
    put_alias("example.org");
    answer = read_mx(ARES_SUCCESS);
    assert_int_equal(answer.reason, REASON_MALFORMED);
    assert_non_null(strstr(answer.message, "CNAME"));

    begin(15);
    for (int i = 0; i < 100; i++)
        put_alias("other.example.org");
    assert_int_equal(read_mx(ARES_SUCCESS).reason, REASON_MALFORMED);
}

static void d13_garbage(void **state)
{
    (void)state;
    /* More records than there are. */
    begin(15);
    put_mx(10, "mx.example.org");
    packet[6] = packet[7] = 0xff;
    assert_int_equal(read_mx(ARES_SUCCESS).reason, REASON_MALFORMED);
    /* A name that points at itself. */
    begin(15);
    record_head(15);
    put16(4);
    put16(10);
    put16(0xc000 | (unsigned)len);
    assert_int_equal(read_mx(ARES_SUCCESS).reason, REASON_MALFORMED);
    /* A record that ends before its name, and one with none. */
    begin(15);
    record_head(15);
    put16(2);
    put16(10);
    assert_int_equal(read_mx(ARES_SUCCESS).reason, REASON_MALFORMED);
    begin(15);
    record_head(15);
    put16(0);
    assert_int_equal(read_mx(ARES_SUCCESS).reason, REASON_MALFORMED);
    /* Each beginning of a good one. */
    begin(15);
    put_mx(10, "mx.example.org");
    for (size_t whole = len--; len > 0; len--) {
        assert_true(len < whole);
        assert_int_equal(read_mx(ARES_SUCCESS).reason, REASON_MALFORMED);
    }
}

static void an_alias_is_seen_with_its_address_and_without(void **state)
{
    struct dns_reply reply = {.name = "example.org", .servers = "192.0.2.53", .packet = packet};
    struct dns_answer answer;

    (void)state;
    for (int with = 0; with < 2; with++) {
        begin(1);
        unsigned other = put_alias("other.example.org");
        if (with)
            put_address(other);
        reply.len = (int)len;
        dns_answer_read(&reply, DNS_A, &answer);
        assert_true(answer.alias);
        assert_false(answer.operators);
        assert_int_equal(answer.reason, with ? REASON_NONE : REASON_NO_ADDRESS);
    }
    begin(1);
    put_address(12);
    reply.len = (int)len;
    dns_answer_read(&reply, DNS_A, &answer);
    assert_int_equal(answer.count, 1);
    assert_false(answer.alias);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_preference),
        cmocka_unit_test(each_host_once),
        cmocka_unit_test(d12_many_exchangers),
        cmocka_unit_test(exactly_as_many_as_there_is_room_for),
        cmocka_unit_test(the_root_is_empty),
        cmocka_unit_test(behind_an_alias),
        cmocka_unit_test(names_of_any_bytes),
        cmocka_unit_test(nothing_of_the_kind),
        cmocka_unit_test(d01_d03_d04_what_the_resolver_said),
        cmocka_unit_test(d09_aliases_in_a_circle),
        cmocka_unit_test(d13_garbage),
        cmocka_unit_test(an_alias_is_seen_with_its_address_and_without),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
