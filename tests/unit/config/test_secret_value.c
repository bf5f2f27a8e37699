/* SPDX-License-Identifier: Apache-2.0 */
/* F13, F14: where secrets come from, and that no complaint holds a part of one. */
#include "config/secret_value.h"

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

static char folder[] = "/tmp/ehlod-secret-XXXXXX";
static char path[sizeof(folder) + 8];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/secret", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void write_file(const char *bytes, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void is_secret(struct secret *secret, const char *bytes, size_t len)
{
    assert_non_null(secret);
    assert_int_equal(secret_bytes(secret).len, len);
    assert_memory_equal(secret_bytes(secret).data, bytes, len);
    secret_free(secret);
}

static void holds(const char *bytes, size_t len, const char *secret, size_t secret_len)
{
    struct arena a = {0};
    const char *why = NULL;
    bool open_to_all = true;

    write_file(bytes, len, 0640);
    is_secret(secret_value_file(&a, path, &open_to_all, &why), secret, secret_len);
    assert_false(open_to_all);
    unlink(path);
    arena_free(&a);
}

/* One line end is dropped, and nothing else. */
static void test_file(void **state)
{
    (void)state;
    holds("hunter2", 7, "hunter2", 7);
    holds("hunter2\n", 8, "hunter2", 7);
    holds("hunter2\r\n", 9, "hunter2", 7);
    holds("hunter2\n\n", 9, "hunter2\n", 8);
    holds(" hunter2 \n", 10, " hunter2 ", 9);
    holds("h\xc3\xbcnter\xff\n", 9, "h\xc3\xbcnter\xff", 8);
}

static void refuses(const char *what)
{
    struct arena a = {0};
    const char *why = NULL;
    bool open_to_all;

    assert_null(secret_value_file(&a, path, &open_to_all, &why));
    assert_string_equal(why, arena_printf(&a, "%s: %s", path, what));
    arena_free(&a);
}

static void test_unfit_file(void **state)
{
    char *large = malloc(SECRET_VALUE_MOST + 1);
    (void)state;

    refuses("cannot be opened: No such file or directory");
    write_file("", 0, 0600);
    refuses("empty");
    unlink(path);
    write_file("\n", 1, 0600);
    refuses("empty");
    unlink(path);
    write_file("hunter2\0", 8, 0600);
    refuses("a secret holds no NUL");
    unlink(path);
    memset(large, 'h', SECRET_VALUE_MOST + 1);
    write_file(large, SECRET_VALUE_MOST + 1, 0600);
    refuses("too large for a file with a secret (expected at most 65536 bytes, found 65537)");
    unlink(path);
    holds(large, SECRET_VALUE_MOST, large, SECRET_VALUE_MOST);
    free(large);

    assert_int_equal(mkdir(path, 0700), 0);
    refuses("not a file with a secret (expected a regular file, found a directory)");
    rmdir(path);
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes: it must not wait */
    refuses("not a file with a secret (expected a regular file, found a FIFO)");
    unlink(path);
    assert_int_equal(symlink("/dev/zero", path), 0);
    refuses("not a file with a secret (expected a regular file, found a device)");
    unlink(path);
}

static void test_unreadable_file(void **state)
{
    (void)state;
    if (geteuid() == 0) /* may read everything */
        assert_int_equal(seteuid(65534), 0);
    int fd = open("/proc/1/environ", O_RDONLY);
    struct arena a = {0};
    const char *why = NULL;
    bool open_to_all;
    if (fd < 0)
        assert_null(secret_value_file(&a, "/proc/1/environ", &open_to_all, &why));
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(fd, -1);
    assert_string_equal(why, "/proc/1/environ: cannot be opened: Permission denied");
    arena_free(&a);
}

static void test_file_open_to_all(void **state)
{
    struct arena a = {0};
    const char *why = NULL;
    bool open_to_all = false;
    (void)state;

    write_file("hunter2", 7, 0644);
    is_secret(secret_value_file(&a, path, &open_to_all, &why), "hunter2", 7);
    assert_true(open_to_all);
    unlink(path);
    arena_free(&a);
}

static void test_text(void **state)
{
    static const struct {
        const char *text;
        const char *secret; /* null = none */
        bool is_inline;
        const char *why;
    } cases[] = {
        {"hunter2", "hunter2", true, NULL},
        {"${EHLOD_TEST_SECRET}", "hunter3", false, NULL},
        {" ${EHLOD_TEST_SECRET}", " ${EHLOD_TEST_SECRET}", true, NULL},
        {"${EHLOD_TEST_SECRET}x", "${EHLOD_TEST_SECRET}x", true, NULL},
        {"${EHLOD_TEST_SECRET", "${EHLOD_TEST_SECRET", true, NULL},
        {"$EHLOD_TEST_SECRET", "$EHLOD_TEST_SECRET", true, NULL},
        {"${}", "${}", true, NULL},
        {"${1}", "${1}", true, NULL},
        {"${a-b}", "${a-b}", true, NULL},
        {"", NULL, false, "empty"},
        {"${EHLOD_TEST_EMPTY}", NULL, false, "EHLOD_TEST_EMPTY is empty in the environment"},
        {"${EHLOD_TEST_NOT_SET}", NULL, false, "EHLOD_TEST_NOT_SET is not set in the environment"},
    };
    struct arena a = {0};
    (void)state;

    setenv("EHLOD_TEST_SECRET", "hunter3", 1);
    setenv("EHLOD_TEST_EMPTY", "", 1);
    unsetenv("EHLOD_TEST_NOT_SET");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_inline = !cases[i].is_inline;
        const char *why = NULL;
        struct secret *secret = secret_value_text(&a, cases[i].text, &is_inline, &why);
        if (cases[i].secret) {
            is_secret(secret, cases[i].secret, strlen(cases[i].secret));
            assert_int_equal(is_inline, cases[i].is_inline);
        } else {
            assert_null(secret);
            assert_string_equal(why, cases[i].why);
        }
    }
    arena_free(&a);
}

static void test_long_text(void **state)
{
    char *large = malloc(SECRET_VALUE_MOST + 2);
    struct arena a = {0};
    const char *why = NULL;
    bool is_inline;
    (void)state;

    memset(large, 'h', SECRET_VALUE_MOST + 1);
    large[SECRET_VALUE_MOST + 1] = '\0';
    assert_null(secret_value_text(&a, large, &is_inline, &why));
    assert_string_equal(why, "longer than 65536 octets");
    is_secret(secret_value_text(&a, large + 1, &is_inline, &why), large + 1, SECRET_VALUE_MOST);
    free(large);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_unfit_file),
        cmocka_unit_test(test_unreadable_file),
        cmocka_unit_test(test_file_open_to_all),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_long_text),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
