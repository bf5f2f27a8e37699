/* SPDX-License-Identifier: Apache-2.0 */
/* Paths are relative to the config file. */
#include "config/path.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *config;
    const char *path;
    const char *resolved;
} rows[] = {
    {"/etc/ehlod/ehlod.yaml", "sock", "/etc/ehlod/sock"},
    {"/etc/ehlod/ehlod.yaml", "run/sock", "/etc/ehlod/run/sock"},
    {"/etc/ehlod/ehlod.yaml", "/run/sock", "/run/sock"},
    {"/etc/ehlod/ehlod.yaml", "../sock", "/etc/ehlod/../sock"},
    {"/ehlod.yaml", "sock", "/sock"},
    {"ehlod.yaml", "sock", "sock"},
    {"ehlod.yaml", "/sock", "/sock"},
    {"./ehlod.yaml", "sock", "sock"},
    {"conf/ehlod.yaml", "sock", "conf/sock"},
    {"conf//./ehlod.yaml", ".//sock", "conf/sock"},
    {"../ehlod.yaml", "sock", "../sock"},
    {"ehlod.yaml", "a/./b//c", "a/b/c"},
    {"ehlod.yaml", "//a", "/a"},
    {"ehlod.yaml", "a/", "a"},
    {"ehlod.yaml", "...", "..."},
    {"ehlod.yaml", ".a/b.", ".a/b."},
    {"ehlod.yaml", ".", "."},
    {"/ehlod.yaml", ".", "/"},
    {"/etc/ehlod.yaml", "", "/etc"},
    {"ehlod.yaml", "", "."},
    {"ehlod.yaml", "/", "/"},
};

static void test_resolve(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a = {0};
        assert_string_equal(path_resolve(&a, rows[i].config, rows[i].path), rows[i].resolved);
        arena_free(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve),
    };
    return cmocka_run_group_tests_name("config/path", tests, NULL, NULL);
}
