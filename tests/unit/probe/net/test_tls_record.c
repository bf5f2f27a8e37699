/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net/tls_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) ((struct span){(text), sizeof(text) - 1})

/* How many records the bytes are when they come so many at once; -1 when they are none. */
static int count_records(struct span bytes, size_t step)
{
    struct tls_record r = {0};
    size_t taken = 0;

    for (size_t at = 0; at < bytes.len; at += step) {
        struct span rest = {bytes.data + at, bytes.len - at < step ? bytes.len - at : step};
        while (rest.len) {
            struct span piece;
            enum tls_record_found found = tls_record_take(&r, &rest, &piece);
            assert_ptr_equal(piece.data, bytes.data + taken);
            taken += piece.len;
            if (found == TLS_RECORD_WRONG)
                return -1;
            assert_true(found == TLS_RECORD_WHOLE || rest.len == 0);
        }
    }
    assert_int_equal(taken, bytes.len);
    return (int)r.count;
}

static void test_records_are_counted(void **state)
{
    static const struct {
        struct span bytes;
        int count;
    } rows[] = {
        {BYTES("\x16\x03\x01\x00\x02"
               "ab"),
         1},
        {BYTES("\x16\x03\x01\x00\x02"
               "a"),
         0},
        {BYTES("\x16\x03\x01\x00"), 0},
        {BYTES("\x16\x03\x03\x00\x00"), 1},
        {BYTES("\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x03"
               "xyz\x15\x03\x03\x00\x02\x01\x00"),
         3},
        {BYTES("\x17\x03\x00\x48"), 0},
        {BYTES("220 mx.example.org"), -1},
        {BYTES("\x18\x03\x01"), -1},
        {BYTES("\x13\x03\x01"), -1},
        {BYTES("\x16\x02\x01"), -1},
        {BYTES("\x16\x04\x01"), -1},
        {BYTES("\x16\x03\x05"), -1},
        {BYTES("\x16\x03\x01\x00\x01"
               "a\n"),
         -1},
        {BYTES("\x17\x03\x03\x48\x01"), -1},
        {BYTES("\x17\x03\x03\x48\x00"), 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t step = 1; step <= rows[i].bytes.len; step++)
            assert_int_equal(count_records(rows[i].bytes, step), rows[i].count);
}

static void test_what_is_wrong_stays(void **state)
{
    struct tls_record r = {0};
    struct span rest = BYTES("\x16\x03\x01\x00\x01"
                             "aHello");
    struct span piece;
    (void)state;

    assert_int_equal(tls_record_take(&r, &rest, &piece), TLS_RECORD_WHOLE);
    assert_int_equal(tls_record_take(&r, &rest, &piece), TLS_RECORD_WRONG);
    assert_int_equal(piece.len, 0);
    assert_int_equal(rest.len, 5);
    assert_int_equal(r.head_len, 0);
    assert_false(r.too_long);

    rest = BYTES("\x16\x03\x01\xff\xff");
    assert_int_equal(tls_record_take(&r, &rest, &piece), TLS_RECORD_WRONG);
    assert_true(r.too_long);
}

static void test_alerts_have_names(void **state)
{
    (void)state;
    assert_string_equal(tls_record_alert(0), "close_notify");
    assert_string_equal(tls_record_alert(40), "handshake_failure");
    assert_string_equal(tls_record_alert(48), "unknown_ca");
    assert_string_equal(tls_record_alert(70), "protocol_version");
    assert_string_equal(tls_record_alert(112), "unrecognized_name");
    assert_string_equal(tls_record_alert(116), "certificate_required");
    assert_string_equal(tls_record_alert(120), "no_application_protocol");
    assert_string_equal(tls_record_alert(1), "unknown");
    assert_string_equal(tls_record_alert(255), "unknown");
    assert_string_equal(tls_record_alert(-1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_are_counted),
        cmocka_unit_test(test_what_is_wrong_stays),
        cmocka_unit_test(test_alerts_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
