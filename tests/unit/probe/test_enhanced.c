/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/enhanced.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    int got;
    const char *code; /* only when read */
} rows[] = {
    {"2.1.5 Ok", 1, "2.1.5"},
    {"2.1.5", 1, "2.1.5"},
    {"5.999.999 x", 1, "5.999.999"},
    {"4.7.0  x", 1, "4.7.0"},
    {"5.0.0 5.1.1", 1, "5.0.0"},
    {"5.001.01 x", 1, "5.1.1"},
    /* nothing like one */
    {"", 0, NULL},
    {"5", 0, NULL},
    {"5.", 0, NULL},
    {"5.x.1", 0, NULL},
    {"Ok 2.1.5", 0, NULL},
    {" 2.1.5", 0, NULL},
    {"10.1.1.1", 0, NULL},
    {"-5.1.1", 0, NULL},
    /* malformed */
    {"5.1", -1, NULL},
    {"5.1 no", -1, NULL},
    {"5.1.", -1, NULL},
    {"5.1.x", -1, NULL},
    {"5..1", 0, NULL},
    {"5.1.1.1", -1, NULL},
    {"5.1.1.", -1, NULL},
    {"5.1.1-x", -1, NULL},
    {"5.1.1\tx", -1, NULL},
    {"5.1000.1", -1, NULL},
    {"5.1.1000", -1, NULL},
    {"5.1.99999999999999999999", -1, NULL},
    {"3.1.1 x", -1, NULL},
    {"0.0.0", -1, NULL},
    {"1.1.1", -1, NULL},
    {"9.1.1", -1, NULL},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(rows[i].text), used = 77;
        struct enhanced code = {7, 7, 7};
        char text[ENHANCED_TEXT_SIZE];
        char *exact = memcpy(malloc(len ? len : 1), rows[i].text, len);

        assert_int_equal(enhanced_parse((struct span){exact, len}, &code, &used), rows[i].got);
        free(exact);
        if (rows[i].got == 1) {
            enhanced_text(code, text);
            assert_string_equal(text, rows[i].code);
            assert_int_equal(used, strcspn(rows[i].text, " "));
        } else { /* nothing is written */
            assert_int_equal(code.class, 7);
            assert_int_equal(used, 77);
        }
    }
}

static void test_text(void **state)
{
    char text[ENHANCED_TEXT_SIZE];
    (void)state;

    enhanced_text((struct enhanced){0}, text);
    assert_string_equal(text, "");
    enhanced_text((struct enhanced){5, 0, 0}, text);
    assert_string_equal(text, "5.0.0");
}

static void test_same(void **state)
{
    struct enhanced a = {5, 1, 1};
    (void)state;

    assert_true(enhanced_same(a, (struct enhanced){5, 1, 1}));
    assert_false(enhanced_same(a, (struct enhanced){4, 1, 1}));
    assert_false(enhanced_same(a, (struct enhanced){5, 2, 1}));
    assert_false(enhanced_same(a, (struct enhanced){5, 1, 2}));
    assert_false(enhanced_same(a, (struct enhanced){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
