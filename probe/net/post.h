/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_POST_H
#define PROBE_NET_POST_H

#include <stdbool.h>
#include <uv.h>

/*
 * Notes to a loop. Any thread may post one; it is called on the loop's own thread, later, once, in the order
 * in which they were posted. It allocates nothing: a note is part of whoever posts it, and must not move
 * until it was called or cancelled.
 */
struct post;

/* By then the note is nowhere: it may be posted again, or its memory be gone when this returns. */
typedef void post_called(void *context);

/* The sender sets called and context; zeroed besides. */
struct post_note {
    post_called *called;
    void *context;
    const struct post *at; /* where it lies; null = nowhere. Its loop's thread alone may look */
    struct post_note *next;
    struct post_note *prev;
    unsigned long number;
};

/* By the loop's own thread, or before it runs. The loop does not go on for the post's sake: who waits for a
 * note has a handle of his own there, or the loop ends and it is never called. Takes no descriptor. */
struct post *post_new(uv_loop_t *loop);

/* By the loop's own thread, when no note lies there and nobody posts any more; null is fine. Its handle is
 * gone after the loop has run once more. */
void post_free(struct post *post);

/* From any thread, also from inside a note; never calls from inside. The note is nowhere before. What the
 * sender wrote until then is seen by the callee. */
void post_send(struct post *post, struct post_note *note);

/* By the loop's own thread: the note is not called any more. Whether it lay there; nowhere is fine. */
bool post_cancel(struct post *post, struct post_note *note);

#endif
