/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of views, and which of them a question wants. A view that depends on more than its name (colour,
 * the status of unknown, which exposition a scraper reads) has a variant beside the table. Nobody is told
 * that there is nothing acceptable (406): an odd Accept gets JSON.
 */
#include "server/views.h"

#include "config/nearest.h"
#include "server/accept.h"
#include "server/prometheus.h"
#include "server/render/health.h"
#include "server/render/metrics.h"

#include <string.h>

/* ---- views that have no time ---- */

static void show_prometheus(struct buffer *out, const struct result *r, int64_t now_us)
{
    (void)now_us;
    metrics_probe(out, r, EXPOSITION_TEXT);
}

static void show_prometheus_set(struct buffer *out, const struct render_set *set, int64_t now_us)
{
    (void)now_us;
    metrics_set(out, set, EXPOSITION_TEXT);
}

static void show_openmetrics(struct buffer *out, const struct result *r, int64_t now_us)
{
    (void)now_us;
    metrics_probe(out, r, EXPOSITION_OPENMETRICS);
}

static void show_openmetrics_set(struct buffer *out, const struct render_set *set, int64_t now_us)
{
    (void)now_us;
    metrics_set(out, set, EXPOSITION_OPENMETRICS);
}

static void show_health(struct buffer *out, const struct result *r, int64_t now_us)
{
    (void)now_us;
    health_result(out, r, STATUS_FAIL);
}

static void show_health_set(struct buffer *out, const struct render_set *set, int64_t now_us)
{
    (void)now_us;
    health_set(out, set, STATUS_FAIL);
}

static void show_mild_health(struct buffer *out, const struct result *r, int64_t now_us)
{
    (void)now_us;
    health_result(out, r, STATUS_WARN);
}

static void show_mild_health_set(struct buffer *out, const struct render_set *set, int64_t now_us)
{
    (void)now_us;
    health_set(out, set, STATUS_WARN);
}

/* ---- the table ---- */

#define TYPE_TEXT   "text/plain; charset=utf-8"
#define TYPE_HEALTH "application/health+json"

/* With the media type as Accept names it, in our own order of preference. */
static const struct row {
    struct view view;
    const char *media_type;
} rows[] = {
    {{"json", "application/json", json_result, json_set, age_milliseconds, false}, "application/json"},
    {{"text", TYPE_TEXT, text_result, text_set, age_seconds, false}, "text/plain"},
    {{"health", TYPE_HEALTH, show_health, show_health_set, NULL, false}, TYPE_HEALTH},
    {{"prometheus", EXPOSITION_TYPE_OPENMETRICS, show_openmetrics, show_openmetrics_set, NULL, false},
     "application/openmetrics-text"},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

_Static_assert(ROW_COUNT <= VIEWS_MAX, "as many as there is room for");

static const struct view coloured_text = {"text",          TYPE_TEXT,   text_result_colour,
                                          text_set_colour, age_seconds, false};
/* Where unknown is no error of HTTP. */
static const struct view mild_health = {"health", TYPE_HEALTH, show_mild_health, show_mild_health_set,
                                        NULL,     false};
/* For who does not ask for OpenMetrics. */
static const struct view plain_prometheus = {
    "prometheus", EXPOSITION_TYPE_TEXT, show_prometheus, show_prometheus_set, NULL, false};
/* For scrapers. */
static const struct view scrapes[EXPOSITION_FORMAT_COUNT][2] = {
    [EXPOSITION_TEXT] = {{"prometheus", EXPOSITION_TYPE_TEXT, show_prometheus, NULL, NULL, false},
                         {"prometheus", EXPOSITION_TYPE_TEXT, show_prometheus, NULL, NULL, true}},
    [EXPOSITION_OPENMETRICS] = {
        {"prometheus", EXPOSITION_TYPE_OPENMETRICS, show_openmetrics, NULL, NULL, false},
        {"prometheus", EXPOSITION_TYPE_OPENMETRICS, show_openmetrics, NULL, NULL, true}}};

const struct view *views_scrape(enum exposition_format format, bool packed)
{
    return &scrapes[format][packed];
}

const char *views_name(size_t i)
{
    return i < ROW_COUNT ? rows[i].view.name : NULL;
}

const char *views_media_type(size_t i)
{
    return i < ROW_COUNT ? rows[i].media_type : NULL;
}

/* ---- choosing ---- */

/* "json, text or health", with the nearest of them. */
static const char *list_names(struct question *q, const char *text)
{
    const char *names[ROW_COUNT];
    const char *list = rows[0].view.name;

    for (size_t i = 0; i < ROW_COUNT; i++)
        names[i] = rows[i].view.name;
    for (size_t i = 1; i < ROW_COUNT; i++)
        list = arena_printf(&q->arena, i + 1 < ROW_COUNT ? "%s, %s" : "%s or %s", list, names[i]);
    const char *near = nearest(text, names, ROW_COUNT);
    return near != NULL ? arena_printf(&q->arena, "%s (did you mean %s?)", list, near) : list;
}

/* By name, or by Accept. -1 once the question was refused. */
static int find_view(struct question *q, const struct view **view_r)
{
    const char *text = url_value(&q->url, "format");
    const char *types[ROW_COUNT];

    if (text == NULL) {
        for (size_t i = 0; i < ROW_COUNT; i++)
            types[i] = rows[i].media_type;
        *view_r = &rows[accept_choose(q->request->accept, types, ROW_COUNT)].view;
        return 0;
    }
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(text, rows[i].view.name) == 0) {
            *view_r = &rows[i].view;
            return 0;
        }
    }
    return question_refuse_value(q, "format", list_names(q, text));
}

/* -1 once the question was refused. */
static int read_colour(struct question *q, bool is_text, bool *colour_r)
{
    const char *text = url_value(&q->url, "color");
    bool colour = text != NULL && strcmp(text, "1") == 0;

    if (text != NULL && !colour && strcmp(text, "0") != 0)
        return question_refuse_value(q, "color", "1 or 0");
    if (colour && !is_text) {
        question_refuse(q, 400, "color", "Only text has colours: ask for format=text, too.");
        return -1;
    }
    *colour_r = colour;
    return 0;
}

int views_choose(struct question *q, int unknown_status, const struct view **view_r)
{
    const struct view *view = NULL;
    bool colour = false;

    if (find_view(q, &view) != 0 || read_colour(q, view->one == text_result, &colour) != 0)
        return -1;
    if (colour)
        view = &coloured_text;
    else if (view->one == show_health && unknown_status < 400)
        view = &mild_health;
    else if (view->one == show_openmetrics && url_value(&q->url, "format") != NULL &&
             prometheus_format(q) == EXPOSITION_TEXT)
        view = &plain_prometheus;
    *view_r = view;
    return 0;
}
