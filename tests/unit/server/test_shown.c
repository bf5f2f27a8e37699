/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is kept: what is shown is, byte for byte, what the view gives. */
#include "server/shown.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/gzip.h"
#include "server/render/metrics.h"

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
    shown = shown_new(1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    shown_free(shown);
    return 0;
}

static int views_made; /* how often any was written */

static void one_json(struct buffer *out, const struct result *r, int64_t now_us)
{
    views_made++;
    json_result(out, r, now_us);
}

static void one_text(struct buffer *out, const struct result *r, int64_t now_us)
{
    views_made++;
    text_result(out, r, now_us);
}

static void one_metrics(struct buffer *out, const struct result *r, int64_t now_us)
{
    (void)now_us;
    views_made++;
    metrics_probe(out, r, EXPOSITION_TEXT);
}

static void set_metrics(struct buffer *out, const struct render_set *set, int64_t now_us)
{
    (void)now_us;
    metrics_set(out, set, EXPOSITION_TEXT);
}

static void set_json(struct buffer *out, const struct render_set *set, int64_t now_us)
{
    views_made++;
    json_set(out, set, now_us);
}

static void set_text(struct buffer *out, const struct render_set *set, int64_t now_us)
{
    views_made++;
    text_set(out, set, now_us);
}

static const struct view views[] = {
    {"json", "", one_json, set_json, age_milliseconds, false},
    {"text", "", one_text, set_text, age_seconds, false},
    {"colour", "", text_result_colour, text_set_colour, age_seconds, false},
    {"metrics", "", one_metrics, set_metrics, NULL, false},
    {"packed", "", one_metrics, set_metrics, NULL, true},
};
#define VIEW_COUNT 5

static struct result *make(const char *target, const char *summary, const struct result_route *routes,
                           size_t count)
{
    const struct result draft = {.status = STATUS_PASS,
                                 .target = target,
                                 .id = "01JD9K",
                                 .vantage = "here",
                                 .summary = summary,
                                 .host = "mx1.example.org",
                                 .port = 25,
                                 .routes = routes,
                                 .route_count = count,
                                 .ended_mono_us = ENDED_US};

    return result_publish(&draft);
}

static void check_same(struct buffer *one, struct buffer *other)
{
    assert_false(one->full);
    assert_int_equal(one->len, other->len);
    assert_memory_equal(one->data, other->data, one->len);
    buffer_free(one);
    buffer_free(other);
}

static void check_one(const struct view *view, struct result *r, int64_t now_us)
{
    struct buffer one, other;

    buffer_init(&one, RENDER_MAX_SET);
    buffer_init(&other, RENDER_MAX_SET);
    shown_one(shown, view, &one, r, now_us);
    view->one(&other, r, now_us);
    if (view->packed)
        assert_int_equal(gzip_pack(&other), 0);
    check_same(&one, &other);
}

static void check_set(const struct view *view, const struct render_set *set, size_t limit, int64_t now_us)
{
    struct buffer one, other;

    buffer_init(&one, limit);
    buffer_init(&other, limit);
    shown_set(shown, view, &one, set, now_us);
    view->set(&other, set, now_us);
    check_same(&one, &other);
}

static void test_every_age(void **state)
{
    static const int64_t ages_us[] = {
        0, 1, 999, 1000, 9999999, 10000000, -5000000, 3600000000, INT64_C(1) << 50, 0};
    struct result *r = make("mx1", "all is well", NULL, 0);

    (void)state;
    for (size_t i = 0; i < sizeof ages_us / sizeof ages_us[0]; i++) {
        for (size_t v = 0; v < VIEW_COUNT; v++)
            check_one(&views[v], r, ENDED_US + ages_us[i]);
        assert_int_equal(shown_count(shown), VIEW_COUNT);
    }
    result_unref(r);
}

/* Behind the first time nothing is written, however often and in whatever order it is asked for. */
static void test_each_is_made_once(void **state)
{
    struct result *r = make("mx1", "all is well", NULL, 0);
    const struct result *const results[] = {r};
    const struct render_set set = {.results = results, .count = 1}, enough = {results, 1, 1};
    struct buffer out;

    (void)state;
    views_made = 0;
    for (int i = 0; i < 5; i++) {
        for (size_t v = 0; v < 2; v++) {
            buffer_init(&out, RENDER_MAX_SET);
            shown_one(shown, &views[v], &out, r, ENDED_US + i * 77777);
            shown_set(shown, &views[v], &out, &set, ENDED_US + i);
            shown_set(shown, &views[v], &out, &enough, ENDED_US + i);
            buffer_free(&out);
        }
    }
    assert_int_equal(views_made, 6);
    assert_int_equal(shown_count(shown), 6);
    result_unref(r);
}

/* What a server says cannot be taken for an age. */
static void test_hostile_texts(void **state)
{
    static const char *const texts[] = {"\"age_ms\":7", ",\"age_ms\":7,", "\\\"age_ms\\\":7",
                                        "age_ms\":7",   "ended 0 s ago",  ""};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct result *r = make("age_ms", texts[i], NULL, 0);
        const struct result *const results[] = {r};
        const struct render_set set = {.results = results, .count = 1};
        for (size_t v = 0; v < VIEW_COUNT; v++)
            for (int64_t age_us = 0; age_us < 100000000; age_us += 123456789) {
                check_one(&views[v], r, ENDED_US + age_us);
                if (!views[v].packed)
                    check_set(&views[v], &set, RENDER_MAX_SET, ENDED_US + age_us);
            }
        result_unref(r);
    }
}

static struct result_route delivered(const char *name, const char *run, int64_t settled_us)
{
    return (struct result_route){.name = name,
                                 .from = "probe@example.org",
                                 .state = ROUTE_DELIVERED,
                                 .sent_us = 1,
                                 .delivery = {.state = ROUTE_DELIVERED,
                                              .run = run,
                                              .mailbox = "local",
                                              .latency_us = 1000,
                                              .settled_us = settled_us}};
}

/* Each delivery has an age of its own, one from before the machine was started too; a pending one has none.
 */
static void test_deliveries(void **state)
{
    const struct result_route routes[] = {
        delivered("in", "01JD9J", ENDED_US - 7000000), delivered("own", "01JD9K", ENDED_US + 5),
        delivered("pending", "01JD9K", CLOCK_NONE), delivered("old", "01JD9I", -INT64_C(3600000000))};
    struct result *r = make("mx1", "delivered", routes, 4);

    (void)state;
    for (size_t v = 0; v < VIEW_COUNT; v++)
        for (int64_t age_us = 0; age_us < 50000000; age_us += 5000001)
            check_one(&views[v], r, ENDED_US + age_us);
    assert_int_equal(shown_count(shown), VIEW_COUNT);
    result_unref(r);
}

static void test_sets(void **state)
{
    struct result *a = make("a", "all is well", NULL, 0), *b = make("b", "so it is", NULL, 0);
    const struct result *const both[] = {a, b}, *const swapped[] = {b, a};
    const struct render_set sets[] = {{both, 2, 0}, {both, 2, 1},    {both, 2, 2},
                                      {both, 1, 0}, {swapped, 2, 0}, {both, 0, 0}};

    (void)state;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
            for (size_t v = 0; v < 3; v++)
                check_set(&views[v], &sets[i], RENDER_MAX_SET, ENDED_US + round * 1234567);
    assert_int_equal(shown_count(shown), 18);
    result_unref(a);
    result_unref(b);
}

/* A set that is too long for its buffer is shown without its targets, at the same length as ever. */
static void test_hardly_any_room(void **state)
{
    struct result *r = make("a", "all is well", NULL, 0);
    const struct result *const results[] = {r};
    const struct render_set set = {.results = results, .count = 1};

    (void)state;
    for (size_t v = 0; v < 2; v++)
        for (size_t limit = 600; limit < 3000; limit++) {
            shown_free(shown);
            shown = shown_new(1);
            check_set(&views[v], &set, limit, ENDED_US + 987654321);
            check_set(&views[v], &set, limit, ENDED_US);
        }
    result_unref(r);
}

/* However many loops share the room, what is worth keeping is kept in each. */
static void test_the_largest_on_many_loops(void **state)
{
    static const size_t len = SHOWN_MOST_OF_ONE / 3;
    static const unsigned loops[] = {1, 7, 9, 64};
    char *text = memset(mem_alloc(len + 1), 'x', len);
    struct result *large = make("a", text, NULL, 0), *other = make("b", text, NULL, 0);

    (void)state;
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++) {
        shown_free(shown);
        shown = shown_new(loops[i]);
        check_one(&views[0], large, ENDED_US);
        assert_int_equal(shown_count(shown), 1);
        assert_true(shown_bytes(shown) > SHOWN_MOST_OF_ONE / 2);
        int made = views_made;
        check_one(&views[0], large, ENDED_US + 1);
        assert_int_equal(views_made, made + 1); /* by the check itself */
        check_one(&views[0], other, ENDED_US);
        assert_true(shown_count(shown) <= 2 && shown_bytes(shown) <= SHOWN_MOST);
    }
    result_unref(large);
    result_unref(other);
    free(text);
}

static void test_what_is_very_long_is_not_kept(void **state)
{
    static const size_t len = SHOWN_MOST_OF_ONE;
    char *text = mem_alloc(len + 1);
    struct result *r;

    (void)state;
    memset(text, 'x', len);
    r = make("mx1", text, NULL, 0);
    check_one(&views[0], r, ENDED_US);
    check_one(&views[0], r, ENDED_US);
    assert_int_equal(shown_bytes(shown), 0);
    result_unref(r);
    free(text);
}

/* So many are kept, of so many octets; what was asked for last stays. */
static void test_many(void **state)
{
    struct result *favourite = make("mx1", "again and again", NULL, 0);
    char *text = mem_alloc(100001);

    (void)state;
    views_made = 0;
    memset(text, 'x', 100000);
    for (size_t i = 0; i < 2 * SHOWN_KEPT; i++) {
        struct result *r = make("mx1", i < SHOWN_KEPT * 3 / 2 ? "short" : text, NULL, 0);
        struct buffer out;
        buffer_init(&out, RENDER_MAX_RESULT);
        shown_one(shown, &views[0], &out, r, ENDED_US);
        shown_one(shown, &views[0], &out, favourite, ENDED_US);
        buffer_free(&out);
        result_unref(r);
        assert_true(shown_count(shown) <= SHOWN_KEPT && shown_bytes(shown) <= SHOWN_MOST);
        if (i == SHOWN_KEPT)
            assert_int_equal(shown_count(shown), SHOWN_KEPT);
    }
    assert_int_equal(views_made, 2 * SHOWN_KEPT + 1);
    assert_true(shown_count(shown) < SHOWN_KEPT && shown_bytes(shown) > SHOWN_MOST / 2);
    result_unref(favourite);
    free(text);
}

static void test_without_any(void **state)
{
    struct result *r = make("mx1", "all is well", NULL, 0);
    struct shown *kept = shown;

    (void)state;
    shown = NULL;
    for (size_t v = 0; v < VIEW_COUNT; v++)
        check_one(&views[v], r, ENDED_US);
    shown = kept;
    result_unref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_age, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_is_made_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deliveries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hardly_any_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_largest_on_many_loops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_very_long_is_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_any, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
