/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pump between an engine and a socket. Two rules make its times honest: the socket is read empty
 * before a deadline is judged, each piece with the kernel's stamp, and before anything is written, so that
 * what came unasked is seen as such. What a reply means, and when it is late, only the engine knows.
 */
#include "probe/drive.h"

#include "probe/base/clock.h"
#include "probe/net/handle.h"

enum { READ_SIZE = 16 * 1024, READ_TURN = 16 };

static void on_socket(void *context);
static void on_timer(uv_timer_t *timer);

/* Reads what is there, at most READ_TURN pieces: then others have their turn. (That is as much as a client
 * takes in a whole dialogue, so no deadline of a client is judged before its socket is empty.) */
static void read_all(struct drive *d)
{
    char data[READ_SIZE];
    struct socket_error error;
    int64_t at_us;
    size_t len;
    int got = d->ended ? 0 : 1;

    for (int i = 0; i < READ_TURN && got > 0 && d->seam->want(d->engine) != SEAM_DONE; i++) {
        got = socket_read(d->socket, data, sizeof data, &len, &at_us, &error);
        if (got > 0)
            d->seam->receive(d->engine, (struct span){data, len}, at_us, at_us);
        else if (got < 0)
            d->seam->broken(d->engine, error.number ? SEAM_RESET : SEAM_CLOSED, clock_mono_us());
    }
    d->ended = d->ended || got < 0;
}

/* Returns whether the socket must tell when there is room again. */
static bool write_all(struct drive *d)
{
    while (d->seam->want(d->engine) == SEAM_WRITE) {
        size_t len;
        int64_t now_us = clock_mono_us(); /* before: the peer may answer before the call returns */
        int put = socket_write(d->socket, d->seam->output(d->engine), &len);

        if (put == 0)
            return true;
        if (put > 0) {
            d->seam->sent(d->engine, len, now_us);
            continue;
        }
        /* It is broken; the peer may have said something before. If there is nothing to be read, not even the
         * break, it is told here. */
        read_all(d);
        d->seam->broken(d->engine, SEAM_RESET, clock_mono_us());
    }
    return false;
}

/* The engine is done: nothing lingers. What the peer did not take is dropped with a reset, or the system
 * would go on trying to deliver it. */
static void hang_up(struct drive *d, bool unsent)
{
    if (unsent)
        socket_reset(d->socket);
    else
        socket_close(d->socket);
    uv_timer_stop(d->timer);
    d->done(d->context);
}

static void go_on(struct drive *d)
{
    bool writing = d->seam->want(d->engine) == SEAM_WRITE;
    bool waiting, cut_short;

    read_all(d);
    cut_short = writing && d->seam->want(d->engine) == SEAM_DONE;
    waiting = write_all(d);
    if (d->seam->want(d->engine) != SEAM_DONE)
        d->seam->expire(d->engine, clock_mono_us());
    if (d->seam->want(d->engine) == SEAM_DONE || d->ended) {
        hang_up(d, waiting || cut_short);
        return;
    }
    socket_watch(d->socket, waiting, on_socket, d);
    handle_at(d->timer, on_timer, d->seam->deadline(d->engine));
}

static void on_socket(void *context)
{
    go_on(context);
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
    handle_at(d->timer, on_timer, seam->want(engine) == SEAM_READ ? seam->deadline(engine) : 0);
}

void drive_stop(struct drive *d)
{
    d->seam->stop(d->engine, clock_mono_us());
    handle_at(d->timer, on_timer, clock_mono_us());
}

void drive_clear(struct drive *d)
{
    handle_close_timer(d->timer);
    d->timer = NULL;
}
