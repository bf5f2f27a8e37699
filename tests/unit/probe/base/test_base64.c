/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Decodes from and into allocations of just the size. */
static int decode(const char *text, size_t len, char out_r[64])
{
    char *exact = malloc(len + 1), *out = malloc(len / 4 * 3 + 1);

    memcpy(exact, text, len);
    int got = base64_decode((struct span){exact, len}, out);
    if (got > 0)
        memcpy(out_r, out, (size_t)got);
    free(exact);
    free(out);
    return got;
}

/* RFC 4648 section 10, and octets that are no text. */
static void the_vectors(void **state)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfd", "//79"},
        {"\xfb\xef\xbe", "++++"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = strlen(rows[i][0]);
        char text[64] = "", bytes[64] = "";
        assert_int_equal(base64_len(len), strlen(rows[i][1]));
        base64_encode((struct span){rows[i][0], len}, text);
        assert_string_equal(text, rows[i][1]);
        assert_int_equal(decode(text, strlen(text), bytes), len);
        assert_memory_equal(bytes, rows[i][0], len);
    }
}

static void every_octet_at_every_place(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        for (size_t len = 1; len <= 4; len++) {
            char bytes[4], text[8], again[64];
            memset(bytes, c, len);
            base64_encode((struct span){bytes, len}, text);
            assert_int_equal(decode(text, base64_len(len), again), len);
            assert_memory_equal(again, bytes, len);
        }
    }
}

static void what_is_not_base64(void **state)
{
    static const char *const rows[] = {
        "Z",    "Zg",        "Zg=",        "Zg==\n",   "Zg== ",    " Zg==",      "Zm9v\r\n\r\n",
        "Zh==", /* a bit too many */
        "Zm9=", "====",      "Z===",       "Zg==Zg==", "Zg=a",     "=Zg=",       "Zm-v",
        "Zm_v", "Username:", "VXNl*cm5hb", "Zm9v=",    "Zm9v====", "Zm\xc3\xb6", "Zm9v Zm9",
    };
    char bytes[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(decode(rows[i], strlen(rows[i]), bytes), -1);
    assert_int_equal(decode("Zm\0v", 4, bytes), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors),
        cmocka_unit_test(every_octet_at_every_place),
        cmocka_unit_test(what_is_not_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
