/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/drive.h"

#include "probe/net/handle.h"
#include "probe/proto/client.h"
#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The client over a real socket, whose other end is in the test's hands. */

static uv_loop_t loop;
static struct sockets *sockets;
static struct socket s;
static struct client client;
static struct drive drive;
static struct plan plan;
static struct arena arena;
static struct result draft;
static int listener, peer, stamps;
static bool ready, over;

static void on_ready(void *context)
{
    (void)context;
    ready = true;
}

static void on_done(void *context)
{
    assert_ptr_equal(context, &drive);
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
    plan = (struct plan){.target = "mx", .host = "127.0.0.1", .helo = "probe.example.org"};
    plan.stop_after = PHASE_COUNT;
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        plan.limits_us[l] = stage_scale_us(2000);
    plan.limits_us[LIMIT_BANNER] = stage_scale_us(200);
    arena = (struct arena){0};
    draft = (struct result){0};
    ready = over = false;
    listener = stage_listen("127.0.0.1", 4, &at);
    if (listener < 0 || socket_open(&s, sockets, &at, &nowhere, on_ready, NULL, &error) ||
        !stage_run_until(&loop, &ready) || socket_connected(&s, &error) != 1)
        return -1;
    peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    client_init(&client, &plan, &arena, &draft, clock_mono_us());
    client_start(&client, s.stamp_us);
    drive_start(&drive, &loop, &client_seam, &client, &s, on_done, &drive);
    return over;
}

static int tear_down(void **state)
{
    (void)state;
    drive_clear(&drive);
    socket_close(&s);
    client_free(&client);
    arena_free(&arena);
    close(listener);
    if (peer >= 0)
        close(peer);
    sockets_free(sockets);
    return stage_close(&loop);
}

/* Until it is over; the socket is closed then. */
static const struct result_failure *play_out(void)
{
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(s.fd, -1);
    assert_int_equal(client_want(&client), SEAM_DONE);
    return &draft.failure;
}

/* What the client says next, which must be that. */
static void hear(const char *line)
{
    char got[128];
    size_t len = 0, wanted = strlen(line);
    int64_t end_us = clock_mono_us() + stage_scale_us(2000);

    while (len < wanted && clock_mono_us() < end_us) {
        ssize_t more;

        stage_run_for(&loop, 2 * CLOCK_US_PER_MS);
        more = recv(peer, got + len, sizeof got - 1 - len, MSG_DONTWAIT);
        len += more > 0 ? (size_t)more : 0;
    }
    got[len] = '\0';
    assert_string_equal(got, line);
}

static void end_peer(void)
{
    close(peer);
    peer = -1;
}

static void plays_the_dialogue(void **state)
{
    (void)state;
    stage_say(peer, "220 mx.example.org ESMTP\r\n");
    hear("EHLO probe.example.org\r\n");
    stage_say(peer, "250-mx.example.org\r\n250 SIZE\r\n");
    hear("QUIT\r\n");
    stage_say(peer, "221 Bye\r\n");
    assert_int_equal(play_out()->reason, REASON_NONE);
    assert_int_equal(draft.command_count, 3);
    assert_int_equal(draft.flags, 0);
    assert_int_equal(recv(peer, &(char){0}, 1, 0), 0); /* closed in good order */
}

/* A busy prober does not slow what it measures: the banner came long before its limit, it is read long
 * after. */
static void what_came_in_time_is_in_time_however_late_it_is_read(void **state)
{
    const struct result_command *banner;

    (void)state;
    stage_run_for(&loop, 2 * CLOCK_US_PER_MS);
    stage_say(peer, "220 mx.example.org ESMTP\r\n");
    stage_be_late(plan.limits_us[LIMIT_BANNER] + stage_scale_us(100));
    hear("EHLO probe.example.org\r\n");
    banner = &draft.commands[0];
    assert_true(banner->ok);
    assert_true(banner->reply_us - banner->at_us < stage_scale_us(100));
    assert_true(banner->first_byte_us >= banner->at_us && banner->first_byte_us <= banner->reply_us);
}

static void what_came_too_late_is_late_though_it_is_there(void **state)
{
    (void)state;
    stage_be_late(plan.limits_us[LIMIT_BANNER] + stage_scale_us(50));
    stage_say(peer, "220 mx.example.org ESMTP\r\n");
    stage_be_late(stage_scale_us(20));
    assert_int_equal(play_out()->reason, REASON_TIMEOUT);
    assert_int_equal(draft.failure.phase, PHASE_BANNER);
    assert_int_equal(draft.failure.limit_us, plan.limits_us[LIMIT_BANNER]);
}

static void silence(void **state)
{
    int64_t begun_us = clock_mono_us(), took_us;

    (void)state;
    assert_int_equal(play_out()->reason, REASON_TIMEOUT);
    took_us = clock_mono_us() - begun_us;
    assert_true(took_us < plan.limits_us[LIMIT_BANNER] + stage_scale_us(250));
    assert_true(draft.failure.elapsed_us >= plan.limits_us[LIMIT_BANNER]);
}

/* The limit of a later reply, be it further off than that of the one before or nearer. */
static void silence_later(int64_t limit_us)
{
    int64_t begun_us, took_us;

    plan.limits_us[LIMIT_REPLY] = limit_us;
    stage_say(peer, "220 mx.example.org ESMTP\r\n");
    hear("EHLO probe.example.org\r\n");
    begun_us = clock_mono_us();
    assert_int_equal(play_out()->reason, REASON_TIMEOUT);
    took_us = clock_mono_us() - begun_us;
    assert_int_equal(draft.failure.phase, PHASE_EHLO);
    assert_true(draft.failure.elapsed_us >= limit_us);
    assert_true(took_us < limit_us + stage_scale_us(100));
}

static void a_reply_moves_the_deadline_further_off(void **state)
{
    (void)state;
    silence_later(plan.limits_us[LIMIT_BANNER] * 2);
}

static void a_reply_brings_the_deadline_nearer(void **state)
{
    (void)state;
    silence_later(plan.limits_us[LIMIT_BANNER] / 10);
}

static void on_drip(uv_timer_t *timer)
{
    (void)timer;
    if (send(peer, "2", 1, MSG_NOSIGNAL) < 0)
        uv_timer_stop(timer);
}

static void a_drip_does_not_move_the_deadline(void **state)
{
    int64_t begun_us = clock_mono_us();
    uv_timer_t *timer = handle_timer(&loop, NULL);

    (void)state;
    stage_say(peer, "220-");
    uv_timer_start(timer, on_drip, 5, 5);
    assert_int_equal(play_out()->reason, REASON_TIMEOUT);
    assert_true(clock_mono_us() - begun_us < plan.limits_us[LIMIT_BANNER] + stage_scale_us(250));
    assert_true(draft.commands[0].replied); /* as far as it came */
    handle_close_timer(timer);
}

/* It stops reading at its own limit, whatever is still there, and lets nothing linger. */
static void a_flood_ends_at_a_limit(void **state)
{
    static char lines[256 * 1024];

    (void)state;
    for (size_t i = 0; i < sizeof lines; i++)
        lines[i] = "220-\r\n"[i % 6];
    while (send(peer, lines, sizeof lines, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
    assert_int_equal(play_out()->reason, REASON_TOO_MANY_LINES);
    assert_int_equal(recv(peer, lines, sizeof lines, 0), -1); /* what nobody reads makes it a reset */
}

static void an_end_is_closed(void **state)
{
    (void)state;
    stage_say(peer, "220 mx");
    end_peer();
    assert_int_equal(play_out()->reason, REASON_CLOSED);
    assert_string_equal(draft.commands[0].reply.lines[0], "220 mx");
}

static void a_reset_is_reset(void **state)
{
    (void)state;
    stage_reset(peer);
    peer = -1;
    assert_int_equal(play_out()->reason, REASON_RESET);
}

/* The kernel does not say that it is behind the last octet. */
static void a_reset_in_time_is_reset_however_late_it_is_read(void **state)
{
    (void)state;
    stage_run_for(&loop, 2 * CLOCK_US_PER_MS);
    stage_say(peer, "220-mx.exa");
    stage_reset(peer);
    peer = -1;
    stage_be_late(plan.limits_us[LIMIT_BANNER] + stage_scale_us(100));
    assert_int_equal(play_out()->reason, REASON_RESET);
    assert_int_equal(draft.failure.phase, PHASE_BANNER);
}

/* Said goodbye and hung up, while we were about to say something. */
static void the_last_words_are_heard(void **state)
{
    (void)state;
    stage_say(peer, "220 mx.example.org ESMTP\r\n");
    hear("EHLO probe.example.org\r\n");
    stage_say(peer, "421 4.3.2 Shutting down\r\n");
    end_peer();
    stage_be_late(20 * CLOCK_US_PER_MS);
    assert_int_equal(play_out()->reason, REASON_DEFERRED);
    assert_int_equal(draft.failure.code, 421);
}

static void stopped_it_says_so_later(void **state)
{
    (void)state;
    drive_stop(&drive);
    assert_false(over);
    assert_int_equal(play_out()->reason, REASON_LOCAL_RESOURCE);
    assert_int_equal(recv(peer, &(char){0}, 1, 0), 0);
}

static void cleared_it_is_silent(void **state)
{
    (void)state;
    stage_say(peer, "220 mx.example.org ESMTP\r\n");
    drive_clear(&drive);
    socket_close(&s);
    stage_run_for(&loop, stage_scale_us(20));
    assert_false(over);
}

static int warm_up(void **state)
{
    (void)state;
    stamps = socket_keep_stamps();
    stage_be_late(50 * CLOCK_US_PER_MS);
    return stamps < 0;
}

static int cool_down(void **state)
{
    (void)state;
    return close(stamps);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plays_the_dialogue),
        TEST(what_came_in_time_is_in_time_however_late_it_is_read),
        TEST(what_came_too_late_is_late_though_it_is_there),
        TEST(silence),
        TEST(a_reply_moves_the_deadline_further_off),
        TEST(a_reply_brings_the_deadline_nearer),
        TEST(a_drip_does_not_move_the_deadline),
        TEST(a_flood_ends_at_a_limit),
        TEST(an_end_is_closed),
        TEST(a_reset_is_reset),
        TEST(a_reset_in_time_is_reset_however_late_it_is_read),
        TEST(the_last_words_are_heard),
        TEST(stopped_it_says_so_later),
        TEST(cleared_it_is_silent),
    };

    return cmocka_run_group_tests(tests, warm_up, cool_down);
}
