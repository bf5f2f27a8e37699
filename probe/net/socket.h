/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_SOCKET_H
#define PROBE_NET_SOCKET_H

#include "probe/base/address.h"
#include "probe/base/span.h"
#include "probe/net/sockets.h"
#include "probe/verdict.h"

#include <stdint.h>

/*
 * One TCP connection, or one to a Unix socket, that never blocks, watched on a loop. A zeroed struct socket
 * with fd -1 is none. It raises no signal, keeps no data back (TCP_NODELAY) and is not inherited by other
 * programs.
 */
struct socket {
    int fd;
    struct sockets *all;  /* where it is watched */
    bool drained;         /* the last read left nothing behind */
    int error;            /* of a connection that broke while something else was asked */
    int64_t asked_us;     /* when connecting was begun */
    int64_t stamp_us;     /* when it was connected, then when bytes came last; nothing can have come before */
    struct address local; /* AF_UNSPEC until socket_open has been through */
};

/* What the system refused, for people and for the verdict. */
struct socket_error {
    int number;        /* errno; 0 = the peer closed the connection in good order */
    const char *doing; /* "socket", "bind", "connect", "poll", "read", "write" */
    bool is_path;      /* of a Unix socket, where some numbers mean something else */
};

/* Begins to connect; source may be AF_UNSPEC. 0, or -1 with nothing left open. ready is called (never from
 * inside) each time that the socket may be able to go on with what is watched; at first: connected or not. */
int socket_open(struct socket *s, struct sockets *all, const struct address *to, const struct address *source,
                sockets_ready *ready, void *context, struct socket_error *error_r);

/* Takes an accepted, non-blocking connection. 0, or -1 with fd closed. Nothing is watched yet. */
int socket_adopt(struct socket *s, struct sockets *all, int fd);

/* 1 = connected; 0 = not yet; -1 = failed. A connection that was made and reset at once counts as made. */
int socket_connected(struct socket *s, struct socket_error *error_r);

/* Closes without waiting for anything. What the peer has sent and nobody read makes it a reset. */
void socket_close(struct socket *s);
/* Closes with a reset: what was not sent yet is dropped, the system keeps nothing of it. */
void socket_reset(struct socket *s);

/* Watches for reading, and for room to write if asked. */
void socket_watch(struct socket *s, bool writing, sockets_ready *ready, void *context);
/* Until the next socket_watch, ready is not called. (What is watched is not looked at any more.) */
void socket_unwatch(struct socket *s);

/* 1 = bytes came, *stamp_us_r says when (monotonic; by the kernel's stamp where it gives one, of the last
 * segment read); 0 = nothing now; -1 = the stream is over. */
int socket_read(struct socket *s, char *data, size_t size, size_t *len_r, int64_t *stamp_us_r,
                struct socket_error *error_r);

/* Whether the last read is known to have left nothing, not even the end of the stream: reading on would have
 * been in vain, unless to hear of a reset, which the kernel does not count. */
bool socket_is_drained(const struct socket *s);

/* 1 = that many bytes were taken; 0 = no room now; -1 = broken: read first, the peer may have said why. */
int socket_write(struct socket *s, struct span bytes, size_t *len_r);

/* Has what came acknowledged now, and not when something is sent or a while is over: a peer that holds back
 * the rest of what it has to say until then (Nagle) would be measured as slow for our sake. It holds for what
 * comes next too, so that a loop that is late makes nobody wait. */
void socket_acknowledge(struct socket *s);

/* Makes the kernel stamp what comes in, from now on until the descriptor is closed; -1 when it cannot be had.
 * Each socket asks for it too, but the kernel takes a while to begin, and stops with the last who asked: a
 * run that is alone would have no stamps. */
int socket_keep_stamps(void);

/* The peer as the system sees it (0.0.0.0 was dialled: 127.0.0.1), else what was dialled. */
void socket_peer(const struct socket *s, const struct address *dialled, struct address *peer_r);

/* Whether the IP address is one of this machine's. */
bool socket_is_local(const struct address *a);

/* Whether two Unix sockets are the same, whatever their paths are called. */
bool socket_is_same_path(const struct address *a, const struct address *b);

/* Whether a connection to a Unix socket failed only because too many wait there to be accepted: it may be
 * tried again. (TCP tries by itself.) */
bool socket_is_full(const struct socket_error *error);

/* What an error of connecting means: refused, unreachable, timeout, reset or local_resource. */
enum reason socket_reason(const struct socket_error *error);

/* "EHOSTUNREACH (No route to host)" */
#define SOCKET_ERROR_SIZE 96
void socket_error_text(int number, char out_r[SOCKET_ERROR_SIZE]);

#endif
