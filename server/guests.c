/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list in the order of asking, the newest first: a scrape asks for the same few again and again, and there
 * are never many. What still runs for a guest that had to make room holds its config and its shelf itself.
 */
#include "server/guests.h"

#include "probe/base/mem.h"

#include <stdlib.h>
#include <string.h>

struct guests {
    struct guest *first;
    size_t count;
    size_t most;
};

struct guests *guests_new(unsigned loops)
{
    struct guests *guests = mem_alloc(sizeof *guests);

    guests->most = loops > 1 ? 2 * GUESTS_KEPT / loops : GUESTS_KEPT;
    if (guests->most < GUESTS_LEAST)
        guests->most = GUESTS_LEAST;
    return guests;
}

static void free_guest(struct guest *g)
{
    snapshot_unref(g->snapshot);
    shelf_unref(g->shelf);
    free((char *)g->key);
    free(g);
}

void guests_forget(struct guests *guests)
{
    while (guests->first != NULL) {
        struct guest *g = guests->first;
        guests->first = g->next;
        free_guest(g);
    }
    guests->count = 0;
}

void guests_free(struct guests *guests)
{
    if (guests == NULL)
        return;
    guests_forget(guests);
    free(guests);
}

static void put_first(struct guests *guests, struct guest *g)
{
    g->next = guests->first;
    guests->first = g;
}

const struct guest *guests_find(struct guests *guests, const char *key)
{
    for (struct guest **at = &guests->first; *at != NULL; at = &(*at)->next) {
        struct guest *g = *at;
        if (strcmp(g->key, key) != 0)
            continue;
        *at = g->next;
        put_first(guests, g);
        return g;
    }
    return NULL;
}

static void drop_last(struct guests *guests)
{
    struct guest **at = &guests->first;

    while ((*at)->next != NULL)
        at = &(*at)->next;
    free_guest(*at);
    *at = NULL;
    guests->count--;
}

const struct guest *guests_add(struct guests *guests, const char *key, struct snapshot *snapshot)
{
    struct guest *g = mem_alloc(sizeof *g);

    if (guests->count == guests->most)
        drop_last(guests);
    *g = (struct guest){.key = mem_dup(key), .snapshot = snapshot, .shelf = shelf_new()};
    put_first(guests, g);
    guests->count++;
    return g;
}
