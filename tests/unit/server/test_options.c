/* SPDX-License-Identifier: Apache-2.0 */
#include "server/options.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MAX_WORDS 24
#define CHECK     (OPTION_CONFIG | OPTION_SET | OPTION_FORMAT)
#define SERVE     (OPTION_CONFIG | OPTION_SET | OPTION_LOG)

/* getopt_long orders the words, so they are copied. */
static char *words[MAX_WORDS + 2];

static int read_words(unsigned set, const char *const *line, struct options *options_r)
{
    int count = 0;

    words[count++] = "ehlod test";
    for (; line[count - 1] != NULL; count++)
        words[count] = (char *)(uintptr_t)line[count - 1];
    words[count] = NULL;
    optind = 0; /* glibc: begin anew */
    return options_read(count, words, set, options_r);
}

static void test_defaults(void **state)
{
    const char *const line[] = {NULL};
    struct options o;

    (void)state;
    assert_int_equal(read_words(CHECK, line, &o), 0);
    assert_string_equal(o.config, "/etc/ehlod/ehlod.yaml");
    assert_int_equal(o.output, OUTPUT_TEXT);
    assert_int_equal(o.log_level, LOG_LEVEL_INFO);
    assert_int_equal(o.log_format, LOG_FORMAT_TEXT);
    assert_int_equal(o.set_count, 0);
    assert_int_equal(o.name_count, 0);
    assert_false(o.help);
    options_clear(&o);
}

static void test_options_and_names_in_any_order(void **state)
{
    const char *const line[] = {
        "mx1", "--set", "a=b=c", "--config=x.yaml", "mx2", "--set=d=", "--format", "json", NULL};
    struct options o;

    (void)state;
    assert_int_equal(read_words(CHECK, line, &o), 0);
    assert_string_equal(o.config, "x.yaml");
    assert_int_equal(o.output, OUTPUT_JSON);
    assert_int_equal(o.set_count, 2);
    assert_string_equal(o.sets[0], "a=b=c");
    assert_string_equal(o.sets[1], "d=");
    assert_int_equal(o.name_count, 2);
    assert_string_equal(o.names[0], "mx1");
    assert_string_equal(o.names[1], "mx2");
    options_clear(&o);
}

static void test_behind_two_dashes_all_are_names(void **state)
{
    const char *const line[] = {"--", "--help", "-x", NULL};
    struct options o;

    (void)state;
    assert_int_equal(read_words(CHECK, line, &o), 0);
    assert_false(o.help);
    assert_int_equal(o.name_count, 2);
    assert_string_equal(o.names[0], "--help");
    options_clear(&o);
}

static void test_every_name_of_a_value(void **state)
{
    static const char *const outputs[] = {"text", "json", "nagios"};
    struct options o;

    (void)state;
    for (size_t i = 0; i < OUTPUT_COUNT; i++) {
        assert_int_equal(read_words(CHECK, (const char *const[]){"--format", outputs[i], NULL}, &o), 0);
        assert_int_equal(o.output, i);
    }
    for (enum log_level l = 0; l < LOG_LEVEL_COUNT; l++) {
        assert_int_equal(read_words(SERVE, (const char *const[]){"--log-level", log_level_name(l), NULL}, &o),
                         0);
        assert_int_equal(o.log_level, l);
    }
    for (enum log_format f = 0; f < LOG_FORMAT_COUNT; f++) {
        assert_int_equal(
            read_words(SERVE, (const char *const[]){"--log-format", log_format_name(f), NULL}, &o), 0);
        assert_int_equal(o.log_format, f);
    }
}

static void test_help(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(read_words(0, (const char *const[]){"--help", NULL}, &o), 0);
    assert_true(o.help);
    assert_int_equal(read_words(SERVE, (const char *const[]){"-h", NULL}, &o), 0);
    assert_true(o.help);
}

static const struct {
    unsigned set;
    const char *line[3];
} wrong[] = {
    {CHECK, {"--format", "xml", NULL}},
    {CHECK, {"--format", "JSON", NULL}},
    {CHECK, {"--format", "", NULL}},
    {CHECK, {"--format", NULL}},
    {CHECK, {"--config", NULL}},
    {CHECK, {"--config=", NULL}},
    {CHECK, {"--set", "a", NULL}},
    {CHECK, {"--set", "=b", NULL}},
    {CHECK, {"--set=a=b", "--set", NULL}},
    {CHECK, {"--help=yes", NULL}},
    {CHECK, {"--log-level", "info", NULL}}, /* of another command */
    {SERVE, {"--format", "json", NULL}},
    {SERVE, {"--log-level", "loud", NULL}},
    {SERVE, {"--log-format", "xml", NULL}},
    {SERVE, {"--log", "x", NULL}}, /* short for two */
    {SERVE, {"-x", NULL}},
    {0, {"--config", "x", NULL}},
};

static void test_what_is_refused(void **state)
{
    struct options o;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (read_words(wrong[i].set, wrong[i].line, &o) != -1)
            fail_msg("%s is taken", wrong[i].line[0]);
}

static void test_talk(void **state)
{
    const char *const line[] = {"mx.example.org",
                                "-4",
                                "--tls=starttls",
                                "--var",
                                "a=1",
                                "--var=b=x=y",
                                "--var",
                                "a=2",
                                "-",
                                "--timeout",
                                "1500ms",
                                "--source",
                                "192.0.2.7",
                                "--helo",
                                "me",
                                "--insecure",
                                "--format",
                                "json",
                                NULL};
    struct options o;

    (void)state;
    assert_int_equal(read_words(OPTION_TALK, line, &o), 0);
    assert_int_equal(o.talk.family, FAMILY_IPV4);
    assert_int_equal(o.talk.tls, TLS_MODE_STARTTLS);
    assert_true(o.talk.insecure);
    assert_string_equal(o.talk.helo, "me");
    assert_int_equal(o.talk.timeout_us, 1500000);
    assert_int_equal(address_family(&o.talk.source), AF_INET);
    assert_int_equal(o.output, OUTPUT_JSON);
    assert_int_equal(o.talk.var_count, 3);
    assert_string_equal(o.talk.vars[0].name, "a"); /* the last one of a name counts: it is the first found */
    assert_string_equal(o.talk.vars[0].value, "2");
    assert_string_equal(o.talk.vars[1].value, "x=y");
    assert_int_equal(o.name_count, 2);
    options_clear(&o);
}

static void test_talk_defaults(void **state)
{
    const char *const line[] = {"mx.example.org", "-6", NULL};
    struct options o;

    (void)state;
    assert_int_equal(read_words(OPTION_TALK, line, &o), 0);
    assert_int_equal(o.talk.family, FAMILY_IPV6);
    assert_int_equal(o.talk.tls, TLS_MODE_OFF);
    assert_false(o.talk.insecure);
    assert_null(o.talk.helo);
    assert_int_equal(o.talk.timeout_us, 30000000);
    assert_int_equal(address_family(&o.talk.source), AF_UNSPEC);
    options_clear(&o);
}

/* Options of talk are none of check, and the other way round. */
static void test_talk_is_refused(void **state)
{
    static const struct {
        unsigned set;
        const char *word;
    } rows[] = {{CHECK, "-4"},
                {CHECK, "--tls=off"},
                {OPTION_TALK, "--config=x"},
                {OPTION_TALK, "--format=nagios"},
                {OPTION_TALK, "--tls"},
                {OPTION_TALK, "--tls=on"},
                {OPTION_TALK, "--timeout=0"},
                {OPTION_TALK, "--var=x"},
                {OPTION_TALK, "--var==x"},
                {OPTION_TALK, "--var=a\nb=x"},
                {OPTION_TALK, "--var=a=x\n"},
                {OPTION_TALK, "--helo="},
                {OPTION_TALK, "--source=[::1]"}};
    struct options o;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const line[] = {"--var=kept=1", rows[i].word, NULL};
        assert_int_equal(read_words(rows[i].set, rows[i].set == CHECK ? line + 1 : line, &o), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_options_and_names_in_any_order),
        cmocka_unit_test(test_behind_two_dashes_all_are_names),
        cmocka_unit_test(test_every_name_of_a_value),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_talk),
        cmocka_unit_test(test_talk_defaults),
        cmocka_unit_test(test_talk_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
