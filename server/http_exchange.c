/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and their answers, one after another on a connection of libmicrohttpd's. Learnt from its source:
 * an answer queued in the first of the two calls for a request closes the connection, so a request without a
 * body is answered in the second. Its parsed URL and its parameters are not used: the target is copied raw.
 * What it lets pass is judged in server/head.c.
 */
#include "server/http_state.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/head.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_IDLE_US (75 * CLOCK_US_PER_S) /* from an answer to the end of the next head */
#define HTTP_SEND_US (60 * CLOCK_US_PER_S) /* for a client to take its answer */

static struct connection *connection_of(struct http_request *request)
{
    return (struct connection *)(void *)((char *)request - offsetof(struct connection, request));
}

/* ---- what is asked ---- */

static const char *field(struct MHD_Connection *mhd, const char *name)
{
    return MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name);
}

/* A field's value stands behind its name in the buffer that was read. Of one that is folded over lines the
 * library copies the name elsewhere, further on, and glues the rest of the value to it. */
static enum MHD_Result note_field(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct head *head = context;

    (void)kind;
    if (value != NULL && value < name)
        head->folded = true;
    head_note(head, name, value != NULL ? value : "");
    return MHD_YES;
}

static void read_head(struct connection *c, const char *version, struct head *head_r)
{
    *head_r = (struct head){
        .version = version,
        .target = c->target,
        .nul = version != c->target_end + 1, /* the version stands behind the target */
    };
    MHD_get_connection_values(c->mhd, MHD_HEADER_KIND, note_field, head_r);
}

static enum MHD_Result ask_handler(struct connection *c)
{
    struct http *http = c->http;

    if (callers_has_left(&c->caller)) /* nothing is begun for nobody */
        return MHD_NO;
    callers_promote(http->callers, &c->caller);
    c->request.reserved = c->caller.reserved;
    c->last = c->last || c->caller.reserved;
    http->moved = true;
    c->state = CONNECTION_ASKED;
    c->asked_us = clock_mono_us();
    c->caller.deadline_us = CLOCK_NEVER;
    http->under_way++;
    http->order.handle(http->order.context, &c->request);
    if (c->state == CONNECTION_ASKED) {
        c->state = CONNECTION_WAITING;
        c->caller.waiting = true;
        MHD_suspend_connection(c->mhd);
    }
    return c->given_up ? MHD_NO : MHD_YES;
}

enum MHD_Result http_exchange_access(void *context, struct MHD_Connection *mhd, const char *url,
                                     const char *method, const char *version, const char *upload_data,
                                     size_t *upload_data_size, void **request_context)
{
    struct connection *c = *request_context;
    struct head head;

    (void)context;
    (void)url;
    (void)upload_data;
    (void)upload_data_size;
    if (c->state == CONNECTION_READ)
        return ask_handler(c);
    if (c->state != CONNECTION_HEAD)
        return MHD_NO;
    read_head(c, version, &head);
    c->request = (struct http_request){
        .method = method,
        .target = c->target,
        .accept = field(mhd, "Accept"),
        .authorization = field(mhd, "Authorization"),
        .accept_encoding = field(mhd, "Accept-Encoding"),
        .host = field(mhd, "Host"),
        .scrape_timeout = field(mhd, "X-Prometheus-Scrape-Timeout-Seconds"),
        .fault = head_fault(&head),
        .foreign = head_is_foreign(field(mhd, "Sec-Fetch-Site"), field(mhd, "Origin"), field(mhd, "Host")),
        .local = c->local,
        .from = c->local ? NULL : &c->caller.from,
    };
    c->last = c->request.fault != NULL || head_has_body(&head) || head_is_tunnel(method);
    if (head_has_body(&head))
        return ask_handler(c);
    c->state = CONNECTION_READ;
    return MHD_YES;
}

/* ---- what is answered ---- */

static struct MHD_Response *make_response(const struct http_reply *reply, bool last)
{
    struct buffer *body = reply->body;
    size_t len = body != NULL ? body->len : 0;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, len > 0 ? body->data : NULL, MHD_RESPMEM_MUST_FREE);

    if (response == NULL)
        return NULL;
    if (len > 0)
        buffer_init(body, body->limit); /* its bytes are the response's now */
    bool good = reply->content_type == NULL ||
                MHD_add_response_header(response, "Content-Type", reply->content_type) == MHD_YES;
    for (size_t i = 0; good && i < reply->header_count; i++)
        good = MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value) == MHD_YES;
    if (good && last)
        good = MHD_add_response_header(response, "Connection", "close") == MHD_YES;
    if (!good) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

void http_answer(struct http_request *request, const struct http_reply *reply)
{
    struct connection *c = connection_of(request);
    bool waiting = c->state == CONNECTION_WAITING;
    /* When others find no place, nobody keeps one between two requests. */
    bool last = c->last || c->http->draining || callers_are_many(c->http->callers);
    struct MHD_Response *response = make_response(reply, last);

    assert(waiting || c->state == CONNECTION_ASKED);
    c->state = CONNECTION_ANSWERED;
    c->is_answering = true;
    c->http->answering++;
    c->caller.waiting = false;
    c->caller.deadline_us = clock_mono_us() + HTTP_SEND_US;
    c->status = reply->status;
    c->given_up =
        response == NULL || MHD_queue_response(c->mhd, (unsigned)reply->status, response) != MHD_YES;
    if (response != NULL)
        MHD_destroy_response(response);
    if (reply->body != NULL)
        buffer_free(reply->body);
    if (waiting) {
        MHD_resume_connection(c->mhd);
        http_turn_soon(c->http);
    }
}

/* ---- when it begins, and when it is over ---- */

void http_exchange_shaken(struct connection *c)
{
    if (c->handshaking)
        c->http->handshaking--;
    c->handshaking = false;
    c->http->moved = true;
}

void *http_exchange_target(void *context, const char *uri, struct MHD_Connection *mhd)
{
    struct connection *c = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;

    const char *target = uri != NULL ? uri : "";

    (void)context;
    http_exchange_shaken(c);
    free(c->target);
    c->target = mem_dup(target);
    c->target_end = target + strlen(target);
    return c;
}

void http_exchange_completed(void *context, struct MHD_Connection *mhd, void **request_context,
                             enum MHD_RequestTerminationCode how)
{
    struct connection *c = *request_context;
    struct http *http = context;
    char status[16];
    char ms[32];

    (void)mhd;
    if (c->state < CONNECTION_ASKED) {
        c->state = CONNECTION_HEAD;
        return;
    }
    http->under_way--;
    http->moved = true;
    if (c->is_answering)
        http->answering--;
    c->is_answering = false;
    if (log_wants(http->order.log, LOG_LEVEL_DEBUG)) {
        snprintf(status, sizeof status, "%d", c->status);
        snprintf(ms, sizeof ms, "%.3f", (double)(clock_mono_us() - c->asked_us) / CLOCK_US_PER_MS);
        log_event(http->order.log, LOG_LEVEL_DEBUG, "request", "method", c->request.method, "target",
                  c->target, "status", status, "ms", ms, "ended",
                  how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? NULL : "early", NULL);
    }
    c->state = CONNECTION_HEAD;
    c->served_us = clock_mono_us();
    c->caller.deadline_us = c->served_us + HTTP_IDLE_US;
}
