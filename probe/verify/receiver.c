/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays sinks over sockets. A session lives until its sink is done, which the sink's own limits see to; there
 * are never more than it was made for, so a receiver's memory has a bound. What is said in a session is
 * probe/proto/sink.c's.
 */
#include "probe/verify/receiver.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/drive.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct session {
    struct session *next;
    struct session *prev;
    struct receiver *receiver;
    struct socket socket;
    struct drive drive;
    struct sink sink;
    struct tls_context *tls;
};

struct receiver {
    uv_loop_t *loop;
    struct sockets *sockets;
    const struct sink_policy *policy;
    struct tls_context *tls; /* null = none */
    struct session *sessions;
    size_t count;
    size_t max;
    receiver_room *room;
    void *context;
};

struct receiver *receiver_new(uv_loop_t *loop, const struct sink_policy *policy, size_t max_sessions,
                              receiver_room *room, void *context)
{
    struct receiver *r = mem_alloc(sizeof *r);

    r->loop = loop;
    r->sockets = sockets_new(loop);
    r->policy = policy;
    r->max = max_sessions;
    r->room = room;
    r->context = context;
    return r;
}

void receiver_set_tls(struct receiver *r, struct tls_context *context)
{
    tls_context_free(r->tls);
    r->tls = tls_context_ref(context);
}

bool receiver_is_full(const struct receiver *r)
{
    return r->count >= r->max;
}

static void session_free(struct session *s)
{
    struct receiver *r = s->receiver;

    if (s->prev)
        s->prev->next = s->next;
    else
        r->sessions = s->next;
    if (s->next)
        s->next->prev = s->prev;
    r->count--;
    drive_clear(&s->drive);
    socket_close(&s->socket);
    sink_free(&s->sink);
    tls_context_free(s->tls);
    free(s);
}

static void on_driven(void *context)
{
    struct session *s = context;
    struct receiver *r = s->receiver;
    bool was_full = receiver_is_full(r);

    session_free(s);
    if (was_full)
        r->room(r->context);
}

static void turn_away(int fd)
{
    static const char full[] = "421 4.7.0 Too many connections, come back later\r\n";
    ssize_t sent = send(fd, full, sizeof full - 1, MSG_DONTWAIT | MSG_NOSIGNAL);

    (void)sent;
    close(fd);
}

void receiver_take(struct receiver *r, int fd)
{
    struct session *s;

    if (receiver_is_full(r)) {
        turn_away(fd);
        return;
    }
    s = mem_alloc(sizeof *s);
    if (socket_adopt(&s->socket, r->sockets, fd)) {
        free(s);
        return;
    }
    s->receiver = r;
    s->next = r->sessions;
    if (s->next)
        s->next->prev = s;
    r->sessions = s;
    r->count++;
    sink_init(&s->sink, r->policy, clock_mono_us());
    drive_start(&s->drive, r->loop, &sink_seam, &s->sink, &s->socket, on_driven, s);
    s->tls = tls_context_ref(r->tls);
    if (s->tls)
        drive_offer_tls(&s->drive, s->tls, NULL);
}

void receiver_free(struct receiver *r)
{
    if (!r)
        return;
    while (r->sessions) {
        struct session *s = r->sessions;
        size_t len;

        sink_seam.stop(&s->sink, clock_mono_us());
        if (!s->drive.tls)
            (void)socket_write(&s->socket, sink_seam.output(&s->sink), &len); /* what goes out at once */
        session_free(s);
    }
    tls_context_free(r->tls);
    sockets_free(r->sockets);
    free(r);
}
