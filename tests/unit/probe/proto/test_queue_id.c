/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/proto/queue_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
    const char *text, *id;
} rows[] = {
    /* Postfix, and filters that quote it: the last one is nearest to the queue */
    {"2.0.0 Ok: queued as 4Z1xAbCdEf", "4Z1xAbCdEf"},
    {"Ok: queued as 0A1B2C3D4E", "0A1B2C3D4E"},
    {"2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4Z1x", "4Z1x"},
    {"2.0.0 queued as A, then queued as B.", "B"},
    {"2.0.0 Ok: queued as a_b-c.d", "a_b-c.d"},
    /* Exim */
    {"OK id=1t3hVX-0001qE-2b", "1t3hVX-0001qE-2b"},
    {"OK id=1t3hVX-00000001qEd-2bXY", "1t3hVX-00000001qEd-2bXY"},
    /* sendmail, OpenSMTPD */
    {"2.0.0 tBOJ4q2x012345 Message accepted for delivery", "tBOJ4q2x012345"},
    {"tBOJ4q2x012345 Message accepted for delivery", "tBOJ4q2x012345"},
    {"2.0.0 1a2b3c4d Message accepted for delivery, thank you", "1a2b3c4d"},
    /* qmail */
    {"ok 1700000000 qp 4711", "4711"},
    /* no known manner (Dovecot's LMTP has no queue), or nothing that could be an id */
    {"", ""},
    {"2.0.0 <www@example.org> s/WIALEpB2tmFAAAg+zDdQ Saved", ""},
    {"2.0.0 Ok", ""},
    {"queued as ", ""},
    {"queued as .", ""},
    {"queued as <script>", ""},
    {" Message accepted for delivery", ""},
    {"Message accepted for delivery", ""},
    {"(x) Message accepted for delivery", ""},
    {"grid=4711", ""},
    /* at the limit, and above */
    {"queued as " X64, X64},
    {"queued as " X64 "x", ""},
    {X64 " Message accepted for delivery", X64},
    {"x" X64 " Message accepted for delivery", ""},
    /* the next manner is tried where one finds nothing */
    {"queued as \"?\" id=7", "7"},
};

static void test_queue_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span id = queue_id_find(rows[i].text);
        if (!span_is(id, rows[i].id))
            fail_msg("\"%s\": \"%.*s\"", rows[i].text, (int)id.len, id.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_queue_ids)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
