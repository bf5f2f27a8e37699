/* SPDX-License-Identifier: Apache-2.0 */
/* The same result is told again only while what it was made of is the same. */
#include "server/told.h"

#include "probe/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct result *make(const char *summary)
{
    return result_publish(
        &(struct result){.target = "mx1", .id = "01JD9K", .vantage = "here", .summary = summary});
}

static void test_what_was_made_comes_again(void **state)
{
    struct told *t = told_new(1);
    struct result *of = make("of"), *other = make("of"), *made = make("made");

    (void)state;
    assert_null(told_recall(t, of, span_of("a")));
    told_keep(t, of, span_of("a"), made);
    struct result *again = told_recall(t, of, span_of("a"));
    assert_ptr_equal(again, made);
    result_unref(again);
    assert_null(told_recall(t, other, span_of("a")));
    assert_null(told_recall(t, of, span_of("b")));
    assert_null(told_recall(t, of, span_of("aa")));
    assert_null(told_recall(t, of, (struct span){0}));
    told_keep(t, of, (struct span){0}, other);
    again = told_recall(t, of, (struct span){0});
    assert_ptr_equal(again, other);
    result_unref(again);
    result_unref(of);
    result_unref(other);
    result_unref(made);
    told_free(t);
}

/* However many loops share the room, what is worth keeping is kept in each. */
static void test_the_largest_on_many_loops(void **state)
{
    static const size_t len = TOLD_MOST_OF_ONE / 3;
    char *text = memset(mem_alloc(len + 1), 'x', len);
    struct told *t = told_new(64);
    struct result *of = make(text), *made = make(text);

    (void)state;
    told_keep(t, of, span_of("a"), made);
    struct result *again = told_recall(t, of, span_of("a"));
    assert_ptr_equal(again, made);
    result_unref(again);
    told_keep(t, of, span_of("b"), made);
    assert_int_equal(told_count(t), 1);
    assert_true(told_bytes(t) <= TOLD_MOST_OF_ONE);
    result_unref(of);
    result_unref(made);
    told_free(t);
    free(text);
}

/* So many are kept, of so many octets; what was asked for last stays. */
static void test_bounds(void **state)
{
    struct told *t = told_new(1);
    struct result *favourite = make("again and again"), *again;
    char *text = mem_alloc(TOLD_MOST + 1);

    (void)state;
    told_keep(t, favourite, span_of("a"), favourite);
    for (size_t i = 0; i < 3 * TOLD_KEPT; i++) {
        memset(text, 'x', i < 2 * TOLD_KEPT ? 1 : TOLD_MOST / 50);
        struct result *r = make(text);
        told_keep(t, r, span_of("a"), r);
        again = told_recall(t, favourite, span_of("a"));
        assert_ptr_equal(again, favourite);
        result_unref(again);
        result_unref(r);
        assert_true(told_count(t) <= TOLD_KEPT && told_bytes(t) <= TOLD_MOST);
        if (i == 2 * TOLD_KEPT - 1)
            assert_int_equal(told_count(t), TOLD_KEPT);
    }
    assert_true(told_count(t) < TOLD_KEPT && told_bytes(t) > TOLD_MOST / 2);
    size_t count = told_count(t);
    memset(text, 'x', TOLD_MOST_OF_ONE);
    struct result *large = make(text);
    told_keep(t, large, span_of("a"), favourite);
    assert_int_equal(told_count(t), count);
    assert_null(told_recall(t, large, span_of("a")));
    result_unref(large);
    result_unref(favourite);
    free(text);
    told_free(t);
}

static void check_differ(const struct delivery *one, const struct delivery *other)
{
    struct buffer a, b;

    buffer_init(&a, 65536);
    buffer_init(&b, 65536);
    told_put_delivery(&a, one);
    told_put_delivery(&b, other);
    assert_false(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    buffer_clear(&b);
    told_put_delivery(&b, one);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    buffer_free(&a);
    buffer_free(&b);
}

/* Each field makes another one of it. */
static void test_every_field_counts(void **state)
{
    static struct evidence_hop hop = {"by", "from", "with", 1, 2};
    static const char *const texts[] = {"a text"};
    static struct evidence_field field = {"Subject", "x"};
    struct evidence seen = {.size = 100,
                            .hops = &hop,
                            .hop_count = 1,
                            .auth = texts,
                            .auth_count = 1,
                            .fields = &field,
                            .field_count = 1,
                            .changes = texts,
                            .change_count = 1};
    struct evidence larger = seen, fewer = seen;
    struct bounce failed = {.action = "failed"}, why = {.action = "failed", .status = "5.1.1"};
    const struct delivery plain = {
        .state = ROUTE_DELIVERED, .run = "01JD9K", .mailbox = "local", .evidence = &seen};
    struct delivery others[16];
    size_t n = 0;

    (void)state;
    larger.size++;
    fewer.hop_count = 0;
    for (size_t i = 0; i < 16; i++)
        others[i] = plain;
    others[n++].state = ROUTE_LATE;
    others[n++].ok = true;
    others[n++].phase = PHASE_RCPT;
    others[n++].reason = REASON_REJECTED;
    others[n++].run = "01JD9L";
    others[n++].mailbox = NULL;
    others[n++].found = "";
    others[n++].why = "";
    others[n++].sent_us = 1;
    others[n++].settled_us = 1;
    others[n++].within_us = 1;
    others[n++].latency_us = 1;
    others[n++].last_good_us = 1;
    others[n++].flags = 1;
    others[n++].evidence = &larger;
    others[n++].bounce = &failed;
    for (size_t i = 0; i < n; i++)
        check_differ(&plain, &others[i]);
    others[0] = plain;
    others[0].evidence = &fewer;
    check_differ(&plain, &others[0]);
    others[0].bounce = &why;
    others[1] = others[0];
    others[1].bounce = &failed;
    check_differ(&others[0], &others[1]);
}

/* What was learned may change where it stands. */
static void test_octets_at_the_same_address_count(void **state)
{
    char text[] = "one";
    const char *const auth[] = {text};
    const struct evidence seen = {.auth = auth, .auth_count = 1};
    const struct delivery d = {.state = ROUTE_DELIVERED, .evidence = &seen};
    struct buffer before, after;

    (void)state;
    buffer_init(&before, 65536);
    buffer_init(&after, 65536);
    told_put_delivery(&before, &d);
    memcpy(text, "two", 3);
    told_put_delivery(&after, &d);
    assert_int_equal(before.len, after.len);
    assert_memory_not_equal(before.data, after.data, after.len);
    buffer_free(&before);
    buffer_free(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_made_comes_again),
        cmocka_unit_test(test_the_largest_on_many_loops),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_every_field_counts),
        cmocka_unit_test(test_octets_at_the_same_address_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
