/* SPDX-License-Identifier: Apache-2.0 */
/* Which changes of a config leave a target's plan as it was, and which do not. */
#include "config/alike.h"

#include "tests/config/given.h"

#include <fcntl.h>
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

#define BEFORE                                                                                               \
    "server: {name: fra1, listen: '127.0.0.1:8025'}\n"                                                       \
    "modules:\n"                                                                                             \
    "  mx: {timeout: 9s, helo: a.example.org}\n"                                                             \
    "targets:\n"                                                                                             \
    "  a:\n"                                                                                                 \
    "    module: mx\n"                                                                                       \
    "    address: mx1.example.org:25\n"                                                                      \
    "    interval: 10s\n"                                                                                    \
    "    warn: {rcpt: 1s, mail: 2s}\n"                                                                       \
    "    routes: [{name: in, from: '', to: [a@example.org, b@example.org]}]\n"                               \
    "  b: {address: 'mx2.example.org:25'}\n"

/* The config with that text in the place of the other. */
static void load_with(struct given *g, const char *old, const char *new)
{
    char text[2048];
    const char *at = strstr(BEFORE, old);

    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - BEFORE), BEFORE, new, at + strlen(old));
    given_good(g, text);
}

static bool is_alike(const char *old, const char *new)
{
    struct given before, after;

    given_good(&before, BEFORE);
    load_with(&after, old, new);
    bool alike = alike_plan(before.snapshot, snapshot_target(before.snapshot, "a"), after.snapshot,
                            snapshot_target(after.snapshot, "a"));
    given_clear(&before);
    given_clear(&after);
    return alike;
}

static void test_what_leaves_it_as_it_was(void **state)
{
    (void)state;
    assert_true(is_alike("fra1", "'fra1'"));
    assert_true(is_alike("interval: 10s", "interval: 1h"));
    assert_true(is_alike("interval: 10s", "interval: 10s\n    tags: [eu]\n    cache_ttl: 5s\n    wait: 0"));
    assert_true(is_alike("timeout: 9s, helo: a.example.org", "helo: a.example.org, wait: 9s, timeout: 9s"));
    assert_true(is_alike("{rcpt: 1s, mail: 2s}", "{mail: 2s, rcpt: 1s}"));
    assert_true(is_alike("mx2.example.org", "mx3.example.org"));
    assert_true(is_alike("  b: {address: 'mx2.example.org:25'}\n", ""));
}

static void test_what_makes_another(void **state)
{
    (void)state;
    assert_false(is_alike("fra1", "fra2"));
    assert_false(is_alike("'127.0.0.1:8025'", "'127.0.0.1:8026'"));
    assert_false(is_alike("'127.0.0.1:8025'", "['127.0.0.1:8025', '127.0.0.1:8026']"));
    assert_false(is_alike("timeout: 9s", "timeout: 8s"));
    assert_false(is_alike("helo: a.", "helo: b."));
    assert_false(is_alike("mx1.example.org", "mx4.example.org"));
    assert_false(is_alike("    module: mx\n", ""));
    assert_false(is_alike("rcpt: 1s, mail: 2s", "rcpt: 2s, mail: 1s"));
    assert_false(is_alike("a@example.org, b@example.org", "b@example.org, a@example.org"));
    assert_false(is_alike("interval: 10s", "interval: 10s\n    stop_after: rcpt"));
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* The text of the config is the same, and what it names is not. */
static void test_a_file_that_was_written_makes_another(void **state)
{
    struct given before, same, after;
    char path[] = "/tmp/ehlod-alike-XXXXXX", config[512];
    int fd = mkstemp(path);

    (void)state;
    close(fd);
    write_file(path, "EHLO a.example.org\n");
    snprintf(config, sizeof config, "targets: {a: {address: 'mx1.example.org:25', dialogue: %s}}\n", path);
    given_good(&before, config);
    given_good(&same, config);
    write_file(path, "EHLO a.example.org\nNOOP\n");
    given_good(&after, config);
    assert_true(
        alike_plan(before.snapshot, &before.snapshot->targets[0], same.snapshot, &same.snapshot->targets[0]));
    assert_false(alike_plan(before.snapshot, &before.snapshot->targets[0], after.snapshot,
                            &after.snapshot->targets[0]));
    unlink(path);
    given_clear(&before);
    given_clear(&same);
    given_clear(&after);
}

static bool is_alike_with_mailboxes(const char *old, const char *new)
{
    static const char *const form[] = {
        "mailboxes: {", "}\ntargets: {a: {address: 'mx1.example.org:25', routes: [{from: p@example.org, to: "
                        "w@example.org, expect: delivered, mailbox: in, bounce_mailbox: bounces}]}}\n"};
    struct given before, after;
    char config[512];

    snprintf(config, sizeof config, "%s%s%s", form[0], old, form[1]);
    given_good(&before, config);
    snprintf(config, sizeof config, "%s%s%s", form[0], new, form[1]);
    given_good(&after, config);
    bool alike = alike_plan(before.snapshot, &before.snapshot->targets[0], after.snapshot,
                            &after.snapshot->targets[0]);
    given_clear(&before);
    given_clear(&after);
    return alike;
}

/* Where a message belongs decides whether it has arrived there; mailboxes that no route names do not matter.
 */
static void test_a_mailbox_makes_another(void **state)
{
    const char *old = "in: {maildir: /m/in}, bounces: {maildir: /m/b}, other: {maildir: /m/o}";

    (void)state;
    assert_true(is_alike_with_mailboxes(old, "in: {maildir: /m/in}, bounces: {maildir: /m/b}"));
    assert_false(is_alike_with_mailboxes(old, "in: {maildir: /m/new}, bounces: {maildir: /m/b}"));
    assert_false(is_alike_with_mailboxes(old, "in: {maildir: /m/in}, bounces: {maildir: /m/new}"));
}

/* A mailbox that names itself is a mistake that is said, and no circle. */
static void test_a_mailbox_that_names_itself_is_not_followed(void **state)
{
    struct given g;

    (void)state;
    given_text(&g,
               "mailboxes: {in: {maildir: /m/in, mailbox: in}}\ntargets: {a: {address: "
               "'mx1.example.org:25', routes: [{from: '', to: w@example.org, mailbox: in}]}}\n",
               NULL);
    assert_null(g.snapshot);
    given_clear(&g);
}

/* What is renamed is another: its results are found by name. */
static void test_each_target_has_a_plan_of_its_own(void **state)
{
    struct given before, after;

    (void)state;
    given_good(&before, "targets: {a: {address: 'mx1.example.org:25', helo: x}}\n");
    given_good(&after, "targets: {b: {address: 'mx1.example.org:25', helo: x}}\n");
    assert_false(alike_plan(before.snapshot, &before.snapshot->targets[0], after.snapshot,
                            &after.snapshot->targets[0]));
    given_clear(&before);
    given_clear(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_leaves_it_as_it_was),
        cmocka_unit_test(test_what_makes_another),
        cmocka_unit_test(test_a_file_that_was_written_makes_another),
        cmocka_unit_test(test_a_mailbox_makes_another),
        cmocka_unit_test(test_a_mailbox_that_names_itself_is_not_followed),
        cmocka_unit_test(test_each_target_has_a_plan_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
