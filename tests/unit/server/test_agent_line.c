/* SPDX-License-Identifier: Apache-2.0 */
/* What HAProxy is told: for each state of one target, of several, and of bytes that would break its line. */
#include "server/agent_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct result pass = {.status = STATUS_PASS, .target = "a", .summary = "good"};
static const struct result warn = {.status = STATUS_WARN, .target = "b", .summary = "slow"};
static const struct result fail = {.status = STATUS_FAIL, .target = "c", .summary = "rcpt/timeout: no reply"};
static const struct result unknown = {.status = STATUS_UNKNOWN, .target = "d", .summary = "config/x: no"};

static void check(const struct agent_verdict *verdicts, size_t count, bool bad, const char *expected)
{
    char line[AGENT_LINE_SIZE];

    assert_int_equal(agent_line(verdicts, count, bad, line), strlen(expected));
    assert_string_equal(line, expected);
}

static void test_one(void **state)
{
    (void)state;
    check(&(struct agent_verdict){.result = &pass}, 1, true, "up\n");
    check(&(struct agent_verdict){.result = &warn}, 1, true, "up\n");
    check(&(struct agent_verdict){.result = &fail}, 1, true, "down #rcpt/timeout: no reply\n");
    check(&(struct agent_verdict){.result = &unknown}, 1, true, "down #config/x: no\n");
    check(&(struct agent_verdict){.result = &unknown}, 1, false, "\n");
    check(&(struct agent_verdict){.result = NULL}, 1, true, "\n");
    check(&(struct agent_verdict){.result = &fail, .drained = true}, 1, true, "drain\n");
    check(&(struct agent_verdict){.result = &fail, .drained = true, .maint = true}, 1, true, "maint\n");
}

static void test_one_that_is_back(void **state)
{
    (void)state;
    check(&(struct agent_verdict){.result = &pass, .back = true}, 1, true, "ready up\n");
    check(&(struct agent_verdict){.result = &fail, .back = true}, 1, true,
          "ready down #rcpt/timeout: no reply\n");
    check(&(struct agent_verdict){.result = NULL, .back = true}, 1, true, "ready\n");
}

static void test_several(void **state)
{
    (void)state;
    check(NULL, 0, true, "\n");
    check((struct agent_verdict[]){{.result = &pass}, {.result = &warn}}, 2, true, "up\n");
    check((struct agent_verdict[]){{.result = &pass}, {.result = NULL}}, 2, true, "\n");
    check((struct agent_verdict[]){{.result = NULL}, {.result = &pass}}, 2, true, "\n");
    check((struct agent_verdict[]){{.result = NULL}, {.result = &fail}, {.result = NULL}}, 3, true,
          "down #c rcpt/timeout: no reply\n");
    check((struct agent_verdict[]){{.result = &unknown}, {.result = &fail}}, 2, false,
          "down #c rcpt/timeout: no reply\n");
    check((struct agent_verdict[]){{.result = &pass, .drained = true}, {.result = &pass, .drained = true}}, 2,
          true, "drain\n");
    struct agent_verdict out[] = {{.drained = true, .maint = true}, {.drained = true}};
    check(out, 2, true, "drain\n");
    out[1].maint = true;
    check(out, 2, true, "maint\n");
}

static void test_reasons_stay_one_short_line(void **state)
{
    char line[AGENT_LINE_SIZE], reason[1000];

    (void)state;
    agent_line_down(false, "a\nb\r\tc \"d\" caf\xc3\xa9\x7f#", line);
    assert_string_equal(line, "down #a?b??c 'd' caf??#\n");
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    size_t len = agent_line_down(true, reason, line);
    assert_true(len < AGENT_LINE_SIZE && len == strlen(line) && line[len - 1] == '\n');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_one_that_is_back),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_reasons_stay_one_short_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
