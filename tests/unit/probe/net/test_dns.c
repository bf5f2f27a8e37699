/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/base/clock.h"
#include "probe/net/lookup.h"
#include "tests/unit/probe/net/fake_dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The rows named D are those of the catalogue of faults. */

static uv_loop_t loop;
static struct fake_dns server;
static struct dns *dns;
static struct lookup_answer got;
static int times;
static int64_t took_us;

static int64_t scale(int64_t ms)
{
    const char *factor = getenv("EHLOD_TEST_SCALE");

    return ms * CLOCK_US_PER_MS * (factor ? atoi(factor) : 1);
}

static int setup(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    server = (struct fake_dns){0};
    fake_dns_start(&server, &loop);
    dns = dns_new(&loop, server.servers);
    times = 0;
    return 0;
}

/* Everything closed: uv_loop_close would refuse otherwise. */
static int teardown(void **state)
{
    (void)state;
    dns_free(dns);
    fake_dns_stop(&server);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void on_done(void *context, const struct lookup_answer *answer)
{
    (void)context;
    got = *answer;
    times++;
    uv_stop(&loop);
}

static enum reason look_up(const char *host, enum family family, int64_t limit_ms)
{
    int64_t start_us = clock_mono_us();

    times = 0;
    lookup_start(dns, &loop, host, family, start_us + scale(limit_ms), on_done, NULL);
    assert_int_equal(times, 0); /* never from inside */
    uv_run(&loop, UV_RUN_DEFAULT);
    took_us = clock_mono_us() - start_us;
    assert_int_equal(times, 1);
    assert_int_equal(got.reason == REASON_NONE, got.count > 0);
    assert_int_equal(got.reason == REASON_NONE, !got.message[0]);
    return got.reason;
}

static void addresses(void **state)
{
    (void)state;
    server.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.1", "192.0.2.2"}};
    server.aaaa = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"2001:db8::1"}};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_NONE);
    assert_int_equal(got.count, 3);
    assert_false(got.partial || got.many || got.expired);
    assert_int_equal(look_up("mx.example.org", FAMILY_IPV4, 2000), REASON_NONE);
    assert_int_equal(got.count, 2);
    assert_int_equal(look_up("mx.example.org", FAMILY_IPV6, 2000), REASON_NONE);
    assert_int_equal(got.count, 1);
    assert_int_equal(address_family(&got.addresses[0]), AF_INET6);
    assert_int_equal(server.asked, 4);
}

static void the_hosts_file_goes_first(void **state)
{
    (void)state;
    assert_int_equal(look_up("localhost", FAMILY_IPV4, 2000), REASON_NONE);
    assert_int_equal(got.addresses[0].v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_int_equal(server.asked, 0);
}

static void d01_no_such_name(void **state)
{
    (void)state;
    server.a = server.aaaa = (struct fake_rule){.manner = FAKE_RCODE, .code = 3};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_NXDOMAIN);
    assert_string_equal(got.message, "there is no host named mx.example.org (NXDOMAIN)");
}

static void d02_no_record(void **state)
{
    (void)state;
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_NO_ADDRESS);
    server.a = server.aaaa = (struct fake_rule){.manner = FAKE_ALIAS};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_NO_ADDRESS);
}

static void d03_servfail(void **state)
{
    (void)state;
    server.a = server.aaaa = (struct fake_rule){.manner = FAKE_RCODE, .code = 2};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_SERVFAIL);
    assert_non_null(strstr(got.message, "DNSSEC"));
}

static void d04_refused(void **state)
{
    static const struct {
        int code;
        const char *name;
    } rows[] = {{5, "(REFUSED)"}, {4, "(NOTIMP)"}, {1, "(FORMERR)"}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        server.a = server.aaaa = (struct fake_rule){.manner = FAKE_RCODE, .code = rows[i].code};
        assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_REFUSED);
        assert_non_null(strstr(got.message, rows[i].name));
    }
}

static void d05_no_answer(void **state)
{
    (void)state;
    server.a = server.aaaa = (struct fake_rule){.manner = FAKE_SILENT};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 300), REASON_TIMEOUT);
    assert_true(got.expired);
    assert_true(took_us >= scale(300) && took_us < scale(300) + scale(250));
    assert_non_null(strstr(got.message, "127.0.0.1 port"));
}

static void d05_no_resolver(void **state)
{
    (void)state;
    fake_dns_stop(&server);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_TIMEOUT);
    assert_false(got.expired);
    assert_true(took_us < scale(500));
    assert_non_null(strstr(got.message, "no resolver could be reached"));
    fake_dns_start(&server, &loop);
}

static void d07_one_family_is_ill(void **state)
{
    static const struct fake_rule ill[] = {{.manner = FAKE_RCODE, .code = 2},
                                           {.manner = FAKE_RCODE, .code = 5},
                                           {.manner = FAKE_GARBAGE},
                                           {.manner = FAKE_SILENT}};

    (void)state;
    server.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.1"}};
    for (size_t i = 0; i < 4; i++) {
        server.aaaa = ill[i];
        assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 600), REASON_NONE);
        assert_int_equal(got.count, 1);
        assert_true(got.partial);
    }
    /* The silent one got half of the time and no more. */
    assert_true(took_us >= scale(290) && took_us < scale(500));
    server.aaaa = (struct fake_rule){.manner = FAKE_EMPTY};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 600), REASON_NONE);
    assert_false(got.partial);
    server.aaaa = (struct fake_rule){.manner = FAKE_RCODE, .code = 3};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 600), REASON_NONE);
    assert_false(got.partial);
}

static void d08_truncated(void **state)
{
    (void)state;
    server.a = server.aaaa = (struct fake_rule){.manner = FAKE_TRUNCATED};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_MALFORMED);
    assert_non_null(strstr(got.message, "truncated"));
}

static void d09_alias_loop(void **state)
{
    (void)state;
    server.a = server.aaaa = (struct fake_rule){.manner = FAKE_LOOP};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_MALFORMED);
    assert_non_null(strstr(got.message, "CNAME"));
}

static void d12_many_addresses(void **state)
{
    (void)state;
    server.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .count = 25};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_NONE);
    assert_int_equal(got.count, PLAN_MAX_ADDRESSES);
    assert_true(got.many);
}

static void d13_garbage(void **state)
{
    (void)state;
    server.a = server.aaaa = (struct fake_rule){.manner = FAKE_GARBAGE};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_MALFORMED);
    server.a = server.aaaa = (struct fake_rule){.manner = FAKE_POINTERS};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_MALFORMED);
}

static void d14_empty_datagram(void **state)
{
    (void)state;
    server.a = (struct fake_rule){.manner = FAKE_NOTHING, .addresses = {"192.0.2.1"}};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_NONE);
    assert_true(took_us < scale(500));
}

static void d17_late_answer(void **state)
{
    struct lookup *l;

    (void)state;
    server.a = server.aaaa = (struct fake_rule){.manner = FAKE_ADDRESSES,
                                                .addresses = {"192.0.2.1"},
                                                .delay_ms = (int)(scale(150) / CLOCK_US_PER_MS)};
    server.aaaa.manner = FAKE_EMPTY;
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 50), REASON_TIMEOUT);
    /* It comes while somebody else waits, and finds nobody. */
    server.a = server.aaaa = (struct fake_rule){.manner = FAKE_SILENT};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 400), REASON_TIMEOUT);

    /* Likewise for one that was cancelled. */
    times = 0;
    l = lookup_start(dns, &loop, "mx.example.org", FAMILY_ANY, clock_mono_us() + scale(100), on_done, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    lookup_cancel(l);
    assert_int_equal(look_up("other.example.org", FAMILY_ANY, 300), REASON_TIMEOUT);
}

static void d20_slow_but_good(void **state)
{
    (void)state;
    server.a = server.aaaa =
        (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.1"}, .delay_ms = 1600};
    server.aaaa.manner = FAKE_EMPTY;
    /* Later than the first repetition of the question. */
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2500), REASON_NONE);
    assert_true(took_us >= 1600 * CLOCK_US_PER_MS);
}

static void only_the_other_family(void **state)
{
    (void)state;
    server.a = (struct fake_rule){.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.1"}};
    assert_int_equal(look_up("mx.example.org", FAMILY_IPV6, 2000), REASON_NO_ADDRESS_FOR_FAMILY);
    assert_string_equal(got.message, "mx.example.org has no IPv6 address, only IPv4 ones");
    server.a = (struct fake_rule){.manner = FAKE_EMPTY};
    assert_int_equal(look_up("mx.example.org", FAMILY_IPV6, 2000), REASON_NO_ADDRESS);
}

static void what_a_resolver_said_goes_before_silence(void **state)
{
    (void)state;
    server.a = (struct fake_rule){.manner = FAKE_RCODE, .code = 2};
    server.aaaa = (struct fake_rule){.manner = FAKE_SILENT};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 200), REASON_SERVFAIL);
    server.a = (struct fake_rule){.manner = FAKE_EMPTY};
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 200), REASON_TIMEOUT);
}

/* What resolv.conf appends is for what people type: a wildcard there must not stand in for a host that is
 * gone. */
static void a_complete_name_is_not_searched_for(void **state)
{
    (void)state;
    setenv("LOCALDOMAIN", "wild.example", 1); /* the search list, for c-ares */
    server.a = server.aaaa = (struct fake_rule){.manner = FAKE_RCODE, .code = 3};
    server.names[0] = (struct fake_name){.name = "gone.example.org.wild.example",
                                         .a = {.manner = FAKE_ADDRESSES, .addresses = {"192.0.2.1"}}};
    assert_int_equal(look_up("gone.example.org", FAMILY_ANY, 2000), REASON_NONE);
    times = 0;
    lookup_start_absolute(dns, &loop, "gone.example.org", FAMILY_ANY, clock_mono_us() + scale(2000), on_done,
                          NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    unsetenv("LOCALDOMAIN");
    assert_int_equal(times, 1);
    assert_int_equal(got.reason, REASON_NXDOMAIN);
}

static void no_valid_name(void **state)
{
    char label[80];

    (void)state;
    memset(label, 'x', sizeof label);
    label[sizeof label - 1] = '\0';
    assert_int_equal(look_up(label, FAMILY_ANY, 2000), REASON_MALFORMED);
}

static void no_descriptor_left(void **state)
{
    struct rlimit before, none;

    (void)state;
    assert_int_equal(look_up("mx.example.org", FAMILY_ANY, 2000), REASON_NO_ADDRESS);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    look_up("mx.example.org", FAMILY_ANY, 2000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(got.reason, REASON_LOCAL_RESOURCE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(addresses),
        TEST(the_hosts_file_goes_first),
        TEST(d01_no_such_name),
        TEST(d02_no_record),
        TEST(d03_servfail),
        TEST(d04_refused),
        TEST(d05_no_answer),
        TEST(d05_no_resolver),
        TEST(d07_one_family_is_ill),
        TEST(d08_truncated),
        TEST(d09_alias_loop),
        TEST(d12_many_addresses),
        TEST(d13_garbage),
        TEST(d14_empty_datagram),
        TEST(d17_late_answer),
        TEST(d20_slow_but_good),
        TEST(only_the_other_family),
        TEST(what_a_resolver_said_goes_before_silence),
        TEST(a_complete_name_is_not_searched_for),
        TEST(no_valid_name),
        TEST(no_descriptor_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
