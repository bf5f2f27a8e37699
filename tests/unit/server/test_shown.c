/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is kept: what is shown is, byte for byte, what json_result gives. */
#include "server/shown.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/render/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ENDED_US INT64_C(1000000000)

static struct shown *shown;

static int set_up(void **state)
{
    (void)state;
    shown = shown_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    shown_free(shown);
    return 0;
}

static struct result *make(const char *summary, const struct result_route *route)
{
    const struct result draft = {.status = STATUS_PASS,
                                 .target = "mx1",
                                 .id = "01JD9K",
                                 .vantage = "here",
                                 .summary = summary,
                                 .host = "mx1.example.org",
                                 .port = 25,
                                 .routes = route,
                                 .route_count = route != NULL,
                                 .ended_mono_us = ENDED_US};

    return result_publish(&draft);
}

static void check_shown(struct result *r, int64_t now_us)
{
    struct buffer one, other;

    buffer_init(&one, RENDER_MAX_RESULT);
    buffer_init(&other, RENDER_MAX_RESULT);
    buffer_puts(&one, "before");
    shown_json(shown, &one, r, now_us);
    json_result(&other, r, now_us);
    assert_int_equal(one.len, other.len + strlen("before"));
    assert_string_equal(one.data + strlen("before"), other.data);
    buffer_free(&one);
    buffer_free(&other);
}

static void test_every_age(void **state)
{
    static const int64_t ages_us[] = {
        0, 1, 999, 1000, 9999999, 10000000, -5000000, 3600000000, INT64_C(1) << 50, 0};
    struct result *r = make("all is well", NULL);

    (void)state;
    for (size_t i = 0; i < sizeof ages_us / sizeof ages_us[0]; i++) {
        check_shown(r, ENDED_US + ages_us[i]);
        assert_int_equal(shown_count(shown), 1);
    }
    result_unref(r);
}

/* What a server says cannot be taken for the key. */
static void test_hostile_texts(void **state)
{
    static const char *const texts[] = {"\"age_ms\":7", ",\"age_ms\":7,", "\\\"age_ms\\\":7", "age_ms\":7",
                                        ""};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct result *r = make(texts[i], NULL);
        check_shown(r, ENDED_US);
        check_shown(r, ENDED_US + 123456789);
        result_unref(r);
    }
}

/* A delivery has an age of its own. */
static void test_a_delivery(void **state)
{
    const struct result_route route = {.name = "in",
                                       .from = "probe@example.org",
                                       .state = ROUTE_DELIVERED,
                                       .sent_us = 1,
                                       .delivery = {.state = ROUTE_DELIVERED,
                                                    .run = "01JD9K",
                                                    .mailbox = "local",
                                                    .latency_us = 1000,
                                                    .settled_us = ENDED_US}};
    struct result *r = make("delivered", &route);

    (void)state;
    check_shown(r, ENDED_US + 5000000);
    check_shown(r, ENDED_US + 50000000);
    assert_int_equal(shown_count(shown), 0);
    result_unref(r);
}

static void test_what_is_long_is_not_kept(void **state)
{
    char *text = mem_alloc(70000);
    struct result *r;

    (void)state;
    memset(text, 'x', 69999);
    r = make(text, NULL);
    check_shown(r, ENDED_US);
    assert_int_equal(shown_count(shown), 0);
    result_unref(r);
    free(text);
}

/* So many are kept, and a result only as long as it is. */
static void test_many(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        char text[20];
        snprintf(text, sizeof text, "number %d", i);
        struct result *r = make(text, NULL);
        check_shown(r, ENDED_US + i * 1000);
        check_shown(r, ENDED_US + i * 77777);
        result_unref(r);
    }
    assert_int_equal(shown_count(shown), 64);
}

static void test_without_any(void **state)
{
    struct result *r = make("all is well", NULL);
    struct shown *kept = shown;

    (void)state;
    shown = NULL;
    check_shown(r, ENDED_US);
    shown = kept;
    result_unref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_age, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_delivery, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_long_is_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_any, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
