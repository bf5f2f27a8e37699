/* SPDX-License-Identifier: Apache-2.0 */
#include "server/gzip.h"

#include "probe/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

/* Packed, and unpacked by a reader that knows gzip alone. */
static size_t pack_and_check(const char *text, size_t len, size_t limit)
{
    struct buffer body;
    char *back = mem_alloc(len + 1);
    z_stream z = {0};

    buffer_init(&body, limit);
    buffer_put(&body, text, len);
    assert_int_equal(gzip_pack(&body), 0);
    size_t packed = body.len;
    assert_int_equal(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
    z.next_in = (Bytef *)body.data;
    z.avail_in = (uInt)body.len;
    z.next_out = (Bytef *)back;
    z.avail_out = (uInt)len + 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, len);
    assert_memory_equal(back, text, len);
    inflateEnd(&z);
    free(back);
    buffer_free(&body);
    return packed;
}

static void test_there_and_back(void **state)
{
    struct buffer text;
    char noise[10000];
    uint32_t random = 1;

    (void)state;
    pack_and_check("", 0, 0);
    pack_and_check("x", 1, 1);
    buffer_init(&text, 1000000);
    for (unsigned i = 0; i < 10000; i++)
        buffer_printf(&text, "ehlod_runs_total{status=\"pass\"} %u\n", i);
    assert_in_range(pack_and_check(text.data, text.len, 1000000), 1, text.len / 5);
    buffer_free(&text);
    for (size_t i = 0; i < sizeof noise; i++) {
        random = random * 1664525 + 1013904223;
        noise[i] = (char)(random >> 24);
    }
    pack_and_check(noise, sizeof noise, sizeof noise); /* longer than it was, and than its limit */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
