/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of passwords, for how long, and by which digests. */
#include "server/known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

static struct secret *key;
static struct digests *digests;
static struct known *known;

static int set_up(void **state)
{
    (void)state;
    key = digests_key_new();
    digests = digests_new(key);
    known = known_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    known_free(known);
    digests_free(digests);
    secret_free(key);
    return 0;
}

static struct digest numbered(size_t n)
{
    char text[24];

    snprintf(text, sizeof text, "%zu", n);
    return digests_of(digests, &(struct span){text, strlen(text)}, 1);
}

static enum known_verdict find(size_t n)
{
    struct digest digest = numbered(n);

    return known_find(known, &digest);
}

static void add(size_t n, bool good)
{
    struct digest digest = numbered(n);

    known_add(known, &digest, good);
}

static bool is_same(struct digest a, struct digest b)
{
    return digest_is_same(&a, &b, sizeof a);
}

static void test_texts_are_told_apart(void **state)
{
    const struct span two[] = {span_of("a"), span_of("bc")}, other[] = {span_of("ab"), span_of("c")};
    const struct span one = span_of("abc");

    (void)state;
    assert_true(is_same(digests_of(digests, two, 2), digests_of(digests, two, 2)));
    assert_false(is_same(digests_of(digests, two, 2), digests_of(digests, other, 2)));
    assert_false(is_same(digests_of(digests, two, 2), digests_of(digests, &one, 1)));
}

static void test_a_key_makes_the_same_everywhere(void **state)
{
    struct secret *strange = digests_key_new();
    struct digests *same = digests_new(key), *others = digests_new(strange);
    const struct span text = span_of("text");

    (void)state;
    assert_true(is_same(digests_of(digests, &text, 1), digests_of(same, &text, 1)));
    assert_false(is_same(digests_of(digests, &text, 1), digests_of(others, &text, 1)));
    digests_free(same);
    digests_free(others);
    secret_free(strange);
}

/* However many of the one kind come, those of the other stay. */
static void test_the_last_of_each_kind(void **state)
{
    (void)state;
    assert_int_equal(find(0), KNOWN_NOT);
    add(0, true);
    for (size_t i = 1; i <= KNOWN_KEPT + 1; i++) {
        add(i, false);
        assert_int_equal(find(i), KNOWN_BAD);
    }
    assert_int_equal(find(0), KNOWN_GOOD);
    assert_int_equal(find(1), KNOWN_NOT);
    assert_int_equal(find(2), KNOWN_BAD);
    for (size_t i = 1; i < KNOWN_KEPT; i++)
        add(SIZE_MAX - i, true);
    assert_int_equal(find(0), KNOWN_GOOD);
    add(SIZE_MAX, true);
    assert_int_equal(find(0), KNOWN_NOT);
    assert_int_equal(find(SIZE_MAX), KNOWN_GOOD);
}

/* ---- several threads ---- */

#define THREADS 4

struct asker {
    uv_thread_t thread;
    size_t first;
    size_t found;
};

/* Nobody else has as many bad ones in all that ours would be forgotten. */
static void ask(void *context)
{
    struct asker *a = context;
    struct digests *own = digests_new(key);
    char text[24];

    for (size_t i = 0; i < KNOWN_KEPT / THREADS; i++) {
        snprintf(text, sizeof text, "%zu", a->first + i);
        struct digest digest = digests_of(own, &(struct span){text, strlen(text)}, 1);
        known_add(known, &digest, false);
        a->found += known_find(known, &digest) == KNOWN_BAD;
    }
    digests_free(own);
}

static void test_threads(void **state)
{
    struct asker askers[THREADS] = {0};

    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        askers[i].first = i * KNOWN_KEPT;
        assert_int_equal(uv_thread_create(&askers[i].thread, ask, &askers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        uv_thread_join(&askers[i].thread);
        assert_int_equal(askers[i].found, KNOWN_KEPT / THREADS);
        assert_int_equal(find(askers[i].first), KNOWN_BAD);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_texts_are_told_apart),
        TEST(test_a_key_makes_the_same_everywhere),
        TEST(test_the_last_of_each_kind),
        TEST(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
