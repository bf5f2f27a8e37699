/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_PEN_H
#define SERVER_RENDER_PEN_H

#include "server/render/render.h"

/*
 * JSON written as it is said, for the views that are asked for all the time: begin with a share of what
 * servers said, name each value with its key (null in a list, and for the outermost), finish. A key is put as
 * it is: a word of ours, or what pen_key makes of a text. What goes wrong on the way is remembered, so nobody
 * has to ask before the end. Whoever writes sees to it that an object has no key twice. For the JSON views
 * alone.
 */
struct pen {
    struct buffer *out;
    size_t begun;              /* where the document begins in it */
    struct arena arena;        /* for texts that must be escaped after all */
    struct render_share share; /* of what the server said */
    uint64_t lists;            /* which of what is open is a list, the outermost first */
    unsigned depth;            /* of what is open; at most 64 */
    bool follows;              /* something stands before, in what is open */
};

void pen_init(struct pen *p, struct buffer *out, const struct render_share *share);

void pen_object(struct pen *p, const char *key);
void pen_list(struct pen *p, const char *key);
void pen_end(struct pen *p); /* of what was opened last */

/* Values; what is absent (null, CLOCK_NONE, 0 where it is none) is JSON's null. */
void pen_null(struct pen *p, const char *key);
void pen_bool(struct pen *p, const char *key, bool value);
void pen_tri(struct pen *p, const char *key, enum tri value);
void pen_integer(struct pen *p, const char *key, int64_t value);
void pen_string(struct pen *p, const char *key, const char *text);
void pen_said(struct pen *p, const char *key,
              const char *text); /* by the server: as much of it as is shown */
void pen_milliseconds(struct pen *p, const char *key, int64_t us); /* never negative */
void pen_skew(struct pen *p, const char *key, int64_t us);         /* the same, of any sign */
void pen_age(struct pen *p, const char *key, int64_t past_us,
             int64_t now_us); /* milliseconds, or left open (age.h); is never absent */
void pen_code(struct pen *p, const char *key, int reply_code);
void pen_enhanced(struct pen *p, const char *key, struct enhanced value);
void pen_wall_time(struct pen *p, const char *key, int64_t wall_us); /* is never absent */
void pen_when(struct pen *p, const char *key, int64_t wall_us);
void pen_address(struct pen *p, const char *key, const struct address *a);
void pen_port(struct pen *p, const char *key, uint16_t number);
void pen_family(struct pen *p, const char *key, const struct address *a);
void pen_flags(struct pen *p, const char *key, uint64_t flags); /* a list of their names */

/* A text as a key, until the end. */
const char *pen_key(struct pen *p, const char *text);

/* Where the document is now, and back there: what was written since is gone, full or not. */
struct pen_place {
    size_t len;
    uint64_t lists;
    unsigned depth;
    bool follows;
};
struct pen_place pen_place(const struct pen *p);
void pen_return(struct pen *p, const struct pen_place *place);

/* The end: the document stands there whole or not at all (then out is full). */
void pen_finish(struct pen *p);

#endif
