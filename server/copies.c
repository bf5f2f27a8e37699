/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree of copies, by mailbox and by what it calls them, and the order in which they were told. Whether one
 * may be removed is the caller's to say: here it only stands whose it is.
 */
#include "server/copies.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct node {
    const char *mailbox; /* these two first, so that a key for the tree needs no more */
    const char *id;
    struct node *next; /* told later */
    int64_t made_wall_us;
    char token[TOKEN_SIZE];
    char texts[];
};

struct copies {
    void *tree; /* of tsearch(3) */
    struct node *first;
    struct node *last;
    size_t count;
};

static int compare(const void *left, const void *right)
{
    const struct node *a = left, *b = right;
    int ids = strcmp(a->id, b->id);

    return ids != 0 ? ids : strcmp(a->mailbox, b->mailbox);
}

static struct node *find(const struct copies *c, const char *mailbox, const char *id)
{
    const struct node key = {.mailbox = mailbox, .id = id};
    struct node **found = tfind(&key, &c->tree, compare);

    return found != NULL ? *found : NULL;
}

struct copies *copies_new(void)
{
    return mem_alloc(sizeof(struct copies));
}

void copies_free(struct copies *c)
{
    if (c == NULL)
        return;
    tdestroy(c->tree, free);
    free(c);
}

static void forget_first(struct copies *c)
{
    struct node *first = c->first;

    tdelete(first, &c->tree, compare);
    c->first = first->next;
    if (c->first == NULL)
        c->last = NULL;
    c->count--;
    free(first);
}

static struct node *append(struct copies *c, const char *mailbox, const char *id)
{
    size_t size = strlen(mailbox) + 1;
    struct node *n = mem_alloc(sizeof *n + size + strlen(id) + 1);

    n->mailbox = memcpy(n->texts, mailbox, size);
    n->id = memcpy(n->texts + size, id, strlen(id) + 1);
    if (c->last != NULL)
        c->last->next = n;
    else
        c->first = n;
    c->last = n;
    c->count++;
    void *added = tsearch(n, &c->tree, compare);
    assert(added != NULL);
    return n;
}

void copies_add(struct copies *c, const char *mailbox, const char *id, const char *token,
                int64_t made_wall_us)
{
    struct node *n = find(c, mailbox, id);

    if (strlen(id) > COPIES_MAX_NAME || strlen(token) >= TOKEN_SIZE)
        return;
    if (n == NULL && c->count == COPIES_MAX)
        forget_first(c);
    if (n == NULL)
        n = append(c, mailbox, id);
    n->made_wall_us = made_wall_us;
    strcpy(n->token, token);
}

const char *copies_find(const struct copies *c, const char *mailbox, const char *id, int64_t *made_wall_us_r)
{
    const struct node *n = find(c, mailbox, id);

    if (n == NULL)
        return NULL;
    *made_wall_us_r = n->made_wall_us;
    return n->token;
}
