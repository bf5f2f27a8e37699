/* SPDX-License-Identifier: Apache-2.0 */
/* The first line of each row is the version and the target, the others are fields. */
#include "server/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MAX_FIELDS 4

static const struct row {
    const char *version;
    const char *target;
    const char *fields[MAX_FIELDS][2];
    const char *fault; /* a word of it; null = none */
    bool body;
} rows[] = {
    {"HTTP/1.1", "/check", {{"Host", "x"}}, NULL, false},
    {"HTTP/1.0", "/check", {{"Accept", "*/*"}}, NULL, false}, /* HAProxy sends no Host */
    {"HTTP/1.1", "/check", {{"Accept", "*/*"}}, "Host", false},
    {"HTTP/1.1", "/check", {{"host", "x"}, {"HOST", "x"}}, "more than one Host", false},
    {"HTTP/1.0", "/check", {{"Host", "x"}, {"Host", "y"}}, "more than one Host", false},
    {"HTTP/1.1", "/che ck", {{"Host", "x"}}, "space", false}, /* H16 */
    {"HTTP/1.1", "/check ", {{"Host", "x"}}, "space", false},
    {"HTTP/1.1", "/che\tck", {{"Host", "x"}}, "tab", false},
    {"HTTP/1.1", "/che\rck", {{"Host", "x"}}, "carriage return", false}, /* a line end to laxer eyes */
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"Content-Length ", "5"}}, "name", false},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"X\tY", "5"}}, "name", false},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"", "5"}}, "name", false},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"X-\xc3\xa9", "5"}}, "name", false},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"!#$%&'*+-.^_`|~09azAZ", ""}}, NULL, false},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"Content-Length", "5"}}, NULL, true},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"content-length", "0"}}, NULL, true},
    {"HTTP/1.1",
     "/check",
     {{"Host", "x"}, {"Content-Length", "0"}, {"Content-Length", "5"}},
     "more than",
     true},
    {"HTTP/1.1",
     "/check",
     {{"Host", "x"}, {"Content-Length", "5"}, {"Content-Length", "5"}},
     "more than",
     true},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"Transfer-Encoding", "chunked"}}, NULL, true},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"Transfer-Encoding", "Chunked"}}, NULL, true},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"Transfer-Encoding", "gzip"}}, "unknown", true}, /* H37 */
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"Transfer-Encoding", "gzip, chunked"}}, "unknown", true},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"Transfer-Encoding", "\vchunked"}}, "unknown", true},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"Transfer-Encoding", ""}}, "unknown", true},
    {"HTTP/1.1",
     "/check",
     {{"Host", "x"}, {"Transfer-Encoding", "gzip"}, {"Transfer-Encoding", "chunked"}},
     "unknown",
     true},
    {"HTTP/1.1",
     "/check",
     {{"Host", "x"}, {"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}},
     "both", /* H36 */
     true},
    {"HTTP/1.1",
     "/check",
     {{"Host", "x"}, {"Authorization", "a"}, {"authorization", "a"}},
     "more than",
     false},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"Authorization", "a"}}, NULL, false},
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"Expect", "100-continue"}}, NULL, true}, /* H40 */
    {"HTTP/1.1", "/check", {{"Host", "x"}, {"X-Content-Length", "5"}}, NULL, false},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct head head = {.version = row->version, .target = row->target};
        for (size_t f = 0; f < MAX_FIELDS && row->fields[f][0] != NULL; f++)
            head_note(&head, row->fields[f][0], row->fields[f][1]);
        const char *fault = head_fault(&head);
        if ((fault != NULL) != (row->fault != NULL) || (fault != NULL && strstr(fault, row->fault) == NULL))
            fail_msg("row %zu: %s", i, fault != NULL ? fault : "no fault");
        if (head_has_body(&head) != row->body)
            fail_msg("row %zu: body", i);
    }
}

static void test_what_only_the_reader_can_see(void **state)
{
    struct head nul = {.version = "HTTP/1.1", .target = "/check", .nul = true, .hosts = 1};
    struct head folded = {.version = "HTTP/1.1", .target = "/check", .folded = true, .hosts = 1};

    (void)state;
    assert_non_null(strstr(head_fault(&nul), "NUL"));
    assert_non_null(strstr(head_fault(&folded), "folded"));
}

static void test_pages_of_other_sites(void **state)
{
    static const struct {
        const char *fetch_site, *origin, *host;
        bool foreign;
    } asked[] = {
        {NULL, NULL, "x", false},
        {NULL, NULL, NULL, false},
        {"same-origin", "http://y", "x", false}, /* it knows better than a proxy's Host */
        {"none", NULL, "x", false},
        {"cross-site", NULL, "x", true},
        {"same-site", "http://x", "x", true},
        {"", NULL, "x", true},
        {NULL, "http://x", "x", false},
        {NULL, "https://X:9180", "x:9180", false},
        {NULL, "http://[::1]:9180", "[::1]:9180", false},
        {NULL, "http://x:9181", "x:9180", true},
        {NULL, "http://x.example.org", "x", true},
        {NULL, "http://x", NULL, true},
        {NULL, "null", "null", true},
        {NULL, "", "", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        if (head_is_foreign(asked[i].fetch_site, asked[i].origin, asked[i].host) != asked[i].foreign)
            fail_msg("row %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_what_only_the_reader_can_see),
        cmocka_unit_test(test_pages_of_other_sites),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
