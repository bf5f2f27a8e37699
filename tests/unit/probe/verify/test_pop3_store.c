/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/verify/pop3_store.h"

#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/proto/pop3.h"
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

#define OURS   "X-Ehlod-Token: ehlod-0123456789abcdef0123456789abcdef0123456789abcdef\r\n\r\nHello\r\n"
#define THEIRS "Subject: x\r\n\r\nHello\r\n"

#define LOGIN                                                                                                \
    {"CAPA", "+OK\r\nSASL PLAIN\r\n.\r\n"}, {"AUTH PLAIN", "+ \r\n"},                                        \
    {                                                                                                        \
        "AHByb2JlAGNvcnJlY3QgaG9yc2U=", "+OK in\r\n"                                                         \
    }
#define LIST(lines)                                                                                          \
    {                                                                                                        \
        "UIDL", "+OK\r\n" lines ".\r\n"                                                                      \
    }
#define TOP(number, text)                                                                                    \
    {                                                                                                        \
        "TOP " number " ", "+OK\r\n" text ".\r\n"                                                            \
    }
#define BYE                                                                                                  \
    {"DELE ", "+OK\r\n"}, {"QUIT", "+OK bye\r\n!"},                                                          \
    {                                                                                                        \
        NULL, NULL                                                                                           \
    }

static const struct fake_row good[] = {LOGIN, LIST("1 theirs\r\n2 ours\r\n"), TOP("1", THEIRS),
                                       TOP("2", OURS), BYE};
static const struct fake_row without[] = {LOGIN, LIST("1 theirs\r\n"), BYE};

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
    buffer_printf(&scene->log, "seen %s %s, %zu of %zu\n", s->mailbox, s->id, s->kept.len, s->size);
    assert_true(s->folder[0] == '\0' && !s->astray && !s->exact);
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
    s->server.greeting = "+OK ready\r\n";
    s->server.rows = rows;
    fake_store_start(&s->server, &s->loop);
    s->password = secret_new(span_of("correct horse"));
    s->account = (struct account){.url = "pop3://mail.example.org",
                                  .host = "127.0.0.1",
                                  .port = s->server.port,
                                  .allow_plaintext = true,
                                  .username = "probe",
                                  .password = s->password,
                                  .protocol = ACCOUNT_POP3};
    buffer_init(&s->log, 256 * 1024);
    s->store = pop3_store_new(&(struct pop3_store_order){.loop = &s->loop,
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

#define SEEN "seen box ours, 80 of 80\n"
static_assert(sizeof OURS - 1 == 80, "SEEN says so");

static size_t count_of(const char *text, const char *piece)
{
    size_t count = 0;

    while ((text = strstr(text, piece)) != NULL) {
        count++;
        text += strlen(piece);
    }
    return count;
}

/* The first look comes by itself; each copy is shown once and removed when it may be, and strangers' are read
 * once. */
static void test_shows_once_and_removes(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, good);
    assert_string_equal(scene_look(&s), SEEN "looked box: well\n");
    assert_string_equal(scene_ask(&s), "may box ours\nlooked box: well\n");
    assert_null(strstr(s.server.heard, "DELE"));
    s.may_remove = true;
    assert_string_equal(scene_ask(&s), "may box ours\nlooked box: well\n");
    assert_non_null(strstr(s.server.heard, "DELE 2\r\nQUIT\r\n"));
    s.server.rows = without;
    assert_string_equal(scene_ask(&s), "looked box: well\n");
    assert_int_equal(count_of(s.server.heard, "TOP 1 "), 1);
    assert_int_equal(count_of(s.server.heard, "DELE "), 1);
    assert_null(strstr(s.server.heard, "RETR"));
    assert_int_equal(s.server.connections, 4);
    scene_end(&s);
}

/* Looks come by themselves while something is expected. */
static void test_looks_often_while_it_expects(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, good);
    scene_look(&s);
    s.store->ops->expect(s.store, clock_mono_us() + stage_scale_us(60000));
    scene_look(&s);
    assert_string_equal(scene_look(&s), "may box ours\nlooked box: well\n");
    scene_end(&s);
}

/* What lies under an id of ours by now may be a stranger's: it stays, and is read as what it is. */
static void test_an_id_that_is_used_again(void **state)
{
    static const struct fake_row other[] = {LOGIN, LIST("1 theirs\r\n2 ours\r\n"), TOP("2", THEIRS), BYE};
    struct scene s;
    (void)state;
    scene_begin(&s, good);
    scene_look(&s);
    s.server.rows = other;
    s.may_remove = true;
    assert_string_equal(scene_ask(&s), "may box ours\nlooked box: well\n");
    assert_string_equal(scene_ask(&s), "looked box: well\n");
    assert_string_equal(scene_ask(&s), "looked box: well\n");
    assert_null(strstr(s.server.heard, "DELE"));
    assert_int_equal(count_of(s.server.heard, "TOP 2 8"), 3);
    scene_end(&s);
}

/* What cannot be removed is told once, and tried again; it has been looked all the same. */
static void test_v12_what_cannot_be_removed(void **state)
{
    static const struct fake_row refuses[] = {
        LOGIN, LIST("2 ours\r\n"), TOP("2", OURS), {"DELE", "-ERR no\r\n"}, BYE};
    struct scene s;
    (void)state;
    scene_begin(&s, refuses);
    assert_string_equal(scene_look(&s), SEEN "looked box: well\n");
    s.may_remove = true;
    assert_string_equal(scene_ask(&s),
                        "may box ours\ncannot box ours: DELE refused: \"-ERR no\"\nlooked box: well\n");
    assert_string_equal(scene_ask(&s), "may box ours\nlooked box: well\n");
    assert_int_equal(count_of(s.server.heard, "DELE 2\r\n"), 2);
    scene_end(&s);
}

static void check_failed(const char *told, const char *why)
{
    static const char place[] = "looked box: pop3://mail.example.org: failing since ";
    told = strstr(told, place);
    assert_non_null(told);
    assert_string_equal(told + strlen(place) + strlen("02:10:11Z: "), why);
}

/* What a look says that could not be; what it has shown it does not show again. */
static void test_why_it_cannot_be_looked_into(void **state)
{
    static const struct fake_row refuses[] = {
        {"CAPA", "+OK\r\nSASL PLAIN\r\n.\r\n"}, {"AUTH", "-ERR [AUTH] no\r\n"}, {NULL, NULL}};
    static const struct fake_row no_list[] = {LOGIN, {"UIDL", "-ERR what?\r\n"}, BYE};
    static const struct fake_row dies[] = {
        LOGIN, LIST("1 theirs\r\n2 ours\r\n"), TOP("2", OURS), {"TOP 1", "+OK\r\nSubj!"}, BYE};
    struct scene s;
    (void)state;
    scene_begin(&s, refuses);
    check_failed(scene_look(&s), "login refused: \"-ERR [AUTH] no\"\n");
    s.server.rows = no_list;
    check_failed(scene_ask(&s), "UIDL refused: \"-ERR what?\"\n");
    s.server.rows = dies;
    assert_ptr_equal(strstr(scene_ask(&s), SEEN), s.log.data);
    check_failed(s.log.data, "the server closed the connection\n");
    s.server.rows = good;
    assert_string_equal(scene_ask(&s), "may box ours\nlooked box: well\n");
    scene_end(&s);
}

/* A look is over when all that is new was read, in as many sessions as that takes. */
static void test_more_than_a_session_reads(void **state)
{
    static char list[64 * 1024];
    struct fake_row rows[] = {LOGIN, {"UIDL", list}, TOP("1", OURS), {"TOP", "+OK\r\n" THEIRS ".\r\n"}, BYE};
    size_t len = (size_t)snprintf(list, sizeof list, "+OK\r\n1 ours\r\n");
    struct scene s;
    (void)state;
    for (unsigned i = 2; i <= 2 * POP3_MAX_READS + 1; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%u uid%u\r\n", i, i);
    snprintf(list + len, sizeof list - len, ".\r\n");
    scene_begin(&s, rows);
    assert_string_equal(scene_look(&s), SEEN "looked box: well\n");
    assert_int_equal(s.server.connections, 3);
    scene_end(&s);
}

/* A server that breaks off each time is read to its end all the same. */
static void test_what_was_read_is_not_read_again(void **state)
{
    static const struct fake_row dies[] = {
        LOGIN, LIST("1 a\r\n2 b\r\n"), TOP("2", THEIRS), {"TOP 1 ", "!"}, BYE};
    static const struct fake_row lives[] = {LOGIN, LIST("1 a\r\n2 b\r\n"), TOP("1", THEIRS), BYE};
    struct scene s;
    (void)state;
    scene_begin(&s, dies);
    check_failed(scene_look(&s), "the server closed the connection\n");
    s.server.rows = lives;
    assert_string_equal(scene_ask(&s), "looked box: well\n");
    assert_int_equal(count_of(s.server.heard, "TOP 2 "), 1);
    scene_end(&s);
}

static void test_reports(void **state)
{
    static const struct fake_row rows[] = {
        LOGIN, LIST("1 a\r\n"),
        TOP("1", "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n"), BYE};
    struct scene s;
    (void)state;
    scene_begin(&s, rows);
    assert_string_equal(scene_look(&s), "seen box a, 75 of 75\nlooked box: well\n");
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
        cmocka_unit_test(test_looks_often_while_it_expects),
        cmocka_unit_test(test_an_id_that_is_used_again),
        cmocka_unit_test(test_v12_what_cannot_be_removed),
        cmocka_unit_test(test_why_it_cannot_be_looked_into),
        cmocka_unit_test(test_more_than_a_session_reads),
        cmocka_unit_test(test_what_was_read_is_not_read_again),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_freed_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
