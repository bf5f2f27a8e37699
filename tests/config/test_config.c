/* SPDX-License-Identifier: Apache-2.0 */
/* Plays the YAML files of this folder. One begins with all that is wrong with it, in order: a line
 * "#:LINE:COLUMN: message" for each error, "#warning :LINE:COLUMN: message" for each warning. A file
 * good-*.yaml has none. "#/PATH:LINE: message" is an error in another file that the config names. Each is
 * played as it is, and once more with its line ends turned to CR LF. */
#include "probe/base/arena.h"
#include "tests/config/given.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FOLDER  "tests/config"
#define AT_MOST 100 /* lines that a file expects */

struct expected {
    const char *errors[AT_MOST + 1];
    const char *warnings[AT_MOST + 1];
    size_t error_count;
    size_t warning_count;
};

static struct span read_all(struct arena *a, const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    char *data = arena_alloc(a, (size_t)st.st_size + 1);
    size_t len = fread(data, 1, (size_t)st.st_size, f);
    assert_int_equal(len, st.st_size);
    fclose(f);
    return (struct span){data, len};
}

/* The head of the file: the lines that begin with #, up to the first that does not. */
static void read_expected(struct arena *a, struct span text, struct expected *e)
{
    const char *warning = "#warning ";
    const char *line = arena_dup_span(a, text);
    for (; *line == '#'; line += strcspn(line, "\n") + 1) {
        size_t len = strcspn(line, "\r\n");
        assert_true(e->error_count < AT_MOST && e->warning_count < AT_MOST);
        if (strncmp(line, "#:", 2) == 0 || strncmp(line, "#/", 2) == 0)
            e->errors[e->error_count++] = arena_dup_span(a, (struct span){line + 1, len - 1});
        else if (strncmp(line, warning, strlen(warning)) == 0)
            e->warnings[e->warning_count++] =
                arena_dup_span(a, (struct span){line + strlen(warning), len - strlen(warning)});
    }
}

static struct span with_crlf(struct arena *a, struct span text)
{
    char *out = arena_alloc(a, text.len * 2 + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\n' && (i == 0 || text.data[i - 1] != '\r'))
            out[len++] = '\r';
        out[len++] = text.data[i];
    }
    return (struct span){out, len};
}

static void compare(const struct given *g, const struct expected *e)
{
    given_expect(g, e->errors);
    assert_int_equal(g->mistakes.warning_count, e->warning_count);
    for (size_t i = 0; i < e->warning_count; i++) {
        const char *found = g->mistakes.warnings[i];
        assert_memory_equal(found, g->path, strlen(g->path));
        assert_string_equal(found + strlen(g->path), e->warnings[i]);
    }
    given_clear((struct given *)g);
}

static void play(void **state)
{
    const char *path = *state;
    struct given g;
    struct arena a = {0};
    struct expected e = {0};
    struct span text = read_all(&a, path);
    bool good = strncmp(strrchr(path, '/'), "/good-", 6) == 0;

    read_expected(&a, text, &e);
    assert_int_equal(e.error_count + e.warning_count == 0, good);
    given_file(&g, path);
    compare(&g, &e);
    given_bytes(&g, with_crlf(&a, text), NULL);
    compare(&g, &e);
    arena_free(&a);
}

static int is_yaml(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');
    return end && strcmp(end, ".yaml") == 0;
}

int main(void)
{
    struct arena a = {0};
    struct dirent **files;
    int count = scandir(FOLDER, &files, is_yaml, alphasort);
    if (count <= 0) {
        fprintf(stderr, "no " FOLDER "/*.yaml: run this from the root of the repository\n");
        return 1;
    }
    /* what the files refer to */
    setenv("EHLOD_TEST_SECRET", "hunter2", 1);
    setenv("EHLOD_TEST_OTHER", "hunter3", 1);
    setenv("EHLOD_TEST_EMPTY", "", 1);
    unsetenv("EHLOD_TEST_NOT_SET");
    struct CMUnitTest *tests = arena_alloc(&a, (size_t)count * sizeof(*tests));
    for (int i = 0; i < count; i++) {
        char *path = arena_printf(&a, FOLDER "/%s", files[i]->d_name);
        tests[i] =
            (struct CMUnitTest){.name = path + strlen(FOLDER) + 1, .test_func = play, .initial_state = path};
        free(files[i]);
    }
    free(files);
    int failed = _cmocka_run_group_tests("config", tests, (size_t)count, NULL, NULL);
    arena_free(&a);
    return failed;
}
