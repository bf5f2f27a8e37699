/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan logs in with: defaults, modules, what a target says over them. */
#include "probe/base/arena.h"
#include "tests/config/given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int set_up(void **state)
{
    (void)state;
    setenv("EHLOD_TEST_ONE", "hunter1", 1);
    setenv("EHLOD_TEST_TWO", "hunter2", 1);
    return 0;
}

static const struct auth_login *login(const struct given *g, const char *name)
{
    const struct snapshot_target *t = snapshot_target(g->snapshot, name);
    assert_non_null(t);
    return &t->plan.login;
}

static void is_secret(const struct secret *secret, const char *text)
{
    assert_non_null(secret);
    assert_true(span_is(secret_bytes(secret), text));
}

static void test_none(void **state)
{
    struct given g;
    (void)state;
    given_good(&g, "targets: {a: {address: 'mx.example.org:25'}}\n");
    assert_false(login(&g, "a")->wanted);
    given_clear(&g);
}

static void test_defaults(void **state)
{
    struct given g;
    (void)state;
    given_good(&g,
               "targets: {a: {address: 'mx.example.org:25', tls: starttls, auth: {username: probe, password: "
               "'${EHLOD_TEST_ONE}'}}}\n");
    const struct auth_login *l = login(&g, "a");
    assert_true(l->wanted);
    assert_int_equal(l->mechanism, AUTH_MECHANISM_COUNT);
    assert_string_equal(l->username, "probe");
    is_secret(l->password, "hunter1");
    assert_null(l->token);
    assert_null(l->token_file);
    assert_false(l->has_certificate || l->allow_plaintext || l->rejected);
    given_clear(&g);
}

static void test_modules(void **state)
{
    struct given g;
    (void)state;
    given_good(
        &g, "modules:\n"
            "  m: {tls: starttls, auth: {username: probe, password: '${EHLOD_TEST_ONE}'}}\n"
            "targets:\n"
            "  a: {module: m, address: 'mx.example.org:25'}\n"
            "  b: {module: m, address: 'mx.example.org:26'}\n"
            "  c: {module: m, address: 'mx.example.org:27', auth: {password: '${EHLOD_TEST_TWO}', mechanism: "
            "LOGIN, allow_plaintext: true, expect: rejected}}\n"
            "  d: {module: m, address: 'mx.example.org:28', auth: {token: '${EHLOD_TEST_TWO}', username: "
            "other}}\n");
    assert_ptr_equal(login(&g, "a")->password, login(&g, "b")->password);
    is_secret(login(&g, "a")->password, "hunter1");
    const struct auth_login *c = login(&g, "c");
    assert_string_equal(c->username, "probe");
    is_secret(c->password, "hunter2");
    assert_int_equal(c->mechanism, AUTH_LOGIN);
    assert_true(c->wanted && c->allow_plaintext && c->rejected);
    const struct auth_login *d = login(&g, "d");
    assert_string_equal(d->username, "other");
    is_secret(d->token, "hunter2");
    is_secret(d->password, "hunter1");
    given_clear(&g);
}

/* A file is relative to the config; a token's is only tried, as each login reads it anew. */
static void test_files(void **state)
{
    char path[] = "/tmp/ehlod-token-XXXXXX";
    int fd = mkstemp(path);
    struct arena a = {0};
    struct given g;
    (void)state;

    assert_int_equal(write(fd, "hunter3\n", 8), 8);
    close(fd);
    const char *name = path + strlen("/tmp/");
    given_good(&g,
               arena_printf(&a,
                            "modules:\n"
                            "  m: {tls: starttls, auth: {username: probe, token: '${EHLOD_TEST_ONE}'}}\n"
                            "targets:\n"
                            "  a: {module: m, address: 'mx.example.org:25', auth: {token_file: %s}}\n"
                            "  b: {module: m, address: 'mx.example.org:26', auth: {password_file: ./%s}}\n",
                            name, name));
    assert_string_equal(login(&g, "a")->token_file, path);
    assert_null(login(&g, "a")->token);
    is_secret(login(&g, "b")->token, "hunter1");
    is_secret(login(&g, "b")->password, "hunter3");
    given_clear(&g);

    assert_int_equal(chmod(path, 0644), 0);
    given_text(&g,
               arena_printf(&a,
                            "targets: {a: {address: 'mx.example.org:25', tls: starttls, auth: {username: u, "
                            "password_file: %s}}}\n",
                            name),
               NULL);
    assert_int_equal(g.code, 0);
    assert_int_equal(g.mistakes.warning_count, 1);
    assert_non_null(
        strstr(g.mistakes.warnings[0],
               arena_printf(&a,
                            ": targets.a.auth.password_file: %s: everybody on this machine may read it "
                            "(better: chmod o-r)",
                            path)));
    given_clear(&g);
    unlink(path);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_modules),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
