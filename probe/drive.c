/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pump between an engine and a socket. Two rules make its times honest: the socket is read empty
 * before a deadline is judged, each piece with the kernel's stamp, and before anything is written, so that
 * what came unasked is seen as such. What a reply means, and when it is late, only the engine knows.
 * TLS stands between the two from when the engine wants it; how it is spoken is probe/net/tls.c's. What a
 * login says is probe/sasl.c's; the socket is read while it thinks.
 */
#include "probe/drive.h"

#include "probe/base/clock.h"
#include "probe/net/handle.h"

#include <assert.h>

enum { READ_SIZE = 16 * 1024, READ_TURN = 16 };

static void on_socket(void *context);
static void on_timer(uv_timer_t *timer);
static void on_answer(void *context, const struct auth_answer *answer);

/* The engine hears when all that TLS had to say for itself is there. */
static void told_own(struct drive *d, int64_t at_us)
{
    if (tls_output(d->tls).len == 0 && d->seam->shaking)
        d->seam->shaking(d->engine, at_us);
}

/* What has become of TLS, and what was inside of what came then. */
static void pass_on(struct drive *d, int64_t at_us)
{
    char data[READ_SIZE];
    const char *message;
    size_t len;
    enum tls_state state = tls_state(d->tls);

    if ((state == TLS_UP || state == TLS_CLOSED) && d->seam->want(d->engine) == SEAM_TLS) {
        d->seam->secured(d->engine, at_us);
        told_own(d, at_us); /* in TLS 1.2 the server's word is the last: what TLS says later ends nothing */
    }
    while ((len = tls_read(d->tls, data, sizeof data, &at_us)) > 0)
        d->seam->receive(d->engine, (struct span){data, len}, at_us, at_us);
    if (state == TLS_FAILED) {
        enum reason reason = tls_failure(d->tls, &message);
        d->seam->unsecured(d->engine, reason, message, at_us);
    } else if (state == TLS_CLOSED) {
        d->seam->broken(d->engine, SEAM_CLOSED, at_us);
    }
    d->ended = d->ended || state == TLS_FAILED || state == TLS_CLOSED;
}

static void take(struct drive *d, struct span bytes, int64_t at_us)
{
    if (!d->tls) {
        d->seam->receive(d->engine, bytes, at_us, at_us);
        return;
    }
    tls_receive(d->tls, bytes, at_us);
    pass_on(d, at_us);
}

static void take_break(struct drive *d, enum seam_break how)
{
    int64_t now_us = clock_mono_us();

    if (!d->tls) {
        d->seam->broken(d->engine, how, now_us);
        return;
    }
    tls_broken(d->tls, how == SEAM_RESET ? REASON_RESET : REASON_CLOSED);
    pass_on(d, now_us);
}

static bool has_output(const struct drive *d)
{
    return d->seam->want(d->engine) == SEAM_WRITE || (d->tls && tls_output(d->tls).len > 0);
}

/* Whether reading on would be in vain. The kernel counts no reset as something that is left, so where a
 * deadline is about to be judged the socket itself is asked. */
static bool is_empty(const struct drive *d)
{
    return socket_is_drained(d->socket) && clock_mono_us() < d->seam->deadline(d->engine);
}

/* Reads what is there, at most READ_TURN pieces: then others have their turn. (That is as much as a client
 * takes in a whole dialogue, so no deadline of a client is judged before its socket is empty.) */
static void read_all(struct drive *d)
{
    char data[READ_SIZE];
    struct socket_error error;
    int64_t at_us;
    size_t len;
    int got = d->ended ? 0 : 1;
    bool came = false;

    for (int i = 0; i < READ_TURN && got > 0 && !d->ended && d->seam->want(d->engine) != SEAM_DONE; i++) {
        got = socket_read(d->socket, data, sizeof data, &len, &at_us, &error);
        came = came || got > 0;
        if (got > 0)
            take(d, (struct span){data, len}, at_us);
        else if (got < 0)
            take_break(d, error.number ? SEAM_RESET : SEAM_CLOSED);
        if (got > 0 && is_empty(d))
            break;
    }
    d->ended = d->ended || got < 0;
    /* What goes out acknowledges by itself, and so does the end. */
    if (came && !d->ended && !has_output(d) && d->seam->want(d->engine) != SEAM_DONE)
        socket_acknowledge(d->socket);
}

/* The engine has said all: so has TLS, and a peer that waits for its end need not wait on. */
static void shut_when_said(struct drive *d)
{
    if (d->seam->want(d->engine) == SEAM_LINGER)
        tls_shut(d->tls);
}

/* What goes to the wire next; empty when there is nothing. */
static struct span output(struct drive *d)
{
    if (!d->tls)
        return d->seam->output(d->engine);
    shut_when_said(d);
    if (tls_output(d->tls).len == 0 && d->seam->want(d->engine) == SEAM_WRITE) {
        d->in_records = tls_write(d->tls, d->seam->output(d->engine));
        if (d->in_records == 0)
            pass_on(d, clock_mono_us());
    }
    return tls_output(d->tls);
}

/* So much of it is there. Of what lies in TLS records the engine hears when they are sent whole. */
static void sent(struct drive *d, size_t len, int64_t now_us)
{
    if (d->tls) {
        tls_sent(d->tls, len);
        len = tls_output(d->tls).len ? 0 : d->in_records;
        d->in_records -= len;
    }
    if (len)
        d->seam->sent(d->engine, len, now_us);
}

/* Returns whether the socket must tell when there is room again. */
static bool write_all(struct drive *d)
{
    struct span out;

    while (d->seam->want(d->engine) != SEAM_DONE && (out = output(d)).len > 0) {
        size_t len;
        int64_t now_us = clock_mono_us(); /* before: the peer may answer before the call returns */
        /* What TLS has to say for itself, such as the end of the handshake: before the engine speaks, what
         * came is read. */
        bool is_own = d->tls && d->in_records == 0;
        int put = socket_write(d->socket, out, &len);

        if (put == 0)
            return true;
        if (put > 0) {
            sent(d, len, now_us);
            if (d->tls) /* a server has more to say than replies, and may hold these back behind it */
                socket_acknowledge(d->socket);
            if (is_own) {
                told_own(d, now_us);
                read_all(d);
            }
            continue;
        }
        /* It is broken; the peer may have said something before. If there is nothing to be read, not even the
         * break, it is told here. */
        read_all(d);
        d->seam->broken(d->engine, SEAM_RESET, clock_mono_us());
    }
    return false;
}

/* The engine wants TLS. What is there already came in the clear, and was read before this. Returns whether it
 * was begun. */
static bool begin_tls(struct drive *d)
{
    if (d->tls || d->seam->want(d->engine) != SEAM_TLS)
        return false;
    assert(d->tls_context);
    d->tls = tls_new(d->tls_context, d->tls_host);
    if (d->hides_text)
        tls_hide(d->tls);
    if (tls_state(d->tls) == TLS_FAILED) /* before a word was said */
        pass_on(d, clock_mono_us());
    return true;
}

/* The end of TLS, or the alert that it failed with, as far as it goes out at once. */
static void shut_tls(struct drive *d)
{
    struct span out;
    size_t len;

    if (!d->tls)
        return;
    tls_shut(d->tls);
    out = tls_output(d->tls);
    if (out.len)
        (void)socket_write(d->socket, out, &len);
}

/* The engine wants to know what to answer. */
static void ask(struct drive *d)
{
    if (d->asked || d->ended || d->seam->want(d->engine) != SEAM_ANSWER)
        return;
    assert(d->sasl);
    struct auth_question question = d->seam->question(d->engine);
    d->asked = true;
    sasl_ask(d->sasl, &question, on_answer, d);
}

/* The engine is done: nothing lingers. What the peer did not take is dropped with a reset, or the system
 * would go on trying to deliver it; nor is the rest of a record sent, which the engine takes for unsent. */
static void hang_up(struct drive *d, bool unsent)
{
    if (unsent || d->in_records > 0) {
        socket_reset(d->socket);
    } else {
        shut_tls(d);
        socket_close(d->socket);
    }
    uv_timer_stop(d->timer);
    d->done(d->context);
}

/* The timer may come too early, and nothing is late then; so it stays where it is as each reply moves the
 * deadline further off, and a dialogue that goes well sets it once. */
static void set_timer(struct drive *d, int64_t deadline_us)
{
    if (uv_is_active((uv_handle_t *)d->timer) && d->timer_us <= deadline_us)
        return;
    d->timer_us = deadline_us;
    handle_at(d->timer, on_timer, deadline_us);
}

static void go_on(struct drive *d)
{
    bool writing = d->seam->want(d->engine) == SEAM_WRITE;
    bool waiting, cut_short;

    read_all(d);
    begin_tls(d);
    cut_short = writing && d->seam->want(d->engine) == SEAM_DONE;
    waiting = write_all(d);
    if (begin_tls(d)) /* a server's, behind its 220, or a client's behind a PROXY header, which says hello */
        waiting = write_all(d);
    ask(d);
    if (d->seam->want(d->engine) != SEAM_DONE)
        d->seam->expire(d->engine, clock_mono_us());
    if (d->seam->want(d->engine) == SEAM_DONE || d->ended) {
        hang_up(d, waiting || cut_short);
        return;
    }
    socket_watch(d->socket, waiting, on_socket, d);
    set_timer(d, d->seam->deadline(d->engine));
}

static void on_socket(void *context)
{
    go_on(context);
}

/* What came before it, came before it. */
static void on_answer(void *context, const struct auth_answer *answer)
{
    struct drive *d = context;

    d->asked = false;
    if (d->ended || d->seam->want(d->engine) == SEAM_DONE) /* hung up already */
        return;
    read_all(d);
    if (d->seam->want(d->engine) == SEAM_ANSWER)
        d->seam->answered(d->engine, answer, clock_mono_us());
    go_on(d);
}

static void on_timer(uv_timer_t *timer)
{
    go_on(timer->data);
}

void drive_start(struct drive *d, uv_loop_t *loop, const struct seam *seam, void *engine,
                 struct socket *socket, drive_done *done, void *context)
{
    *d = (struct drive){.seam = seam,
                        .engine = engine,
                        .socket = socket,
                        .timer = handle_timer(loop, d),
                        .done = done,
                        .context = context};
    socket_watch(socket, false, on_socket, d);
    set_timer(d, seam->want(engine) == SEAM_READ ? seam->deadline(engine) : 0);
}

void drive_hide_text(struct drive *d)
{
    d->hides_text = true;
}

void drive_offer_tls(struct drive *d, struct tls_context *context, const char *host)
{
    d->tls_context = context;
    d->tls_host = host;
    /* Where TLS comes first of all, nothing that is there already was sent in the clear. */
    begin_tls(d);
}

const struct mask *drive_offer_login(struct drive *d, const struct auth_login *login, const char *host,
                                     uint16_t port)
{
    assert(!d->sasl);
    d->sasl = sasl_new(d->timer->loop, login, host, port);
    return sasl_mask(d->sasl);
}

void drive_stop(struct drive *d)
{
    d->seam->stop(d->engine, clock_mono_us());
    set_timer(d, clock_mono_us());
}

void drive_clear(struct drive *d)
{
    handle_close_timer(d->timer);
    d->timer = NULL;
    tls_free(d->tls);
    d->tls = NULL;
    sasl_free(d->sasl);
    d->sasl = NULL;
}
