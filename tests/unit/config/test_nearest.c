/* SPDX-License-Identifier: Apache-2.0 */
/* Guesses: what a mistyped word means, and that nothing far is guessed. */
#include "config/nearest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const keys[] = {"timeout", "timeouts", "targets", "tls",  "helo",
                                   "source",  "family",   "routes",  "name", "cache_ttl"};

static const char *guess(const char *word)
{
    return nearest(word, keys, sizeof(keys) / sizeof(keys[0]));
}

static void test_guesses(void **state)
{
    static const struct {
        const char *word;
        const char *meant;
    } rows[] = {
        {"timeout", "timeout"},
        {"timout", "timeout"},
        {"tmieout", "timeout"},
        {"Timeout", "timeout"},
        {"TIMEOUTS", "timeouts"},
        {"timeoutss", "timeouts"},
        {"target", "targets"},
        {"tsl", "tls"},
        {"tl", "tls"},
        {"tlss", "tls"},
        {"halo", "helo"},
        {"heloo", "helo"},
        {"sauce", NULL},
        {"familly", "family"},
        {"route", "routes"},
        {"cachettl", "cache_ttl"},
        {"cache-ttl", "cache_ttl"},
        {"cacheTTL", "cache_ttl"},
        {"nmae", "name"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *found = guess(rows[i].word);
        if ((found && rows[i].meant) ? strcmp(found, rows[i].meant) != 0 : found != rows[i].meant)
            fail_msg("\"%s\" was taken for %s", rows[i].word, found ? found : "nothing");
    }
}

static void test_far(void **state)
{
    static const char *const words[] = {"",         "x",        "port",      "workers",
                                        "dialogue", "interval", "helo.helo", "\xff\xfe"};
    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (guess(words[i]))
            fail_msg("\"%s\" was taken for %s", words[i], guess(words[i]));
    assert_null(nearest("timeout", keys, 0));
}

static void test_first_of_equals(void **state)
{
    static const char *const words[] = {"ipv4", "ipv6"};
    (void)state;
    assert_string_equal(nearest("ipv5", words, 2), "ipv4");
    assert_string_equal(nearest("ipv66", words, 2), "ipv6");
}

/* Words of more than 64 letters are near to nothing, even to themselves. */
static void test_long(void **state)
{
    char word[200];
    const char *const words[] = {word};
    (void)state;
    memset(word, 'a', sizeof(word));
    for (size_t len = 60; len < sizeof(word); len++) {
        word[len] = '\0';
        assert_true((nearest(word, words, 1) != NULL) == (len <= 64));
        word[len] = 'a';
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guesses),
        cmocka_unit_test(test_far),
        cmocka_unit_test(test_first_of_equals),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests_name("config/nearest", tests, NULL, NULL);
}
