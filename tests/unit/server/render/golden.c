/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/server/render/golden.h"

#include "server/render/health.h"
#include "server/render/metrics.h"
#include "server/shown.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void golden_check_bytes(const char *name, const char *ending, struct buffer *out)
{
    char path[256];
    struct buffer wanted;
    char block[4096];
    size_t len;

    assert_false(out->full);
    snprintf(path, sizeof(path), "tests/golden/%s.%s", name, ending);
    if (getenv("EHLOD_GOLDEN_UPDATE")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(out->data, 1, out->len, file), out->len);
        assert_int_equal(fclose(file), 0);
    }
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s: cannot be read", path);
    buffer_init(&wanted, RENDER_MAX_SET);
    while ((len = fread(block, 1, sizeof(block), file)) > 0)
        buffer_put(&wanted, block, len);
    fclose(file);
    if (wanted.len != out->len || memcmp(wanted.data, out->data, out->len) != 0)
        fail_msg("%s differs from what is shown now:\n%s", path, out->data);
    buffer_free(&wanted);
    buffer_clear(out);
}

void golden_check_json(const char *name, const char *ending, struct buffer *out)
{
    json_error_t error;
    json_t *root = json_loadb(out->data, out->len, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("%s: %s in %s", name, error.text, out->data);
    assert_memory_equal(out->data, "{\"status\":\"", 11);
    json_decref(root);
    buffer_puts(out, "\n"); /* so that the file is a text file */
    golden_check_bytes(name, ending, out);
}

/* The text without its SGR sequences, and what else a terminal might obey is not there. */
static void strip_colours(struct buffer *text)
{
    size_t len = 0;

    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->data[i];
        if (c == 0x1b) {
            size_t digits = strspn(text->data + i + 2, "0123456789;");
            assert_int_equal(text->data[i + 1], '[');
            i += 2 + digits;
            assert_int_equal(text->data[i], 'm');
            continue;
        }
        assert_true(c >= ' ' || c == '\n' || c == '\t');
        text->data[len++] = (char)c;
    }
    text->len = len;
    text->data[len] = '\0';
}

static void check_colour(const struct result *r, int64_t now_us)
{
    struct buffer plain, coloured;

    buffer_init(&plain, RENDER_MAX_RESULT);
    buffer_init(&coloured, RENDER_MAX_RESULT);
    text_result(&plain, r, now_us);
    text_result_colour(&coloured, r, now_us);
    assert_non_null(strstr(coloured.data, "\x1b[1;3")); /* of the verdict's word */
    assert_null(strchr(plain.data, '\x1b'));
    strip_colours(&coloured);
    assert_string_equal(coloured.data, plain.data);
    buffer_free(&coloured);
    buffer_free(&plain);
}

/* What is kept of a view (server/shown.c) is what it shows, at another moment too. */
static void check_kept(const struct result *draft, int64_t now_us)
{
    static const struct view views[] = {
        {"json", "", json_result, json_set, age_milliseconds, false},
        {"text", "", text_result, text_set, age_seconds, false},
        {"text", "", text_result_colour, text_set_colour, age_seconds, false}};
    struct shown *shown = shown_new(1);
    struct result *r = result_publish(draft);
    struct buffer plain, kept;

    buffer_init(&plain, RENDER_MAX_RESULT);
    buffer_init(&kept, RENDER_MAX_RESULT);
    for (size_t i = 0; i < 6; i++) {
        int64_t moment_us = now_us + (int64_t)(i / 3) * 98765432;
        views[i % 3].one(&plain, r, moment_us);
        shown_one(shown, &views[i % 3], &kept, r, moment_us);
        assert_string_equal(kept.data, plain.data);
        buffer_clear(&plain);
        buffer_clear(&kept);
    }
    assert_int_equal(shown_count(shown), 3);
    buffer_free(&plain);
    buffer_free(&kept);
    shown_free(shown);
    result_unref(r);
}

void golden_check(const char *name, const struct result *r, int64_t now_us)
{
    const struct result *const results[] = {r};
    struct render_set set = {.results = results, .count = 1};
    struct buffer out;

    buffer_init(&out, RENDER_MAX_RESULT);
    json_result(&out, r, now_us);
    golden_check_json(name, "json", &out);
    health_result(&out, r, STATUS_FAIL);
    golden_check_json(name, "health", &out);
    text_result(&out, r, now_us);
    golden_check_bytes(name, "txt", &out);
    check_colour(r, now_us);
    check_kept(r, now_us);
    nagios_set(&out, &set);
    golden_check_bytes(name, "nagios", &out);
    metrics_probe(&out, r, EXPOSITION_TEXT);
    golden_check_bytes(name, "prom", &out);
    buffer_free(&out);
}
