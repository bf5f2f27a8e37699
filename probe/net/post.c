/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list behind a mutex, and a libuv async that wakes the loop. A turn of the loop calls the notes that lay
 * there when it began, so that notes which post notes hold up nothing else. They are taken out one by one,
 * each may therefore cancel those behind it. Nobody is called under the mutex. Only who finds the list empty
 * has to wake the loop: as long as it is not, the loop is awake or about to be.
 */
#include "probe/net/post.h"

#include "probe/base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct post {
    uv_async_t async; /* first: what libuv closes is what is freed */
    uv_mutex_t lock;
    struct post_note *first;
    struct post_note *last;
    unsigned long sent; /* notes so far */
};

static void append(struct post *post, struct post_note *note)
{
    note->at = post;
    note->number = ++post->sent;
    note->prev = post->last;
    note->next = NULL;
    if (post->last)
        post->last->next = note;
    else
        post->first = note;
    post->last = note;
}

static void take_out(struct post *post, struct post_note *note)
{
    if (note->prev)
        note->prev->next = note->next;
    else
        post->first = note->next;
    if (note->next)
        note->next->prev = note->prev;
    else
        post->last = note->prev;
    note->next = note->prev = NULL;
    note->at = NULL;
}

/* The first note, if it is no newer than that; else null, and the loop is woken again for what is left. */
static struct post_note *next_note(struct post *post, unsigned long newest)
{
    struct post_note *note;

    uv_mutex_lock(&post->lock);
    note = post->first;
    if (note && note->number <= newest) {
        take_out(post, note);
    } else if (note) {
        uv_async_send(&post->async);
        note = NULL;
    }
    uv_mutex_unlock(&post->lock);
    return note;
}

static void on_async(uv_async_t *async)
{
    struct post *post = async->data;
    struct post_note *note;
    unsigned long newest;

    uv_mutex_lock(&post->lock);
    newest = post->sent;
    uv_mutex_unlock(&post->lock);
    while (!uv_is_closing((uv_handle_t *)async) && (note = next_note(post, newest)))
        note->called(note->context);
}

struct post *post_new(uv_loop_t *loop)
{
    struct post *post = mem_alloc(sizeof *post);
    int failed = uv_mutex_init(&post->lock);

    assert(!failed);
    failed = uv_async_init(loop, &post->async, on_async); /* the loop has its descriptor for them already */
    assert(!failed);
    post->async.data = post;
    uv_unref((uv_handle_t *)&post->async);
    return post;
}

static void on_closed(uv_handle_t *handle)
{
    struct post *post = handle->data;

    uv_mutex_destroy(&post->lock);
    free(post);
}

void post_free(struct post *post)
{
    if (!post)
        return;
    assert(!post->first);
    uv_close((uv_handle_t *)&post->async, on_closed);
}

/* Woken under the mutex: who is called by this note may free the post, once it has got it. */
void post_send(struct post *post, struct post_note *note)
{
    bool was_empty;

    uv_mutex_lock(&post->lock);
    assert(!note->at);
    was_empty = !post->first;
    append(post, note);
    if (was_empty)
        uv_async_send(&post->async);
    uv_mutex_unlock(&post->lock);
}

bool post_cancel(struct post *post, struct post_note *note)
{
    bool lay_there;

    uv_mutex_lock(&post->lock);
    lay_there = note->at != NULL;
    assert(!lay_there || note->at == post);
    if (lay_there)
        take_out(post, note);
    uv_mutex_unlock(&post->lock);
    return lay_there;
}
