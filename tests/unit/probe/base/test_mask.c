/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/base/mask.h"

#include "probe/base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mask *mask;

static int set_up(void **state)
{
    (void)state;
    mask = mask_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mask_free(mask);
    return 0;
}

/* From and into allocations of just the size. */
static void assert_shown(bool cut, struct span text, const char *wanted)
{
    char *exact = malloc(text.len + 1), *out = malloc(mask_room(text.len) + 1);

    memcpy(exact, text.data, text.len);
    size_t len = (cut ? mask_apply_cut : mask_apply)(mask, (struct span){exact, text.len}, out);
    assert_true(len <= mask_room(text.len));
    out[len] = '\0';
    assert_string_equal(out, wanted);
    free(exact);
    free(out);
}

static void shows(const char *text, const char *wanted)
{
    assert_shown(false, span_of(text), wanted);
}

static void shows_cut(const char *text, const char *wanted)
{
    assert_shown(true, span_of(text), wanted);
}

static void as_it_is(void **state)
{
    (void)state;
    shows("hunter2", "hunter2");
    mask_add(mask, span_of("hunter2"));
    shows("", "");
    shows("hunter2", "***");
    shows("535 5.7.8 hunter2 is wrong", "535 5.7.8 *** is wrong");
    shows("hunter2hunter2", "******");
    shows("hunterhunter2", "hunter***");
    shows("hunter hunter3 Hunter2", "hunter hunter3 Hunter2");
}

static void every_octet_of_it(void **state)
{
    (void)state;
    mask_add(mask, (struct span){"a\0b", 3});
    assert_shown(false, (struct span){"xa\0by", 5}, "x***y");
    mask_add(mask, span_of("\xc3\xb6\xff"));
    shows("<\xc3\xb6\xff>", "<***>");
}

/* Whatever stands before and behind it, no character that has a bit of it is seen. */
static void in_base64_wherever_it_begins(void **state)
{
    static const char *const before[] = {"", "u", "ab", "\001\002\003", "user=someone\001"};
    static const char *const behind[] = {"", "z", "yz", "xyz", "\001\001"};

    (void)state;
    mask_add(mask, span_of("hunter2"));
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 5; k++) {
            char plain[64], text[96] = "535 ", wanted[96] = "535 ";
            size_t first = strlen(before[i]) * 8 / 6, len;
            snprintf(plain, sizeof plain, "%shunter2%s", before[i], behind[k]);
            len = base64_len(strlen(plain));
            base64_encode(span_of(plain), text + 4);
            text[4 + len] = '\0';
            strncat(wanted, text + 4, first);
            strcat(wanted, "***");
            size_t end = (strlen(before[i]) + 7) * 8 / 6 + ((strlen(before[i]) + 7) * 8 % 6 != 0);
            while (text[4 + end] == '=')
                end++;
            strcat(wanted, text + 4 + end);
            strcat(wanted, " no");
            strcat(text, " no");
            shows(text, wanted);
        }
    }
}

/* "cA==" says all of a password of one letter, "cHc=" all of one of two; where such are expected they are
 * added as they are. */
static void short_ones(void **state)
{
    (void)state;
    mask_add(mask, span_of("#"));
    shows("a # b ## Iw==", "a *** b ****** Iw==");
    mask_add_exact(mask, span_of("Iw=="));
    shows("a # b Iw==", "a *** b ***");
}

static void exact_is_nothing_else(void **state)
{
    (void)state;
    mask_add_exact(mask, span_of("hunter2"));
    shows("hunter2 aHVudGVyMg==", "*** aHVudGVyMg==");
}

static void those_that_overlap(void **state)
{
    (void)state;
    mask_add(mask, span_of("abcd"));
    mask_add(mask, span_of("cdefgh"));
    mask_add(mask, span_of("ab"));
    shows("<abcdefgh>", "<***>");
    shows("<abcd|ab|abc|cdefgh>", "<***|***|***c|***>");
}

static void empty_ones_hide_nothing(void **state)
{
    (void)state;
    mask_add(mask, span_of(""));
    mask_add_exact(mask, (struct span){NULL, 0});
    shows("anything", "anything");
}

static void a_text_that_broke_off(void **state)
{
    (void)state;
    mask_add(mask, span_of("hunter2"));
    shows_cut("535 hunter2", "535 ***");
    shows_cut("535 hunter", "535 ***");
    shows_cut("535 hu", "535 ***");
    shows_cut("535 h", "535 h"); /* a letter says nothing */
    shows_cut("535 hunter2 hunx", "535 *** hunx");
    shows_cut("535 aHVudG", "535 ***");
    shows("535 hunter", "535 hunter");
}

static void no_mask(void **state)
{
    char out[8];

    (void)state;
    assert_int_equal(mask_apply(NULL, span_of("ab"), out), 2);
    assert_memory_equal(out, "ab", 2);
    mask_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(as_it_is),
        TEST(every_octet_of_it),
        TEST(in_base64_wherever_it_begins),
        TEST(short_ones),
        TEST(exact_is_nothing_else),
        TEST(those_that_overlap),
        TEST(empty_ones_hide_nothing),
        TEST(a_text_that_broke_off),
        TEST(no_mask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
