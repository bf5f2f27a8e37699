/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_USHER_H
#define SERVER_USHER_H

#include "server/https.h"
#include "server/worker.h"

/*
 * Shows whoever connects to the worker with the fewest connections, and knows whether there is any place
 * left. All of it is for the first one's thread, but who leaves tells so on his own.
 */
struct usher;

/* A connection can be taken again, after usher_is_full. */
typedef void usher_room(void *context);

struct usher_order {
    struct worker *list; /* kept; each with its post, and with its http before the first connection */
    unsigned count;
    unsigned most; /* connections that one of them may have, reserve and all */
    usher_room *room;
    void *context;
};

struct usher *usher_new(const struct usher_order *order);
void usher_free(struct usher *usher); /* when nobody is there any more; null is fine */

/* As http_take. */
void usher_take(struct usher *usher, int fd, const struct address *peer, struct https *https);

/* Whether the reserves are used up, too. */
bool usher_is_full(struct usher *usher);

/* Of a connection that was taken, be it that there was no place for it. */
void usher_left(struct usher *usher, struct worker *worker);

#endif
