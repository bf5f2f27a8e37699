/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include "probe/base/address.h"
#include "server/log.h"

#include <stddef.h>
#include <uv.h>

/* The sockets that callers connect to. Accepts by itself and hands each connection on. */
struct listen;

/* A connection: the descriptor is the callee's, non-blocking and close-on-exec. */
typedef void listen_take(void *context, int fd, const struct address *peer);

struct listen_order {
    uv_loop_t *loop;
    struct log *log; /* kept */
    const struct address *addresses;
    size_t count;
    const char *key; /* of the config, that gave the addresses: for the error alone */
    listen_take *take;
    void *context;
};

#define LISTEN_KEY_SIZE 192

/* Binds every address, or none: null with a sentence that names the address and the cause. */
#define LISTEN_ERROR_SIZE 512
struct listen *listen_new(const struct listen_order *order, char error_r[LISTEN_ERROR_SIZE]);

/* No more connections from now on. Its handles and its memory are gone after the loop has run once more. */
void listen_free(struct listen *listen); /* null is fine */

#endif
