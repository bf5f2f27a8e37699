/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/drive.h"

#include "probe/base/base64.h"
#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* An engine that does nothing but log in with SCRAM, over a real socket: it wants an answer from its start
 * on, says it, hands on what comes, and notes in which order all that was. */

static struct engine {
    enum seam_want want;
    char output[1024], said[1024], challenge[1024];
    size_t len;
    int64_t deadline_us;
    bool first;
    char events[256];
    enum auth_progress progress;
} engine;

static uv_loop_t loop;
static struct sockets *sockets;
static struct socket s;
static struct drive drive;
static struct secret *password;
static struct auth_login login;
static int listener, peer;
static bool ready, over;

static void note(const char *event)
{
    size_t len = strlen(engine.events);

    snprintf(engine.events + len, sizeof engine.events - len, "%s ", event);
}

static enum seam_want want(const void *e)
{
    (void)e;
    return engine.want;
}

static struct span output(const void *e)
{
    (void)e;
    return engine.want == SEAM_WRITE ? (struct span){engine.output, engine.len} : span_of("");
}

static int64_t deadline(const void *e)
{
    (void)e;
    return engine.deadline_us;
}

/* "?CHALLENGE" is one that is to be answered; "." is the end. */
static void receive(void *e, struct span bytes, int64_t first_us, int64_t last_us)
{
    (void)e, (void)first_us, (void)last_us;
    note("received");
    if (bytes.data[0] == '.')
        engine.want = SEAM_DONE;
    if (bytes.data[0] != '?')
        return;
    snprintf(engine.challenge, sizeof engine.challenge, "%.*s", (int)bytes.len - 1, bytes.data + 1);
    engine.first = false;
    engine.want = SEAM_ANSWER;
}

static void sent(void *e, size_t len, int64_t now_us)
{
    (void)e, (void)now_us;
    assert_int_equal(len, engine.len);
    note("sent");
    engine.want = SEAM_READ;
}

static void broken(void *e, enum seam_break how, int64_t now_us)
{
    (void)e, (void)how, (void)now_us;
    note("broken");
    engine.want = SEAM_DONE;
}

static struct auth_question question(const void *e)
{
    (void)e;
    note("asked");
    return (struct auth_question){
        .mechanism = AUTH_SCRAM_SHA_256, .first = engine.first, .challenge = engine.challenge};
}

static void answered(void *e, const struct auth_answer *answer, int64_t now_us)
{
    (void)e;
    assert_true(now_us <= clock_mono_us());
    note("answered");
    engine.progress = answer->progress;
    memcpy(engine.said, answer->line.data, answer->line.len);
    memcpy(engine.output, answer->line.data, answer->line.len);
    engine.output[answer->line.len] = '\n';
    engine.len = answer->line.len + 1;
    engine.want = answer->progress == AUTH_MORE ? SEAM_WRITE : SEAM_DONE;
}

static void expire(void *e, int64_t now_us)
{
    (void)e;
    if (now_us < engine.deadline_us || engine.want == SEAM_DONE)
        return;
    note("expired");
    engine.want = SEAM_DONE;
}

static void stop(void *e, int64_t now_us)
{
    (void)e, (void)now_us;
    engine.want = SEAM_DONE;
}

static const struct seam seam = {.want = want,
                                 .output = output,
                                 .deadline = deadline,
                                 .receive = receive,
                                 .sent = sent,
                                 .broken = broken,
                                 .question = question,
                                 .answered = answered,
                                 .expire = expire,
                                 .stop = stop};

static void on_ready(void *context)
{
    (void)context;
    ready = true;
}

static void on_done(void *context)
{
    (void)context;
    assert_false(over);
    over = true;
}

static int set_up(void **state)
{
    struct address at, nowhere = {0};
    struct socket_error error;

    (void)state;
    uv_loop_init(&loop);
    sockets = sockets_new(&loop);
    ready = over = false;
    engine = (struct engine){.want = SEAM_ANSWER, .first = true, .deadline_us = CLOCK_NEVER};
    password = secret_new(span_of("hunter2"));
    login = (struct auth_login){.wanted = true, .username = "probe", .password = password};
    listener = stage_listen("127.0.0.1", 4, &at);
    if (listener < 0 || socket_open(&s, sockets, &at, &nowhere, on_ready, NULL, &error) ||
        !stage_run_until(&loop, &ready) || socket_connected(&s, &error) != 1)
        return -1;
    peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    drive_start(&drive, &loop, &seam, &engine, &s, on_done, &drive);
    drive_offer_login(&drive, &login, "mx.example.org", 25);
    return over;
}

static int tear_down(void **state)
{
    (void)state;
    drive_clear(&drive);
    secret_free(password);
    socket_close(&s);
    close(listener);
    close(peer);
    sockets_free(sockets);
    return stage_close(&loop);
}

static void wait_for(const char *events)
{
    int64_t end_us = clock_mono_us() + stage_scale_us(5000);

    while (!strstr(engine.events, events) && clock_mono_us() < end_us)
        stage_run_for(&loop, CLOCK_US_PER_MS);
    assert_non_null(strstr(engine.events, events));
}

/* A challenge that keeps a thread busy for a while. */
static void challenge(const char *iterations)
{
    char first[512], server[640], line[1024] = "?";
    int len;

    wait_for("asked answered sent ");
    len = base64_decode(span_of(engine.said), first);
    assert_true(len > 0);
    first[len] = '\0';
    snprintf(server, sizeof server, "r=%sx,s=QUJD,i=%s", strstr(first, ",r=") + 3, iterations);
    base64_encode(span_of(server), line + 1);
    stage_say(peer, line);
    engine.events[0] = '\0';
    wait_for("received asked ");
}

static void answers_what_is_asked(void **state)
{
    char line[256] = "";

    (void)state;
    challenge("1");
    assert_int_equal(engine.progress, AUTH_MORE);
    wait_for("answered sent ");
    assert_int_equal(engine.progress, AUTH_MORE);
    assert_true(recv(peer, line, sizeof line - 1, 0) > 0);
    assert_non_null(strchr(line, '\n'));
    stage_say(peer, "?dj1BQUFB"); /* no signature of that password's */
    assert_true(stage_run_until(&loop, &over));
    assert_string_equal(engine.events, "received asked answered sent received asked answered ");
    assert_int_equal(engine.progress, AUTH_SERVER_INVALID);
}

/* It is asked once, however often the loop turns meanwhile. */
static void what_comes_meanwhile_is_seen(void **state)
{
    (void)state;
    challenge("400000");
    stage_say(peer, "a");
    stage_run_for(&loop, 5 * CLOCK_US_PER_MS);
    stage_say(peer, "b");
    wait_for("answered ");
    assert_string_equal(engine.events, "received asked received received answered sent ");
}

/* Though the answer is ready before anybody reads: it came first. */
static void what_came_before_the_answer_comes_first(void **state)
{
    (void)state;
    challenge("100000");
    engine.events[0] = '\0';
    stage_say(peer, "unasked");
    stage_be_late(stage_scale_us(400));
    wait_for("sent ");
    assert_string_equal(engine.events, "received answered sent ");
}

static void an_end_meanwhile_is_the_end(void **state)
{
    (void)state;
    challenge("400000");
    stage_say(peer, ".");
    assert_true(stage_run_until(&loop, &over));
    assert_string_equal(engine.events, "received asked received ");
    stage_run_for(&loop, stage_scale_us(20)); /* with or without the answer, nothing comes of it */
    assert_string_equal(engine.events, "received asked received ");
}

static void a_break_meanwhile_is_seen(void **state)
{
    (void)state;
    challenge("400000");
    shutdown(peer, SHUT_WR);
    assert_true(stage_run_until(&loop, &over));
    assert_string_equal(engine.events, "received asked broken ");
    uv_run(&loop, UV_RUN_DEFAULT); /* the answer comes to somebody who is done, and not cleared */
    assert_string_equal(engine.events, "received asked broken ");
}

static void the_deadline_holds_meanwhile(void **state)
{
    (void)state;
    challenge("400000");
    engine.deadline_us = clock_mono_us() + 5 * CLOCK_US_PER_MS;
    stage_say(peer, "a"); /* deadlines are asked for again when something has come */
    assert_true(stage_run_until(&loop, &over));
    assert_string_equal(engine.events, "received asked received expired ");
}

static void stopped_meanwhile(void **state)
{
    (void)state;
    challenge("400000");
    drive_stop(&drive);
    assert_true(stage_run_until(&loop, &over));
}

static void cleared_meanwhile_it_is_silent(void **state)
{
    (void)state;
    challenge("400000");
    drive_clear(&drive);
    secret_free(password); /* nobody looks at it any more */
    password = NULL;
    socket_close(&s);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_false(over);
    assert_string_equal(engine.events, "received asked ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_what_is_asked),
        TEST(what_comes_meanwhile_is_seen),
        TEST(what_came_before_the_answer_comes_first),
        TEST(an_end_meanwhile_is_the_end),
        TEST(a_break_meanwhile_is_seen),
        TEST(the_deadline_holds_meanwhile),
        TEST(stopped_meanwhile),
        TEST(cleared_meanwhile_it_is_silent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
