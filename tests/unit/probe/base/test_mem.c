/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is never refused; and what happens when there is none. */
#include "probe/base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* AddressSanitizer would end the process itself; here it is to refuse, as the C library does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void test_alloc(void **state)
{
    (void)state;
    char *p = mem_alloc(1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    memset(p, 'x', 1000);
    p = mem_resize(p, 2000);
    assert_int_equal(p[999], 'x');
    free(p);
    p = mem_alloc(0);
    assert_non_null(p);
    p = mem_resize(p, 0);
    assert_non_null(p);
    free(p);
}

static void test_dup(void **state)
{
    char *copy = mem_dup("abc");
    (void)state;
    assert_string_equal(copy, "abc");
    free(copy);
    assert_null(mem_dup(NULL));
}

/* R03: in a child, which must say so on standard error and abort. */
static void test_none_left(void **state)
{
    int pipes[2];
    char said[4096] = "";
    int status = 0;
    (void)state;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(pipes[1], STDERR_FILENO);
        mem_alloc(SIZE_MAX / 2);
        _exit(0);
    }
    close(pipes[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(pipes[0], said + len, sizeof(said) - 1 - len)) > 0;)
        len += (size_t)n;
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    const char *last = strstr(said, "ehlod: out of memory\n"); /* a sanitizer has its say before it */
    assert_non_null(last);
    assert_string_equal(last, "ehlod: out of memory\n");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_dup),
        cmocka_unit_test(test_none_left),
    };
    return cmocka_run_group_tests_name("probe/base/mem", tests, NULL, NULL);
}
