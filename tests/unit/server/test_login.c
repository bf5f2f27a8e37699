/* SPDX-License-Identifier: Apache-2.0 */
/* Who is let in, and when that is told: at once where it is known, else later and once, or never to who has
 * left. */
#include "server/login.h"

#include "probe/base/base64.h"
#include "probe/base/mem.h"
#include "probe/base/secret.h"
#include "server/away.h"
#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <crypt.h>

#define COST "04"
#define MANY 67 /* more than are under way and in line */

struct asked {
    struct login_waiter *waiter;
    enum login_verdict verdict;
    unsigned told;
    bool done;
};

static uv_loop_t loop;
static struct login *login;
static struct snapshot_user users[2];
static struct asked asked[MANY];

static const struct secret *hash_at(const char *password, const char *cost)
{
    static struct crypt_data data;
    char setting[40];

    snprintf(setting, sizeof setting, "$2b$%s$abcdefghijklmnopqrstuu", cost);
    return secret_new(span_of(crypt_r(password, setting, &data)));
}

static const struct secret *hash_of(const char *password)
{
    return hash_at(password, COST);
}

static int set_up(void **state)
{
    (void)state;
    memset(asked, 0, sizeof asked);
    uv_loop_init(&loop);
    login = login_new(&loop);
    users[0] = (struct snapshot_user){"one", hash_of("first")};
    users[1] = (struct snapshot_user){"two", hash_of("second")};
    login_set_users(login, users, 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    login_free(login);
    secret_free((struct secret *)users[0].hash);
    secret_free((struct secret *)users[1].hash);
    return stage_close(&loop);
}

static void on_done(void *context, enum login_verdict verdict)
{
    struct asked *a = context;

    a->waiter = NULL;
    a->verdict = verdict;
    a->told++;
    a->done = true;
}

static enum login_verdict ask_from(const struct address *from, struct asked *a, const char *pair)
{
    char field[200] = "Basic ";

    base64_encode(span_of(pair), field + strlen(field));
    *a = (struct asked){0};
    enum login_verdict verdict = login_ask(login, &(struct login_asker){field, from}, on_done, a, &a->waiter);
    assert_int_equal(a->told, 0); /* never from inside */
    return verdict;
}

static enum login_verdict ask(struct asked *a, const char *pair)
{
    return ask_from(NULL, a, pair);
}

static enum login_verdict ask_field(const char *field)
{
    return login_ask(login, &(struct login_asker){.authorization = field}, on_done, &asked[0],
                     &asked[0].waiter);
}

static enum login_verdict verdict_of(const char *pair)
{
    enum login_verdict verdict = ask(&asked[0], pair);

    if (verdict != LOGIN_LATER)
        return verdict;
    assert_true(stage_run_until(&loop, &asked[0].done));
    assert_int_equal(asked[0].told, 1);
    return asked[0].verdict;
}

static void test_pairs(void **state)
{
    static const char *const good[] = {"one:first", "two:second"};
    static const char *const bad[] = {"one:second",  "two:first",  "one:", ":first",
                                      "three:first", "one:first ", "one"};

    (void)state;
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
            assert_int_equal(verdict_of(good[i]), LOGIN_IN);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
            assert_int_equal(verdict_of(bad[i]), LOGIN_OUT);
    }
}

/* What is known is told at once; another hash of the same user is another matter. */
static void test_what_is_remembered(void **state)
{
    struct secret *before = (struct secret *)users[0].hash;

    (void)state;
    assert_int_equal(verdict_of("one:first"), LOGIN_IN);
    assert_int_equal(verdict_of("one:wrong"), LOGIN_OUT);
    assert_int_equal(ask(&asked[1], "one:first"), LOGIN_IN);
    assert_int_equal(ask(&asked[1], "one:wrong"), LOGIN_OUT);
    users[0].hash = hash_of("new");
    secret_free(before);
    assert_int_equal(verdict_of("one:first"), LOGIN_OUT);
    assert_int_equal(verdict_of("one:new"), LOGIN_IN);
}

/* Who has gone, or has just come, is not taken for what he was: though another's hash is the same. */
static void test_users_with_the_same_hash(void **state)
{
    const struct snapshot_user twins[] = {{"one", users[0].hash}, {"twin", users[0].hash}};

    (void)state;
    login_set_users(login, twins, 2);
    assert_int_equal(verdict_of("twin:first"), LOGIN_IN);
    login_set_users(login, twins, 1);
    assert_int_equal(verdict_of("twin:first"), LOGIN_OUT);
    login_set_users(login, twins, 2);
    assert_int_equal(verdict_of("twin:first"), LOGIN_IN);
}

/* A name that nobody has is tried with anybody's hash, always the same one: its cost tells nothing. */
static void test_the_cost_of_an_unknown_name(void **state)
{
    unsigned slow = 0;
    char pair[32];

    (void)state;
    secret_free((struct secret *)users[1].hash);
    users[1].hash = hash_at("second", "11");
    for (int i = 0; i < 20; i++) {
        snprintf(pair, sizeof pair, "nobody%d:x", i);
        uint64_t before = uv_hrtime();
        assert_int_equal(verdict_of(pair), LOGIN_OUT);
        slow += uv_hrtime() - before > UINT64_C(30000000);
    }
    assert_true(slow > 0);
}

static void test_who_leaves_is_not_told(void **state)
{
    (void)state;
    assert_int_equal(ask(&asked[0], "one:first"), LOGIN_LATER);
    assert_int_equal(ask(&asked[1], "one:first"), LOGIN_LATER);
    assert_int_equal(ask(&asked[2], "one:first"), LOGIN_LATER);
    login_leave(asked[1].waiter);
    assert_true(stage_run_until(&loop, &asked[0].done));
    stage_run_for(&loop, 20 * CLOCK_US_PER_MS);
    assert_int_equal(asked[0].told + asked[2].told, 2);
    assert_int_equal(asked[1].told, 0);
    /* It was tried all the same, and so is known. */
    assert_int_equal(ask(&asked[0], "two:x"), LOGIN_LATER);
    login_leave(asked[0].waiter);
    stage_run_for(&loop, stage_scale_us(200));
    assert_int_equal(asked[0].told, 0);
}

/* Two are looked at at a time, and the second may be done before the first. */
static void wait_for_all(void)
{
    for (size_t i = 0; i < MANY; i++)
        if (asked[i].waiter != NULL)
            assert_true(stage_run_until(&loop, &asked[i].done));
}

static void test_the_line_is_limited(void **state)
{
    char pair[32];
    unsigned told = 0;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(pair, sizeof pair, "one:%zu", i);
        assert_int_equal(ask(&asked[i], pair), i < MANY - 1 ? LOGIN_LATER : LOGIN_BUSY);
    }
    assert_int_equal(ask(&asked[MANY - 1], "one:0"), LOGIN_LATER); /* is looked at already */
    wait_for_all();
    for (size_t i = 0; i < MANY; i++)
        told += asked[i].told;
    assert_int_equal(told, MANY);
}

/* Of IPv6 a /64. Who joins takes no place. */
static void test_one_address_has_a_part_of_the_line(void **state)
{
    static const char *const flooding[] = {"192.0.2.1", "2001:db8:0:1::1"};
    static const char *const same[] = {"192.0.2.1", "2001:db8:0:1::2"};
    static const char *const others[] = {"192.0.2.2", "2001:db8:0:2::1"};
    struct address from, neighbour, other;
    struct asked *last = &asked[MANY - 1];
    char pair[32];

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        assert_int_equal(address_parse(flooding[k], 1, &from), 0);
        assert_int_equal(address_parse(same[k], 2, &neighbour), 0);
        assert_int_equal(address_parse(others[k], 1, &other), 0);
        for (size_t i = 0; i < 9; i++) {
            snprintf(pair, sizeof pair, "one:%zu-%zu", k, i);
            assert_int_equal(ask_from(&from, &asked[10 * k + i], pair), i < 8 ? LOGIN_LATER : LOGIN_BUSY);
        }
        assert_int_equal(ask_from(&neighbour, last, "two:second"), k == 0 ? LOGIN_BUSY : LOGIN_LATER);
        assert_int_equal(ask_from(&neighbour, &asked[10 * k + 8], pair), LOGIN_BUSY);
        if (k == 0)
            assert_int_equal(ask_from(&other, &asked[MANY - 2], "two:second"), LOGIN_LATER);
    }
    wait_for_all();
    assert_int_equal(last->verdict, LOGIN_IN);
    assert_int_equal(ask_from(&from, last, "one:more"), LOGIN_LATER);
    wait_for_all();
}

static void test_who_cannot_wait(void **state)
{
    static const struct login_asker asker = {.authorization = "Basic b25lOndyb25n"}; /* one:wrong */

    (void)state;
    assert_int_equal(login_ask(login, &asker, NULL, NULL, NULL), LOGIN_BUSY);
    assert_int_equal(verdict_of("one:wrong"), LOGIN_OUT);
    assert_int_equal(login_ask(login, &asker, NULL, NULL, NULL), LOGIN_OUT);
}

static void test_freed_while_it_looks(void **state)
{
    char pair[32];

    (void)state;
    for (size_t i = 0; i < 10; i++) {
        snprintf(pair, sizeof pair, "one:%zu", i);
        assert_int_equal(ask(&asked[i], pair), LOGIN_LATER);
        login_leave(asked[i].waiter);
    }
    login_free(login);
    login = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(asked[i].told, 0);
}

static void test_tokens(void **state)
{
    const struct span tokens[] = {span_of("open sesame"), span_of("x")};
    struct asked *a = &asked[0];

    (void)state;
    login_set_users(login, NULL, 0);
    assert_false(login_is_wanted(login));
    assert_int_equal(ask_field(NULL), LOGIN_IN);
    login_set_tokens(login, tokens, 2);
    assert_true(login_is_wanted(login));
    assert_int_equal(ask_field(NULL), LOGIN_OUT);
    assert_int_equal(ask_field("Bearer open sesame"), LOGIN_IN);
    assert_int_equal(ask_field("BEARER   x"), LOGIN_IN);
    assert_int_equal(ask_field("Bearer x \t "), LOGIN_IN);
    assert_int_equal(ask_field("Bearer xx"), LOGIN_OUT);
    assert_int_equal(ask_field("Bearer "), LOGIN_OUT);
    assert_int_equal(ask_field("Bearerx"), LOGIN_OUT);
    assert_int_equal(ask(a, "one:first"), LOGIN_OUT); /* there are no users */
    login_set_tokens(login, tokens, 1);
    assert_int_equal(ask_field("Bearer x"), LOGIN_OUT);
}

/* ---- beside the first one ---- */

static void on_home(void *context)
{
    *(bool *)context = true;
}

/* The first one's verdict is that of both, and its line is the only one. */
static void test_beside(void **state)
{
    struct login *first = login_new(&loop), *alone = login;
    struct post *post = post_new(&loop);
    struct away away = {.post = post_new(&loop)};
    const struct span token = span_of("open sesame");
    bool home = false;

    (void)state;
    login = login_beside(first, &loop, &away, post); /* which is asked from here on */
    login_set_users(first, users, 2);
    login_set_tokens(first, &token, 1);
    assert_int_equal(ask_field("Bearer open sesame"), LOGIN_IN);
    login_set_token(first, 0, span_of("x"));
    assert_int_equal(ask_field("Bearer open sesame"), LOGIN_OUT);
    assert_int_equal(ask_field("Bearer x"), LOGIN_IN);
    assert_int_equal(verdict_of("one:first"), LOGIN_IN);
    assert_int_equal(verdict_of("one:second"), LOGIN_OUT);
    assert_int_equal(ask(&asked[1], "one:first"), LOGIN_IN); /* both are remembered here */
    assert_int_equal(ask(&asked[1], "one:second"), LOGIN_OUT);
    assert_int_equal(ask(&asked[1], "two:second"), LOGIN_LATER);
    assert_int_equal(ask(&asked[2], "two:first"), LOGIN_LATER);
    login_leave(asked[1].waiter);
    login_set_users(first, &users[1], 1); /* others, while it is away */
    assert_true(stage_run_until(&loop, &asked[2].done));
    assert_int_equal(asked[2].verdict, LOGIN_OUT);
    assert_int_equal(asked[1].told, 0);
    away_wait(&away, on_home, &home);
    assert_true(stage_run_until(&loop, &home));
    login_free(login);
    login_free(first);
    post_free(post);
    post_free(away.post);
    login = alone;
}

/* What one of them knows all know at once, and so whoever cannot wait. */
static void test_what_is_known_beside(void **state)
{
    struct login *first = login, *beside[2];
    struct post *post = post_new(&loop);
    struct away away = {.post = post_new(&loop)};
    bool home = false;
    char in[200] = "Basic ", out[200] = "Basic ";

    (void)state;
    base64_encode(span_of("two:second"), in + strlen(in));
    base64_encode(span_of("two:wrong"), out + strlen(out));
    for (size_t i = 0; i < 2; i++)
        beside[i] = login_beside(first, &loop, &away, post);
    assert_int_equal(verdict_of("one:first"), LOGIN_IN);
    login = beside[0];
    assert_int_equal(ask(&asked[1], "one:first"), LOGIN_IN);
    assert_int_equal(verdict_of("two:second"), LOGIN_IN);
    assert_int_equal(verdict_of("two:wrong"), LOGIN_OUT);
    assert_int_equal(login_ask(first, &(struct login_asker){in, NULL}, NULL, NULL, NULL), LOGIN_IN);
    assert_int_equal(login_ask(first, &(struct login_asker){out, NULL}, NULL, NULL, NULL), LOGIN_OUT);
    assert_int_equal(login_ask(beside[1], &(struct login_asker){in, NULL}, NULL, NULL, NULL), LOGIN_IN);
    assert_int_equal(login_ask(beside[1], &(struct login_asker){out, NULL}, NULL, NULL, NULL), LOGIN_OUT);
    away_wait(&away, on_home, &home);
    assert_true(stage_run_until(&loop, &home));
    for (size_t i = 0; i < 2; i++)
        login_free(beside[i]);
    post_free(post);
    post_free(away.post);
    login = first;
}

/* More than have a place there are turned away there. */
static void test_the_line_beside_is_the_first_one(void **state)
{
    struct login *first = login_new(&loop), *alone = login;
    struct post *post = post_new(&loop);
    struct away away = {.post = post_new(&loop)};
    struct snapshot_user slow = {"one", hash_at("first", "09")};
    struct address from;
    bool home = false;
    char pair[32];

    (void)state;
    address_parse("192.0.2.1", 1, &from);
    login = login_beside(first, &loop, &away, post);
    login_set_users(first, &slow, 1);
    for (size_t i = 0; i < 8; i++) {
        struct login_waiter *waiter;
        char field[200] = "Basic ";
        snprintf(pair, sizeof pair, "one:%zu", i);
        base64_encode(span_of(pair), field + strlen(field));
        assert_int_equal(login_ask(first, &(struct login_asker){field, &from}, on_done, &asked[i], &waiter),
                         LOGIN_LATER);
        login_leave(waiter);
    }
    assert_int_equal(ask_from(&from, &asked[8], "one:more"), LOGIN_LATER);
    assert_true(stage_run_until(&loop, &asked[8].done));
    assert_int_equal(asked[8].verdict, LOGIN_BUSY);
    away_wait(&away, on_home, &home);
    assert_true(stage_run_until(&loop, &home));
    login_free(login);
    login_free(first);
    post_free(post);
    post_free(away.post);
    secret_free((struct secret *)slow.hash);
    login = alone;
}

/* At the end nobody waits for those that are in line, and nobody gets into it. */
static void test_closed(void **state)
{
    struct login *first = login;
    struct post *post = post_new(&loop);
    struct away away = {.post = post_new(&loop)};
    struct snapshot_user slow = {"one", hash_at("first", "10")};
    unsigned busy = 0;
    bool home = false;
    char pair[32];

    (void)state;
    login = login_beside(first, &loop, &away, post);
    login_set_users(first, &slow, 1);
    for (size_t i = 0; i < 20; i++) {
        snprintf(pair, sizeof pair, "one:%zu", i);
        assert_int_equal(ask(&asked[i], pair), LOGIN_LATER);
    }
    assert_true(stage_run_until(&loop, &asked[0].done)); /* so all are there, and the next one is looked at */
    login_close(first);
    assert_int_equal(ask(&asked[20], "one:more"), LOGIN_LATER);
    away_wait(&away, on_home, &home);
    assert_true(stage_run_until(&loop, &home));
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(asked[i].told, 1);
        busy += asked[i].verdict == LOGIN_BUSY;
    }
    assert_in_range(busy, 10, 18); /* but for two, and those that were over by then */
    assert_int_equal(asked[20].verdict, LOGIN_BUSY);
    login_free(login);
    post_free(post);
    post_free(away.post);
    secret_free((struct secret *)slow.hash);
    login = first;
    login_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pairs),
        TEST(test_what_is_remembered),
        TEST(test_users_with_the_same_hash),
        TEST(test_the_cost_of_an_unknown_name),
        TEST(test_who_leaves_is_not_told),
        TEST(test_the_line_is_limited),
        TEST(test_one_address_has_a_part_of_the_line),
        TEST(test_who_cannot_wait),
        TEST(test_freed_while_it_looks),
        TEST(test_tokens),
        TEST(test_beside),
        TEST(test_what_is_known_beside),
        TEST(test_the_line_beside_is_the_first_one),
        TEST(test_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
