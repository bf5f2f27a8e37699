/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/verify/link.h"

#include "probe/base/clock.h"
#include "tests/unit/probe/stage.h"
#include "tests/unit/probe/verify/fake_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT_MS 4000

/* A link to a fake server, and what it told. */
struct scene {
    uv_loop_t loop;
    struct dns *dns;
    struct fake_store server;
    struct account account;
    struct secret *password;
    struct span token;
    struct link *link;
    bool was_up;
    bool over;
    bool is_login;
    bool frees; /* at the first event */
    char bytes[4096];
    char why[1024];
    int64_t limit_us;
};

static void scene_free_link(struct scene *s)
{
    link_free(s->link);
    s->link = NULL;
}

static void on_up(void *context)
{
    struct scene *s = context;
    s->was_up = true;
    if (s->frees)
        scene_free_link(s);
    else
        link_send(s->link, span_of("z9 HELLO\r\n"));
    s->over = s->frees;
}

static void on_bytes(void *context, struct span bytes)
{
    struct scene *s = context;
    strncat(s->bytes, bytes.data, bytes.len);
    s->over = strstr(s->bytes, "\n") != NULL;
}

static void on_down(void *context, const char *why, bool is_login)
{
    struct scene *s = context;
    s->over = true;
    s->is_login = is_login;
    snprintf(s->why, sizeof s->why, "%s", why);
}

static const struct link_events events = {on_up, on_bytes, on_down};

static void scene_begin(struct scene *s, enum account_protocol protocol, const char *greeting,
                        const struct fake_row *rows)
{
    memset(s, 0, sizeof *s);
    uv_loop_init(&s->loop);
    s->dns = dns_new(&s->loop, "127.0.0.1:1");
    s->server.greeting = greeting;
    s->server.rows = rows;
    fake_store_start(&s->server, &s->loop);
    s->password = secret_new(span_of("correct horse"));
    s->account = (struct account){.protocol = protocol,
                                  .host = "127.0.0.1",
                                  .port = s->server.port,
                                  .allow_plaintext = true,
                                  .username = "probe@example.org",
                                  .password = s->password};
    s->limit_us = stage_scale_us(LIMIT_MS);
}

static void scene_open(struct scene *s)
{
    struct link_order order = {&s->loop, s->dns, &s->account, s->token, clock_mono_us() + s->limit_us};
    s->link = link_open(&order, &events, s);
}

static void scene_play(struct scene *s)
{
    scene_open(s);
    assert_false(s->was_up || s->over);
    assert_true(stage_run_until(&s->loop, &s->over));
}

static void scene_end(struct scene *s)
{
    scene_free_link(s);
    fake_store_stop(&s->server);
    dns_free(s->dns);
    secret_free(s->password);
    assert_int_equal(stage_close(&s->loop), 0);
}

#define IMAP_ROWS(capabilities)                                                                              \
    {"CAPABILITY", "* CAPABILITY " capabilities "\r\n$ OK done\r\n"}, {"AUTHENTICATE PLAIN", "$ OK in\r\n"}, \
        {"AUTHENTICATE", "+ \r\n"}, {"LOGIN", "$ OK in\r\n"}, {"HELLO", "hello\r\n"},                        \
    {                                                                                                        \
        NULL, NULL                                                                                           \
    }
static const struct fake_row imap_rows[] = {IMAP_ROWS("IMAP4rev1 AUTH=PLAIN SASL-IR")};
#define IMAP_GREETING "* OK ready\r\n"

static void test_logs_in_and_becomes_a_stream(void **state)
{
    static const struct fake_row pop3[] = {{"CAPA", "+OK\r\nSASL PLAIN\r\n.\r\n"},
                                           {"AUTH PLAIN", "+ \r\n"},
                                           {"AHByb2JlQGV4YW1wbGUub3JnAGNvcnJlY3QgaG9yc2U=", "+OK in\r\n"},
                                           {"HELLO", "hello\r\n"},
                                           {NULL, NULL}};
    struct scene s;
    (void)state;
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, imap_rows);
    scene_play(&s);
    assert_string_equal(s.bytes, "hello\r\n");
    assert_non_null(
        strstr(s.server.heard, "AUTHENTICATE PLAIN AHByb2JlQGV4YW1wbGUub3JnAGNvcnJlY3QgaG9yc2U="));
    scene_end(&s);
    scene_begin(&s, ACCOUNT_POP3, "+OK ready\r\n", pop3);
    s.account.host = "localhost"; /* stands in the hosts file, always */
    scene_play(&s);
    assert_string_equal(s.bytes, "hello\r\n");
    scene_end(&s);
}

/* Without SASL it is LOGIN, or USER and PASS, on a second connection; Kerberos never. */
static void test_other_ways_to_log_in(void **state)
{
    static const struct fake_row login[] = {IMAP_ROWS("IMAP4rev1")};
    static const struct fake_row kerberos[] = {IMAP_ROWS("IMAP4rev1 AUTH=GSSAPI")};
    static const struct fake_row pop3[] = {{"CAPA", "-ERR what?\r\n"},
                                           {"USER", "+OK\r\n"},
                                           {"PASS", "+OK\r\n"},
                                           {"HELLO", "hello\r\n"},
                                           {NULL, NULL}};
    struct scene s;
    (void)state;
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, login);
    scene_play(&s);
    assert_string_equal(s.bytes, "hello\r\n");
    assert_non_null(strstr(s.server.heard, " LOGIN probe@example.org \"correct horse\"\r\n"));
    assert_int_equal(s.server.connections, 2);
    scene_end(&s);
    scene_begin(&s, ACCOUNT_POP3, "+OK ready\r\n", pop3);
    scene_play(&s);
    assert_string_equal(s.bytes, "hello\r\n");
    assert_non_null(strstr(s.server.heard, "PASS correct horse\r\n"));
    scene_end(&s);
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, kerberos);
    scene_play(&s);
    assert_string_equal(s.why, "the server offers no login by password (SASL, LOGIN)");
    assert_int_equal(s.server.connections, 1);
    scene_end(&s);
}

/* I01: a farewell instead of a greeting. */
static void test_i01_bye(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, ACCOUNT_IMAP, "* BYE too many \x07 connections\r\n!", imap_rows);
    scene_play(&s);
    assert_string_equal(s.why, "the server hung up: \"BYE too many \\x07 connections\"");
    assert_false(s.was_up || s.is_login);
    scene_end(&s);
}

/* I02: who is logged in before TLS cannot begin it, and nothing is said in the clear. */
static void test_i02_preauth(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, ACCOUNT_IMAP, "* PREAUTH hello\r\n", imap_rows);
    s.account.allow_plaintext = false;
    scene_play(&s);
    assert_string_equal(s.why, "the server greets with PREAUTH, so STARTTLS is not possible");
    assert_string_equal(s.server.heard, "");
    scene_end(&s);
}

/* I05: no credential in the clear where the config or the server does not want it. */
static void test_i05_no_login_in_the_clear(void **state)
{
    static const struct fake_row disabled[] = {IMAP_ROWS("IMAP4rev1 LOGINDISABLED")};
    static const struct fake_row pop3[] = {{"CAPA", "+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n"}, {NULL, NULL}};
    struct scene s;
    (void)state;
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, imap_rows);
    s.account.allow_plaintext = false;
    scene_play(&s);
    assert_string_equal(
        s.why, "the server does not begin TLS (STARTTLS), and nobody logs in without (allow_plaintext)");
    assert_string_equal(s.server.heard, "A001 CAPABILITY\r\n");
    scene_end(&s);
    scene_begin(&s, ACCOUNT_POP3, "+OK ready\r\n", pop3);
    s.account.allow_plaintext = false;
    scene_play(&s);
    assert_string_equal(s.why,
                        "the server does not begin TLS (STLS), and nobody logs in without (allow_plaintext)");
    assert_string_equal(s.server.heard, "CAPA\r\n");
    scene_end(&s);
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, disabled);
    scene_play(&s);
    assert_string_equal(s.why, "the server offers no login by password (SASL, LOGIN)");
    assert_null(strstr(s.server.heard, " LOGIN "));
    scene_end(&s);
}

/* I10: what the server says is shown, but no secret of ours in it. */
static void test_i10_refused(void **state)
{
    static const struct fake_row rows[] = {
        {"CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n$ OK done\r\n"},
        {"AUTHENTICATE", "$ NO [AUTHENTICATIONFAILED] not \"correct horse\"\x1b[2J, "
                         "AHByb2JlQGV4YW1wbGUub3JnAGNvcnJlY3QgaG9yc2U=\r\n"},
        {NULL, NULL}};
    struct scene s;
    (void)state;
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, rows);
    scene_play(&s);
    assert_true(s.is_login);
    assert_ptr_equal(strstr(s.why, "login refused: \"NO [AUTHENTICATIONFAILED] not \"***\"\\x1B[2J, "),
                     s.why);
    assert_null(strstr(s.why, "correct"));
    assert_null(strstr(s.why, "Y29ycmVjdCBob3Jz"));
    assert_null(strstr(s.why, "NvcnJlY3QgaG9yc2"));
    scene_end(&s);
}

/* RFC 7628: why a token does not do stands in a challenge. */
static void test_a_token_that_is_refused(void **state)
{
    static const struct fake_row rows[] = {
        {"CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=XOAUTH2 AUTH=PLAIN SASL-IR\r\n$ OK done\r\n"},
        {"AUTHENTICATE XOAUTH2", "+ eyJzdGF0dXMiOiI0MDAiLCJzY29wZSI6Im1haWwifQ==\r\n"},
        {NULL, NULL}};
    static const struct fake_row none[] = {IMAP_ROWS("IMAP4rev1 AUTH=PLAIN")};
    struct scene s;
    (void)state;
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, rows);
    s.token = span_of("the-token");
    scene_play(&s);
    assert_true(s.is_login);
    assert_string_equal(s.why, "login refused: \"{\"status\":\"400\",\"scope\":\"mail\"}\"");
    scene_end(&s);
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, none);
    s.token = span_of("the-token");
    scene_play(&s);
    assert_string_equal(s.why, "the server offers no login by token (OAUTHBEARER, XOAUTH2)");
    assert_null(strstr(s.server.heard, "AUTHENTICATE"));
    scene_end(&s);
}

/* I09: libcurl would listen for ever, to lines and to one line. */
static void test_i09_floods(void **state)
{
    static char lines[80 * 1024];
    const struct fake_row many[] = {{"CAPABILITY", lines}, {NULL, NULL}};
    static const struct fake_row endless[] = {{"CAPABILITY", "@"}, {NULL, NULL}};
    const struct fake_row *const floods[] = {many, endless};
    struct scene s;
    (void)state;
    for (size_t i = 0; i + 8 < sizeof lines; i += 4)
        memcpy(lines + i, "* x\n", 4);
    for (size_t i = 0; i < 2; i++) {
        scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, floods[i]);
        scene_play(&s);
        assert_string_equal(s.why, "the server said more than 64 KiB before the login was over");
        scene_end(&s);
    }
}

static void test_silence_and_its_end(void **state)
{
    static const struct fake_row rows[] = {{"CAPABILITY", NULL}, {NULL, NULL}};
    static const struct fake_row hang_up[] = {{"CAPABILITY", "!"}, {NULL, NULL}};
    static const struct fake_row nonsense[] = {{NULL, NULL}};
    struct scene s;
    (void)state;
    for (int greets = 0; greets < 2; greets++) {
        scene_begin(&s, ACCOUNT_IMAP, greets ? IMAP_GREETING : NULL, rows);
        s.limit_us = stage_scale_us(200);
        scene_play(&s);
        assert_string_equal(s.why, "the server did not answer in time");
        scene_end(&s);
    }
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, hang_up);
    scene_play(&s);
    assert_string_equal(s.why, "the server closed the connection");
    scene_end(&s);
    for (enum account_protocol protocol = 0; protocol < ACCOUNT_PROTOCOL_COUNT; protocol++) {
        scene_begin(&s, protocol, "220 mx.example.org ESMTP\r\n", nonsense);
        scene_play(&s);
        assert_string_equal(s.why, "the server says what nobody expects: \"220 mx.example.org ESMTP\"");
        scene_end(&s);
    }
}

static void test_nobody_there(void **state)
{
    struct address at;
    char expected[64];
    struct scene s;
    int fd = stage_closed_port("127.0.0.1", &at);
    (void)state;
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, imap_rows);
    s.account.port = address_port(&at);
    scene_play(&s);
    snprintf(expected, sizeof expected, "connect to 127.0.0.1:%u: connection refused", s.account.port);
    assert_string_equal(s.why, expected);
    scene_end(&s);
    close(fd);
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, imap_rows);
    s.account.host = "mail.example.org";
    scene_play(&s);
    assert_ptr_equal(strstr(s.why, "cannot look up mail.example.org: "), s.why);
    scene_end(&s);
}

/* The connection ends once it is up: what came before is told first. */
static void test_down_after_up(void **state)
{
    static const struct fake_row rows[] = {
        {"CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n$ OK done\r\n"},
        {"AUTHENTICATE", "$ OK in\r\n"},
        {"HELLO", "last words!"},
        {NULL, NULL}};
    struct scene s;
    (void)state;
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, rows);
    scene_play(&s);
    assert_string_equal(s.bytes, "last words");
    assert_string_equal(s.why, "the server closed the connection");
    link_send(s.link, span_of("into the void"));
    scene_end(&s);
}

/* Wherever it is when it is freed: silence, nothing left, and the connection is closed. */
static void test_freed_at_any_time(void **state)
{
    struct scene s;
    size_t before = stage_descriptors();
    (void)state;
    scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, imap_rows);
    s.frees = true;
    scene_play(&s);
    scene_end(&s);
    for (int turns = 0; turns < 30; turns++) {
        scene_begin(&s, ACCOUNT_IMAP, IMAP_GREETING, imap_rows);
        scene_open(&s);
        for (int i = 0; i < turns; i++)
            uv_run(&s.loop, UV_RUN_NOWAIT);
        bool was_up = s.was_up;
        scene_free_link(&s);
        stage_run_for(&s.loop, 2 * CLOCK_US_PER_MS);
        assert_int_equal(s.was_up, was_up);
        assert_string_equal(s.why, "");
        scene_end(&s);
    }
    assert_int_equal(stage_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logs_in_and_becomes_a_stream),
        cmocka_unit_test(test_other_ways_to_log_in),
        cmocka_unit_test(test_i01_bye),
        cmocka_unit_test(test_i02_preauth),
        cmocka_unit_test(test_i05_no_login_in_the_clear),
        cmocka_unit_test(test_i10_refused),
        cmocka_unit_test(test_a_token_that_is_refused),
        cmocka_unit_test(test_i09_floods),
        cmocka_unit_test(test_silence_and_its_end),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_down_after_up),
        cmocka_unit_test(test_freed_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
