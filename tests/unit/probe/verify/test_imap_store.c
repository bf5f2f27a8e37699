/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/verify/imap_store.h"

#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "tests/unit/probe/stage.h"
#include "tests/unit/probe/verify/fake_store.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN "ehlod-0123456789abcdef0123456789abcdef0123456789abcdef"
#define OURS  "X-Ehlod-Token: " TOKEN "\r\n\r\n"
static_assert(sizeof OURS - 1 == 73, "the literals below say so");

#define LOGIN                                                                                                \
    {"CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR UIDPLUS\r\n$ OK done\r\n"},                    \
    {                                                                                                        \
        "AUTHENTICATE", "$ OK in\r\n"                                                                        \
    }
#define OPEN(verb, validity)                                                                                 \
    {                                                                                                        \
        verb, "* 2 EXISTS\r\n* OK [UIDVALIDITY " validity "] x\r\n* OK [UIDNEXT 9] x\r\n$ OK done\r\n"       \
    }
#define HEADERS                                                                                              \
    {                                                                                                        \
        "UID FETCH 1:*", "* 1 FETCH (UID 4 BODY[HEADER.FIELDS (X)]<0> {8}\r\na: b\r\n\r\n)\r\n"              \
                         "* 2 FETCH (UID 8 BODY[HEADER.FIELDS (X)]<0> {73}\r\n" OURS ")\r\n$ OK done\r\n"    \
    }
#define TEXT                                                                                                 \
    {                                                                                                        \
        "UID FETCH 8 (UID RFC",                                                                              \
            "* 2 FETCH (UID 8 RFC822.SIZE 100000 BODY[]<0> {73}\r\n" OURS ")\r\n$ OK done\r\n"               \
    }
#define REMOVAL                                                                                              \
    {"UID FETCH 8 (UID BODY.PEEK[HEADER",                                                                    \
     "* 2 FETCH (UID 8 BODY[HEADER.FIELDS (X)]<0> {73}\r\n" OURS ")\r\n$ OK done\r\n"},                      \
        {"UID STORE 8 ", "$ OK done\r\n"}, {"UID EXPUNGE 8\r\n", "* 2 EXPUNGE\r\n$ OK done\r\n"},            \
    {                                                                                                        \
        NULL, NULL                                                                                           \
    }

static const struct fake_row good[] = {LOGIN,  OPEN("EXAMINE", "7"), OPEN("SELECT", "7"), HEADERS, TEXT,
                                       REMOVAL};

static const char *const inbox[] = {"INBOX"};

struct scene {
    uv_loop_t loop;
    struct dns *dns;
    struct fake_store server;
    struct account account;
    struct secret *password;
    struct store *store;
    bool may_remove;
    bool looked;
    int64_t began_us;
    struct buffer log;
};

static void on_seen(void *context, const struct sighting *s)
{
    struct scene *scene = context;
    buffer_printf(&scene->log, "seen %s %s%s %s, %zu of %zu\n", s->mailbox, s->folder,
                  s->astray ? " (astray)" : "", s->id, s->kept.len, s->size);
    assert_int_equal(s->to_count, 0);
    assert_true(s->at_us > 0 && s->at_us <= clock_mono_us());
}

static bool on_may_remove(void *context, const char *mailbox, const char *id)
{
    struct scene *scene = context;
    buffer_printf(&scene->log, "may %s %s\n", mailbox, id);
    return scene->may_remove;
}

static void on_unremoved(void *context, const char *mailbox, const char *id, const char *why)
{
    struct scene *scene = context;
    buffer_printf(&scene->log, "cannot %s %s: %s\n", mailbox, id, why);
}

static void on_looked(void *context, const char *mailbox, int64_t began_us, const char *why)
{
    struct scene *scene = context;
    buffer_printf(&scene->log, "looked %s: %s\n", mailbox, why ? why : "well");
    scene->looked = true;
    scene->began_us = began_us;
}

static const struct mailbox_events events = {on_seen, on_may_remove, on_unremoved, on_looked};

static void scene_begin(struct scene *s, const struct fake_row *rows)
{
    memset(s, 0, sizeof *s);
    uv_loop_init(&s->loop);
    s->dns = dns_new(&s->loop, "127.0.0.1:1");
    s->server.greeting = "* OK ready\r\n";
    s->server.rows = rows;
    fake_store_start(&s->server, &s->loop);
    s->password = secret_new(span_of("correct horse"));
    s->account = (struct account){.url = "imap://mail.example.org",
                                  .host = "127.0.0.1",
                                  .port = s->server.port,
                                  .allow_plaintext = true,
                                  .username = "probe",
                                  .password = s->password,
                                  .folders = inbox,
                                  .folder_count = 1};
    buffer_init(&s->log, 256 * 1024);
    s->store = imap_store_new(&(struct imap_store_order){.loop = &s->loop,
                                                         .dns = s->dns,
                                                         .name = "box",
                                                         .account = &s->account,
                                                         .events = &events,
                                                         .context = s});
}

/* What one more look tells. */
static const char *scene_look(struct scene *s)
{
    buffer_clear(&s->log);
    s->looked = false;
    assert_true(stage_run_until(&s->loop, &s->looked));
    return s->log.data;
}

static const char *scene_ask(struct scene *s)
{
    int64_t asked_us = clock_mono_us();
    s->store->ops->look(s->store);
    const char *told = scene_look(s);
    assert_true(s->began_us >= asked_us);
    return told;
}

static void scene_end(struct scene *s)
{
    s->store->ops->free(s->store);
    fake_store_stop(&s->server);
    dns_free(s->dns);
    secret_free(s->password);
    buffer_free(&s->log);
    assert_int_equal(stage_close(&s->loop), 0);
}

/* The first look comes by itself; each copy is shown once and removed when it may be. */
static void test_shows_once_and_removes(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, good);
    assert_string_equal(scene_look(&s),
                        "seen box INBOX INBOX/7/8, 73 of 100000\nmay box INBOX/7/8\nlooked box: well\n");
    assert_null(strstr(s.server.heard, "SELECT"));
    assert_string_equal(scene_ask(&s), "may box INBOX/7/8\nlooked box: well\n");
    s.may_remove = true;
    assert_string_equal(scene_ask(&s), "may box INBOX/7/8\nlooked box: well\n");
    assert_non_null(strstr(s.server.heard, "UID EXPUNGE 8\r\n"));
    assert_string_equal(scene_ask(&s), "looked box: well\n");
    scene_end(&s);
}

/* The connection is kept while something is expected, and only then; looks come by themselves. */
static void test_keeps_its_connection_while_it_expects(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, good);
    scene_look(&s);
    assert_true(stage_run_until(&s.loop, &s.server.closed));
    assert_non_null(strstr(s.server.heard, "LOGOUT\r\n"));
    s.store->ops->expect(s.store, clock_mono_us() + stage_scale_us(60000));
    scene_look(&s);
    scene_look(&s);
    scene_look(&s);
    assert_int_equal(s.server.connections, 2);
    assert_false(s.server.closed);
    scene_end(&s);
}

/* One that died meanwhile is replaced, and nobody is told. */
static void test_a_dead_connection_is_replaced(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, good);
    s.store->ops->expect(s.store, clock_mono_us() + stage_scale_us(60000));
    scene_look(&s);
    fake_store_hang_up(s.server.last);
    assert_string_equal(scene_ask(&s), "may box INBOX/7/8\nlooked box: well\n");
    assert_int_equal(s.server.connections, 2);
    scene_end(&s);
}

/* I11: with another UIDVALIDITY all messages are others. */
static void test_i11_uidvalidity(void **state)
{
    static const struct fake_row other[] = {LOGIN,  OPEN("EXAMINE", "9"), OPEN("SELECT", "9"), HEADERS, TEXT,
                                            REMOVAL};
    struct scene s;
    (void)state;
    scene_begin(&s, good);
    scene_look(&s);
    s.server.rows = other;
    assert_string_equal(scene_ask(&s),
                        "seen box INBOX INBOX/9/8, 73 of 100000\nmay box INBOX/9/8\nlooked box: well\n");
    scene_end(&s);
}

/* I11: what cannot be removed is told once, and tried again. */
static void test_i11_read_only(void **state)
{
    static const struct fake_row rows[] = {LOGIN,
                                           OPEN("EXAMINE", "7"),
                                           {"SELECT", "* OK [UIDVALIDITY 7] x\r\n$ OK [READ-ONLY] done\r\n"},
                                           HEADERS,
                                           TEXT,
                                           REMOVAL};
    struct scene s;
    (void)state;
    scene_begin(&s, rows);
    s.may_remove = true;
    assert_string_equal(scene_look(&s), "seen box INBOX INBOX/7/8, 73 of 100000\nmay box INBOX/7/8\n"
                                        "cannot box INBOX/7/8: the folder is read-only\nlooked box: well\n");
    assert_string_equal(scene_ask(&s), "may box INBOX/7/8\nlooked box: well\n");
    assert_null(strstr(s.server.heard, "STORE"));
    s.server.rows = good;
    assert_string_equal(scene_ask(&s), "may box INBOX/7/8\nlooked box: well\n");
    assert_non_null(strstr(s.server.heard, "UID EXPUNGE 8\r\n"));
    scene_end(&s);
}

static void check_failed(const char *told, const char *why)
{
    static const char place[] = "looked box: imap://mail.example.org: failing since ";
    assert_ptr_equal(strstr(told, place), told);
    assert_string_equal(told + strlen(place) + strlen("02:10:11Z: "), why);
}

/* What a look says that could not be, and that it is over when it can be again. */
static void test_why_it_cannot_be_looked_into(void **state)
{
    static const struct fake_row missing[] = {LOGIN, {"EXAMINE", "$ NO [NONEXISTENT] none\r\n"}, REMOVAL};
    static const struct fake_row dies[] = {
        LOGIN, OPEN("EXAMINE", "7"), {"HEADER.FIELDS", "* 1 FETCH (UID!"}, REMOVAL};
    static const struct fake_row refuses[] = {
        {"CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n$ OK done\r\n"},
        {"AUTHENTICATE", "$ NO [AUTHENTICATIONFAILED] no\r\n"},
        {NULL, NULL}};
    struct scene s;
    (void)state;
    scene_begin(&s, missing);
    check_failed(scene_look(&s),
                 "EXAMINE INBOX failed: there is no such folder (\"NO [NONEXISTENT] none\")\n");
    s.server.rows = dies;
    check_failed(scene_ask(&s), "the server closed the connection\n");
    s.server.rows = refuses;
    check_failed(scene_ask(&s), "login refused: \"NO [AUTHENTICATIONFAILED] no\"\n");
    s.server.rows = good;
    assert_string_equal(scene_ask(&s),
                        "seen box INBOX INBOX/7/8, 73 of 100000\nmay box INBOX/7/8\nlooked box: well\n");
    scene_end(&s);
}

/* A look that breaks off is done again from where it began: what was shown is not shown twice. */
static void test_a_look_that_breaks_off(void **state)
{
    static const struct fake_row dies[] = {
        LOGIN,
        OPEN("EXAMINE", "7"),
        HEADERS,
        {"UID FETCH 8 (UID RFC", "* 2 FETCH (UID 8 BODY[]<0> {73}\r\n" OURS ")\r\n!"},
        REMOVAL};
    struct scene s;
    (void)state;
    scene_begin(&s, dies);
    scene_look(&s);
    assert_ptr_equal(strstr(s.log.data, "seen box INBOX INBOX/7/8, 73 of 73\nlooked box: imap://"),
                     s.log.data);
    s.server.rows = good;
    assert_string_equal(scene_ask(&s), "may box INBOX/7/8\nlooked box: well\n");
    scene_end(&s);
}

/* A report is shown, and what only looks like mail of ours is not. */
static void test_reports_and_strangers(void **state)
{
    static const struct fake_row rows[] = {
        LOGIN,
        OPEN("EXAMINE", "7"),
        {"HEADER.FIELDS", "* 1 FETCH (UID 4 BODY[HEADER.FIELDS (X)] {63}\r\nContent-Type: multipart/report; "
                          "report-type=delivery-status\r\n\r\n)\r\n"
                          "* 2 FETCH (UID 8 BODY[HEADER.FIELDS (X)] {73}\r\n" OURS ")\r\n$ OK done\r\n"},
        {"UID FETCH 4,8 ",
         "* 1 FETCH (UID 4 RFC822.SIZE 63 BODY[]<0> {63}\r\nContent-Type: multipart/report; "
         "report-type=delivery-status\r\n\r\n)\r\n"
         "* 2 FETCH (UID 8 BODY[]<0> {8}\r\na: b\r\n\r\n)\r\n$ OK done\r\n"},
        REMOVAL};
    struct scene s;
    (void)state;
    scene_begin(&s, rows);
    assert_string_equal(scene_look(&s),
                        "seen box INBOX INBOX/7/4, 63 of 63\nmay box INBOX/7/4\nlooked box: well\n");
    scene_end(&s);
}

/* A UID that is a stranger's by now is left alone, and is ours no more. */
static void test_a_strangers_message_under_a_uid_of_ours(void **state)
{
    static const struct fake_row rows[] = {
        LOGIN,
        OPEN("EXAMINE", "7"),
        OPEN("SELECT", "7"),
        HEADERS,
        TEXT,
        {"UID FETCH 8 (UID BODY.PEEK[HEADER",
         "* 2 FETCH (UID 8 BODY[HEADER.FIELDS (X)]<0> {27}\r\nMessage-ID: <a@b.example>\r\n)\r\n$ OK done\r\n"},
        {NULL, NULL}};
    struct scene s;
    (void)state;
    scene_begin(&s, rows);
    s.may_remove = true;
    assert_string_equal(scene_look(&s),
                        "seen box INBOX INBOX/7/8, 73 of 100000\nmay box INBOX/7/8\nlooked box: well\n");
    assert_string_equal(scene_ask(&s), "looked box: well\n");
    assert_null(strstr(s.server.heard, "STORE"));
    scene_end(&s);
}

/* A report of qmail is known by its text alone. */
static void test_a_report_that_only_its_text_shows(void **state)
{
    static const struct fake_row rows[] = {
        LOGIN,
        OPEN("EXAMINE", "7"),
        {"UID FETCH 1:*",
         "* 2 FETCH (UID 8 BODY[HEADER.FIELDS (X)] {19}\r\nReturn-Path: <>\r\n\r\n)\r\n$ OK done\r\n"},
        {"UID FETCH 8 (UID RFC", "* 2 FETCH (UID 8 BODY[]<0> {68}\r\nReturn-Path: <>\r\n\r\n"
                                 "Hi. This is the qmail-send program at a.example\r\n)\r\n$ OK done\r\n"},
        {NULL, NULL}};
    struct scene s;
    (void)state;
    scene_begin(&s, rows);
    assert_string_equal(scene_look(&s),
                        "seen box INBOX INBOX/7/8, 68 of 68\nmay box INBOX/7/8\nlooked box: well\n");
    scene_end(&s);
}

/* Wherever it is when it is freed: silence, and nothing left. */
static void test_freed_at_any_time(void **state)
{
    size_t before = stage_descriptors();
    (void)state;
    for (int turns = 0; turns < 60; turns++) {
        struct scene s;
        scene_begin(&s, good);
        s.may_remove = true;
        s.store->ops->expect(s.store, clock_mono_us() + stage_scale_us(60000));
        for (int i = 0; i < turns; i++)
            uv_run(&s.loop, UV_RUN_NOWAIT);
        scene_end(&s);
    }
    assert_int_equal(stage_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shows_once_and_removes),
        cmocka_unit_test(test_keeps_its_connection_while_it_expects),
        cmocka_unit_test(test_a_dead_connection_is_replaced),
        cmocka_unit_test(test_i11_uidvalidity),
        cmocka_unit_test(test_i11_read_only),
        cmocka_unit_test(test_why_it_cannot_be_looked_into),
        cmocka_unit_test(test_a_look_that_breaks_off),
        cmocka_unit_test(test_reports_and_strangers),
        cmocka_unit_test(test_a_strangers_message_under_a_uid_of_ours),
        cmocka_unit_test(test_a_report_that_only_its_text_shows),
        cmocka_unit_test(test_freed_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
