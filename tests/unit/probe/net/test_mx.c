/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net/mx.h"

#include "probe/base/clock.h"
#include "tests/unit/probe/net/fake_dns.h"
#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The rows named D are those of the catalogue of faults. */

#define DOMAIN "example.org"

static uv_loop_t loop;
static struct fake_dns server;
static struct dns *dns;
static struct mx_answer got;
static int times;
static int64_t took_us;

static int set_up(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    server = (struct fake_dns){0};
    fake_dns_start(&server, &loop);
    dns = dns_new(&loop, server.servers);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dns_free(dns);
    fake_dns_stop(&server);
    return stage_close(&loop);
}

static void on_done(void *context, const struct mx_answer *answer)
{
    assert_ptr_equal(context, &got);
    got = *answer;
    times++;
    uv_stop(&loop);
}

static enum reason ask(int64_t limit_ms)
{
    int64_t start_us = clock_mono_us();

    times = 0;
    mx_start(dns, &loop, DOMAIN, start_us + stage_scale_us(limit_ms), on_done, &got);
    assert_int_equal(times, 0); /* never from inside */
    uv_run(&loop, UV_RUN_DEFAULT);
    took_us = clock_mono_us() - start_us;
    assert_int_equal(times, 1);
    assert_int_equal(got.reason == REASON_NONE, got.count > 0);
    assert_int_equal(got.reason == REASON_NONE, !got.message[0]);
    assert_true(got.at_us >= start_us && got.at_us <= start_us + took_us);
    return got.reason;
}

static void hosts_by_preference(void **state)
{
    (void)state;
    server.mx = (struct fake_rule){.manner = FAKE_ADDRESSES,
                                   .mx = {{20, "mx2.example.org"}, {10, "mx1.example.org"}}};
    assert_int_equal(ask(2000), REASON_NONE);
    assert_int_equal(got.count, 2);
    assert_string_equal(got.hosts[0], "mx1.example.org");
    assert_string_equal(got.hosts[1], "mx2.example.org");
    assert_false(got.implicit || got.many || got.expired);
    assert_int_equal(server.asked, 1); /* no search domain was tried */
}

static void d10_the_null_mx(void **state)
{
    (void)state;
    server.mx = (struct fake_rule){.manner = FAKE_ADDRESSES, .mx = {{0, ""}}};
    assert_int_equal(ask(2000), REASON_NULL_MX);
    assert_string_equal(got.message,
                        "example.org says that it takes no mail (its only MX record is the null MX)");
    /* RFC 7505 section 3: beside others it is a mistake, and they count. */
    server.mx = (struct fake_rule){.manner = FAKE_ADDRESSES, .mx = {{0, ""}, {10, "mx.example.org"}}};
    assert_int_equal(ask(2000), REASON_NONE);
    assert_int_equal(got.count, 2);
    assert_string_equal(got.hosts[0], ".");
}

static void without_a_record_the_domain_is_the_host(void **state)
{
    (void)state;
    assert_int_equal(ask(2000), REASON_NONE);
    assert_true(got.implicit);
    assert_int_equal(got.count, 1);
    assert_string_equal(got.hosts[0], DOMAIN);
    server.mx.manner = FAKE_ALIAS;
    assert_int_equal(ask(2000), REASON_NONE);
    assert_true(got.implicit);
}

static void d01_d03_d04_what_the_resolver_said(void **state)
{
    (void)state;
    server.mx = (struct fake_rule){.manner = FAKE_RCODE, .code = 3};
    assert_int_equal(ask(2000), REASON_NXDOMAIN);
    server.mx.code = 2;
    assert_int_equal(ask(2000), REASON_SERVFAIL);
    server.mx.code = 5;
    assert_int_equal(ask(2000), REASON_REFUSED);
    assert_false(got.expired);
}

static void d05_no_answer(void **state)
{
    (void)state;
    server.mx.manner = FAKE_SILENT;
    assert_int_equal(ask(300), REASON_TIMEOUT);
    assert_true(got.expired);
    assert_true(took_us >= stage_scale_us(300) && took_us < stage_scale_us(300 + 250));
    assert_non_null(strstr(got.message, "127.0.0.1 port"));
    assert_non_null(strstr(got.message, "the MX records of example.org"));
}

static void d05_no_resolver(void **state)
{
    (void)state;
    fake_dns_stop(&server);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(ask(2000), REASON_TIMEOUT);
    assert_false(got.expired);
    fake_dns_start(&server, &loop);
}

static void d08_truncated(void **state)
{
    (void)state;
    server.mx.manner = FAKE_TRUNCATED;
    assert_int_equal(ask(2000), REASON_MALFORMED);
    assert_non_null(strstr(got.message, "truncated"));
}

static void d09_an_alias_of_itself(void **state)
{
    (void)state;
    server.mx.manner = FAKE_LOOP;
    assert_int_equal(ask(2000), REASON_MALFORMED);
    assert_non_null(strstr(got.message, "CNAME"));
}

static void d12_more_than_are_tried(void **state)
{
    static char names[16][32];

    (void)state;
    server.mx.manner = FAKE_ADDRESSES;
    for (int i = 0; i < 16; i++) {
        snprintf(names[i], sizeof names[i], "m%d", i);
        server.mx.mx[i] = (struct fake_mx){100 - i, names[i]};
    }
    assert_int_equal(ask(2000), REASON_NONE);
    assert_int_equal(got.count, PLAN_MAX_ADDRESSES);
    assert_true(got.many);
    assert_string_equal(got.hosts[0], "m15");
}

static void d13_garbage(void **state)
{
    (void)state;
    server.mx.manner = FAKE_GARBAGE;
    assert_int_equal(ask(2000), REASON_MALFORMED);
    server.mx.manner = FAKE_POINTERS;
    assert_int_equal(ask(2000), REASON_MALFORMED);
}

static void d14_empty_datagram(void **state)
{
    (void)state;
    server.mx = (struct fake_rule){.manner = FAKE_NOTHING, .mx = {{10, "mx.example.org"}}};
    assert_int_equal(ask(2000), REASON_NONE);
    assert_true(took_us < stage_scale_us(500));
}

static void d17_late_answer(void **state)
{
    struct mx *mx;

    (void)state;
    server.mx = (struct fake_rule){.manner = FAKE_ADDRESSES,
                                   .mx = {{10, "mx.example.org"}},
                                   .delay_ms = (int)(stage_scale_us(150) / CLOCK_US_PER_MS)};
    assert_int_equal(ask(50), REASON_TIMEOUT);
    mx = mx_start(dns, &loop, DOMAIN, clock_mono_us() + stage_scale_us(2000), on_done, &got);
    uv_run(&loop, UV_RUN_NOWAIT);
    mx_cancel(mx);
    mx_cancel(NULL);
    /* Both come while somebody else waits, and find nobody. */
    server.mx.manner = FAKE_SILENT;
    assert_int_equal(ask(400), REASON_TIMEOUT);
}

static void d20_slow_but_good(void **state)
{
    (void)state;
    server.mx =
        (struct fake_rule){.manner = FAKE_ADDRESSES, .mx = {{10, "mx.example.org"}}, .delay_ms = 1600};
    assert_int_equal(ask(2500), REASON_NONE);
    assert_true(took_us >= 1600 * CLOCK_US_PER_MS);
}

static void d11_what_a_record_must_not_name(void **state)
{
    static const struct {
        const char *host;
        const char *says;
    } wrong[] = {
        {".", "example.org has the null MX, which says that it takes no mail, beside other MX records"},
        {"192.0.2.1", "names an IP address (192.0.2.1)"},
        {"2001:db8::1", "names an IP address"},
        {"127.1", "names an IP address"},
        {"0x7f000001", "names an IP address"},
        {"mx.0x7f", "names an IP address"},
        {"mx.example.1", "names an IP address"},
        {"localhost", "names localhost, which is whoever looks it up"},
        {"mx.LOCALHOST", "which is whoever looks it up"},
        {"mx\\032.example.org", "which is no host name"},
        {"mx..example.org", "which is no host name"},
        {"xxx...", "which is no host name"},
        {"mx.example.org/", "which is no host name"},
    };
    static const char *const good[] = {
        "mx.example.org",        "mx",          "a_b.example.org", "1.example.org",
        "localhost.example.org", "mylocalhost", "xn--4ca.example"};
    struct lookup_answer answer;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        answer = (struct lookup_answer){0};
        assert_false(mx_check_host(wrong[i].host, DOMAIN, &answer));
        assert_int_equal(answer.reason, REASON_MX_INVALID);
        if (!strstr(answer.message, wrong[i].says))
            fail_msg("\"%s\" does not say \"%s\"", answer.message, wrong[i].says);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(mx_check_host(good[i], DOMAIN, &answer));
}

static struct lookup_answer found(const char *address)
{
    struct lookup_answer answer = {.count = 2, .at_us = 7};

    assert_int_equal(address_parse("192.0.2.1", 0, &answer.addresses[0]), 0);
    assert_int_equal(address_parse(address, 0, &answer.addresses[1]), 0);
    return answer;
}

static void d11_an_address_that_is_whoever_dials_it(void **state)
{
    static const char *const wrong[] = {
        "0.0.0.0", "::", "127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0"};
    static const char *const good[] = {"192.0.2.2",   "0.1.2.3",          "10.0.0.1",
                                       "2001:db8::1", "::ffff:192.0.2.2", "fe80::1"};
    struct lookup_answer answer;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        answer = found(wrong[i]);
        mx_check_addresses("mx.example.org", &answer);
        assert_int_equal(answer.reason, REASON_MX_INVALID);
        assert_int_equal(answer.count, 0);
        assert_int_equal(answer.at_us, 7);
        assert_non_null(strstr(answer.message, "mx.example.org has the address "));
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        answer = found(good[i]);
        mx_check_addresses("mx.example.org", &answer);
        assert_int_equal(answer.reason, REASON_NONE);
        assert_int_equal(answer.count, 2);
    }
    /* The operator's own hosts file. */
    answer = found("127.0.0.1");
    answer.operators = true;
    mx_check_addresses("mx.example.org", &answer);
    assert_int_equal(answer.reason, REASON_NONE);
}

static void d11_an_alias(void **state)
{
    struct lookup_answer answer = found("192.0.2.2");

    (void)state;
    mx_check_alias("mx.example.org", &answer);
    assert_int_equal(answer.reason, REASON_NONE);
    answer.alias = true;
    mx_check_alias("mx.example.org", &answer);
    assert_int_equal(answer.reason, REASON_MX_INVALID);
    assert_int_equal(answer.count, 0);
    assert_string_equal(answer.message,
                        "mx.example.org is an alias (CNAME), which an MX record must not name");
    /* One that leads nowhere is still an alias. */
    answer = (struct lookup_answer){.alias = true, .reason = REASON_NXDOMAIN};
    mx_check_alias("mx.example.org", &answer);
    assert_int_equal(answer.reason, REASON_MX_INVALID);
    /* Where nothing came in time, that is what there is to say. */
    answer = (struct lookup_answer){.alias = true, .expired = true, .reason = REASON_TIMEOUT};
    mx_check_alias("mx.example.org", &answer);
    assert_int_equal(answer.reason, REASON_TIMEOUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hosts_by_preference),
        TEST(d10_the_null_mx),
        TEST(without_a_record_the_domain_is_the_host),
        TEST(d01_d03_d04_what_the_resolver_said),
        TEST(d05_no_answer),
        TEST(d05_no_resolver),
        TEST(d08_truncated),
        TEST(d09_an_alias_of_itself),
        TEST(d12_more_than_are_tried),
        TEST(d13_garbage),
        TEST(d14_empty_datagram),
        TEST(d17_late_answer),
        TEST(d20_slow_but_good),
        cmocka_unit_test(d11_what_a_record_must_not_name),
        cmocka_unit_test(d11_an_address_that_is_whoever_dials_it),
        cmocka_unit_test(d11_an_alias),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
