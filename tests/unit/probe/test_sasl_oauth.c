/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/sasl_oauth.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/ehlod-test-XXXXXX", path[64];
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/token", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    unlink(path);
    return rmdir(folder);
}

static void put(const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

static void is_token(const char *bytes, const char *token)
{
    const char *message = NULL;

    put(bytes, strlen(bytes));
    struct secret *got = sasl_oauth_read_token(path, &arena, &message);
    assert_non_null(got);
    assert_null(message);
    assert_string_equal(secret_bytes(got).data, token);
    secret_free(got);
}

static void is_none(const char *why)
{
    const char *message = NULL;
    char wanted[256];

    snprintf(wanted, sizeof wanted, "the token file %s: %s", path, why);
    assert_null(sasl_oauth_read_token(path, &arena, &message));
    assert_string_equal(message, wanted);
}

static void one_line_end_is_not_its(void **state)
{
    (void)state;
    is_token("abc", "abc");
    is_token("abc\n", "abc");
    is_token("abc\r\n", "abc");
    put("abc\n\n", 5);
    is_none("something else than a token, which is one word of printable ASCII characters");
}

static void what_is_no_file(void **state)
{
    (void)state;
    is_none("cannot be opened: No such file or directory");
    assert_int_equal(mkfifo(path, 0600), 0);
    is_none("not a token file (expected a regular file, found a FIFO)"); /* and nobody waits for a writer */
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    is_none("not a token file (expected a regular file, found a directory)");
    rmdir(path);
    assert_int_equal(symlink("/dev/zero", path), 0);
    is_none("not a token file (expected a regular file, found a device)");
    unlink(path);
    assert_int_equal(symlink(path, path), 0);
    is_none("cannot be opened: Too many levels of symbolic links");
}

static void what_is_empty(void **state)
{
    (void)state;
    put("", 0);
    is_none("empty");
    put("\n", 1);
    is_none("empty");
    put("\r\n", 2);
    is_none("empty");
}

static void as_large_as_may_be(void **state)
{
    static char text[SASL_OAUTH_MAX_FILE + 2];

    (void)state;
    memset(text, 't', SASL_OAUTH_MAX_FILE);
    is_token(text, text);
    text[SASL_OAUTH_MAX_FILE] = 't';
    put(text, SASL_OAUTH_MAX_FILE + 1);
    is_none("too large for a token file (expected at most 65536 bytes, found 65537)");
    text[SASL_OAUTH_MAX_FILE] = '\n';
    put(text, SASL_OAUTH_MAX_FILE + 1);
    is_none("too large for a token file (expected at most 65536 bytes, found 65537)");
}

static void what_is_no_token(void **state)
{
    static const char *const rows[] = {"s3cret word",   "s3cret\001", "s3cret\ts",
                                       "s3cr\xc3\xa9t", "\xff\xfe",   "{\n}"};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put(rows[i], strlen(rows[i]));
        is_none("something else than a token, which is one word of printable ASCII characters");
    }
    put("a\0b", 3);
    is_none("something else than a token, which is one word of printable ASCII characters");
    assert_false(sasl_oauth_is_token(span_of("")));
    assert_true(sasl_oauth_is_token(span_of("!~aZ09-._~+/==")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_line_end_is_not_its), TEST(what_is_no_file),  TEST(what_is_empty),
        TEST(as_large_as_may_be),      TEST(what_is_no_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
