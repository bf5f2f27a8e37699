/* SPDX-License-Identifier: Apache-2.0 */
#include "server/accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const types[] = {"application/json", "text/plain"};
enum { JSON, TEXT };

static const struct {
    const char *field;
    size_t chosen;
} rows[] = {
    {NULL, JSON},
    {"", JSON},
    {"*/*", JSON},
    {"application/json", JSON},
    {"text/plain", TEXT},
    {"TEXT/Plain", TEXT},
    {"text/*", TEXT},
    {"application/*", JSON},
    {"text/plain;charset=utf-8", TEXT},
    {"text/plain ; q=0.5 , application/json;q=0.4", TEXT},
    {"text/plain;q=0.4, application/json;q=0.5", JSON},
    {"text/plain, */*", TEXT},
    {"*/*, text/plain", TEXT},
    {"text/plain;q=0.5, */*", JSON},
    {"text/plain;q=0, */*;q=0.1", JSON},
    {"application/json;q=0, */*;q=0.1", TEXT},
    {"application/json;q=0.000", JSON},
    {"text/html", JSON},
    {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON},
    {"text/plain;q=", TEXT},
    {"text/plain;q=0.001", TEXT},
    {"text/plain;q=2", TEXT},
    {"text/plainer", JSON},
    {"text", JSON},
    {"text/", JSON},
    {",,;;,", JSON},
    {"*/plain", JSON},
};

static void test_choices(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].field != NULL ? rows[i].field : "(none)");
        assert_int_equal(accept_choose(rows[i].field, types, 2), rows[i].chosen);
    }
}

static void test_gzip(void **state)
{
    static const struct {
        const char *field;
        bool taken;
    } fields[] = {
        {NULL, false},           {"", false},
        {"gzip", true},          {"GZip", true},
        {"x-gzip", true},        {"deflate, gzip;q=0.1", true},
        {"gzip;q=0", false},     {"*", true},
        {"*;q=0", false},        {"gzip;q=0, *", false},
        {"*, gzip;q=0", false},  {"*;q=0, gzip", true},
        {"gzip ; q=0.0", false}, {"gzipped", false},
        {"identity, br", false}, {",,;", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        assert_int_equal(accept_gzip(fields[i].field), fields[i].taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choices), cmocka_unit_test(test_gzip)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
