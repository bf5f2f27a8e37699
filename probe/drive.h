/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_DRIVE_H
#define PROBE_DRIVE_H

#include "probe/net/socket.h"
#include "probe/net/tls.h"
#include "probe/proto/seam.h"
#include "probe/sasl.h"

/*
 * Plays one engine over one connected socket: bytes, times and deadlines to the engine, what it says to the
 * wire, through TLS when the engine wants that. It decides nothing.
 */
typedef void drive_done(void *context);

struct drive {
    const struct seam *seam;
    void *engine;
    struct socket *socket;
    uv_timer_t *timer;
    int64_t timer_us; /* when it comes, while it is active */
    bool ended; /* nothing more will come in */
    struct tls_context *tls_context;
    const char *tls_host;
    bool hides_text;   /* see drive_hide_text */
    struct tls *tls;   /* null in the clear */
    size_t in_records; /* bytes of the engine's that were put into TLS, and of which not all is on the wire */
    struct sasl *sasl; /* null: no login */
    bool asked;        /* and there is no answer yet */
    drive_done *done;
    void *context;
};

/* The engine has begun. Done is called once, from the loop, never from inside, when it is done; the socket is
 * closed then, at once. The struct must not move until drive_clear. */
void drive_start(struct drive *d, uv_loop_t *loop, const struct seam *seam, void *engine,
                 struct socket *socket, drive_done *done, void *context);

/* What the peer writes in the place of TLS is quoted to nobody. Told right after the start, before TLS is
 * offered. */
void drive_hide_text(struct drive *d);

/* What TLS is made with when the engine wants it, and whom for (null in a server); both are kept until
 * drive_clear. Told right after the start. */
void drive_offer_tls(struct drive *d, struct tls_context *context, const char *host);

/* What questions of a login are answered with, and the server's name or address as configured; all of it is
 * copied. Told right after the start. Returns what the engine must show nothing of, which lives until
 * drive_clear. */
const struct mask *drive_offer_login(struct drive *d, const struct auth_login *login, const char *host,
                                     uint16_t port);

/* Ends the dialogue: done is called in the loop's next turn. */
void drive_stop(struct drive *d);

/* Done will not be called any more. Fine for a zeroed one. */
void drive_clear(struct drive *d);

#endif
