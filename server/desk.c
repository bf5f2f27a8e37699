/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The URL table and the answers that need no run. Paths and parameters are matched exactly; whatever does
 * not fit is refused with a sentence that says what would. OPTIONS tells what is allowed; where a balancer
 * may use it as its check (HAProxy's httpchk sends OPTIONS and believes any 2xx) it gives the same status
 * as GET. Runs are asked for in server/check.c.
 */
#include "server/desk.h"

#include "config/nearest.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/check.h"
#include "server/drain_ask.h"
#include "server/entry.h"
#include "server/head.h"
#include "server/probe.h"
#include "server/prometheus.h"
#include "server/question.h"
#include "server/reload_ask.h"
#include "server/render/openapi.h"
#include "server/render/render.h"
#include "server/url.h"
#include "server/views.h"

#include <stdlib.h>
#include <string.h>

#define DESK_MAX_PARAMETERS 8

enum method { METHOD_GET = 1, METHOD_HEAD = 2, METHOD_OPTIONS = 4, METHOD_POST = 8 };
#define METHODS_READ (METHOD_GET | METHOD_HEAD | METHOD_OPTIONS)

static const struct {
    enum method method;
    const char *name;
} methods[] = {
    {METHOD_GET, "GET"}, {METHOD_HEAD, "HEAD"}, {METHOD_OPTIONS, "OPTIONS"}, {METHOD_POST, "POST"}};

static const char *allow_text(struct arena *arena, unsigned set)
{
    const char *text = "";

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if ((set & methods[i].method) != 0)
            text = arena_printf(arena, "%s%s%s", text, *text != '\0' ? ", " : "", methods[i].name);
    return text;
}

struct row {
    const char *path; /* a segment "*" behind the first stands for any one */
    const char *any;  /* what that one is called; null = there is none */
    unsigned methods; /* set of enum method */
    bool verdict;     /* OPTIONS gives the status that GET gives; and it is given whatever is in use */
    bool always;      /* answered even when the ordinary connections are used up: at once, without a run */
    void (*handle)(struct desk *desk, struct question *q);
    const char *parameters[DESK_MAX_PARAMETERS];
};

static void show_targets(struct desk *desk, struct question *q)
{
    hold_begin(desk->seat);
    const struct snapshot *snapshot = desk->snapshot;
    struct result **latest = mem_alloc((snapshot->target_count + 1) * sizeof(struct result *));
    const struct render_drain **drains =
        arena_alloc(&q->arena, (snapshot->target_count + 1) * sizeof(struct render_drain *));
    struct buffer body;

    for (size_t i = 0; i < snapshot->target_count; i++) {
        latest[i] = jobs_latest(desk->jobs, &snapshot->targets[i]);
        drains[i] = drain_ask_shown(desk, q, snapshot->targets[i].name);
    }
    hold_end(desk->seat);
    buffer_init(&body, RENDER_MAX_SET);
    json_targets(&body, snapshot, (const struct result *const *)latest, drains, clock_mono_us());
    for (size_t i = 0; i < snapshot->target_count; i++)
        result_unref(latest[i]);
    free(latest);
    question_answer(
        q, &(struct question_answer){
               .status = 200, .content_type = "application/json", .body = &body, .age_us = CLOCK_NONE});
}

/* Made when it was loaded. */
static void show_config(struct desk *desk, struct question *q)
{
    struct buffer body;

    buffer_init(&body, RENDER_MAX_SET);
    buffer_puts(&body, desk->snapshot->effective);
    question_answer(
        q, &(struct question_answer){
               .status = 200, .content_type = "application/yaml", .body = &body, .age_us = CLOCK_NONE});
}

static void show_health(struct desk *desk, struct question *q)
{
    (void)desk;
    question_text(q, 200, "ehlod is healthy.");
}

static void show_readiness(struct desk *desk, struct question *q)
{
    if (desk->stopping)
        question_text(q, 503, "ehlod is stopping.");
    else
        question_text(q, 200, "ehlod is ready.");
}

/* ---- what not everybody may ---- */

static bool may_reload(const struct desk *desk, const struct http_request *request)
{
    enum snapshot_reload allowed = desk->snapshot->allow_reload;

    return allowed == SNAPSHOT_RELOAD_ANYONE || (allowed == SNAPSHOT_RELOAD_LOOPBACK && request->local);
}

static bool refuse_drain(const struct desk *desk, struct question *q)
{
    if (may_reload(desk, q->request))
        return false;
    question_refuse(
        q, 403, NULL,
        "Taking targets out of service and back in is not allowed from here (server.allow_reload).");
    return true;
}

static void drain(struct desk *desk, struct question *q)
{
    if (!refuse_drain(desk, q))
        drain_ask_begin(desk, q);
}

static void undrain(struct desk *desk, struct question *q)
{
    if (!refuse_drain(desk, q))
        drain_ask_end(desk, q);
}

static void reload_config(struct desk *desk, struct question *q)
{
    if (!may_reload(desk, q->request)) {
        question_refuse(q, 403, NULL, "Reloading is not allowed from here (server.allow_reload).");
        return;
    }
    reload_ask_begin(desk, q);
}

/* "OPTIONS *" asks about the server as a whole (RFC 9110 section 9.3.7), and so does "OPTIONS /" of one who
 * is told no path, HAProxy's bare httpchk: that ehlod is there is all that it can mean. */
static void show_options(struct desk *desk, struct question *q)
{
    (void)desk;
    q->allow = allow_text(&q->arena, ~0u);
    question_text(q, 200, "");
}

static void show_openapi(struct desk *desk, struct question *q);

#define CHECK_PARAMETERS "format", "color", "max_age", "timeout", "wait", "stop_after"

static const struct row rows[] = {
    {"/check", NULL, METHODS_READ, true, false, check_all, {CHECK_PARAMETERS, "tag", "min_pass"}},
    {"/check/*", "{target}", METHODS_READ | METHOD_POST, true, false, check_one, {CHECK_PARAMETERS}},
    {"/probe", NULL, METHODS_READ, true, false, probe_run, {"target", "module", "hostname", "debug"}},
    {"/metrics", NULL, METHODS_READ, false, true, prometheus_metrics, {NULL}},
    {"/sd", NULL, METHODS_READ, false, false, prometheus_sd, {NULL}},
    {"/runs/*", "{id}", METHODS_READ, false, false, check_past, {"format", "color"}},
    {"/targets", NULL, METHODS_READ, false, false, show_targets, {NULL}},
    {"/targets/*/drain",
     "{target}",
     METHOD_POST | METHOD_OPTIONS,
     false,
     false,
     drain,
     {"for", "reason", "mode"}},
    {"/targets/*/undrain", "{target}", METHOD_POST | METHOD_OPTIONS, false, false, undrain, {NULL}},
    {"/config", NULL, METHODS_READ, false, false, show_config, {NULL}},
    {"/openapi.json", NULL, METHODS_READ, false, false, show_openapi, {NULL}},
    {"/-/healthy", NULL, METHODS_READ, true, true, show_health, {NULL}},
    {"/-/ready", NULL, METHODS_READ, true, true, show_readiness, {NULL}},
    {"/-/reload", NULL, METHOD_POST | METHOD_OPTIONS, false, false, reload_config, {NULL}},
    {"*", NULL, METHOD_OPTIONS, true, true, show_options, {NULL}},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

/* Whether the segments are those of the row's path. */
static bool fits(const struct row *row, const struct url *url)
{
    const char *rest = row->path;

    for (size_t i = 0; i < url->segment_count; i++) {
        if (*rest++ != '/')
            return false;
        size_t len = strcspn(rest, "/");
        bool any = i > 0 && len == 1 && rest[0] == '*';
        if (any ? *url->segments[i] == '\0'
                : strlen(url->segments[i]) != len || memcmp(url->segments[i], rest, len) != 0)
            return false;
        rest += len;
    }
    return *rest == '\0';
}

static unsigned method_of(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    return 0;
}

/* Whether it asks about the server as a whole. */
static bool is_about_all(const struct question *q)
{
    const char *first = q->url.segments[0];

    return strcmp(first, "*") == 0 ||
           (q->url.segment_count == 1 && *first == '\0' && method_of(q->request->method) == METHOD_OPTIONS);
}

static const struct row *find_row(const struct question *q)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strcmp(rows[i].path, "*") == 0 ? is_about_all(q) : fits(&rows[i], &q->url))
            return &rows[i];
    return NULL;
}

/* The row's path, with that where any name may stand. */
static const char *path_with(struct arena *arena, const struct row *row, const char *name)
{
    size_t len = strcspn(row->path, "*");

    return row->any != NULL ? arena_printf(arena, "%.*s%s%s", (int)len, row->path, name, row->path + len + 1)
                            : row->path;
}

/* "/check, /check/{target}, /probe" */
static const char *list_paths(struct arena *arena)
{
    const char *list = "";

    for (size_t i = 0; i < ROW_COUNT; i++)
        if (rows[i].path[0] == '/')
            list = arena_printf(arena, "%s%s%s", list, *list != '\0' ? ", " : "",
                                path_with(arena, &rows[i], rows[i].any));
    return list;
}

/* The row's path, with what was asked for where any name may stand: that is the second segment. */
static const char *filled_in(struct arena *arena, const struct row *row, const struct url *url)
{
    bool has_name = url->segment_count > 1 && *url->segments[1] != '\0';

    return has_name && row->any != NULL ? path_with(arena, row, url->segments[1]) : row->path;
}

static void refuse_path(struct question *q)
{
    const char *candidates[ROW_COUNT];
    const char *path = "";
    const char *hint;

    for (size_t i = 0; i < q->url.segment_count; i++)
        path = arena_printf(&q->arena, "%s/%s", path, q->url.segments[i]);
    for (size_t i = 0; i < ROW_COUNT; i++)
        candidates[i] = filled_in(&q->arena, &rows[i], &q->url);
    const char *near = nearest(path, candidates, ROW_COUNT);
    if (near != NULL && strchr(near, '*') == NULL)
        hint = arena_printf(&q->arena, "Did you mean %s?", near);
    else
        hint = arena_printf(&q->arena, "There is %s.", list_paths(&q->arena));
    question_refuse(q, 404, NULL, arena_printf(&q->arena, "There is nothing at %s. %s", path, hint));
}

static size_t count_parameters(const struct row *row)
{
    size_t count = 0;

    while (count < DESK_MAX_PARAMETERS && row->parameters[count] != NULL)
        count++;
    return count;
}

/* Answered whoever asks: these say nothing but that ehlod is there. */
static bool is_open(const struct row *row)
{
    return row != NULL && (row->handle == show_health || row->handle == show_readiness);
}

/* ---- the interface, as the rows have it ---- */

static struct openapi_path describe(struct arena *arena, const struct row *row)
{
    struct openapi_path path = {.path = path_with(arena, row, row->any),
                                .any = row->any,
                                .parameters = row->parameters,
                                .parameter_count = count_parameters(row),
                                .judges = row->verdict,
                                .open = is_open(row)};
    size_t count = 0;

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if ((row->methods & methods[i].method) != 0)
            path.methods[count++] = methods[i].name;
    return path;
}

static void show_openapi(struct desk *desk, struct question *q)
{
    struct openapi_path paths[ROW_COUNT];
    const char *formats[VIEWS_MAX + 1] = {NULL};
    const char *media_types[VIEWS_MAX + 1] = {NULL};
    struct openapi of = {.paths = paths,
                         .formats = formats,
                         .media_types = media_types,
                         .unknown_status = desk->snapshot->unknown_status,
                         .login = desk->snapshot->user_count + desk->snapshot->token_count > 0};
    struct buffer body;

    for (size_t i = 0; i < VIEWS_MAX && views_name(i) != NULL; i++) {
        formats[i] = views_name(i);
        media_types[i] = views_media_type(i);
    }
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (rows[i].path[0] == '/')
            paths[of.path_count++] = describe(&q->arena, &rows[i]);
    buffer_init(&body, RENDER_MAX_RESULT);
    openapi_write(&body, &of);
    question_answer(
        q, &(struct question_answer){
               .status = 200, .content_type = "application/json", .body = &body, .age_us = CLOCK_NONE});
}

static void dispatch(struct desk *desk, struct question *q, const struct row *row)
{
    unsigned method = method_of(q->request->method);
    struct url_mistake mistake;

    if (q->request->reserved && !row->always && !row->verdict) {
        q->later = true;
        question_refuse(q, 503, NULL, "All connections but those kept for health checks are in use.");
        return;
    }
    if ((row->methods & method) == 0) {
        q->allow = allow_text(&q->arena, row->methods);
        question_refuse(
            q, 405, NULL,
            arena_printf(&q->arena, "%s is not allowed here, only %s.", q->request->method, q->allow));
        return;
    }
    if (method == METHOD_POST && q->request->foreign) {
        question_refuse(q, 403, NULL, "A web page of another site asks for this, which none may.");
        return;
    }
    if (method == METHOD_OPTIONS) {
        q->allow = allow_text(&q->arena, row->methods);
        q->bodyless = true;
    }
    if (url_check(&q->arena, &q->url, row->parameters, count_parameters(row), &mistake) != 0)
        question_refuse(q, 400, mistake.parameter, mistake.detail);
    else if (method == METHOD_OPTIONS && !row->verdict)
        question_text(q, 200, "");
    else
        row->handle(desk, q);
}

static void go_on(void *context, struct question *q)
{
    const struct row *row = find_row(q);

    if (row == NULL)
        refuse_path(q);
    else
        dispatch(context, q, row);
}

void desk_handle(void *context, struct http_request *request)
{
    struct desk *desk = context;
    struct question *q = question_new(request);
    struct url_mistake mistake;

    q->metrics = jobs_metrics(desk->jobs);
    q->handler = "other";
    if (request->fault != NULL) {
        question_refuse(q, 400, NULL, request->fault);
        return;
    }
    if (head_is_tunnel(request->method)) { /* its target is no path, but somebody else's host:port */
        q->allow = allow_text(&q->arena, ~0u);
        question_refuse(
            q, 405, NULL,
            arena_printf(&q->arena, "ehlod is no proxy: CONNECT is not allowed here, only %s.", q->allow));
        return;
    }
    if (url_parse(&q->arena, span_of(request->target), &q->url, &mistake) != 0) {
        question_refuse(q, 400, mistake.parameter, mistake.detail);
        return;
    }
    const struct row *row = find_row(q);
    if (row != NULL)
        q->handler = row->path;
    if (is_open(row))
        go_on(desk, q);
    else
        entry_ask(desk->login, q, go_on, desk);
}

void desk_gone(void *context, struct http_request *request)
{
    struct question *q = request->pending;

    (void)context;
    q->leave(q);
    question_drop(q);
}
