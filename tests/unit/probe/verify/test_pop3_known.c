/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/verify/pop3_known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_ours_are_forgotten_when_they_are_gone(void **state)
{
    struct pop3_known k = {0};
    (void)state;
    pop3_known_begin(&k);
    pop3_known_add(&k, "a")->likeness = 1;
    pop3_known_add(&k, "b")->likeness = 2;
    pop3_known_end(&k, true);
    assert_int_equal(pop3_known_find(&k, "b")->likeness, 2);
    assert_int_equal(pop3_known_find(&k, "a")->likeness, 1);
    assert_null(pop3_known_find(&k, "c"));
    pop3_known_begin(&k);
    pop3_known_end(&k, false); /* it broke off: nobody knows what is gone */
    assert_non_null(pop3_known_find(&k, "a"));
    pop3_known_begin(&k);
    pop3_known_find(&k, "b")->here = true;
    pop3_known_end(&k, true);
    assert_null(pop3_known_find(&k, "a"));
    assert_int_equal(pop3_known_find(&k, "b")->likeness, 2);
    pop3_known_begin(&k);
    pop3_known_end(&k, true);
    assert_null(pop3_known_find(&k, "b"));
    pop3_known_free(&k);
}

static void test_strangers(void **state)
{
    struct pop3_known k = {0};
    (void)state;
    pop3_known_begin(&k);
    assert_false(pop3_known_is_stranger(&k, "a"));
    pop3_known_add_stranger(&k, "b");
    pop3_known_add_stranger(&k, "a");
    pop3_known_add_stranger(&k, "a"); /* a server that lies */
    pop3_known_end(&k, false);        /* what it has found out is kept */
    assert_int_equal(k.strangers.count, 2);
    pop3_known_begin(&k);
    assert_true(pop3_known_is_stranger(&k, "a"));
    pop3_known_add_stranger(&k, "c");
    pop3_known_end(&k, false);
    pop3_known_begin(&k);
    assert_true(pop3_known_is_stranger(&k, "b") && pop3_known_is_stranger(&k, "c"));
    pop3_known_end(&k, true);
    assert_false(pop3_known_is_stranger(&k, "a"));
    pop3_known_free(&k);
}

/* A server that invents ids and always breaks off does not fill the memory. */
static void test_strangers_are_bounded(void **state)
{
    struct pop3_known k = {0};
    char uid[16];
    (void)state;
    for (int session = 0; session < 10; session++) {
        pop3_known_begin(&k);
        for (int i = 0; i < POP3_MAX_MESSAGES; i++) {
            snprintf(uid, sizeof uid, "%d-%d", session, i);
            pop3_known_add_stranger(&k, uid);
        }
        pop3_known_end(&k, false);
        assert_true(k.strangers.count <= (size_t)2 * POP3_MAX_MESSAGES);
    }
    pop3_known_free(&k);
}

static void test_ours_are_bounded(void **state)
{
    struct pop3_known k = {0};
    char uid[16];
    (void)state;
    for (int i = 0; i < POP3_KNOWN_MAX; i++) {
        assert_false(pop3_known_is_full(&k));
        snprintf(uid, sizeof uid, "%d", i);
        pop3_known_add(&k, uid);
    }
    assert_true(pop3_known_is_full(&k));
    pop3_known_free(&k);
}

#define HEADER "Received: from x\r\nDate: today\r\nMessage-ID: <1@example.org>\r\n"

static void test_likeness(void **state)
{
    uint64_t first = pop3_known_likeness(span_of(HEADER "\r\nx\r\n"));
    (void)state;
    assert_true(pop3_known_likeness(span_of("Status: RO\r\n" HEADER "X-UIDL: 7\r\n\r\nx\r\n")) == first);
    assert_false(pop3_known_likeness(span_of("Received: from y\r\n" HEADER "\r\nx\r\n")) == first);
    assert_false(pop3_known_likeness(span_of(HEADER "X-Ehlod-Token: x\r\n\r\nx\r\n")) == first);
    assert_false(pop3_known_likeness(span_of("\r\nx\r\n")) == first);
    assert_false(pop3_known_likeness(span_of("Date: x\r\n\r\n")) ==
                 pop3_known_likeness(span_of("Message-ID: x\r\n\r\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ours_are_forgotten_when_they_are_gone),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_strangers_are_bounded),
        cmocka_unit_test(test_ours_are_bounded),
        cmocka_unit_test(test_likeness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
