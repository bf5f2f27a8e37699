/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include "config/snapshot.h"
#include "server/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/*
 * The sockets that callers connect to: TCP and Unix. Accepts by itself and hands each connection on. The
 * places may be changed while it listens; those that stay keep their sockets.
 */
struct listen;

/* A connection: the descriptor is the callee's, non-blocking and close-on-exec. The peer of a Unix socket is
 * no address. */
typedef void listen_take(void *context, int fd, const struct address *peer);

/* Accepting failed, and pauses for a moment. */
typedef void listen_starved(void *context);

struct listen_order {
    uv_loop_t *loop;
    struct log *log; /* kept */
    const struct snapshot_listen *places;
    size_t count;
    const char *key; /* of the config, that gave the places: for the error alone; copied */
    listen_take *take;
    listen_starved *starved; /* null: not told */
    void *context;
};

#define LISTEN_KEY_SIZE 192

/* Binds every place, or none: null with a sentence that names the place and the cause. A Unix socket that
 * nobody listens at any more is replaced; ours are removed when they are closed. */
#define LISTEN_ERROR_SIZE 512
struct listen *listen_new(const struct listen_order *order, char error_r[LISTEN_ERROR_SIZE]);

/*
 * Other places, in two steps: what is new is bound, and only then either taken into use, while what is not
 * among them any more is closed, or given up again. 0, or -1 with a sentence, and nothing has changed.
 */
int listen_prepare(struct listen *listen, const struct snapshot_listen *places, size_t count,
                   char error_r[LISTEN_ERROR_SIZE]);
void listen_commit(struct listen *listen);
void listen_abandon(struct listen *listen);

/* Takes no connection until listen_go; they wait in the kernel's queue. */
void listen_hold(struct listen *listen);
void listen_go(struct listen *listen); /* null is fine */

/* Whoever is in the queues, even while it is held: before it is freed, if they are to have an answer. */
void listen_take_last(struct listen *listen); /* null is fine */

/* No more connections from now on. Its handles and its memory are gone after the loop has run once more. */
void listen_free(struct listen *listen); /* null is fine */

/* Places, told apart and named: "unix:/run/ehlod.sock", "192.0.2.1:8025", "[2001:db8::1]:8025". */
#define LISTEN_NAME_SIZE 288
bool listen_is_same(const struct snapshot_listen *a, const struct snapshot_listen *b);
void listen_name(const struct snapshot_listen *place, char name_r[LISTEN_NAME_SIZE]);

#endif
