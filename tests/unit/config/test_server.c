/* SPDX-License-Identifier: Apache-2.0 */
/* What the config says of the service itself: where it listens and who may have it reload. */
#include "config/server.h"
#include "tests/config/given.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_allow_reload(void **state)
{
    static const char *const words[] = {"loopback", "anyone", "nobody"};
    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char text[100];
        struct given g;
        snprintf(text, sizeof(text), "server: {allow_reload: %s}\ntargets: {a: {address: 'x:25'}}\n",
                 words[i]);
        assert_int_equal(given_good(&g, text)->allow_reload, (enum snapshot_reload)i);
        given_clear(&g);
    }
}

/* A path is relative to the config file, which lies in /tmp here; the whole of it is what has a limit. */
static void test_listen_paths(void **state)
{
    char text[200];
    char name[ADDRESS_MAX_PATH + 1];
    struct given g;
    (void)state;
    struct snapshot *s =
        given_good(&g, "server: {listen: ['unix:a b', 'unix:./c//d', 'unix:../e', 'unix:/f']}\n"
                       "targets: {a: {address: 'x:25'}}\n");
    assert_string_equal(s->listen[0].path, "/tmp/a b");
    assert_string_equal(s->listen[1].path, "/tmp/c/d");
    assert_string_equal(s->listen[2].path, "/tmp/../e");
    assert_string_equal(s->listen[3].path, "/f");
    given_clear(&g);
    for (size_t len = ADDRESS_MAX_PATH - 1; len <= ADDRESS_MAX_PATH + 1; len++) {
        memset(name, 'x', sizeof(name));
        snprintf(text, sizeof(text), "server: {listen: 'unix:%.*s'}\ntargets: {a: {address: 'x:25'}}\n",
                 (int)(len - strlen("/tmp/")), name);
        given_text(&g, text, NULL);
        assert_int_equal(g.code, len <= ADDRESS_MAX_PATH ? 0 : -1);
        given_clear(&g);
    }
}

/* So many addresses are listened at, and no more. */
static void test_listen_count(void **state)
{
    char text[2000] = "server: {listen: [";
    struct given g;
    (void)state;
    for (int i = 0; i < 64; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "'unix:%d', ", i);
    strcat(text, "]}\ntargets: {a: {address: 'x:25'}}\n");
    assert_int_equal(given_good(&g, text)->listen_count, 64);
    given_clear(&g);
}

/* A path on the command line is relative to the config file like any other. */
static void test_listen_override(void **state)
{
    static const char *const sets[] = {"server.listen=unix:run/x", "server.max_runs=7", NULL};
    struct given g;
    (void)state;
    given_text(&g, "server: {listen: '127.0.0.1:1'}\ntargets: {a: {address: 'x:25'}}\n", sets);
    assert_int_equal(g.code, 0);
    assert_int_equal(g.snapshot->listen_count, 1);
    assert_string_equal(g.snapshot->listen[0].path, "/tmp/run/x");
    assert_int_equal(g.snapshot->max_runs, 7);
    given_clear(&g);
}

static void test_external_url(void **state)
{
    static const struct {
        const char *text, *scheme, *authority, *path;
    } rows[] = {
        {"http://fra:8025", "http", "fra:8025", ""},
        {"https://probe.example.org/", "https", "probe.example.org", ""},
        {"http://[2001:db8::1]:8025/mail/ehlod//", "http", "[2001:db8::1]:8025", "/mail/ehlod"},
        {"http://192.0.2.7", "http", "192.0.2.7", ""},
        {"http://[2001:db8::1]", "http", "[2001:db8::1]", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[200];
        struct given g;
        snprintf(text, sizeof(text), "server: {external_url: '%s'}\ntargets: {a: {address: 'x:25'}}\n",
                 rows[i].text);
        const struct snapshot_url *url = &given_good(&g, text)->external_url;
        assert_string_equal(url->scheme, rows[i].scheme);
        assert_string_equal(url->authority, rows[i].authority);
        assert_string_equal(url->path, rows[i].path);
        given_clear(&g);
    }
}

static void test_clash(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        bool clash;
    } rows[] = {
        {"127.0.0.1", "127.0.0.1", true}, {"127.0.0.1", "127.0.0.2", false},
        {"0.0.0.0", "127.0.0.1", true},   {"::", "::1", true},
        {"::1", "0:0::1", true},          {"::", "0.0.0.0", false},
        {"::1", "127.0.0.1", false},
    };
    const struct address none = {0};
    (void)state;
    assert_false(server_addresses_clash(&none, &none));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address a;
        struct address b;
        assert_int_equal(address_parse(rows[i].a, 25, &a), 0);
        assert_int_equal(address_parse(rows[i].b, 25, &b), 0);
        assert_int_equal(server_addresses_clash(&a, &b), rows[i].clash);
        assert_int_equal(server_addresses_clash(&b, &a), rows[i].clash);
        assert_false(server_addresses_clash(&a, &none));
        address_set_port(&b, 26);
        assert_false(server_addresses_clash(&a, &b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allow_reload), cmocka_unit_test(test_listen_paths),
        cmocka_unit_test(test_listen_count), cmocka_unit_test(test_listen_override),
        cmocka_unit_test(test_external_url), cmocka_unit_test(test_clash),
    };
    return cmocka_run_group_tests_name("config/server", tests, NULL, NULL);
}
