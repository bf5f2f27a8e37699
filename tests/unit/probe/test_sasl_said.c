/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/sasl_said.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* From an allocation of just the size. */
static bool is_too_many(const char *text)
{
    size_t len = strlen(text);
    char *exact = malloc(len + 1);

    memcpy(exact, text, len);
    bool answer = sasl_said_too_many((struct span){exact, len}, 4096);
    free(exact);
    return answer;
}

static void iterations(void **state)
{
    static const char *const few[] = {"",
                                      "i",
                                      ",i=",
                                      ",i",
                                      "r=a,s=b,i=4096",
                                      "r=a,s=b,i=4096,x=9999",
                                      ",,i=",
                                      "i=9999",
                                      "r=a,s=b,i=",
                                      "r=a,s=b,i=x9999",
                                      "r=a,s=b,i=-9999"};
    static const char *const many[] = {"r=a,s=b,i=4097",
                                       "r=a,s=b,i=4097,x=y",
                                       ",i=9999",
                                       "r=a,s=b,i=18446744073709551617",
                                       "r=a,s=b,i=0000009999",
                                       "r=a,s=b,i=99999999999999999999999999999999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof few / sizeof few[0]; i++)
        assert_false(is_too_many(few[i]));
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
        assert_true(is_too_many(many[i]));
}

static void shows(const struct mask *mask, const char *said, const char *wanted)
{
    struct arena arena = {0};
    const char *shown = sasl_said_shown(span_of(said), mask, 8, &arena);

    if (wanted)
        assert_string_equal(shown, wanted);
    else
        assert_null(shown);
    arena_free(&arena);
}

static void failures(void **state)
{
    struct mask *mask = mask_new();

    (void)state;
    shows(NULL, "", NULL);
    shows(NULL, "e=no", "e=no");
    shows(NULL, "12345678", "12345678");
    shows(NULL, "123456789", "12345678...");
    shows(NULL, "1234567\xc3\xb6", "1234567...");
    shows(NULL, "123456\xc3\xb6", "123456\xc3\xb6");
    shows(NULL, "a\nb", "a\\x0Ab");
    shows(NULL, "\xbf\xbf\xbf\xbf\xbf\xbf\xbf\xbf\xbf\xbf", "..."); /* no character begins anywhere */
    mask_add(mask, span_of("hunter2"));
    shows(mask, "a hunter2 b", "a *** b");
    shows(mask, "aHVudGVyMg==", "***");
    shows(mask, "xxxxxxhunter2", "xxxxxx**..."); /* hidden first, cut then */
    mask_free(mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iterations),
        cmocka_unit_test(failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
