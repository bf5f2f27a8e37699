/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: made under a key, known again under it alone, whatever was changed in them. */
#include "probe/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define WALL_US INT64_C(1795400704123456)

static const struct token_key key = {{1, 2, 3, 4}};
static const unsigned char random[TOKEN_RANDOM] = {0xab, 0, 1, 2, 3, 0xff};

static void test_one_is_made(void **state)
{
    char token[TOKEN_SIZE];

    (void)state;
    token_make(&key, WALL_US, random, token);
    /* its end by another implementation: hmac.new(key, said, "sha256").hexdigest()[:24] of Python */
    assert_string_equal(token, "ehlod-01a20638a07bab00010203ff516ac523a315ddf5f2c1a128");
    assert_true(token_is_one(token));
}

static void test_one_is_known_again(void **state)
{
    static const struct {
        int64_t made_us, known_us;
    } rows[] = {
        {0, 0},
        {999, 0},
        {1000, 1000},
        {WALL_US, WALL_US / 1000 * 1000},
        {-1, 0},
        {INT64_MIN, 0},
        {INT64_C(281474976710655000), INT64_C(281474976710655000)},
        {INT64_C(281474976710656000), INT64_C(281474976710655000)},
        {INT64_MAX, INT64_C(281474976710655000)},
    };
    char token[TOKEN_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t wall_us = -2;
        token_make(&key, rows[i].made_us, random, token);
        assert_true(token_check(&key, token, &wall_us));
        assert_int_equal(wall_us, rows[i].known_us);
    }
}

/* V07: nobody else can make one, and none can be made of another. */
static void test_v07_a_forgery_is_known(void **state)
{
    static const struct token_key other = {{1, 2, 3, 5}};
    char token[TOKEN_SIZE], forged[TOKEN_SIZE];
    int64_t wall_us = -2;

    (void)state;
    token_make(&key, WALL_US, random, token);
    assert_false(token_check(&other, token, &wall_us));
    for (size_t i = 0; i < TOKEN_SIZE - 1; i++) {
        strcpy(forged, token);
        forged[i] = forged[i] == '0' ? '1' : '0';
        assert_false(token_check(&key, forged, &wall_us));
    }
    assert_int_equal(wall_us, -2);
}

static void test_what_is_none(void **state)
{
    static const char *const rows[] = {
        "",
        "ehlod-",
        "ehlod-00000000000000000000000000000000",
        "ehlod-00000000000000000000000000000000000000000000000",
        "ehlod-0000000000000000000000000000000000000000000000000",
        "ehlod-00000000000000000000000000000000000000000000000g",
        "ehlod-00000000000000000000000000000000000000000000000A",
        "Ehlod-000000000000000000000000000000000000000000000000",
        " ehlod-000000000000000000000000000000000000000000000000",
    };
    int64_t wall_us = -2;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_false(token_is_one(rows[i]));
        assert_false(token_check(&key, rows[i], &wall_us));
    }
    assert_true(token_is_one("ehlod-000000000000000000000000000000000000000000000000"));
    assert_false(token_check(&key, "ehlod-000000000000000000000000000000000000000000000000", &wall_us));
    assert_int_equal(wall_us, -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_is_made),
        cmocka_unit_test(test_one_is_known_again),
        cmocka_unit_test(test_v07_a_forgery_is_known),
        cmocka_unit_test(test_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
