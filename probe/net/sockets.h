/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_SOCKETS_H
#define PROBE_NET_SOCKETS_H

#include <stdint.h>
#include <uv.h>

/*
 * Where the sockets of one loop are watched, many for a short time each: in a set of the kernel's (epoll),
 * which to the loop is a single descriptor. While any is watched, the loop goes on.
 */
struct sockets;

/* It may be able to go on: what was watched for has come, or an error. Called from the loop, never from
 * inside one of these; perhaps once too often. */
typedef void sockets_ready(void *context);

struct sockets *sockets_new(uv_loop_t *loop);

/* Nobody is called any more. Fine from inside ready; memory follows when the loop has run once more. */
void sockets_free(struct sockets *all); /* null is fine */

/* Whether there is a set. If there was no room for one, it is tried again: 0, or -1 and errno. */
int sockets_prepare(struct sockets *all);

/* Watches the descriptor for these events of epoll from now on, whatever it was watched for. 0, or -1 and
 * errno. */
int sockets_watch(struct sockets *all, int fd, uint32_t events, sockets_ready *ready, void *context);

/* Until the next sockets_watch, ready is not called. */
void sockets_unwatch(struct sockets *all, int fd);

/* The descriptor is about to be closed. Nothing else may have it, or it would stay in the set. */
void sockets_forget(struct sockets *all, int fd);

#endif
