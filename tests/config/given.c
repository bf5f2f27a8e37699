/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/config/given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void load(struct given *g, const char *path, const char *const *sets)
{
    struct snapshot_source source = {.file = path, .sets = sets};
    while (sets && sets[source.set_count])
        source.set_count++;
    g->snapshot = NULL;
    g->code = snapshot_load(&source, &g->snapshot, &g->mistakes);
    assert_int_equal(g->code == 0, g->snapshot != NULL);
    assert_int_equal(g->code == 0, g->mistakes.error_count == 0);
}

void given_file(struct given *g, const char *path)
{
    snprintf(g->path, sizeof(g->path), "%s", path);
    load(g, path, NULL);
}

void given_bytes(struct given *g, struct span bytes, const char *const *sets)
{
    snprintf(g->path, sizeof(g->path), "/tmp/ehlod-config-XXXXXX");
    int fd = mkstemp(g->path);
    assert_true(fd >= 0);
    size_t written = 0;
    while (written < bytes.len) {
        ssize_t n = write(fd, bytes.data + written, bytes.len - written);
        assert_true(n > 0);
        written += (size_t)n;
    }
    close(fd);
    load(g, g->path, sets);
    unlink(g->path);
}

void given_text(struct given *g, const char *text, const char *const *sets)
{
    given_bytes(g, span_of(text), sets);
}

struct snapshot *given_good(struct given *g, const char *text)
{
    static const char *const none[] = {NULL};
    given_text(g, text, NULL);
    given_expect(g, none);
    assert_int_equal(g->mistakes.warning_count, 0);
    return g->snapshot;
}

void given_clear(struct given *g)
{
    snapshot_unref(g->snapshot);
    mistakes_clear(&g->mistakes);
    g->snapshot = NULL;
}

void given_expect(const struct given *g, const char *const *errors)
{
    size_t i = 0;
    for (; errors[i] && i < g->mistakes.error_count; i++) {
        const char *found = g->mistakes.errors[i];
        if (strncmp(errors[i], "--set", 5) != 0 && errors[i][0] != '/') {
            assert_memory_equal(found, g->path, strlen(g->path));
            found += strlen(g->path);
        }
        assert_string_equal(found, errors[i]);
    }
    if (i < g->mistakes.error_count)
        fail_msg("one mistake too many: %s", g->mistakes.errors[i]);
    if (errors[i])
        fail_msg("is missing: %s", errors[i]);
}
