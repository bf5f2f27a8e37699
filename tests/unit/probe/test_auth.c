/* SPDX-License-Identifier: Apache-2.0 */
/* The table of SASL mechanisms. */
#include "probe/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_names(void **state)
{
    (void)state;
    for (enum auth_mechanism m = 0; m < AUTH_MECHANISM_COUNT; m++)
        assert_int_equal(auth_by_name(span_of(auth_name(m))), m);
    assert_int_equal(auth_by_name(span_of("scram-sha-256")), AUTH_SCRAM_SHA_256);
    assert_int_equal(auth_by_name((struct span){"PLAINER", 5}), AUTH_PLAIN);
}

/* A13, A14: not built in, nor channel binding, whose names only begin alike. */
static void test_others(void **state)
{
    static const char *const others[] = {"",     "DIGEST-MD5", "NTLM",  "SCRAM-SHA-256-PLUS",
                                         "PLAI", "PLAIN ",     "LOGIN2"};
    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(auth_by_name(span_of(others[i])), AUTH_MECHANISM_COUNT);
}

/* What shows a secret is weaker than what proves it with a password without showing it. */
static void test_order(void **state)
{
    (void)state;
    for (enum auth_mechanism m = 0; m < AUTH_MECHANISM_COUNT; m++)
        for (enum auth_mechanism n = m; n < AUTH_MECHANISM_COUNT; n++)
            if (auth_proof_of(m) == auth_proof_of(n))
                assert_true(!auth_shows_secret(m) || auth_shows_secret(n));
}

static void test_proofs(void **state)
{
    (void)state;
    assert_int_equal(auth_proof_of(AUTH_SCRAM_SHA_1), AUTH_BY_PASSWORD);
    assert_int_equal(auth_proof_of(AUTH_LOGIN), AUTH_BY_PASSWORD);
    assert_int_equal(auth_proof_of(AUTH_XOAUTH2), AUTH_BY_TOKEN);
    assert_int_equal(auth_proof_of(AUTH_OAUTHBEARER), AUTH_BY_TOKEN);
    assert_int_equal(auth_proof_of(AUTH_EXTERNAL), AUTH_BY_CERTIFICATE);
    assert_false(auth_client_speaks_first(AUTH_CRAM_MD5));
    assert_false(auth_client_speaks_first(AUTH_LOGIN));
    assert_true(auth_client_speaks_first(AUTH_PLAIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_proofs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
