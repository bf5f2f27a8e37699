/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as the config names them: what they come to for each route, and where what is wrong with them
 * stands. */
#include "probe/proto/template.h"
#include "tests/config/given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN "ehlod-000102030405060708090a0b0c0d0eff1011121314151617"

struct stage {
    struct arena arena;
    char message[64]; /* a file's path */
    struct given given;
};

static int set_up(void **state)
{
    static struct stage stage;

    stage = (struct stage){.message = "/tmp/ehlod-message-XXXXXX"};
    close(mkstemp(stage.message));
    *state = &stage;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;

    given_clear(&s->given);
    arena_free(&s->arena);
    return unlink(s->message);
}

static void write_message(const struct stage *s, const char *text)
{
    FILE *f = fopen(s->message, "we");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* A config with these routes, in which %s is the message's path. */
static void load(struct stage *s, const char *routes)
{
    const char *text =
        "targets:\n  mx1:\n    address: 192.0.2.1:25\n    helo: probe.example.net\n    routes:\n";

    for (const char *place; (place = strstr(routes, "%s")) != NULL; routes = place + 2)
        text = arena_printf(&s->arena, "%s%.*s%s", text, (int)(place - routes), routes, s->message);
    given_text(&s->given, arena_printf(&s->arena, "%s%s", text, routes), NULL);
}

static const struct plan_route *route(const struct stage *s, size_t i)
{
    static const char *const none[] = {NULL};

    given_expect(&s->given, none);
    assert_true(i < s->given.snapshot->targets[0].plan.route_count);
    return &s->given.snapshot->targets[0].plan.routes[i];
}

static const char *letter(struct stage *s, const struct plan_route *r)
{
    struct plan_letter made = template_write(&s->arena, &r->message, TOKEN, 0);
    const char *text = arena_dup_span(&s->arena, made.wire);

    assert_non_null(r->message.template);
    for (size_t i = 0; i < made.rest_count; i++)
        text = arena_printf(&s->arena, "%s%.*s", text, (int)made.rest[i].len, made.rest[i].data);
    return text;
}

static void test_values_of_each_route(void **state)
{
    struct stage *s = *state;

    write_message(s, "Subject: {{target}} {{route}}\n\n{{hostname}} {{from}} {{to}} {{address}}\n");
    load(
        s,
        "    - {name: in, from: a@b.example, to: [c@d.example, e@f.example], expect: queued, message: '%s'}\n"
        "    - {name: out, from: '', to: g@h.example, expect: queued, message: '%s'}\n"
        "    - {name: own, from: '', to: g@h.example, expect: queued}\n");
    assert_non_null(strstr(letter(s, route(s, 0)), "\r\nSubject: mx1 in\r\n\r\nprobe.example.net a@b.example "
                                                   "c@d.example, e@f.example [192.0.2.1]\r\n.\r\n"));
    assert_non_null(
        strstr(letter(s, route(s, 1)), "\r\n\r\nprobe.example.net  g@h.example [192.0.2.1]\r\n.\r\n"));
    assert_non_null(strstr(letter(s, route(s, 2)), "\r\nSubject: ehlod test message (mx1, own)\r\n"));
    assert_ptr_equal(route(s, 0)->message.template, route(s, 1)->message.template); /* read once */
}

/* Routes of a module are those of each target that builds on it, filled in for each. */
static void test_values_of_each_target(void **state)
{
    struct stage *s = *state;
    char text[1024];

    write_message(s, "\n{{target}} {{hostname}} {{address}}\n");
    snprintf(text, sizeof text,
             "modules: {m: {routes: [{from: '', to: a@b.example, expect: queued, message: '%s'}]}}\n"
             "targets:\n  mx1: {module: m, address: 'mx1.example.org:25', helo: '{{target}}.example.net'}\n"
             "  mx2: {module: m, address: '[2001:db8::1]:25', helo: two}\n",
             s->message);
    given_text(&s->given, text, NULL);
    assert_non_null(strstr(letter(s, route(s, 0)), "\r\n\r\nmx1 mx1.example.net mx1.example.org\r\n.\r\n"));
    assert_non_null(strstr(letter(s, &s->given.snapshot->targets[1].plan.routes[0]),
                           "\r\n\r\nmx2 two [IPv6:2001:db8::1]\r\n.\r\n"));
}

/* Of every pair, as a route of its own; what is wrong with one is said where they were written. */
static void test_values_of_each_pair(void **state)
{
    struct stage *s = *state;

    write_message(s, "Subject: {{route}}\n\n{{from}} {{to}}\n");
    load(
        s,
        "    - {name: first, from: '', to: x@y.example, expect: queued}\n"
        "    - {name: p, from: [a@b.example, ''], to: [c@d.example, e@f.example], pairs: each, expect: queued, "
        "message: '%s'}\n");
    assert_non_null(
        strstr(letter(s, route(s, 1)), "\r\nSubject: p.1\r\n\r\na@b.example c@d.example\r\n.\r\n"));
    assert_non_null(strstr(letter(s, route(s, 4)), "\r\nSubject: p.4\r\n\r\n e@f.example\r\n.\r\n"));
    given_clear(&s->given);
    load(
        s,
        "    - {name: first, from: '', to: x@y.example, expect: queued}\n"
        "    - {name: p, from: [a@b.example, ''], to: c@d.example, pairs: each, expect: queued, size: 1B}\n");
    assert_int_equal(s->given.mistakes.error_count, 2); /* the pairs' messages differ in size */
    assert_non_null(
        strstr(s->given.mistakes.errors[0], ":7:94: targets.mx1.routes[1].size: smaller than the message"));
}

/* The envelope says what the message is, sent or not; where nothing is said of one, nothing is said. */
static void test_what_the_envelope_says(void **state)
{
    struct stage *s = *state;

    write_message(s, "Subject: x\n\n\xc3\xbc\n");
    load(
        s,
        "    - {name: r0, from: a@b.example, to: c@d.example, message: '%s', size: 1KiB}\n"
        "    - {name: r1, from: a@b.example, to: c@d.example}\n"
        "    - {name: r2, from: a@b.example, to: \xc3\xbc@d.example}\n"
        "    - {name: r3, from: a@b.example, to: c@\xc3\xbc.example, size: 10MiB, dsn: {notify: [failure, delay], "
        "ret: hdrs, envid: x y}}\n");
    assert_int_equal(route(s, 0)->message.octets, 1024);
    assert_true(route(s, 0)->message.is_8bit && !route(s, 0)->is_utf8);
    assert_int_equal(route(s, 1)->message.octets, 0);
    assert_false(route(s, 1)->message.is_8bit || route(s, 1)->is_utf8 || plan_route_wants_dsn(route(s, 1)));
    assert_true(route(s, 2)->is_utf8 && route(s, 2)->message.octets == 0);
    assert_int_equal(route(s, 3)->message.octets, 10 * 1024 * 1024);
    assert_false(route(s, 3)->is_utf8);
    assert_string_equal(route(s, 3)->to[0], "c@xn--tda.example");
    assert_int_equal(route(s, 3)->dsn.notify, PLAN_NOTIFY_FAILURE | PLAN_NOTIFY_DELAY);
    assert_int_equal(route(s, 3)->dsn.ret, PLAN_RET_HDRS);
    assert_string_equal(route(s, 3)->dsn.envid, "x y");
}

static void test_the_size(void **state)
{
    struct stage *s = *state;

    write_message(s, "Subject: x\n\n.dot\n");
    load(
        s,
        "    - {name: r0, from: a@b.example, to: c@d.example, expect: queued, message: '%s', size: 100KiB}\n");
    const char *text = letter(s, route(s, 0));
    assert_int_equal(strlen(text), 100 * 1024 + 1 + 3); /* a dot doubled, and the last */
    assert_non_null(strstr(text, "\r\n\r\n..dot\r\nxxx"));
}

/* Every mistake of a file once, in it; what only a route makes of it with that route. */
static void test_mistakes_stand_in_the_file(void **state)
{
    struct stage *s = *state;

    write_message(s, "Subject: x\nhello\n\n{{nme}}\na\rb\n");
    load(s, "    - {name: r0, from: a@b.example, to: c@d.example, expect: queued, message: '%s'}\n"
            "    - {name: r1, from: a@b.example, to: c@d.example, message: '%s'}\n");
    assert_int_equal(s->given.mistakes.error_count, 3);
    assert_string_equal(
        s->given.mistakes.errors[0],
        arena_printf(&s->arena,
                     "%s:2: targets.mx1.routes[0].message: no header field, which is a name, a colon "
                     "and a value (an empty line parts header and body)",
                     s->message));
    assert_string_equal(s->given.mistakes.errors[1],
                        arena_printf(&s->arena,
                                     "%s:4: targets.mx1.routes[0].message: unknown placeholder {{nme}}",
                                     s->message));
    given_clear(&s->given);
    write_message(s, "");
    load(s, "    - {name: r0, from: a@b.example, to: c@d.example, message: '%s'}\n");
    assert_int_equal(s->given.mistakes.error_count, 1);
    assert_string_equal(s->given.mistakes.errors[0],
                        arena_printf(&s->arena, "%s: targets.mx1.routes[0].message: empty", s->message));
}

static void test_a_line_too_long_for_one_route(void **state)
{
    struct stage *s = *state;
    char text[1024] = "Subject: x\n\n";

    memset(text + strlen(text), 'x', 985);
    strcat(text, "{{from}}\n");
    write_message(s, text);
    load(s, "    - {name: r0, from: a@b.example, to: c@d.example, expect: queued, message: '%s'}\n"
            "    - {name: r1, from: abcd@b.example, to: c@d.example, expect: queued, message: '%s'}\n");
    assert_int_equal(s->given.mistakes.error_count, 1);
    assert_string_equal(
        s->given.mistakes.errors[0],
        arena_printf(&s->arena,
                     "%s:3: targets.mx1.routes[1].message: a line of 999 octets when it is filled in "
                     "(expected at most 998)",
                     s->message));
}

/* A path is relative to the config, and too large a file is not read. */
static void test_files(void **state)
{
    struct stage *s = *state;

    write_message(s, "\nx\n");
    load(s, "    - {name: r0, from: a@b.example, to: c@d.example, message: '../%s'}\n");
    route(s, 0);
    given_clear(&s->given);
    assert_int_equal(truncate(s->message, (off_t)TEMPLATE_MAX_FILE + 1), 0);
    load(s, "    - {name: r0, from: a@b.example, to: c@d.example, message: '%s'}\n");
    assert_int_equal(s->given.mistakes.error_count, 1);
    assert_non_null(strstr(s->given.mistakes.errors[0],
                           "too large for a message (expected at most 67108864 bytes, found 67108865)"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_values_of_each_route),
        TEST(test_values_of_each_target),
        TEST(test_values_of_each_pair),
        TEST(test_what_the_envelope_says),
        TEST(test_the_size),
        TEST(test_mistakes_stand_in_the_file),
        TEST(test_a_line_too_long_for_one_route),
        TEST(test_files),
    };
    return cmocka_run_group_tests_name("config/target_message", tests, NULL, NULL);
}
