/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HTTP_STATE_H
#define SERVER_HTTP_STATE_H

#include "server/callers.h"
#include "server/http.h"

#include <microhttpd.h>

/*
 * The inside of HTTP: http.c has the library's turns and the connections, http_exchange.c what is asked and
 * answered on them. Private to these two.
 */
enum connection_state {
    CONNECTION_HEAD,     /* no request yet */
    CONNECTION_READ,     /* head complete, the handler has not been called */
    CONNECTION_ASKED,    /* inside the handler */
    CONNECTION_WAITING,  /* suspended */
    CONNECTION_ANSWERED, /* the answer is on its way, or the connection about to be closed */
};

struct connection {
    struct caller caller;
    struct http *http;
    struct MHD_Connection *mhd;
    struct https *https; /* null: plain */
    enum connection_state state;
    bool local;
    bool handshaking;
    bool is_answering;
    bool given_up; /* no answer will come: close */
    bool last;     /* the request could be misread about where it ends: its answer closes */
    int status;
    int64_t asked_us;
    int64_t opened_us;
    int64_t served_us; /* when the last answer went out; 0 = none has */
    char *target;
    const char *target_end; /* where it ended in the library's buffer: only to compare with */
    struct http_request request;
};

/* The library serves either plain connections or those with TLS; each kind is begun with its first one. */
enum kind { KIND_PLAIN, KIND_SECURE, KINDS };

struct side {
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
};

struct http {
    struct http_order order;
    struct side sides[KINDS];
    struct https *taking; /* of the connection that is being taken, and who it is */
    const struct address *peer;
    uv_timer_t turn;
    uv_idle_t again;      /* a turn follows at once, but not before the loop has looked at everything else */
    unsigned handshaking; /* with TLS, and have not asked yet */
    unsigned answering;
    bool moved; /* a connection has come, asked, been answered or gone in this turn */
    uv_timer_t drain;
    uv_timer_t linger;
    unsigned open_handles;
    unsigned under_way; /* requests between handler and completion */
    struct callers *callers;
    int64_t complained_us;
    http_drained *drained; /* null: not draining, or done */
    void *drained_context;
    bool draining;
};

/* http.c: the library has something to do, though no socket says so. */
void http_turn_soon(struct http *http);

/* http_exchange.c: what the library calls with each request: its target, its head and its body's end, and
 * when it is over. */
void *http_exchange_target(void *context, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_exchange_access(void *context, struct MHD_Connection *mhd, const char *url,
                                     const char *method, const char *version, const char *upload_data,
                                     size_t *upload_data_size, void **request_context);
void http_exchange_completed(void *context, struct MHD_Connection *mhd, void **request_context,
                             enum MHD_RequestTerminationCode how);

/* The connection's handshake is over, if it had one. */
void http_exchange_shaken(struct connection *c);

#endif
