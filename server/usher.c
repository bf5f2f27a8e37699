/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections are counted when they are handed over, so that ten that come at once do not all go to the same
 * worker. To another than the first one they go as a note. Whoever leaves while room is wanted has it told,
 * by one note that is never sent while it lies in the post.
 */
#include "server/usher.h"

#include "probe/base/mem.h"

#include <stdlib.h>

struct usher {
    struct usher_order order;
    unsigned turn; /* of the next connection */
    atomic_bool wants_room;
    atomic_bool tells_room; /* the note lies in the post */
    struct post_note room;
};

/* A connection on its way to another worker. */
struct passed {
    struct post_note note;
    struct worker *to;
    int fd;
    struct address peer;
    struct https *https;
};

static void on_room(void *context)
{
    struct usher *u = context;

    atomic_store(&u->tells_room, false);
    u->order.room(u->order.context);
}

struct usher *usher_new(const struct usher_order *order)
{
    struct usher *u = mem_alloc(sizeof *u);

    u->order = *order;
    u->room = (struct post_note){.called = on_room, .context = u};
    return u;
}

void usher_free(struct usher *u)
{
    free(u);
}

/* Of several that have equally few the next one in turn. */
static struct worker *choose(const struct usher *u)
{
    struct worker *least = &u->order.list[u->turn];

    for (unsigned i = 1; i < u->order.count; i++) {
        struct worker *w = &u->order.list[(u->turn + i) % u->order.count];
        if (atomic_load(&w->connections) < atomic_load(&least->connections))
            least = w;
    }
    return least;
}

static void on_passed(void *context)
{
    struct passed *p = context;

    http_take(p->to->http, p->fd, &p->peer, p->https);
    https_unref(p->https);
    free(p);
}

static void pass(struct worker *to, int fd, const struct address *peer, struct https *https)
{
    struct passed *p = mem_alloc(sizeof *p);

    *p = (struct passed){.note = {.called = on_passed, .context = p},
                         .to = to,
                         .fd = fd,
                         .peer = *peer,
                         .https = https_ref(https)};
    post_send(to->post, &p->note);
}

void usher_take(struct usher *u, int fd, const struct address *peer, struct https *https)
{
    struct worker *to = choose(u);

    atomic_fetch_add(&to->connections, 1);
    u->turn = (to->index + 1) % u->order.count;
    if (to->index == 0)
        http_take(to->http, fd, peer, https);
    else
        pass(to, fd, peer, https);
}

static bool has_no_place(const struct usher *u)
{
    return atomic_load(&choose(u)->connections) >= u->order.most;
}

/* Who leaves between the two looks is not missed: either he sees the wish, or the second look sees him gone.
 */
bool usher_is_full(struct usher *u)
{
    if (!has_no_place(u))
        return false;
    atomic_store(&u->wants_room, true);
    return has_no_place(u) || !atomic_exchange(&u->wants_room, false);
}

/* Whichever thread sees that somebody waits for room says so, once. Room may be wanted again before it was
 * told of: then he who is told looks again, and sees whoever has left until then. */
void usher_left(struct usher *u, struct worker *w)
{
    atomic_fetch_sub(&w->connections, 1);
    if (atomic_exchange(&u->wants_room, false) && !atomic_exchange(&u->tells_room, true))
        post_send(u->order.list[0].post, &u->room);
}
