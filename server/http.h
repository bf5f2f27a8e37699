/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "probe/base/address.h"
#include "probe/base/buffer.h"
#include "server/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/*
 * HTTP/1 on the loop: connections in, requests out, answers back. Every request is answered exactly once,
 * from inside the handler or at any later time from the loop.
 */
struct http;

/* What a client asks. Texts live until the request is answered or gone. */
struct http_request {
    const char *method; /* as it was sent: "GET" */
    const char *target; /* raw, undecoded */
    const char *accept; /* header fields; null = not there */
    const char *authorization;
    const char *accept_encoding;
    const char *host;
    const char *scrape_timeout; /* X-Prometheus-Scrape-Timeout-Seconds */
    const char *fault;          /* a sentence: answer 400 whatever is asked; null = none */
    bool foreign;               /* a browser asks for a page of another site */
    bool local;                 /* from this machine: over a loopback address or a Unix socket */
    const struct address *from; /* null: this machine's own callers stand for others */
    bool reserved;              /* in the reserve: only what must always be answered, at once, may be */
    void *pending;              /* the handler's own, for a request that waits */
};

/* Answers with http_answer, or returns without: then the request waits for it. */
typedef void http_handle(void *context, struct http_request *request);

/* The client of a waiting request has left: it is over and must not be answered. */
typedef void http_gone(void *context, struct http_request *request);

/* A connection that was taken is over, be it that there was no place for it. */
typedef void http_left(void *context);

struct https; /* server/https.h */

struct http_order {
    uv_loop_t *loop;
    bool secure;     /* what is taken first has TLS: a hint, to begin with what will be used */
    struct log *log; /* kept */
    unsigned max_connections;
    unsigned reserve; /* as many more, whose requests are marked */
    http_handle *handle;
    http_gone *gone;
    void *context;
    http_left *left;
    void *left_context;
};

/* Null when the library does not start (no descriptors, no memory). */
struct http *http_new(const struct http_order *order);

/* Takes a connected, non-blocking socket; no address is a Unix socket's. With these settings it speaks TLS;
 * null: plain. When http is full it gets a short 503, where that can be said, and is closed. */
void http_take(struct http *http, int fd, const struct address *peer, struct https *https);

struct http_header {
    const char *name;
    const char *value;
};

struct http_reply {
    int status;
    const char *content_type; /* null: there is no body */
    struct buffer *body;      /* its bytes are taken, it is empty afterwards; null is no body */
    const struct http_header *headers;
    size_t header_count;
};

/* A HEAD request gets the header alone. */
void http_answer(struct http_request *request, const struct http_reply *reply);

/* From now on every answer closes its connection. Done is called, later, once no request is under way any
 * more, every answer went out, and whoever is still connected had a moment to ask; or after limit_ms. A
 * second call only shortens the limit. */
typedef void http_drained(void *context);
void http_drain(struct http *http, unsigned limit_ms, http_drained *done, void *context);

/* Closes every connection; requests that still wait are gone. Memory follows after the loop has run once
 * more. */
void http_free(struct http *http); /* null is fine */

/* Of libmicrohttpd: what this was built with and what it runs with. */
#define HTTP_VERSION_SIZE 16
void http_version(char built_r[HTTP_VERSION_SIZE], const char **running_r);

#endif
