/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/drive.h"

#include "probe/net/handle.h"
#include "probe/proto/client.h"
#include "tests/unit/probe/net/tls_peer.h"
#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The client in TLS from the first octet on, over a real socket; the server is OpenSSL in the test's hands.
 */

static uv_loop_t loop;
static struct sockets *sockets;
static struct socket s;
static struct client client;
static struct drive drive;
static struct plan plan;
static struct arena arena;
static struct result draft;
static struct tls_context *context;
static struct certificates_made certificate;
static struct tls_peer server;
static int listener, peer;
static bool ready, over;

static void on_ready(void *flag)
{
    *(bool *)flag = true;
}

static void on_done(void *flag)
{
    *(bool *)flag = true;
}

static int connect_both(void)
{
    struct address at, nowhere = {0};
    struct socket_error error;

    listener = stage_listen("127.0.0.1", 4, &at);
    if (listener < 0 || socket_open(&s, sockets, &at, &nowhere, on_ready, &ready, &error) ||
        !stage_run_until(&loop, &ready) || socket_connected(&s, &error) != 1)
        return -1;
    peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    return peer < 0 ? -1 : 0;
}

static int set_up(void **state)
{
    struct tls_context_error error;

    (void)state;
    uv_loop_init(&loop);
    sockets = sockets_new(&loop);
    ready = over = false;
    plan = (struct plan){.target = "mx", .host = "127.0.0.1", .helo = "probe.example.org"};
    plan.stop_after = PHASE_COUNT;
    plan.tls = (struct plan_tls){.mode = TLS_MODE_IMPLICIT, .insecure_skip_verify = true};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        plan.limits_us[l] = stage_scale_us(4000);
    plan.limits_us[LIMIT_BANNER] = stage_scale_us(400);
    arena = (struct arena){0};
    draft = (struct result){0};
    certificate = certificates_make(&(struct certificates_spec){.subject = "mx"});
    tls_peer_init(&server, &certificate, 1);
    context = tls_context_new(&plan.tls, &error);
    if (!context || connect_both())
        return -1;
    client_init(&client, &plan, &arena, &draft, clock_mono_us());
    client_start(&client, s.stamp_us);
    drive_start(&drive, &loop, &client_seam, &client, &s, on_done, &over);
    drive_offer_tls(&drive, context, "127.0.0.1");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    drive_clear(&drive);
    socket_close(&s);
    client_free(&client);
    arena_free(&arena);
    tls_context_free(context);
    tls_peer_clear(&server);
    certificates_free(&certificate);
    close(listener);
    close(peer);
    sockets_free(sockets);
    return stage_close(&loop);
}

/* The server says what it has to say. */
static void say_records(void)
{
    unsigned char data[16 * 1024];
    size_t len = tls_peer_take(&server, data, sizeof data);

    if (len)
        assert_int_equal(send(peer, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Both talk until the handshake is over for both. */
static void shake_hands(int version)
{
    int64_t end_us = clock_mono_us() + stage_scale_us(2000);
    char data[16 * 1024];

    SSL_CTX_set_max_proto_version(server.ctx, version);
    tls_peer_start(&server);
    while (!SSL_is_init_finished(server.ssl) || draft.command_count == 0) {
        stage_run_for(&loop, 2 * CLOCK_US_PER_MS);
        ssize_t len = recv(peer, data, sizeof data, MSG_DONTWAIT);
        if (len > 0)
            BIO_write(server.in, data, (int)len);
        SSL_do_handshake(server.ssl);
        say_records();
        assert_true(clock_mono_us() < end_us);
    }
}

/* The handshake of TLS 1.2 is over with the server's last word. It may ask for another one, to which a
 * warning is said; that is nothing that a greeting waits for. */
static void what_tls_says_later_moves_no_limit(void **state)
{
    int64_t at_us;

    (void)state;
    shake_hands(TLS1_2_VERSION);
    at_us = draft.commands[0].at_us;
    stage_run_for(&loop, plan.limits_us[LIMIT_BANNER] / 2);
    assert_int_equal(SSL_renegotiate(server.ssl), 1);
    assert_int_equal(SSL_do_handshake(server.ssl), 1);
    say_records();
    stage_run_for(&loop, plan.limits_us[LIMIT_BANNER] / 4);
    assert_true(recv(peer, &(char){0}, 1, MSG_DONTWAIT) == 1); /* the warning */
    assert_int_equal(draft.commands[0].at_us, at_us);
    assert_int_equal(client_deadline(&client), client.start_us + at_us + plan.limits_us[LIMIT_BANNER]);
    assert_true(stage_run_until(&loop, &over));
    assert_int_equal(draft.failure.reason, REASON_TIMEOUT);
    assert_int_equal(draft.failure.phase, PHASE_BANNER);
}

/* That of TLS 1.3 with the client's: a server that greets waits for it. */
static void the_greeting_counts_from_the_last_word_of_ours(void **state)
{
    (void)state;
    shake_hands(TLS1_3_VERSION);
    assert_true(client.shaken);
    assert_true(client.start_us + draft.commands[0].at_us == client.step_us);
    assert_true(draft.commands[0].at_us > 0);
    assert_int_equal(SSL_write(server.ssl, "220 mx\r\n", 8), 8);
    say_records();
    stage_run_for(&loop, 20 * CLOCK_US_PER_MS);
    assert_true(draft.commands[0].replied);
    assert_int_equal(draft.command_count, 2);
    drive_stop(&drive);
    assert_true(stage_run_until(&loop, &over));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_tls_says_later_moves_no_limit),
        TEST(the_greeting_counts_from_the_last_word_of_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
