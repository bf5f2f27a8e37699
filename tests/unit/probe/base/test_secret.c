/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void it_is_a_copy(void **state)
{
    char password[] = "hunter2";
    struct secret *s = secret_new(span_of(password));

    (void)state;
    memset(password, 'x', sizeof password - 1);
    assert_int_equal(secret_bytes(s).len, 7);
    assert_string_equal(secret_bytes(s).data, "hunter2"); /* a NUL behind it */
    secret_free(s);
}

static void any_octet_is_fine(void **state)
{
    struct secret *s = secret_new((struct span){"a\0b", 3});

    (void)state;
    assert_int_equal(secret_bytes(s).len, 3);
    assert_memory_equal(secret_bytes(s).data, "a\0b", 4);
    secret_free(s);
}

static void none_and_an_empty_one(void **state)
{
    struct secret *s = secret_new((struct span){NULL, 0});

    (void)state;
    assert_int_equal(secret_bytes(s).len, 0);
    assert_string_equal(secret_bytes(s).data, "");
    assert_int_equal(secret_bytes(NULL).len, 0);
    secret_free(s);
    secret_free(NULL);
}

static void wiped_is_gone(void **state)
{
    char memory[] = "hunter2";

    (void)state;
    secret_wipe(memory, 4);
    assert_memory_equal(memory, "\0\0\0\0er2", 8);
    secret_wipe(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_a_copy),
        cmocka_unit_test(any_octet_is_fine),
        cmocka_unit_test(none_and_an_empty_one),
        cmocka_unit_test(wiped_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
