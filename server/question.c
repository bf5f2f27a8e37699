/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers in their final form: what every answer carries (Cache-Control; Age, Vary and Allow where they
 * apply), problems as RFC 9457 wants them, and no body for OPTIONS. Nothing here may be cached on the way:
 * freshness is the caller's choice (max_age), and a balancer must never see an old verdict.
 */
#include "server/question.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/accept.h"
#include "server/gzip.h"
#include "server/render/render.h"

#include <inttypes.h>
#include <stdlib.h>

#define QUESTION_MAX_PROBLEM ((size_t)64 * 1024)
#define QUESTION_MAX_HEADERS 6

static const struct {
    int status;
    const char *title;
} titles[] = {
    {400, "Bad Request"},         {401, "Unauthorized"},       {403, "Forbidden"},
    {404, "Not Found"},           {405, "Method Not Allowed"}, {500, "Internal Server Error"},
    {503, "Service Unavailable"},
};

static const char *title_of(int status)
{
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Error";
}

struct question *question_new(struct http_request *request)
{
    struct question *q = mem_alloc(sizeof *q);

    q->request = request;
    request->pending = q;
    return q;
}

void question_drop(struct question *q)
{
    arena_free(&q->arena);
    free(q);
}

/* Every answer ends its line, so that a terminal's prompt stands below it. */
static void end_line(struct buffer *body)
{
    if (body->len > 0 && body->data[body->len - 1] != '\n')
        buffer_puts(body, "\n");
}

/* What the answer hangs on, or null. */
static const char *vary_of(const struct question_answer *answer)
{
    if (answer->compressed)
        return answer->negotiated ? "Accept, Accept-Encoding" : "Accept-Encoding";
    return answer->negotiated ? "Accept" : NULL;
}

/* Whether the body, once it is whole, is sent packed. */
static bool is_packed(struct question *q, const struct question_answer *answer)
{
    if (answer->packed)
        return true;
    end_line(answer->body);
    return answer->compressed && accept_gzip(q->request->accept_encoding) && gzip_pack(answer->body) == 0;
}

void question_answer(struct question *q, const struct question_answer *answer)
{
    struct http_header headers[QUESTION_MAX_HEADERS] = {{"Cache-Control", "no-store"}};
    struct http_reply reply = {.status = answer->status, .headers = headers, .header_count = 1};

    if (answer->age_us != CLOCK_NONE)
        headers[reply.header_count++] =
            (struct http_header){"Age", arena_printf(&q->arena, "%" PRId64, answer->age_us / CLOCK_US_PER_S)};
    if (vary_of(answer) != NULL)
        headers[reply.header_count++] = (struct http_header){"Vary", vary_of(answer)};
    if (q->allow != NULL)
        headers[reply.header_count++] = (struct http_header){"Allow", q->allow};
    if (q->challenge != NULL)
        headers[reply.header_count++] = (struct http_header){"WWW-Authenticate", q->challenge};
    if (q->later)
        headers[reply.header_count++] = (struct http_header){"Retry-After", "1"};
    if (q->bodyless) {
        buffer_free(answer->body);
    } else {
        reply.content_type = answer->content_type;
        reply.body = answer->body;
        if (is_packed(q, answer))
            headers[reply.header_count++] = (struct http_header){"Content-Encoding", "gzip"};
    }
    if (q->metrics != NULL)
        metrics_request(q->metrics, q->handler, answer->status);
    http_answer(q->request, &reply);
    question_drop(q);
}

void question_text(struct question *q, int status, const char *text)
{
    struct buffer body;

    buffer_init(&body, QUESTION_MAX_PROBLEM);
    buffer_printf(&body, "%s\n", text);
    question_answer(q, &(struct question_answer){.status = status,
                                                 .content_type = "text/plain; charset=utf-8",
                                                 .body = &body,
                                                 .age_us = CLOCK_NONE});
}

void question_refuse(struct question *q, int status, const char *parameter, const char *detail)
{
    struct problem problem = {
        .status = status, .title = title_of(status), .detail = detail, .parameter = parameter};
    struct buffer body;

    buffer_init(&body, QUESTION_MAX_PROBLEM);
    json_problem(&body, &problem);
    question_answer(q, &(struct question_answer){.status = status,
                                                 .content_type = "application/problem+json",
                                                 .body = &body,
                                                 .age_us = CLOCK_NONE});
}

int question_refuse_value(struct question *q, const char *name, const char *expected)
{
    question_refuse(q, 400, name,
                    arena_printf(&q->arena, "The parameter %s is to be %s, not %s.", name, expected,
                                 url_value(&q->url, name)));
    return -1;
}
