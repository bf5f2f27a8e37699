/* SPDX-License-Identifier: Apache-2.0 */
/* The two formats, side by side, of the same calls. */
#include "server/render/exposition.h"

#include "server/render/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const no_label;

static void check(void (*write)(struct exposition *e), enum exposition_format format, const char *wanted)
{
    struct exposition e;
    struct buffer out;

    buffer_init(&out, 65536);
    exposition_begin(&e, &out, format);
    write(&e);
    exposition_end(&e);
    assert_false(out.full);
    assert_string_equal(out.data ? out.data : "", wanted);
    buffer_free(&out);
}

static void write_counter(struct exposition *e)
{
    exposition_family(e, EXPOSITION_COUNTER, "x_cpu_seconds", "Time");
    exposition_seconds(e, 1500000, NULL);
    exposition_family(e, EXPOSITION_COUNTER, "x_runs", "Runs");
    exposition_whole(e, 3, "status", "pass", no_label, no_label, NULL);
    exposition_whole(e, 0, "status", "fail", "target", "mx1", NULL);
}

static void test_a_counter(void **state)
{
    (void)state;
    check(write_counter, EXPOSITION_TEXT,
          "# HELP x_cpu_seconds_total Time\n# TYPE x_cpu_seconds_total counter\nx_cpu_seconds_total 1.5\n"
          "# HELP x_runs_total Runs\n# TYPE x_runs_total counter\nx_runs_total{status=\"pass\"} 3\n"
          "x_runs_total{status=\"fail\",target=\"mx1\"} 0\n");
    check(write_counter, EXPOSITION_OPENMETRICS,
          "# HELP x_cpu_seconds Time\n# TYPE x_cpu_seconds counter\n# UNIT x_cpu_seconds seconds\n"
          "x_cpu_seconds_total 1.5\n# HELP x_runs Runs\n# TYPE x_runs counter\n"
          "x_runs_total{status=\"pass\"} 3\nx_runs_total{status=\"fail\",target=\"mx1\"} 0\n# EOF\n");
}

static void write_histogram(struct exposition *e)
{
    static const struct exposition_bounds bounds = {3, {2500, 1000000, 30000000}};
    static const struct exposition_histogram h = {.counts = {1, 0, 2, 4}, .sum_us = 123456789};

    exposition_family(e, EXPOSITION_HISTOGRAM, "x_seconds", "Time");
    exposition_buckets(e, &bounds, &h, "phase", "rcpt", NULL);
}

/* Whole bounds are written differently, and numbers are not. */
static void test_a_histogram(void **state)
{
    (void)state;
    check(write_histogram, EXPOSITION_TEXT,
          "# HELP x_seconds Time\n# TYPE x_seconds histogram\n"
          "x_seconds_bucket{phase=\"rcpt\",le=\"0.0025\"} 1\nx_seconds_bucket{phase=\"rcpt\",le=\"1\"} 1\n"
          "x_seconds_bucket{phase=\"rcpt\",le=\"30\"} 3\nx_seconds_bucket{phase=\"rcpt\",le=\"+Inf\"} 7\n"
          "x_seconds_sum{phase=\"rcpt\"} 123.456789\nx_seconds_count{phase=\"rcpt\"} 7\n");
    check(write_histogram, EXPOSITION_OPENMETRICS,
          "# HELP x_seconds Time\n# TYPE x_seconds histogram\n# UNIT x_seconds seconds\n"
          "x_seconds_bucket{phase=\"rcpt\",le=\"0.0025\"} 1\nx_seconds_bucket{phase=\"rcpt\",le=\"1.0\"} 1\n"
          "x_seconds_bucket{phase=\"rcpt\",le=\"30.0\"} 3\nx_seconds_bucket{phase=\"rcpt\",le=\"+Inf\"} 7\n"
          "x_seconds_sum{phase=\"rcpt\"} 123.456789\nx_seconds_count{phase=\"rcpt\"} 7\n# EOF\n");
}

static void write_nasty(struct exposition *e)
{
    exposition_family(e, EXPOSITION_GAUGE, "x_info", "What");
    exposition_whole(e, -62135596800, "a", "\\", "b", "\"\n\"", "c", "", "d",
                     "b\xc3\xbc"
                     "cher",
                     NULL);
    exposition_seconds(e, -1500000, "a", "x", NULL);
}

static void test_what_is_escaped(void **state)
{
    (void)state;
    check(write_nasty, EXPOSITION_TEXT,
          "# HELP x_info What\n# TYPE x_info gauge\n"
          "x_info{a=\"\\\\\",b=\"\\\"\\n\\\"\",c=\"\",d=\"b\xc3\xbc"
          "cher\"} -62135596800\n"
          "x_info{a=\"x\"} -1.5\n");
}

static void write_nothing(struct exposition *e)
{
    exposition_family(e, EXPOSITION_GAUGE, "x_info", "What");
}

static void test_a_family_without_samples_is_not_shown(void **state)
{
    (void)state;
    check(write_nothing, EXPOSITION_TEXT, "");
    check(write_nothing, EXPOSITION_OPENMETRICS, "# EOF\n");
}

static void test_bounds_rise(void **state)
{
    static const struct exposition_bounds *const all[] = {&metrics_phase_bounds, &metrics_delivery_bounds};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_in_range(all[i]->count, 1, EXPOSITION_MAX_BOUNDS);
        for (size_t k = 1; k < all[i]->count; k++)
            assert_true(all[i]->us[k] > all[i]->us[k - 1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_counter),       cmocka_unit_test(test_a_histogram),
        cmocka_unit_test(test_what_is_escaped), cmocka_unit_test(test_a_family_without_samples_is_not_shown),
        cmocka_unit_test(test_bounds_rise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
