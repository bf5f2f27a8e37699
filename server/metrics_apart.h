/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_METRICS_APART_H
#define SERVER_METRICS_APART_H

#include "probe/net/post.h"
#include "server/question.h"
#include "server/render/metrics.h"

#include <uv.h>

/* The service's own metrics, where they are so many that writing them would hold up the loop. So many targets
 * that are told apart are written on it, in some milliseconds. */
#define METRICS_ON_LOOP 128

struct metrics_apart;

/* Fills in what is to be shown, a copy: all of it is in the arena, or there for the life of the program. */
typedef void metrics_apart_gather(void *context, struct arena *arena, struct metrics_own *own_r);

/* Whose turn it is, of several loops in threads of their own: each has metrics of its own, and one of them
 * writes at a time. Freed after all of them. */
struct metrics_apart_turn;
struct metrics_apart_turn *metrics_apart_turn_new(void);
void metrics_apart_turn_free(struct metrics_apart_turn *turn); /* null is fine */

struct metrics_apart_order {
    uv_loop_t *loop;
    metrics_apart_gather *gather;
    void *context;
    struct metrics_apart_turn *turn; /* null: there are no other loops */
    struct post *post;               /* of the loop, where there are */
};

struct metrics_apart *metrics_apart_new(const struct metrics_apart_order *order);
/* Nobody may wait any more; memory follows from the loop. Null is fine. */
void metrics_apart_free(struct metrics_apart *apart);

/* Answers later, one after another, whichever loop was asked: each takes much memory. */
void metrics_apart_ask(struct metrics_apart *apart, struct question *q, enum exposition_format format);

/* The answer, once it is written; cut short (full) it is an error. Takes the body. */
void metrics_apart_answer(struct question *q, struct buffer *body, enum exposition_format format,
                          bool packed);

/* More than this is refused. */
#define METRICS_MOST ((size_t)64 * 1024 * 1024)

#endif
