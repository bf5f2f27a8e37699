/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/server/render/golden.h"

#include "server/render/metrics.h"

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

void golden_check_json(const char *name, struct buffer *out)
{
    json_error_t error;
    json_t *root = json_loadb(out->data, out->len, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("%s: %s in %s", name, error.text, out->data);
    assert_memory_equal(out->data, "{\"status\":\"", 11);
    json_decref(root);
    buffer_puts(out, "\n"); /* so that the file is a text file */
    golden_check_bytes(name, "json", out);
}

void golden_check(const char *name, const struct result *r, int64_t now_us)
{
    const struct result *const results[] = {r};
    struct render_set set = {.results = results, .count = 1};
    struct buffer out;

    buffer_init(&out, RENDER_MAX_RESULT);
    json_result(&out, r, now_us);
    golden_check_json(name, &out);
    text_result(&out, r, now_us);
    golden_check_bytes(name, "txt", &out);
    nagios_set(&out, &set);
    golden_check_bytes(name, "nagios", &out);
    metrics_probe(&out, r, EXPOSITION_TEXT);
    golden_check_bytes(name, "prom", &out);
    buffer_free(&out);
}
