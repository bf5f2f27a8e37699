/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/verify/oauth.h"

#include "probe/base/arena.h"
#include "probe/base/clock.h"
#include "probe/base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define S CLOCK_US_PER_S

static const struct {
    int status;
    const char *body;
    const char *token, *refresh;
    int64_t life_us;
    const char *why;
} answers[] = {
    {200, "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":3600}", "abc", NULL, 3600 * S,
     NULL},
    {200,
     "{\"token_type\":\"bearer\",\"expires_in\":\"60\",\"refresh_token\":\"r2\",\"access_token\":\"a.b-c\"}",
     "a.b-c", "r2", 60 * S, NULL},
    {200, "{\"access_token\":\"abc\",\"token_type\":\"Bearer\"}", "abc", NULL, 300 * S, NULL},
    {200, "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":-5}", "abc", NULL, 1 * S, NULL},
    {200, "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":1e30}", "abc", NULL, 300 * S,
     NULL},
    {200, "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":9000000000000000000}", "abc",
     NULL, 2592000 * S, NULL},
    {200, "{\"access_token\":\"abc\",\"token_type\":\"mac\"}", NULL, NULL, 0, "its token is no bearer token"},
    {200, "{\"access_token\":\"abc\"}", NULL, NULL, 0, "its token is no bearer token"},
    {200, "{\"access_token\":\"a b\",\"token_type\":\"Bearer\"}", NULL, NULL, 0, "its answer holds no token"},
    {200, "{\"access_token\":\"a\\r\\nb\",\"token_type\":\"Bearer\"}", NULL, NULL, 0,
     "its answer holds no token"},
    {200, "{\"access_token\":\"\",\"token_type\":\"Bearer\"}", NULL, NULL, 0, "its answer holds no token"},
    {200, "{\"access_token\":7,\"token_type\":\"Bearer\"}", NULL, NULL, 0, "its answer holds no token"},
    {200, "{}", NULL, NULL, 0, "its answer holds no token"},
    {200, "[]", NULL, NULL, 0, "its answer is no JSON object"},
    {200, "", NULL, NULL, 0, "its answer is no JSON object"},
    {200, "<html>", NULL, NULL, 0, "its answer is no JSON object"},
    {200, "{\"access_token\":\"abc\",\"access_token\":\"x\",\"token_type\":\"Bearer\"}", NULL, NULL, 0,
     "its answer is no JSON object"},
    {401, "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: wrong\\nsecret\"}", NULL,
     NULL, 0, "invalid_client: AADSTS7000215: wrong\\x0Asecret"},
    {400, "{\"error\":\"invalid_grant\"}", NULL, NULL, 0, "invalid_grant"},
    {503, "down", NULL, NULL, 0, "HTTP status 503"},
    {302, "{\"access_token\":\"abc\",\"token_type\":\"Bearer\"}", NULL, NULL, 0, "HTTP status 302"},
};

static void check_text(const char *got, const char *wanted)
{
    if (wanted == NULL)
        assert_null(got);
    else
        assert_string_equal(got, wanted);
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct arena arena = {0};
        struct oauth_answer r = oauth_read_answer(&arena, answers[i].status, span_of(answers[i].body), NULL);
        check_text(r.token, answers[i].token);
        check_text(r.refresh, answers[i].refresh);
        check_text(r.why, answers[i].why);
        assert_int_equal(r.life_us, answers[i].life_us);
        arena_free(&arena);
    }
}

static void test_no_token_is_too_long(void **state)
{
    static char body[OAUTH_MAX_TOKEN + 100];
    struct arena arena = {0};
    (void)state;
    strcpy(body, "{\"token_type\":\"Bearer\",\"access_token\":\"");
    size_t start = strlen(body);
    memset(body + start, 'x', OAUTH_MAX_TOKEN);
    strcpy(body + start + OAUTH_MAX_TOKEN, "\"}");
    assert_int_equal(strlen(oauth_read_answer(&arena, 200, span_of(body), NULL).token), OAUTH_MAX_TOKEN);
    strcpy(body + start + OAUTH_MAX_TOKEN, "x\"}");
    assert_null(oauth_read_answer(&arena, 200, span_of(body), NULL).token);
    arena_free(&arena);
}

static void test_forms(void **state)
{
    static const char *const scopes[] = {"https://mail.example.org/.default", "offline_access"};
    struct secret *secret = secret_new(span_of("p&=+ \xc3\xbc~"));
    struct account_oauth oauth = {.client_id = "ehlod", .client_secret = secret};
    struct arena arena = {0};
    (void)state;
    assert_true(span_is(oauth_form(&arena, &oauth, (struct span){0}),
                        "grant_type=client_credentials&client_id=ehlod&client_secret=p%26%3D%2B%20%C3%BC~"));
    oauth.client_secret = NULL;
    oauth.scopes = scopes;
    oauth.scope_count = 2;
    assert_true(span_is(oauth_form(&arena, &oauth, span_of("1/x")),
                        "grant_type=refresh_token&client_id=ehlod&refresh_token=1%2Fx&"
                        "scope=https%3A%2F%2Fmail.example.org%2F.default%20offline_access"));
    arena_free(&arena);
    secret_free(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_no_token_is_too_long),
        cmocka_unit_test(test_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
