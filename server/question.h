/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_QUESTION_H
#define SERVER_QUESTION_H

#include "probe/base/arena.h"
#include "probe/base/buffer.h"
#include "server/http.h"
#include "server/metrics.h"
#include "server/url.h"

#include <stdbool.h>
#include <stdint.h>

/* A request taken apart, from its arrival to its answer; and the ways to answer it. */
struct question {
    struct http_request *request;
    struct arena arena; /* lives as long as the question */
    struct url url;
    struct metrics *metrics; /* where its answer is counted; null = nowhere */
    const char *handler;     /* as what: see metrics_request */
    const char *allow;       /* sent with the answer; null = not */
    const char *challenge;   /* likewise, of one who has to log in */
    bool bodyless;           /* OPTIONS: the answer is a status and a header */
    bool later;              /* a refusal for the moment: tells to come again */
    /* For a handler that answers later: undoes what waits, because the client is gone. */
    void (*leave)(struct question *q);
    void *waiting; /* that handler's own */
};

struct question *question_new(struct http_request *request);

struct question_answer {
    int status;
    const char *content_type;
    struct buffer *body; /* taken */
    int64_t age_us;      /* of what is shown; CLOCK_NONE = it has none */
    bool negotiated;     /* on Accept: a cache must know */
    bool compressed;     /* where the client takes gzip */
    bool packed;         /* and it was already */
};

/* Each of these answers the request and frees the question. */
void question_answer(struct question *q, const struct question_answer *answer);
void question_text(struct question *q, int status, const char *text); /* one line, ours */
/* application/problem+json; parameter is the offending one or null. */
void question_refuse(struct question *q, int status, const char *parameter, const char *detail);
/* 400: the parameter, which is there, is to be what is expected ("1 or 0"). Always -1. */
int question_refuse_value(struct question *q, const char *name, const char *expected);

/* The client is gone: frees the question, without an answer. */
void question_drop(struct question *q);

#endif
