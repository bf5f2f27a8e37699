/* SPDX-License-Identifier: Apache-2.0 */
/* The words of XCLIENT, as Postfix' XCLIENT_README has them. */
#include "probe/proto/xclient.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_order_and_xtext(void **state)
{
    struct arena a = {0};
    struct plan plan = {.xclient = {[XCLIENT_LOGIN] = "a=b+c \xC3\xA9",
                                    [XCLIENT_NAME] = "[TEMPUNAVAIL]",
                                    [XCLIENT_ADDR] = "IPV6:2001:db8::4",
                                    [XCLIENT_DESTPORT] = "25"}};
    (void)state;

    assert_string_equal(
        xclient_command(&a, &plan),
        "XCLIENT ADDR=IPV6:2001:db8::4 NAME=[TEMPUNAVAIL] LOGIN=a+3Db+2Bc+20+C3+A9 DESTPORT=25");
    assert_string_equal(xclient_text(&a, &plan),
                        "ADDR=IPV6:2001:db8::4 NAME=[TEMPUNAVAIL] LOGIN=a+3Db+2Bc+20+C3+A9 DESTPORT=25");
    arena_free(&a);
}

/* Whatever a value holds, it stays one: nothing of it ends the line or begins another attribute. */
static void test_nothing_gets_out(void **state)
{
    struct arena a = {0};
    struct plan plan = {.xclient = {[XCLIENT_LOGIN] = "x\r\nRSET\tADDR=\x7f"}};
    (void)state;

    assert_string_equal(xclient_command(&a, &plan), "XCLIENT LOGIN=x+0D+0ARSET+09ADDR+3D+7F");
    arena_free(&a);
}

/* 512 octets with CRLF. */
static void test_length(void **state)
{
    char value[498];
    struct arena a = {0};
    struct plan plan = {.xclient = {[XCLIENT_HELO] = value}};
    (void)state;

    memset(value, 'h', sizeof(value));
    value[497] = '\0';
    assert_int_equal(strlen(xclient_command(&a, &plan)), 510);
    plan.xclient[XCLIENT_PORT] = "1";
    assert_null(xclient_command(&a, &plan));
    arena_free(&a);
}

static void test_missing(void **state)
{
    struct plan plan = {.xclient = {[XCLIENT_ADDR] = "198.51.100.4", [XCLIENT_DESTADDR] = "192.0.2.1"}};
    (void)state;

    assert_int_equal(xclient_missing(&plan, "NAME ADDR DESTADDR"), XCLIENT_COUNT);
    assert_int_equal(xclient_missing(&plan, "NAME destaddr addr PORT"), XCLIENT_COUNT);
    assert_int_equal(xclient_missing(&plan, "NAME ADDR DESTPORT"), XCLIENT_DESTADDR);
    assert_int_equal(xclient_missing(&plan, "ADDRESS DESTADDR ADD"), XCLIENT_ADDR);
    assert_int_equal(xclient_missing(&plan, ""), XCLIENT_ADDR);
}

static void test_who(void **state)
{
    struct plan plan = {0};
    (void)state;

    assert_false(plan_has_xclient(&plan));
    plan.xclient[XCLIENT_PORT] = "1";
    assert_true(plan_has_xclient(&plan));
    assert_null(xclient_who(&plan));
    plan.xclient[XCLIENT_NAME] = "client.example.net";
    assert_string_equal(xclient_who(&plan), "client.example.net");
    plan.xclient[XCLIENT_ADDR] = "IPV6:2001:db8::4";
    assert_string_equal(xclient_who(&plan), "2001:db8::4");
    plan.xclient[XCLIENT_ADDR] = "198.51.100.4";
    assert_string_equal(xclient_who(&plan), "198.51.100.4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_xtext),
        cmocka_unit_test(test_nothing_gets_out),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_who),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
