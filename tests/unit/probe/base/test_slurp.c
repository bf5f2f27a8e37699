/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/base/slurp.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct slurp_kind kind = {"a list", 5};
static char folder[32];
static char path[64];
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ehlod-slurp-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
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

static void is_refused(const char *wanted)
{
    struct span bytes;

    assert_string_equal(slurp_file(path, &kind, &arena, &bytes), wanted);
}

static void test_all_bytes_whatever_they_are(void **state)
{
    struct span bytes;

    (void)state;
    put("", 0);
    assert_null(slurp_file(path, &kind, &arena, &bytes));
    assert_int_equal(bytes.len, 0);
    put("a\0\xff\r\n", 5);
    assert_null(slurp_file(path, &kind, &arena, &bytes));
    assert_int_equal(bytes.len, 5);
    assert_memory_equal(bytes.data, "a\0\xff\r\n", 5);
}

static void test_one_byte_too_many(void **state)
{
    (void)state;
    put("123456", 6);
    is_refused("too large for a list (expected at most 5 bytes, found 6)");
}

static void test_what_is_no_file(void **state)
{
    (void)state;
    is_refused("cannot be opened: No such file or directory");
    assert_int_equal(mkfifo(path, 0600), 0);
    is_refused("not a list (expected a regular file, found a FIFO)"); /* and nobody waits for a writer */
    unlink(path);
    assert_int_equal(symlink("/dev/zero", path), 0);
    is_refused("not a list (expected a regular file, found a device)");
    unlink(path);
    assert_int_equal(symlink("/", path), 0);
    is_refused("not a list (expected a regular file, found a directory)");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_bytes_whatever_they_are),
        TEST(test_one_byte_too_many),
        TEST(test_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
