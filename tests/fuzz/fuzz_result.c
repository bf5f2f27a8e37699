/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for every result, as seen by who reads it. */
#include "probe/base/buffer.h"
#include "probe/base/text.h"
#include "server/render/metrics.h"
#include "tests/fuzz/fuzz.h"
#include "tests/talk/talk.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void clean(const char *text)
{
    fuzz_require(!text || text_is_clean(span_of(text)), "a text of a result is clean UTF-8");
}

static void check_routes(const struct result *r)
{
    for (size_t i = 0; i < r->route_count; i++) {
        const struct result_route *route = &r->routes[i];
        clean(route->queue_id);
        clean(route->final.text);
        for (size_t k = 0; k < route->recipient_count; k++)
            clean(route->recipients[k].text);
    }
}

static void check_texts(const struct result *r)
{
    clean(r->summary);
    clean(r->peer_name);
    clean(r->failure.message);
    for (size_t i = 0; i < r->extension_count; i++) {
        clean(r->extensions[i].keyword);
        clean(r->extensions[i].params);
    }
    for (size_t i = 0; i < r->command_count; i++) {
        clean(r->commands[i].sent);
        clean(r->commands[i].expected);
        for (size_t k = 0; k < r->commands[i].reply.line_count; k++)
            clean(r->commands[i].reply.lines[k]);
    }
    check_routes(r);
}

static void check_verdict(const struct result *r)
{
    bool failed = r->failure.reason != REASON_NONE;
    bool bad = r->status == STATUS_FAIL || r->status == STATUS_UNKNOWN;

    fuzz_require(r->status < STATUS_COUNT, "a result has a status");
    fuzz_require(failed == bad, "what fails has a reason, and nothing else has one");
}

static void check_json(const struct result *r)
{
    struct buffer out;
    json_error_t error;

    buffer_init(&out, RENDER_MAX_RESULT);
    json_result(&out, r, r->ended_mono_us);
    fuzz_require(!out.full && out.len, "the JSON fits");
    fuzz_require(strncmp(out.data, "{\"status\":\"", 11) == 0, "the status stands first");
    json_t *root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &error);
    fuzz_require(root != NULL, "the JSON can be read");
    fuzz_require(json_array_size(json_object_get(root, "commands")) == r->command_count,
                 "the JSON shows every command");
    json_decref(root);
    buffer_free(&out);
}

/* Lines of clean text. */
static void check_lines(struct buffer *out)
{
    fuzz_require(!out->full && out->len && out->data[out->len - 1] == '\n',
                 "a view fits and is made of lines");
    for (char *line = out->data; *line;) {
        size_t len = strcspn(line, "\n");
        fuzz_require(text_is_clean((struct span){line, len}), "a line of a view is clean text");
        line += len + 1;
    }
    buffer_clear(out);
}

static void check_views(const struct result *r)
{
    const struct render_set set = {.results = &r, .count = 1};
    struct buffer out;

    buffer_init(&out, RENDER_MAX_RESULT);
    text_result(&out, r, r->ended_mono_us);
    check_lines(&out);
    metrics_probe(&out, r, EXPOSITION_TEXT);
    check_lines(&out);
    nagios_set(&out, &set);
    check_lines(&out);
    buffer_free(&out);
}

void fuzz_result(const struct result *r)
{
    struct arena a = {0};
    const char *complaint = talk_check_always(&a, r);

    if (complaint)
        fputs(complaint, stderr);
    fuzz_require(!complaint, "what holds for every result");
    arena_free(&a);
    check_texts(r);
    check_verdict(r);
    check_json(r);
    check_views(r);
}
