/* SPDX-License-Identifier: Apache-2.0 */
/* The config in effect: what it says, what it hides, and that it reads back as the same. */
#include "config/snapshot.h"
#include "probe/base/mem.h"
#include "tests/config/given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The text behind its first line, which names the file. */
static const char *body(const struct snapshot *s)
{
    const char *end = strchr(s->effective, '\n');

    assert_non_null(end);
    assert_int_equal(s->effective[0], '#');
    return end + 1;
}

/* Warnings are another matter. */
static struct snapshot *load(struct given *g, const char *text)
{
    given_text(g, text, NULL);
    for (size_t i = 0; i < g->mistakes.error_count; i++)
        print_error("%s\n", g->mistakes.errors[i]);
    assert_int_equal(g->code, 0);
    return g->snapshot;
}

static void expect_same_again(const char *text)
{
    struct given g;
    char *first = mem_dup(body(load(&g, text)));

    given_clear(&g);
    assert_string_equal(body(load(&g, first)), first);
    given_clear(&g);
    free(first);
}

static void test_what_is_said_and_what_holds_by_itself(void **state)
{
    static const char wanted[] = "targets:\n"
                                 "  a:\n"
                                 "    address: \"mx.example.org:25\"\n"
                                 "    timeout: 6s\n"
                                 "    family: any\n"
                                 "    protocol: smtp\n"
                                 "    helo: \"{{hostname}}\"\n"
                                 "    tls: \"off\"\n"
                                 "    cache_ttl: 1s\n"
                                 "    stale_if_error: 5m\n"
                                 "    interval: 0\n"
                                 "    wait: 2s\n"
                                 "    hide_replies: false\n"
                                 "    timeouts:\n"
                                 "      dns: 5s\n"
                                 "      connect: 5s\n"
                                 "      quit: 1s\n"
                                 "server:\n";
    struct given g;

    (void)state;
    struct snapshot *s = load(&g, "targets: {a: {address: 'mx.example.org:25', timeout: 6s}}\n");
    assert_memory_equal(body(s), wanted, sizeof(wanted) - 1);
    assert_non_null(strstr(body(s), "\n  unknown_status: 500\n"));
    given_clear(&g);
}

static void test_what_a_module_says_is_no_default(void **state)
{
    static const char text[] = "modules: {m: {tls: starttls, timeouts: {quit: 2s}, wait: 9s}}\n"
                               "targets: {a: {module: m, address: 'mx.example.org:25', tls_config: {}}}\n";
    struct given g;

    (void)state;
    struct snapshot *s = load(&g, text);
    const char *target = strstr(body(s), "\ntargets:");
    assert_non_null(strstr(body(s), "    wait: 9s\n"));
    assert_null(strstr(target, "wait:"));
    assert_null(strstr(target, "quit:"));
    assert_null(strstr(target, "\n    tls: "));
    assert_non_null(strstr(target, "banner: 15s\n"));
    given_clear(&g);
    expect_same_again(text);
}

static void test_secrets_are_not_shown(void **state)
{
    static const char text[] =
        "mailboxes:\n"
        "  i: {imap: 'imaps://imap.example.org', username: u, password: hidden1}\n"
        "  o: {imap: 'imaps://imap.example.com', username: u, oauth2: {client_id: c, client_secret: hidden2, "
        "refresh_token: hidden3, token_url: 'https://t.example.org/x'}}\n"
        "modules:\n"
        "  m: {auth: {username: u, token: hidden4, allow_plaintext: true}}\n"
        "targets:\n"
        "  a: {address: 'mx.example.org:25', auth: {username: u, password: hidden5, allow_plaintext: true}}\n"
        "  b: {address: 'mx.example.org:26', auth: {username: u, password: '${HOME}', allow_plaintext: "
        "true}}\n"
        "server:\n"
        "  basic_auth_users: {joe: "
        "$2y$04$hiddenhiddenhiddenhidduuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu}\n";
    struct given g;

    (void)state;
    struct snapshot *s = load(&g, text);
    assert_null(strstr(s->effective, "hidden"));
    assert_non_null(strstr(s->effective, "password: \"${HOME}\"\n"));
    assert_non_null(strstr(s->effective, "client_secret: \"***\"\n"));
    assert_non_null(strstr(s->effective, "refresh_token: \"***\"\n"));
    assert_non_null(strstr(s->effective, "token: \"***\"\n"));
    assert_non_null(strstr(s->effective, "joe: \"***\"\n"));
    given_clear(&g);
}

static void test_texts_are_what_they_were(void **state)
{
    static const char text[] =
        "server: {name: \"a \\\"b\\\" \\\\ c: d # e\"}\n"
        "targets:\n"
        "  'on': {address: 'mx.example.org:25', tags: [eu, '025', 'null']}\n"
        "  t:\n"
        "    address: mx.example.org:25\n"
        "    family: each\n"
        "    mx_require: any\n"
        "    routes:\n"
        "      - {name: r1, from: '', to: [a@example.org, \"\\u00fc@b\\u00fccher.example\"]}\n"
        "      - {name: r2, from: a@example.org, to: b@example.org, expect: [rejected, deferred], reply: '550 "
        "5.1.1'}\n";
    struct given g;

    (void)state;
    struct snapshot *s = load(&g, text);
    assert_non_null(strstr(s->effective, "name: \"a \\\"b\\\" \\\\ c: d # e\"\n"));
    assert_non_null(strstr(s->effective, "  \"on\":\n"));
    assert_non_null(strstr(s->effective, "      - \"025\"\n      - \"null\"\n"));
    assert_non_null(strstr(s->effective, "mx_require: any"));
    given_clear(&g);
    expect_same_again(text);
}

static void test_the_same_again(void **state)
{
    static const char *const texts[] = {
        "targets: {}\n",
        "targets: {a: {address: 'unix:/run/x', protocol: lmtp}}\n",
        "targets: {a: {mx: example.org}}\n",
        "targets: {a: {address: 'x.example.org:25', timeout: 1s, warn: {rcpt: 1s}}}\n",
        "targets: {a: {address: 'x.example.org:25', proxy_protocol: {command: local}}}\n",
        "modules: {m: {proxy_protocol: {command: local}}}\n"
        "targets: {a: {module: m, address: 'x.example.org:25', proxy_protocol: {version: 1}}}\n",
        "mailboxes: {s: {sink: '127.0.0.1:2525', domains: probe.example.org}}\n"
        "targets: {a: {address: 'x.example.org:25', routes: [{from: '', to: a@probe.example.org, expect: "
        "delivered, mailbox: s}]}}\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_same_again(texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said_and_what_holds_by_itself),
        cmocka_unit_test(test_what_a_module_says_is_no_default),
        cmocka_unit_test(test_secrets_are_not_shown),
        cmocka_unit_test(test_texts_are_what_they_were),
        cmocka_unit_test(test_the_same_again),
    };
    return cmocka_run_group_tests_name("config/effective", tests, NULL, NULL);
}
