/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_WATCHES_H
#define PROBE_NET_WATCHES_H

#include <stdbool.h>
#include <uv.h>

/*
 * The sockets of a library that does its own input and output and only wants to be told when to. A zeroed
 * list is empty; the owner of the struct sets the first three.
 */
struct watches {
    uv_loop_t *loop;
    void (*ready)(void *context, int fd, bool reading, bool writing);
    void *context;
    struct watches_socket *list;
};

/* The library wants to hear of these events of fd from now on; of none: fd is about to be closed. */
void watches_set(struct watches *w, int fd, bool reading, bool writing);

#endif
