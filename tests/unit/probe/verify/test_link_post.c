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

#define FORM "grant_type=client_credentials&client_secret=a%20b"

struct scene {
    uv_loop_t loop;
    struct dns *dns;
    struct fake_store server;
    struct link_post *post;
    char url[64];
    int64_t limit_us;
    bool over;
    int status;
    size_t len;
    char body[256];
    char why[512];
};

static void on_posted(void *context, int status, struct span body, const char *why)
{
    struct scene *s = context;
    s->over = true;
    s->post = NULL;
    s->status = status;
    s->len = body.len;
    snprintf(s->body, sizeof s->body, "%.*s", body.len < sizeof s->body ? (int)body.len : 0, body.data);
    snprintf(s->why, sizeof s->why, "%s", why ? why : "");
    assert_true((status == 0) == (why != NULL));
}

static void scene_begin(struct scene *s, const struct fake_row *rows)
{
    memset(s, 0, sizeof *s);
    uv_loop_init(&s->loop);
    s->dns = dns_new(&s->loop, "127.0.0.1:1");
    s->server.rows = rows;
    fake_store_start(&s->server, &s->loop);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u/token", s->server.port);
    s->limit_us = stage_scale_us(4000);
}

static void scene_post(struct scene *s)
{
    char form[] = FORM;
    s->post = link_post(&(struct link_post_order){.loop = &s->loop,
                                                  .dns = s->dns,
                                                  .url = s->url,
                                                  .form = span_of(form),
                                                  .deadline_us = clock_mono_us() + s->limit_us},
                        on_posted, s);
    memset(form, 'x', sizeof form);
    assert_false(s->over);
}

static void scene_play(struct scene *s)
{
    scene_post(s);
    assert_true(stage_run_until(&s->loop, &s->over));
}

static void scene_end(struct scene *s)
{
    link_post_cancel(s->post);
    fake_store_stop(&s->server);
    dns_free(s->dns);
    assert_int_equal(stage_close(&s->loop), 0);
}

/* The last header that is sent is answered, all others are listened to. */
#define ANSWER(text)                                                                                         \
    {"Content-Type: application/x-www-form-urlencoded", text}, {"", NULL},                                   \
    {                                                                                                        \
        NULL, NULL                                                                                           \
    }

static void test_an_answer(void **state)
{
    static const struct fake_row rows[] = {ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{ } ")};
    struct scene s;
    (void)state;
    scene_begin(&s, rows);
    scene_play(&s);
    assert_int_equal(s.status, 200);
    assert_string_equal(s.body, "{ } ");
    assert_ptr_equal(strstr(s.server.heard, "POST /token HTTP/1.1\r\n"), s.server.heard);
    assert_non_null(strstr(s.server.heard, "Accept: application/json\r\n"));
    assert_non_null(strstr(s.server.heard, "Content-Length: 49\r\n"));
    scene_end(&s);
}

/* The secret goes to nobody else. */
static void test_no_redirect_is_followed(void **state)
{
    static const struct fake_row rows[] = {
        ANSWER("HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")};
    struct scene s;
    (void)state;
    scene_begin(&s, rows);
    scene_play(&s);
    assert_int_equal(s.status, 307);
    assert_int_equal(s.server.connections, 1);
    scene_end(&s);
}

static void test_no_answer(void **state)
{
    static const struct fake_row silent[] = {ANSWER(NULL)};
    static const struct fake_row hangs_up[] = {ANSWER("!")};
    static const struct fake_row large[] = {
        {"Content-Type: application/x", "HTTP/1.1 200 OK\r\n\r\n@"}, {"", NULL}, {NULL, NULL}};
    static const struct {
        const struct fake_row *rows;
        const char *url;
        int64_t limit_ms;
        const char *why;
    } cases[] = {
        {silent, NULL, 200, "the server did not answer in time"},
        {hangs_up, NULL, 4000, "the server closed the connection"},
        {large, NULL, 4000, "the answer is larger than 64 KiB"},
        {silent, "not a URL", 4000, "libcurl cannot use this URL"},
        {silent, "file:///etc/passwd", 4000, "libcurl cannot use this URL"},
    };
    struct scene s;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene_begin(&s, cases[i].rows);
        if (cases[i].url)
            snprintf(s.url, sizeof s.url, "%s", cases[i].url);
        s.limit_us = stage_scale_us(cases[i].limit_ms);
        scene_play(&s);
        assert_int_equal(s.status, 0);
        assert_string_equal(s.why, cases[i].why);
        scene_end(&s);
    }
    scene_begin(&s, silent);
    snprintf(s.url, sizeof s.url, "https://login.example.org/token");
    scene_play(&s);
    assert_ptr_equal(strstr(s.why, "cannot look up login.example.org: "), s.why);
    scene_end(&s);
}

static void test_cancelled_at_any_time(void **state)
{
    static const struct fake_row rows[] = {ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{ } ")};
    size_t before = stage_descriptors();
    (void)state;
    for (int turns = 0; turns < 15; turns++) {
        struct scene s;
        scene_begin(&s, rows);
        scene_post(&s);
        for (int i = 0; i < turns; i++)
            uv_run(&s.loop, UV_RUN_NOWAIT);
        bool was_over = s.over;
        link_post_cancel(s.post);
        s.post = NULL;
        stage_run_for(&s.loop, 2 * CLOCK_US_PER_MS);
        assert_int_equal(s.over, was_over);
        scene_end(&s);
    }
    assert_int_equal(stage_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer),
        cmocka_unit_test(test_no_redirect_is_followed),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_cancelled_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
