/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets: rows H16 to H24 of the fault catalogue, as far as they are a matter of parsing. */
#include "server/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct good {
    const char *target;
    const char *shown; /* segments in brackets, then parameters */
};

static const struct good goods[] = {
    {"/", "[]"},
    {"*", "[*]"},
    {"/check", "[check]"},
    {"/check/", "[check][]"},
    {"/check?", "[check]"},
    {"/check/mx1", "[check][mx1]"},
    {"/check/mx%31", "[check][mx1]"},
    {"/check/a%2Fb", "[check][a/b]"},
    {"/check/a%3Fb", "[check][a?b]"},
    {"/check/a+b", "[check][a+b]"},
    {"/check/m%C3%BCx", "[check][m\xc3\xbcx]"},
    {"//check", "[][check]"},
    {"/../etc", "[..][etc]"},
    {"/check?format=text&max_age=1s", "[check] format=text max_age=1s"},
    {"/probe?target=a+b", "[probe] target=a b"},
    {"/probe?target=a%2Bb", "[probe] target=a+b"},
    {"/probe?target=a=b", "[probe] target=a=b"},
    {"/probe?target=a/b?c", "[probe] target=a/b?c"},
    {"/probe?t%61rget=x", "[probe] target=x"},
    {"/probe?target=x%26y", "[probe] target=x&y"},
    {"http://ehlod.example:8025/check/mx1?format=text", "[check][mx1] format=text"},
    {"HTTP://ehlod.example", "[]"},
};

struct bad {
    const char *target;
    const char *parameter; /* null = none is named */
    const char *detail;    /* must be part of it */
};

static const struct bad bads[] = {
    {"", NULL, "does not begin with a slash"},
    {"check", NULL, "does not begin with a slash"},
    {"?a=b", NULL, "does not begin with a slash"},
    {"/%", NULL, "path holds a percent sign"}, /* H17 */
    {"/%4", NULL, "path holds a percent sign"},
    {"/%zz", NULL, "path holds a percent sign"},
    {"/%4z", NULL, "path holds a percent sign"},
    {"/check?timeout=%", "timeout", "holds a percent sign"},
    {"/check?timeout=%f", "timeout", "holds a percent sign"},
    {"/check?timeout=%zz", "timeout", "holds a percent sign"},
    {"/check/a%00b", NULL, "path holds a control character"},              /* H19 */
    {"/probe?target=a%00b", "target", "target holds a control character"}, /* H18 */
    {"/probe?target=a%0d%0ab", "target", "holds a control character"},     /* H20 */
    {"/probe?target=a%0ab", "target", "holds a control character"},
    {"/probe?target=a%09b", "target", "holds a control character"},
    {"/probe?target=a%7fb", "target", "holds a control character"},
    {"/probe?target=a\tb", "target", "holds a control character"},
    {"/probe?target=a%C2%85b", "target", "holds a control character"},
    {"/check/a%0d%0ab", NULL, "path holds a control character"},
    {"/probe?target=%C0%AF", "target", "not UTF-8"}, /* H21 */
    {"/probe?target=%FF", "target", "not UTF-8"},
    {"/probe?target=%ED%A0%80", "target", "not UTF-8"},
    {"/probe?target=\xff", "target", "not UTF-8"},
    {"/check/%C0%AF", NULL, "not UTF-8"},
    {"/probe?target=a&target=b", "target", "more than once"}, /* H23 */
    {"/probe?target=a&t%61rget=a", "target", "more than once"},
    {"/check?format", "format", "has no value"},
    {"/check?format=", "format", "has no value"},
    {"/check?=x", NULL, "without a name"},
    {"/check?a=b&", NULL, "without a name"},
    {"/check?a=b&&c=d", NULL, "without a name"},
    {"/check?a%00=b", NULL, "name of a parameter holds a control character"},
    {"/check?a%0a=b", NULL, "name of a parameter holds a control character"},
    {"/check#x", NULL, "fragment"},
    {"/check?a=b#x", NULL, "fragment"},
    {"/1/2/3/4/5/6/7/8/9", NULL, "too many segments"},
    {"/?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1&m=1&n=1&o=1&p=1&q=1", "q", "too many parameters"},
};

static void show(const struct url *url, char *out, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < url->segment_count; i++)
        len += (size_t)snprintf(out + len, size - len, "[%s]", url->segments[i]);
    for (size_t i = 0; i < url->parameter_count; i++)
        len += (size_t)snprintf(out + len, size - len, " %s=%s", url->parameters[i].name,
                                url->parameters[i].value);
}

static void test_good_targets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        struct arena arena = {0};
        struct url url;
        struct url_mistake mistake;
        char shown[256] = "";

        print_message("%s\n", goods[i].target);
        assert_int_equal(url_parse(&arena, span_of(goods[i].target), &url, &mistake), 0);
        show(&url, shown, sizeof shown);
        assert_string_equal(shown, goods[i].shown);
        arena_free(&arena);
    }
}

static void test_bad_targets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct arena arena = {0};
        struct url url;
        struct url_mistake mistake;

        print_message("%s\n", bads[i].target);
        assert_int_equal(url_parse(&arena, span_of(bads[i].target), &url, &mistake), -1);
        if (bads[i].parameter == NULL)
            assert_null(mistake.parameter);
        else
            assert_string_equal(mistake.parameter, bads[i].parameter);
        assert_non_null(strstr(mistake.detail, bads[i].detail));
        arena_free(&arena);
    }
}

/* A target in memory of exactly its length: nothing behind it is read. */
static void test_every_prefix(void **state)
{
    static const char whole[] = "http://h/check/m%C3%BCx?format=te%78t&timeout=1s";

    (void)state;
    for (size_t len = 0; len <= sizeof whole - 1; len++) {
        struct arena arena = {0};
        struct url url;
        struct url_mistake mistake;
        char *exact = test_malloc(len + 1);

        memcpy(exact, whole, len);
        url_parse(&arena, (struct span){exact, len}, &url, &mistake);
        test_free(exact);
        arena_free(&arena);
    }
}

static void test_unknown_parameter_names_nearest(void **state) /* H24 */
{
    static const char *const known[] = {"format", "max_age", "timeout"};
    struct arena arena = {0};
    struct url url;
    struct url_mistake mistake;

    (void)state;
    assert_int_equal(url_parse(&arena, span_of("/check?format=json&timeuot=1s"), &url, &mistake), 0);
    assert_int_equal(url_check(&arena, &url, known, 3, &mistake), -1);
    assert_string_equal(mistake.parameter, "timeuot");
    assert_non_null(strstr(mistake.detail, "Did you mean timeout?"));
    assert_int_equal(url_parse(&arena, span_of("/check?zzz=1"), &url, &mistake), 0);
    assert_int_equal(url_check(&arena, &url, known, 3, &mistake), -1);
    assert_null(strstr(mistake.detail, "Did you mean"));
    assert_int_equal(url_check(&arena, &url, known, 0, &mistake), -1);
    assert_int_equal(url_parse(&arena, span_of("/check?max_age=0"), &url, &mistake), 0);
    assert_int_equal(url_check(&arena, &url, known, 3, &mistake), 0);
    assert_string_equal(url_value(&url, "max_age"), "0");
    assert_null(url_value(&url, "format"));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_targets),
        cmocka_unit_test(test_bad_targets),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_unknown_parameter_names_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
